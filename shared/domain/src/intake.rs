//! The door's decision: from the bytes of one event as a client sent it to what is stored of it.
//!
//! Raw identifiers end here. Actors and sessions become tokens, and so do task ids, idempotency keys and object ids that are
//! no plain names; screens, routes and URLs become path templates; every other text goes past the scrubber; undeclared
//! context keys are dropped; without consent to analytics only the bare head of the event is left. What comes out is
//! judged by [`crate::admit`], as it will be again behind the door.
//!
//! # Layout
//!
//! - `body`: splits a request into its events
//! - `json`, `path`, `object`: the strict reader, and where its faults lie
//! - `dialect`: spellings of version N−1
//! - `envelope`, `context`, `text`: what becomes of each field
//! - `plan`: what one request's events are to each other

use std::{collections::BTreeMap, fmt, sync::Arc};

use contract::{
    Code, Event, EventId, EventType, OrgId, ProductId, Timestamp,
    event::Consent,
    limits::{CLOCK_AHEAD_MAX_MS, EVENT_ID_AGE_MAX_MS},
    staged::{Bytes, SealedRecord},
};

pub use self::{
    body::{Events, split},
    plan::{Kept, Verdict, collided, plan},
};
use self::{
    json::{Node, Object},
    object::Fields,
    text::Cleaner,
};
use crate::{
    admit::{self, Admission, Fault},
    event_id,
    pseudonym::{Kind, Pseudonymiser, Token},
    seal::SealKey,
};

mod body;
mod context;
mod dialect;
mod envelope;
mod json;
mod object;
mod path;
mod plan;
mod text;

/// What a door knows when it reads an event.
#[derive(Clone, Copy)]
pub struct Door<'d> {
    /// The time of arrival.
    pub now: Timestamp,
    /// The organisations the caller's key is bound to. An event that names none belongs to the only one.
    pub orgs: &'d [OrgId],
    /// Their pseudonymisers. An organisation without one has no key, and nothing of it is kept.
    pub pseudonymisers: &'d BTreeMap<OrgId, Arc<Pseudonymiser>>,
    /// Seals what cannot be read.
    pub seal_key: &'d SealKey,
    /// Sixteen unpredictable bytes per call. A pointer, so that a door is one type and few events pay for entropy.
    pub entropy: &'d (dyn Fn() -> [u8; 16] + Sync),
}

impl fmt::Debug for Door<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("now", &self.now)
            .field("orgs", &self.orgs)
            .finish_non_exhaustive()
    }
}

/// What becomes of one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It can be stored.
    Ready(Box<Ready>),
    /// Nobody knows its type: its bytes are set aside, sealed.
    Sealed(Box<SealedRecord>),
    /// It is not taken.
    Rejected(Rejected),
}

/// An event as it is stored, with `recordedAt` and `ck`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// The event: tokens only.
    pub event: Event,
    /// CRC-32C of the event before it was clamped.
    pub ck: u32,
    /// Where it goes.
    pub course: Course,
    /// Undeclared context keys that were dropped.
    pub dropped_keys: usize,
    /// Entities that the scrubber replaced.
    pub scrubbed: usize,
}

/// Where a stored event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// As admission says.
    Admitted(Admission),
    /// Into the stream, where the processor sets it aside as `late`.
    Late,
}

/// An event that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The organisation it named, if it is one of the caller's.
    pub org: Option<OrgId>,
    /// Its id, if it had a readable one.
    pub event_id: Option<EventId>,
    /// Why.
    pub fault: Fault,
}

/// Reads one event. The same text at the same door gives the same outcome, except for assigned ids.
#[must_use]
pub fn read_event(raw: &str, door: &Door<'_>) -> Outcome {
    let mut known = Known::default();
    judge(raw, door, &mut known).unwrap_or_else(|fault| {
        Outcome::Rejected(Rejected { org: known.org, event_id: known.event_id, fault })
    })
}

/// What was learnt of an event before a fault was found in it.
#[derive(Debug, Default)]
struct Known {
    org: Option<OrgId>,
    event_id: Option<EventId>,
}

fn judge(raw: &str, door: &Door<'_>, known: &mut Known) -> Result<Outcome, Fault> {
    admit::fits(raw.len())?;
    let Node::Object(mut object) = json::parse(raw).map_err(path::Flaw::fault)? else {
        return Err(Fault::new(Code::InvalidShape));
    };
    known.event_id = readable_id(&object);
    let schema_version = dialect::upcast(&mut object)?;
    let fields = Fields::new(&object, "");
    let org_id = organisation(fields, door)?;
    known.org = Some(org_id.clone());
    let pseudonymiser = door.pseudonymisers.get(&org_id).ok_or(Fault::new(Code::NoKey))?;
    let mut cleaner = Cleaner { pseudonymiser, scrubbed: 0 };
    let consent = envelope::consent(fields)?;
    let (event_id, key) = identity(fields, &org_id, door, &cleaner)?;
    known.event_id = Some(event_id.clone());
    let name = fields.required_text("eventType")?;
    let agreed = consent.unwrap_or(Consent { analytics: true, forward: true });
    let Some(event_type) = EventType::parse(name) else {
        return unknown_type(raw, door, org_id, event_id, agreed);
    };
    let head = envelope::Head {
        schema_version,
        event_id,
        event_type,
        occurred_at: fields
            .time("occurredAt")?
            .ok_or_else(|| fields.fault(Code::MissingField, "occurredAt"))?,
        org_id,
        product_id: product(fields)?,
        consent,
    };
    if !agreed.analytics {
        return ready(envelope::bare(head, fields)?, door.now, 0, 0);
    }
    let body = envelope::whole(head, key, fields, &mut cleaner)?;
    ready(body.event, door.now, body.dropped_keys, cleaner.scrubbed)
}

