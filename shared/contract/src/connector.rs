//! The outbound contract: what the external connector is sent, and what it answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Timestamp;

/// The body of one delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConnectorBatch {
    /// At most 96 events of one organisation.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::BATCH_EVENTS_MAX)))]
    pub events: Vec<FrictionEvent>,
    /// About the batch.
    pub batch_metadata: BatchMetadata,
}

/// About a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BatchMetadata {
    /// Also the `Idempotency-Key`: the same on every retry.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::UUID)))]
    pub batch_id: String,
    /// The batch's number within its organisation; a split or a remainder appends `.suffix`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9]{12,20}(\.([01]|r[1-9]))*$")))]
    pub batch_seq: String,
    /// Number of events.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = crate::limits::BATCH_EVENTS_MAX)))]
    pub event_count: usize,
    /// Time of the earliest event.
    pub first_at: Timestamp,
    /// Time of the latest event.
    pub last_at: Timestamp,
    /// The instance that sends.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub source: String,
}

/// One friction event in the connector's ten-type schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FrictionEvent {
    /// `evt_` and 16 hex digits, derived from the organisation and the event id.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^evt_[0-9a-f]{16}$")))]
    pub event_id: String,
    /// When it happened, UTC.
    pub timestamp: Timestamp,
    /// The instance that sends.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub source: String,
    /// The TRACE pillar.
    pub trace_component: crate::Pillar,
    /// One of the ten types, without family.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = crate::schema::friction_names())))]
    pub event_type: String,
    /// The tenant.
    #[cfg_attr(feature = "schema", schemars(with = "crate::OrgId"))]
    pub org_id: String,
    /// The tenant's product.
    #[cfg_attr(feature = "schema", schemars(with = "crate::ProductId"))]
    pub product_id: String,
    /// 0 to 5.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 5)))]
    pub severity: u8,
    /// Actor token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::USER_TOKEN)))]
    pub user_id: Option<String>,
    /// Session token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::SESSION_TOKEN)))]
    pub session_id: Option<String>,
    /// The team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub team_id: Option<String>,
    /// `feature`, `aiConfidence`, `userAction`, `sessionDuration` (s), `explanationLevel`, `complianceFlags`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::connector_context"))]
    pub context: Map<String, Value>,
    /// What the producer suspects; the profile chooses this or `suggestedPattern`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub friction_signals: Option<crate::event::Signals>,
    /// A recognised pattern; the profile chooses this or `frictionSignals`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggested_pattern: Option<crate::event::Pattern>,
    /// `athenaVersion`, `orgSize`, `industry`, `deploymentAge` (days).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::connector_metadata"))]
    pub metadata: Map<String, Value>,
}

/// The connector's answer, after its dialect was read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConnectorAnswer {
    /// How many events it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<u64>,
    /// How many events it knew already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<u64>,
    /// How many frictions it made of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frictions_created: Option<u64>,
    /// What it found out, per event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrichment: Vec<Enrichment>,
    /// What it did not take, per event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<EventError>,
}

/// What the connector found out about one event; further fields are kept as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Enrichment {
    /// The connector's id of the event; absent when it speaks of the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The pattern it recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern_id: Option<String>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern_name: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(with = "std::collections::BTreeMap<String, Value>"))]
    pub more: Map<String, Value>,
}

/// Why the connector did not take one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventError {
    /// The connector's id of the event.
    pub event_id: String,
    /// Its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// True when it may be taken later; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
}
