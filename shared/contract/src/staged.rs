//! A row of the staging table, and the sealed record by which a door sets an event aside.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Code, EventId, OrgId, ProductId, Timestamp};

/// A row of the staging table: one event on its way to the connector. Never updated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedEvent {
    /// The tenant.
    pub org_id: OrgId,
    /// The tenant's product.
    pub product_id: ProductId,
    /// The event's identity.
    pub event_id: EventId,
    /// The encoded [`crate::Event`], with `recordedAt` and `ck`.
    pub body: String,
    /// CRC-32C of the body at the door.
    pub ck: u32,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When the door took it: the clock of `ttl` and of the settling time.
    pub staged_at: Timestamp,
    /// When TTL may remove it.
    pub expires_at: Timestamp,
    /// How often it was put back after TTL removed it.
    pub rescues: u32,
}

/// A stream record whose content only replay may open: raw bytes a door could not pseudonymise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedRecord {
    /// The tenant, from the key that sent it.
    pub org_id: OrgId,
    /// The event's identity.
    pub event_id: EventId,
    /// Why it was set aside.
    pub reason: Code,
    /// CRC-32C over the bytes before sealing.
    pub ck: String,
    /// When the door took it.
    pub recorded_at: Timestamp,
    /// The sealed bytes, base64 on the wire.
    pub sealed: Bytes,
}

/// Bytes that travel as base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_ref()).map(Self).map_err(|_| de::Error::custom("expected base64"))
    }
}
