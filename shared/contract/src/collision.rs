//! What is said of an event whose id belongs to another body.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{EventId, OrgId, ProductId, Timestamp};

/// A stream record by which a door hands on an event that it refused because its id belongs to another body: it is to be
/// quarantined, and nobody takes it for an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollidedRecord<'r> {
    /// The tenant.
    pub org_id: OrgId,
    /// The id that belongs to another body.
    pub event_id: EventId,
    /// The record that the event would have been.
    #[serde(borrow)]
    pub collided: &'r RawValue,
}

/// That an event which readers of the stream took for one is in quarantine, because its id belongs to another body: the detail
/// of `event.struck`. It names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventStruck {
    /// The tenant.
    pub org_id: OrgId,
    /// The tenant's product.
    pub product_id: ProductId,
    /// The id that belongs to another body.
    pub event_id: EventId,
    /// When it would have happened.
    pub occurred_at: Timestamp,
    /// CRC-32C of the body that is none, 8 hex digits.
    pub ck: String,
}
