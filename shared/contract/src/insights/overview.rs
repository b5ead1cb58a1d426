//! An organisation's sessions at a glance.

use serde::{Deserialize, Serialize};

use super::{
    asked::{Basis, Trend},
    hotspots::TopHotspot,
};
use crate::{Timestamp, incident::Rule};

/// An organisation's sessions at a glance. What is not known is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Overview {
    /// What the numbers are based on.
    #[serde(flatten)]
    pub basis: Basis,
    /// Totals; left out when fewer than `actorsMin` actors are behind them.
    #[serde(flatten)]
    pub totals: Option<Totals>,
    /// The same of the period of the same length right before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousTotals>,
    /// What the friction index is made of, the largest part first.
    pub contributions: Vec<SignalPart>,
    /// Incidents by rule, most frequent first.
    pub incidents_by_rule: Vec<RuleCount>,
    /// Tasks, most frequent first.
    pub tasks: Vec<TaskCount>,
    /// The screens that hurt most.
    pub top_hotspots: Vec<TopHotspot>,
    /// What changed most; absent when nothing did, or when too little is known to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note_of_the_day: Option<Note>,
}

/// Totals of a period.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Totals {
    /// Closed sessions that began in it: the sample that all of this is about.
    pub sessions: u64,
    /// Events in them.
    pub events: u64,
    /// Incidents in them; absent when they are of fewer than `actorsMin` actors, or would tell about so few beside
    /// `incidentsByRule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incidents: Option<u64>,
    /// From first to last event, pauses of more than 60 s left out, ms.
    pub active_ms: u64,
    /// From first to last event, ms.
    pub duration_ms: u64,
    /// Mean frustration score, 0 to 1; absent without sessions, and when fewer than `actorsMin` actors had any friction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub friction_index: Option<f64>,
    /// Nine of ten sessions have a frustration score of at most this, rounded up to 0.05.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub friction_p90: Option<f64>,
    /// Incidents per active minute; absent with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub friction_rate: Option<f64>,
    /// Part of the sessions whose score is 0.5 and more, 0 to 1; absent when these sessions, or the others, are of fewer than
    /// `actorsMin` actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frustrated_share: Option<f64>,
    /// Mean efficiency score over the sessions that have one, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub efficiency_score: Option<f64>,
    /// How many sessions have one; absent when these sessions, or the others, are of fewer than `actorsMin` actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub efficiency_sessions: Option<u64>,
}

/// Totals of the period before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PreviousTotals {
    /// Its start.
    pub from: Timestamp,
    /// Its end, exclusive.
    pub to: Timestamp,
    /// Its totals.
    #[serde(flatten)]
    pub totals: Totals,
}

/// A signal's part of the friction index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignalPart {
    /// The signal: an incident's rule, or an event type.
    pub signal: String,
    /// What it adds to the friction index. These parts add up to the index, but for those that are left out.
    pub points: f64,
    /// Its part of the index, 0 to 1.
    pub share: f64,
    /// Sessions in which it was seen; absent when the others are of fewer than `actorsMin` actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
}

/// How often a rule saw something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuleCount {
    /// The rule.
    pub rule: Rule,
    /// Incidents.
    pub incidents: u64,
    /// Sessions that had one; absent when the others are of fewer than `actorsMin` actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
}

/// How a task went. How many runs ended in a way is absent when these are of fewer than `actorsMin` actors, or would tell about
/// so few beside the other numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskCount {
    /// Its name.
    pub task: String,
    /// Sessions in which it was begun; absent when the others are of fewer than `actorsMin` actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
    /// Runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// Brought to their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<u64>,
    /// Given up on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<u64>,
    /// Left open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abandoned: Option<u64>,
    /// Completed of begun, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_rate: Option<f64>,
}

/// What changed most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Note {
    /// In a sentence made of the numbers below.
    pub text: String,
    /// The signal.
    pub signal: String,
    /// What it adds to the friction index now.
    pub points: f64,
    /// What it added in the period before.
    pub previous_points: f64,
    /// Which way it went.
    pub trend: Trend,
}