/// Stamps and judges the event. A fault found only here is the client's as well.
fn ready(
    mut event: Event,
    now: Timestamp,
    dropped_keys: usize,
    scrubbed: usize,
) -> Result<Outcome, Fault> {
    let ck = admit::ck(&event);
    event.ck = Some(admit::ck_text(ck));
    event.recorded_at = Some(now);
    admit::clamp(&mut event, now);
    let course = match admit::admit(&event, now) {
        Ok(admission) => Course::Admitted(admission),
        Err(Fault { code: Code::Late, .. }) => Course::Late,
        Err(fault) => return Err(fault),
    };
    Ok(Outcome::Ready(Box::new(Ready { event, ck, course, dropped_keys, scrubbed })))
}

/// Bytes that nobody can pseudonymise are kept sealed, or not at all when the person did not agree.
fn unknown_type(
    raw: &str,
    door: &Door<'_>,
    org_id: OrgId,
    event_id: EventId,
    agreed: Consent,
) -> Result<Outcome, Fault> {
    if !agreed.analytics {
        return Err(Fault::at(Code::UnknownEventType, "/eventType"));
    }
    let context = format!("{org_id}/{event_id}");
    Ok(Outcome::Sealed(Box::new(SealedRecord {
        sealed: Bytes(door.seal_key.seal(&context, raw.as_bytes())),
        ck: admit::ck_text(crc32c::crc32c(raw.as_bytes())),
        org_id,
        event_id,
        reason: Code::UnknownEventType,
        recorded_at: door.now,
    })))
}

fn readable_id(object: &Object<'_>) -> Option<EventId> {
    let text = object.member("eventId")?.as_text()?;
    EventId::parse(text).ok().map(EventId::canonical)
}

/// The organisation comes from the key; the event may only choose among the key's.
fn organisation(fields: Fields<'_, '_>, door: &Door<'_>) -> Result<OrgId, Fault> {
    match (fields.text("orgId")?, door.orgs) {
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(fields.fault(Code::MissingField, "orgId")),
        (Some(name), orgs) => match orgs.iter().find(|org| org.as_str() == name) {
            Some(org) => Ok(org.clone()),
            None if OrgId::parse(name).is_ok() => Err(fields.fault(Code::ForeignOrg, "orgId")),
            None => Err(fields.fault(Code::InvalidValue, "orgId")),
        },
    }
}

fn product(fields: Fields<'_, '_>) -> Result<ProductId, Fault> {
    let invalid = |_| fields.fault(Code::InvalidValue, "productId");
    fields
        .text("productId")?
        .map_or(Ok(ProductId::default()), |name| ProductId::parse(name).map_err(invalid))
}

/// The event's id: its own, else the one its idempotency key stands for, else a new one.
fn identity(
    fields: Fields<'_, '_>,
    org: &OrgId,
    door: &Door<'_>,
    cleaner: &Cleaner<'_>,
) -> Result<(EventId, Option<Token>), Fault> {
    let key = match fields.text("idempotencyKey")? {
        None => None,
        Some(raw) => cleaner
            .identifier(Kind::Object, raw)
            .map_err(|code| fields.fault(code, "idempotencyKey"))?,
    };
    if let Some(text) = fields.text("eventId")? {
        let id = EventId::parse(text).map_err(|_| fields.fault(Code::InvalidEventId, "eventId"))?;
        let id = id.canonical();
        if !is_recent(&id, door.now) {
            return Err(fields.fault(Code::EventIdTime, "eventId"));
        }
        return Ok((id, key));
    }
    let id = match &key {
        Some(key) => event_id::derived(org, key),
        None => event_id::v7(door.now, (door.entropy)()),
    };
    Ok((id, key))
}

/// A door leaves a day between what it takes and what the processor still recognises.
fn is_recent(id: &EventId, now: Timestamp) -> bool {
    id.uuid_v7_ms().is_none_or(|ms| {
        (-CLOCK_AHEAD_MAX_MS..=EVENT_ID_AGE_MAX_MS).contains(&now.since_ms(Timestamp::from_ms(ms)))
    })
}

#[cfg(test)]
mod tests;
