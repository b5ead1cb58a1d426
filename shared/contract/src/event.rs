//! The one envelope that carries every event, as it is behind the door: identifiers are tokens.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{EventId, EventType, OrgId, Pillar, ProductId, Timestamp};

/// One event. Field order is the order on the wire, so equal events have equal bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("allOf" = crate::schema::stored_rules())))]
pub struct Event {
    /// `major.minor`; an unknown major is refused as `unsupported_version`.
    #[serde(default = "schema_version")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^1\.[0-9]{1,4}$")))]
    pub schema_version: String,
    /// Identity of the event within its organisation, for ever.
    pub event_id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// When it happened, UTC.
    pub occurred_at: Timestamp,
    /// The tenant.
    pub org_id: OrgId,
    /// The tenant's product.
    #[serde(default)]
    pub product_id: ProductId,
    /// Session token; when absent the actor groups the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::SESSION_TOKEN)))]
    pub session_id: Option<String>,
    /// Actor token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::USER_TOKEN)))]
    pub actor_id: Option<String>,
    /// Joins events of one request; a `traceparent` travels here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::CORRELATION_BYTES_MAX)))]
    pub correlation_id: Option<String>,
    /// The event that caused this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::CORRELATION_BYTES_MAX)))]
    pub causation_id: Option<String>,
    /// The host's key from which the event id was derived, as a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::OBJECT_TOKEN)))]
    pub idempotency_key: Option<String>,
    /// The pillar; required for `friction.*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_component: Option<Pillar>,
    /// 0 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 5)))]
    pub severity: Option<u8>,
    /// Path template of the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::SCREEN_BYTES_MAX)))]
    pub screen: Option<String>,
    /// Path template of the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::SCREEN_BYTES_MAX)))]
    pub route: Option<String>,
    /// What was pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<Element>,
    /// The task of a `task.*` event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The object of a `knowledge.*` event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// Declared keys of the type, see [`crate::context`]; keys are sorted.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::any_context"))]
    pub context: Map<String, Value>,
    /// What the producer suspects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signals: Option<Signals>,
    /// The experiment the actor is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Assignment>,
    /// Who sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// What the person agreed to; absent means both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// `occurredAt` was clamped to the allowed window.
    #[serde(default, skip_serializing_if = "is_false")]
    pub time_adjusted: bool,
    /// When a door took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// CRC-32C of the body at the door, 8 hex digits: tells a resend from an id used twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9a-f]{8}$")))]
    pub ck: Option<String>,
    /// Where the stream carried it; present in the archive only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRef>,
}

/// What was pressed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Element {
    /// Stable key, never the label's text; at most 128 bytes.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::KEY_BYTES_MAX)))]
    pub key: String,
    /// Button, link, field, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub kind: Option<String>,
    /// Pixels from the left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<i32>,
    /// Pixels from the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<i32>,
}

/// A task of the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Task {
    /// At most 64 bytes.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub name: String,
    /// One run of the task; a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::OBJECT_TOKEN)))]
    pub id: Option<String>,
}

/// The thing an event is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectRef {
    /// At most 64 bytes.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub kind: String,
    /// At most 128 bytes.
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::KEY_BYTES_MAX), regex(pattern = crate::schema::NAME)))]
    pub id: String,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorInfo {
    /// At most 64 bytes.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub code: String,
    /// Coarser than the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub category: Option<String>,
    /// How long it took until it failed, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(max = crate::limits::LATENCY_MS_MAX)))]
    pub latency_ms: Option<u64>,
}

/// What the producer suspects.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Signals {
    /// A taxonomy code: a layer letter, a digit, a dot, a digit (`T2.1`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[PTOGREC][0-9]\.[0-9]$")))]
    pub suggested_taxonomy: Option<String>,
    /// 1 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 5)))]
    pub suggested_severity: Option<u8>,
    /// 1 to 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 8)))]
    pub suggested_layer: Option<u8>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 1)))]
    pub confidence: Option<f64>,
    /// Short names of what was seen, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::INDICATORS_MAX), inner(length(min = 1, max = crate::limits::NAME_BYTES_MAX))))]
    pub behavioral_indicators: Vec<String>,
    /// A pattern the producer recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggested_pattern: Option<Pattern>,
}

/// A pattern the producer recognised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pattern {
    /// At most 64 bytes.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub id: String,
    /// At most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub name: Option<String>,
    /// At most 256 bytes, scrubbed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::DESCRIPTION_BYTES_MAX)))]
    pub description: Option<String>,
    /// 1 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 5)))]
    pub severity: Option<u8>,
    /// 1 to 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 8)))]
    pub suggested_layer: Option<u8>,
}

/// The experiment an actor is in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Assignment {
    /// At most 64 bytes.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub experiment_id: String,
    /// At most 64 bytes.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub variant_id: String,
    /// When the actor was assigned.
    pub assigned_at: Timestamp,
    /// `occurredAt − assignedAt` in ms, derived by the processor; negative before the assignment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_since_assignment: Option<i64>,
}

/// Who sent an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Source {
    /// At most 64 bytes.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub service: String,
    /// At most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub version: Option<String>,
    /// At most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::NAME_BYTES_MAX)))]
    pub region: Option<String>,
}

/// What the person agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Consent {
    /// May it be kept and counted?
    #[serde(default = "yes")]
    pub analytics: bool,
    /// May it be given to the connector?
    #[serde(default = "yes")]
    pub forward: bool,
}

/// Where the stream carried an event: together with the event id this tells copies in the archive apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordRef {
    /// The shard's id.
    pub shard: String,
    /// The record's sequence number, a decimal of up to 56 digits.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9]{1,56}$")))]
    pub sequence: String,
    /// When the stream took it.
    pub arrived_at: Timestamp,
}

impl Event {
    /// What the person agreed to; silence means both.
    #[must_use]
    pub fn agreed(&self) -> Consent {
        self.consent.unwrap_or(Consent { analytics: true, forward: true })
    }

    /// The stated severity, or the type's: a negative feedback is 2.
    #[must_use]
    pub fn effective_severity(&self) -> u8 {
        let negative = || {
            self.event_type == EventType::Feedback
                && self.context.get("userAction").and_then(Value::as_str) == Some("negative")
        };
        self.severity
            .unwrap_or_else(|| if negative() { 2 } else { self.event_type.default_severity() })
    }
}

fn schema_version() -> String {
    crate::limits::SCHEMA_VERSION.to_owned()
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
