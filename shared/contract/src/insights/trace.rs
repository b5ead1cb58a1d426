//! What each pillar caused and prevented.

use serde::{Deserialize, Serialize};

use super::asked::Basis;
use crate::Pillar;

/// What each pillar caused and prevented.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Trace {
    /// What the numbers are based on.
    #[serde(flatten)]
    pub basis: Basis,
    /// Who says so.
    pub source: TraceSource,
    /// One row per pillar that was seen.
    pub pillars: Vec<PillarEffect>,
}

/// Who says what a pillar did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TraceSource {
    /// Counted here, from explicit evidence in the events.
    Local,
    /// The processor of the friction that was forwarded.
    Processor,
}

/// What a pillar caused and prevented.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PillarEffect {
    /// The pillar.
    pub pillar: Pillar,
    /// Sessions in which it was seen.
    pub sessions: u64,
    /// Sum of the severities of friction events that name it, and one for each incident that does. Left out when it is of fewer
    /// than `actorsMin` actors, and so is each of the numbers below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caused: Option<u64>,
    /// Explanations asked for that no override and no abandonment followed within 10 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prevented: Option<u64>,
    /// Prevented minus caused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_impact: Option<i64>,
}
