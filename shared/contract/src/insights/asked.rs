//! What an answer is about, and what its numbers are based on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{OrgId, ProductId, Timestamp};

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Asked {
    /// The organisation; absent for all of them, which only a key that operates the installation can ask about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_id: Option<OrgId>,
    /// The product; absent for all of the organisation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<ProductId>,
    /// Start of the time covered. Sums are kept per UTC day, so that they cover whole days; lists cover the time itself.
    pub from: Timestamp,
    /// End of the time covered, exclusive.
    pub to: Timestamp,
    /// When it was read. Sessions that closed later are not in it.
    pub as_of: Timestamp,
}

/// What numbers are based on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Basis {
    /// What they are about.
    #[serde(flatten)]
    pub asked: Asked,
    /// How many numbers are left out since fewer than `actorsMin` actors are behind them, or behind what would be known by
    /// subtracting them from a number that is told: whole rows, and single numbers of rows that are absent then.
    pub suppressed: u64,
    /// The formulas behind scores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// The thresholds that were used, by name.
    pub thresholds: BTreeMap<String, f64>,
}

/// Which way a number went against the period before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Trend {
    /// More.
    Up,
    /// Less.
    Down,
    /// The difference is below the thresholds.
    Flat,
}
