//! What the commands of `tribo` print with `--json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Timestamp, ledger::LedgerReport};

/// `tribo keys create`: the only time the key is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedKey {
    /// Names the key in lists and revocations.
    pub key_id: String,
    /// The secret.
    pub key: String,
    /// The organisation it is bound to.
    pub org: String,
    /// `ingest`, `read`, `admin`.
    pub scopes: Vec<String>,
}

/// `tribo keys list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedKey {
    /// Names the key.
    pub key_id: String,
    /// The organisation it is bound to.
    pub org: String,
    /// `ingest`, `read`, `admin`.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// `tribo send`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendReport {
    /// Lines that held an event.
    pub sent: u64,
    /// New to the server.
    pub accepted: u64,
    /// Known to the server.
    pub duplicates: u64,
    /// Refused, by code.
    pub rejected: BTreeMap<String, u64>,
    /// Wall time.
    pub seconds: f64,
}

/// `tribo demo`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoReport {
    /// The ledger at the end.
    #[serde(flatten)]
    pub ledger: LedgerReport,
    /// The largest counters, and whether every counter equals its recomputation.
    pub counters: CounterSummary,
    /// What the archive holds.
    pub archive: ArchiveSummary,
    /// Planted identifiers found in what was written; 0 or the demo failed.
    pub leaks: u64,
    /// Wall time.
    pub seconds: f64,
}

/// Counters against their recomputation from the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CounterSummary {
    /// Number of counters compared.
    pub compared: u64,
    /// Number that differ.
    pub different: u64,
    /// The largest, by name.
    pub top: Vec<(String, u64)>,
}

/// What the archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchiveSummary {
    /// Objects.
    pub objects: u64,
    /// Distinct events in them.
    pub events: u64,
    /// Where they lie.
    pub location: String,
}
