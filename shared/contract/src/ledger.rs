//! The ledger: what became of every event, per organisation; and where one event is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The ledger of all organisations that a reader may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LedgerReport {
    /// When it was read.
    pub as_of: Timestamp,
    /// Stream records that no consumer has finished.
    pub stream_lag: u64,
    /// One row per organisation, by name.
    pub orgs: Vec<OrgLedger>,
    /// True when every row balances.
    pub balanced: bool,
}

/// One organisation's row.
///
/// Law: `acceptedForward = delivered + parked + pending + erasedForward` and `accepted = acceptedForward + counted`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrgLedger {
    /// The organisation.
    #[cfg_attr(feature = "schema", schemars(with = "crate::OrgId"))]
    pub org: String,
    /// Events made durable, each once.
    pub accepted: u64,
    /// Those of them that are to reach the connector.
    pub accepted_forward: u64,
    /// Those of them that are terminal without being forwarded: counted, quarantined or suppressed.
    pub counted: u64,
    /// Sent again and recognised; an observation, not part of the law.
    pub duplicates: u64,
    /// Refused at a door, by code; an observation, not part of the law.
    pub rejected: BTreeMap<String, u64>,
    /// Objects set aside, by reason.
    pub quarantined: BTreeMap<String, u64>,
    /// Not kept or not forwarded for want of consent.
    pub suppressed: u64,
    /// Events moved into batches.
    pub formed: u64,
    /// Events the connector took.
    pub delivered: u64,
    /// Those of them that it took without saying so per event.
    pub unconfirmed: u64,
    /// Events the connector will not take, kept with its reason.
    pub parked: u64,
    /// Measured: staged, in a batch that waits, or being rescued.
    pub pending: u64,
    /// Erased on request.
    pub erased: u64,
    /// Those of them that had been on their way to the connector.
    pub erased_forward: u64,
    /// Whether the law holds, or why it need not yet.
    pub state: Balance,
    /// `acceptedForward − (delivered + parked + pending + erasedForward)` plus `accepted − acceptedForward − counted`.
    pub difference: i64,
    /// `state` is `balanced`.
    pub balanced: bool,
}

/// Whether the law holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Balance {
    /// It holds, at stream lag zero.
    Balanced,
    /// Records are in flight; the difference is at most their number.
    #[default]
    Settling,
    /// It does not hold although nothing is in flight: a bug, or a store that was tampered with.
    Broken,
}

/// Where one event is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Whereabouts {
    /// The event.
    #[cfg_attr(feature = "schema", schemars(with = "crate::EventId"))]
    pub event_id: String,
    /// Its organisation.
    #[cfg_attr(feature = "schema", schemars(with = "crate::OrgId"))]
    pub org: String,
    /// `pending`, `batched`, `delivered`, `parked`, `quarantined`, `suppressed`, `counted`, `accepted`.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["pending", "batched", "delivered", "parked", "quarantined", "suppressed", "counted", "accepted"])))]
    pub state: String,
    /// Every station it passed, in order.
    pub stations: Vec<Station>,
}

/// One station of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Station {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub station: String,
    /// What it says: a batch number, an object key, a reason.
    pub detail: String,
}
