//! What an organisation is told about its friction.
//!
//! - here: what the connector says about an organisation
//! - [`asked`]: what an answer is about, and what it is based on
//! - [`overview`], [`hotspots`], [`trace`]: sums and means over sessions
//! - [`flows`]: which way people go
//! - [`unusual`]: sessions that went where hardly anybody goes
//! - [`pages`]: sessions, incidents and events themselves

pub mod asked;
pub mod flows;
pub mod hotspots;
pub mod overview;
pub mod pages;
pub mod trace;
pub mod unusual;

use serde::{Deserialize, Serialize};

use crate::{Pillar, Timestamp};

/// An organisation's friction over a time. What is not known is absent, never invented.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FrictionInsights {
    /// The organisation.
    #[cfg_attr(feature = "schema", schemars(with = "crate::OrgId"))]
    pub org_id: String,
    /// When this was computed.
    pub generated_at: Timestamp,
    /// Counts of friction.
    pub friction_summary: FrictionSummary,
    /// One row per pillar with events.
    pub trace_effectiveness: Vec<PillarEffectiveness>,
    /// What the connector expects to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predictions: Vec<Prediction>,
    /// What to do, most urgent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommendations: Vec<Recommendation>,
    /// Comparison with others, where enough others exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub benchmarks: Vec<Benchmark>,
}

/// Counts of friction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FrictionSummary {
    /// Start of the time covered.
    pub from: Timestamp,
    /// End of the time covered, exclusive.
    pub to: Timestamp,
    /// Friction events.
    pub total: u64,
    /// By type, most frequent first.
    pub by_type: Vec<TypeCount>,
}

/// How often a type occurred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TypeCount {
    /// The type.
    pub event_type: crate::EventType,
    /// How often.
    pub count: u64,
}

/// How a pillar did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PillarEffectiveness {
    /// The pillar.
    pub pillar: Pillar,
    /// Frictions it prevented.
    pub frictions_prevented: u64,
    /// Frictions it caused.
    pub frictions_caused: u64,
    /// Prevented minus caused.
    pub net_impact: i64,
}

/// An expectation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Prediction {
    /// The pattern expected.
    pub pattern_id: String,
    /// 0 to 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 1)))]
    pub probability: f64,
}

/// Advice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Recommendation {
    /// How urgent.
    pub priority: Priority,
    /// What to do.
    pub action: String,
}

/// How urgent advice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Priority {
    /// Now.
    P1,
    /// Soon.
    P2,
    /// Later.
    P3,
}

/// A comparison with others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Benchmark {
    /// What is compared.
    pub metric: String,
    /// The organisation's value.
    pub value: f64,
    /// The others' median.
    pub median: f64,
}
