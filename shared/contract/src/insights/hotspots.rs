//! Where it hurts.

use serde::{Deserialize, Serialize};

use super::asked::{Basis, Trend};

/// Screens, the one that hurts most first: by mean friction times sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hotspots {
    /// What the numbers are based on.
    #[serde(flatten)]
    pub basis: Basis,
    /// The screens.
    pub hotspots: Vec<Hotspot>,
    /// Screens that are not ranked, since fewer than `sessionsMin` sessions saw them.
    pub too_small: u64,
}

/// A screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hotspot {
    /// The screen's path template.
    pub screen_id: String,
    /// Sessions that saw it.
    pub sessions: u64,
    /// Mean over them of the frustration formula over what happened on this screen alone, 0 to 1.
    pub avg_friction: f64,
    /// Mean friction times sessions: what the rank is.
    pub impact: f64,
    /// Mean efficiency score of the sessions that saw it and have one, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_efficiency: Option<f64>,
    /// Part of its sessions with a burst of clicks on it, 0 to 1; absent when these sessions, or the others, are fewer than
    /// `actorsMin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rage_click_rate: Option<f64>,
    /// Part of its sessions that ended on it, 0 to 1; absent when these sessions, or the others, are fewer than `actorsMin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropoff_rate: Option<f64>,
    /// Incidents on it; absent when the sessions that had one are fewer than `actorsMin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incidents: Option<u64>,
    /// Mean time on it per visit, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_time_spent_ms: Option<u64>,
    /// Against the period of the same length right before; absent when that has too few sessions or actors to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
    /// Mean friction in the period before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_friction: Option<f64>,
    /// Sessions that saw it in the period before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_sessions: Option<u64>,
}

/// A screen in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TopHotspot {
    /// The screen's path template.
    pub screen_id: String,
    /// Mean friction on it, 0 to 1.
    pub friction: f64,
    /// Sessions that saw it; absent when the other sessions are of fewer than `actorsMin` actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact_sessions: Option<u64>,
    /// Against the period before, where that says enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
    /// Mean friction in the period before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_friction: Option<f64>,
}
