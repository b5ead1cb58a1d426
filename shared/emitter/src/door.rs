//! From a draft to a row of the staging table, by the rules of the HTTP door.

use std::{collections::BTreeMap, sync::Arc};

use contract::{
    Code, Event, EventId, OrgId, ProductId, Timestamp,
    limits::{SCHEMA_VERSION, STAGING_TTL_MS},
    staged::StagedEvent,
};
use domain::{
    admit::Fault,
    event_id,
    intake::{self, Course, Outcome, Ready},
    pseudonym::{Kind, Pseudonymiser},
    seal::SealKey,
};
use serde_json::json;

use crate::{draft::Fields, error::ConnectError, settings::Settings, task};

/// What is the same for every event of a host.
pub(crate) struct Door {
    org: [OrgId; 1],
    product: ProductId,
    /// Encoded once.
    source: String,
    pseudonymisers: BTreeMap<OrgId, Arc<Pseudonymiser>>,
    seal_key: SealKey,
}

/// A row, and what it lost on the way.
pub(crate) struct Prepared {
    pub(crate) row: StagedEvent,
    /// Undeclared context keys.
    pub(crate) keys_dropped: u64,
}

impl Door {
    pub(crate) fn new(settings: Settings, pseudonymiser: Pseudonymiser, entropy: [u8; 16]) -> Self {
        let Settings { org, product, service, version, region, .. } = settings;
        Self {
            source: json!({ "service": service, "version": version, "region": region }).to_string(),
            pseudonymisers: BTreeMap::from([(org.clone(), Arc::new(pseudonymiser))]),
            org: [org],
            product,
            seal_key: unused_seal_key(entropy),
        }
    }

    /// Sends an event as far as the row, so that a host whose every event would be refused does not start.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), ConnectError> {
        let fields = task::started("connect").into_fields();
        let event_id = event_id::v7(now, [0; 16]);
        match self.row(fields, event_id, now) {
            Ok(_) => Ok(()),
            Err(Fault { code, path }) => {
                Err(ConnectError::NotAdmitted { code, path: path.unwrap_or_default() })
            }
        }
    }

    /// The event's id: its own, else the one its idempotency key stands for, else a new one.
    pub(crate) fn event_id(&self, fields: &Fields, now: Timestamp, entropy: [u8; 16]) -> EventId {
        if let Some(id) = &fields.event_id {
            return id.clone().canonical();
        }
        let [org] = &self.org;
        match (&fields.idempotency_key, self.pseudonymisers.get(org)) {
            (Some(key), Some(pseudonymiser)) => {
                let key = pseudonymiser.tokenise(Kind::Object, key.as_str().trim());
                event_id::derived(org, &key)
            }
            (Some(_), None) | (None, _) => event_id::v7(now, entropy),
        }
    }

    /// The draft as a row: tokens only.
    pub(crate) fn row(
        &self,
        fields: Fields,
        event_id: EventId,
        now: Timestamp,
    ) -> Result<Prepared, Fault> {
        // JSON has no word for a number that is not finite; a key that must be there would be missing.
        if let Some((key, _)) = fields.context.iter().find(|(_, value)| value.is_null()) {
            let declared = contract::context::declared(fields.event_type, key);
            let path =
                declared.map_or("/context".to_owned(), |key| format!("/context/{}", key.name));
            return Err(Fault::at(Code::InvalidNumber, path));
        }
        let required = fields.required;
        let sent = self.sent(&fields, &event_id, now);
        let door = intake::Door {
            now,
            orgs: &self.org,
            pseudonymisers: &self.pseudonymisers,
            seal_key: &self.seal_key,
            entropy: &|| [0; 16],
        };
        match intake::read_event(&sent, &door) {
            Outcome::Ready(ready) => {
                has_all(&ready.event, required)?;
                row(*ready, now)
            }
            Outcome::Rejected(rejected) => Err(rejected.fault),
            Outcome::Sealed(_) => Err(Fault::at(Code::UnknownEventType, "/eventType")),
        }
    }

    /// The event as a client of the HTTP door would send it, raw identifiers and all.
    fn sent(&self, fields: &Fields, event_id: &EventId, now: Timestamp) -> String {
        let [org] = &self.org;
        let mut sent = String::with_capacity(SENT_BYTES);
        sent.push_str("{\"source\":");
        sent.push_str(&self.source);
        let mut text = |name: &str, text: &str| member(&mut sent, name, &text);
        text("schemaVersion", SCHEMA_VERSION);
        text("eventId", event_id.as_str());
        text("eventType", fields.event_type.as_str());
        text("occurredAt", &fields.occurred_at.unwrap_or(now).to_string());
        text("orgId", org.as_str());
        text("productId", fields.product.as_ref().unwrap_or(&self.product).as_str());
        for (name, raw) in [
            ("actorId", &fields.actor),
            ("sessionId", &fields.session),
            ("idempotencyKey", &fields.idempotency_key),
        ] {
            if let Some(raw) = raw {
                text(name, raw.as_str());
            }
        }
        for (name, value) in &fields.others {
            member(&mut sent, name, value);
        }
        member(&mut sent, "context", &fields.context);
        sent.push('}');
        sent
    }
}

/// Appends a member of an object; the names are our own and need no escaping.
fn member(object: &mut String, name: &str, value: &impl serde::Serialize) {
    object.push_str(",\"");
    object.push_str(name);
    object.push_str("\":");
    // Texts and JSON values always encode.
    object.push_str(&serde_json::to_string(value).unwrap_or_default());
}

/// The HTTP door seals events of unknown types. A draft has a known one, and what this key would seal nobody could open.
fn unused_seal_key(entropy: [u8; 16]) -> SealKey {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(entropy).for_each(|(byte, random)| *byte = random);
    SealKey::from_bytes(bytes)
}

/// The door drops blank texts, and everything but the head of an event without consent.
fn has_all(event: &Event, required: &[&str]) -> Result<(), Fault> {
    match required.iter().find(|key| !event.context.contains_key(**key)) {
        Some(key) if event.agreed().analytics => {
            Err(Fault::at(Code::MissingField, format!("/context/{key}")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Late events have no place in staging: they would be refused by every reader.
fn row(ready: Ready, now: Timestamp) -> Result<Prepared, Fault> {
    let Ready { event, ck, course, dropped_keys, scrubbed: _ } = ready;
    match course {
        Course::Admitted(_) => {}
        Course::Late => return Err(Fault::at(Code::Late, "/occurredAt")),
    }
    let body = serde_json::to_string(&event).map_err(|_| Fault::new(Code::Internal))?;
    let row = StagedEvent {
        org_id: event.org_id,
        product_id: event.product_id,
        event_id: event.event_id,
        body,
        ck,
        occurred_at: event.occurred_at,
        staged_at: now,
        expires_at: now.plus_ms(STAGING_TTL_MS),
        rescues: 0,
    };
    Ok(Prepared { row, keys_dropped: u64::try_from(dropped_keys).unwrap_or(u64::MAX) })
}

/// Room for a usual event.
const SENT_BYTES: usize = 1_024;
