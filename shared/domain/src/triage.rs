//! Triage: what a stream record is and what becomes of it. Never fails: a bad record is a value beside its neighbours.

mod fault;

use contract::{
    Code, Event, EventId, OrgId, Timestamp,
    change::{self, ChangeRecord},
    collision::CollidedRecord,
    kinesis::{Data, Record, RecordBatch},
    limits::{
        DEDUPE_HORIZON_MS, RECORD_BYTES_MAX, STAGING_TTL_MS, SYSTEMIC_POISON_PERCENT,
        SYSTEMIC_RECORDS_MIN,
    },
    staged::{SealedRecord, StagedEvent},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::admit::{Admission, Fault, admit, ck_of, ck_text, clamp, fits};

/// What a record is.
#[derive(Debug, Clone, PartialEq)]
pub enum Class {
    /// An event to be counted and archived.
    Event(Box<Admitted>),
    /// Bytes that a door set aside: to be quarantined as they are.
    Sealed(SealedRecord),
    /// TTL removed this row before any batch took it over: it goes back into staging, with its new `expires_at` and
    /// `rescues`.
    Rescue(Box<StagedEvent>),
    /// Nothing to do.
    Ignored(Ignored),
    /// To be quarantined and acknowledged.
    Poison(Poison),
}

/// An event that may be counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The event, clamped; it carries its `ck` and no `record`.
    pub event: Event,
    /// CRC-32C of the body at the door: tells a resend from an id used twice.
    pub ck: u32,
    /// Where it goes.
    pub admission: Admission,
}

/// Why a record needs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// A staging row changed: nothing of ours does that, and nothing follows from it.
    Modified,
    /// A batch took the row over.
    Taken,
}

/// A record that cannot be used. It says why, never what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poison {
    /// Why.
    pub fault: Fault,
    /// The organisation, where the record still told it.
    pub org: Option<OrgId>,
    /// The event's id, where the record still told it.
    pub event_id: Option<EventId>,
    /// True when a door had accepted the event under this id: it ends here, unless it is on its way to the connector.
    pub terminal: bool,
}

/// The fault of an event whose id belongs to another body.
#[must_use]
pub fn collision() -> Fault {
    Fault::at(Code::IdCollision, "/eventId")
}

/// Classifies one record of `batch`.
#[must_use]
pub fn triage(batch: &RecordBatch, record: &Record) -> Class {
    match record.data {
        Data::Decoded(_) => classify(batch.bytes(record), record.arrived_at),
        Data::Faulty(_, code) => poison(Fault::new(code)),
    }
}

/// Classifies the bytes of a record that arrived at `arrived_at`.
#[must_use]
pub fn classify(bytes: &[u8], arrived_at: Timestamp) -> Class {
    if bytes.starts_with(KPL_MAGIC) {
        return poison(Fault::new(Code::KplAggregated));
    }
    if bytes.len() > RECORD_BYTES_MAX {
        return poison(Fault::new(Code::RecordTooLarge));
    }
    let first_try = match first_key(bytes) {
        Some(key) if CHANGE_KEYS.contains(&key) => change_record(bytes, arrived_at),
        Some(_) => event_record(bytes, arrived_at),
        // An array would be read as an event, field by field.
        None => return poison(fault::not_an_object(bytes)),
    };
    first_try.unwrap_or_else(|error| second_try(bytes, arrived_at, &error))
}

/// True when so many records are undecodable or invalid that the reader is suspected, not the data: a bad deploy.
/// What a door set aside on purpose, ids that belong to another body and what came too late do not count.
#[must_use]
pub fn is_systemic<'a>(classes: impl IntoIterator<Item = &'a Class>) -> bool {
    let (mut records, mut bad) = (0_usize, 0_usize);
    for class in classes {
        records += 1;
        bad += usize::from(matches!(class, Class::Poison(poison) if poison.is_suspicious()));
    }
    records >= SYSTEMIC_RECORDS_MIN && bad * 100 >= records * SYSTEMIC_POISON_PERCENT
}

impl Class {
    /// The class at `now`. Markers outlive the horizon but not for ever, so an event whose record is older than the
    /// horizon (a redrive after weeks) could be counted twice: it is late instead.
    #[must_use]
    pub fn at(self, arrived_at: Timestamp, now: Timestamp) -> Self {
        match self {
            Self::Event(admitted) if now.since_ms(arrived_at) > DEDUPE_HORIZON_MS => {
                Self::Poison(admitted.refused(Fault::new(Code::Late)))
            }
            other @ (Self::Event(_)
            | Self::Sealed(_)
            | Self::Rescue(_)
            | Self::Ignored(_)
            | Self::Poison(_)) => other,
        }
    }
}

impl Admitted {
    /// The event as poison: something was wrong with it after all.
    #[must_use]
    pub fn refused(&self, fault: Fault) -> Poison {
        refused(&self.event, fault)
    }
}

impl Poison {
    /// A record about which nothing but its fault is known.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { fault, org: None, event_id: None, terminal: false }
    }

    /// A record with a fault, and whose it was as far as its outline still tells. Far less is done with the bytes than
    /// classifying them does, so that a record which made that panic is still somebody's.
    #[must_use]
    pub fn outlined(bytes: &[u8], fault: Fault) -> Self {
        let change = || serde_json::from_slice::<ChangeRecord<'_>>(bytes).ok();
        let row = || change::row(change()?.dynamodb.new_image.as_ref()?);
        match serde_json::from_slice::<Outline>(bytes) {
            Ok(outline) if outline.dynamodb.is_some() => {
                row().map_or_else(|| Self::new(fault.clone()), |row| of_row(&row, fault.clone()))
            }
            Ok(outline) => outline.poison(fault),
            Err(_) => Self::new(fault),
        }
    }

    fn is_suspicious(&self) -> bool {
        !matches!(self.fault.code, Code::Late | Code::EventIdTime | Code::IdCollision)
    }
}

fn event_record(bytes: &[u8], arrived_at: Timestamp) -> serde_json::Result<Class> {
    let event: Event = serde_json::from_slice(bytes)?;
    if let Err(fault) = fits(bytes.len()) {
        return Ok(Class::Poison(refused(&event, fault)));
    }
    Ok(judged(event, arrived_at))
}

fn change_record(bytes: &[u8], arrived_at: Timestamp) -> serde_json::Result<Class> {
    let record: ChangeRecord<'_> = serde_json::from_slice(bytes)?;
    let image = match record.event_name.as_ref() {
        "INSERT" => &record.dynamodb.new_image,
        "REMOVE" if record.is_ttl_removal() => &record.dynamodb.old_image,
        "REMOVE" => return Ok(Class::Ignored(Ignored::Taken)),
        "MODIFY" => return Ok(Class::Ignored(Ignored::Modified)),
        _ => return Ok(poison(Fault::at(Code::InvalidChangeRecord, "/eventName"))),
    };
    let Some(row) = image.as_ref().and_then(change::row) else {
        return Ok(poison(Fault::at(Code::InvalidChangeRecord, "/dynamodb")));
    };
    Ok(if record.event_name == "INSERT" { inserted(row) } else { expired(row, arrived_at) })
}

fn inserted(row: StagedEvent) -> Class {
    let known = |fault| Class::Poison(of_row(&row, fault));
    let mut event: Event = match serde_json::from_str(&row.body) {
        Ok(event) => event,
        Err(error) => return known(fault::of(&error)),
    };
    if event.org_id != row.org_id || event.event_id != row.event_id {
        return known(Fault::at(Code::InvalidChangeRecord, "/dynamodb/NewImage"));
    }
    event.ck.get_or_insert_with(|| ck_text(row.ck));
    event.recorded_at.get_or_insert(row.staged_at);
    judged(event, row.staged_at)
}

fn of_row(row: &StagedEvent, fault: Fault) -> Poison {
    let (org, event_id) = (Some(row.org_id.clone()), Some(row.event_id.clone()));
    Poison { fault, org, event_id, terminal: true }
}

fn expired(row: StagedEvent, arrived_at: Timestamp) -> Class {
    Class::Rescue(Box::new(StagedEvent {
        expires_at: arrived_at.plus_ms(STAGING_TTL_MS),
        rescues: row.rescues.saturating_add(1),
        ..row
    }))
}

fn judged(mut event: Event, arrived_at: Timestamp) -> Class {
    event.event_id = event.event_id.canonical();
    // Only the archive says where a stream carried an event; a replay of its lines is carried anew.
    event.record = None;
    let ck = ck_of(&event);
    event.ck = Some(ck_text(ck));
    let arrival = event.recorded_at.unwrap_or(arrived_at);
    clamp(&mut event, arrival);
    match admit(&event, arrival) {
        Ok(admission) => Class::Event(Box::new(Admitted { event, ck, admission })),
        Err(fault) => Class::Poison(refused(&event, fault)),
    }
}

fn refused(event: &Event, fault: Fault) -> Poison {
    // The id of a collision goes on with the body that came first.
    let terminal = event.recorded_at.is_some() && fault.code != Code::IdCollision;
    Poison {
        fault,
        org: Some(event.org_id.clone()),
        event_id: Some(event.event_id.clone()),
        terminal,
    }
}

/// The first key decides which reader is tried first; only a record that this reader refuses is looked at again.
fn second_try(bytes: &[u8], arrived_at: Timestamp, error: &serde_json::Error) -> Class {
    let outline: Outline = match serde_json::from_slice(bytes) {
        Ok(outline) => outline,
        // What is not JSON further on is not JSON; a key that stands twice is whatever the first reader said.
        Err(outline) if !outline.is_data() => return poison(fault::of(&outline)),
        Err(_) => return poison(fault::of(error)),
    };
    if outline.event_name.is_some() || outline.dynamodb.is_some() {
        let invalid = |_| poison(Fault::new(Code::InvalidChangeRecord));
        return change_record(bytes, arrived_at).unwrap_or_else(invalid);
    }
    if outline.sealed.is_some() {
        let sealed = serde_json::from_slice(bytes).map(Class::Sealed);
        return sealed.unwrap_or_else(|error| Class::Poison(outline.poison(fault::of(&error))));
    }
    if outline.collided.is_some() {
        let collided = serde_json::from_slice::<CollidedRecord<'_>>(bytes);
        let fault = collided.map_or_else(|error| fault::of(&error), |_| collision());
        return Class::Poison(outline.poison(fault));
    }
    Class::Poison(outline.poison(fault::of(error)))
}

/// The keys by which the four kinds of record differ, and by which a refused one still tells whose it was.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    event_name: Option<IgnoredAny>,
    dynamodb: Option<IgnoredAny>,
    sealed: Option<IgnoredAny>,
    collided: Option<IgnoredAny>,
    recorded_at: Option<IgnoredAny>,
    org_id: Option<Value>,
    event_id: Option<Value>,
}

impl Outline {
    fn poison(&self, fault: Fault) -> Poison {
        let text = |value: &Option<Value>| value.as_ref()?.as_str().map(str::to_owned);
        Poison {
            fault,
            org: text(&self.org_id).and_then(|id| OrgId::parse(id).ok()),
            event_id: text(&self.event_id).and_then(|id| EventId::parse(id).ok()),
            terminal: self.recorded_at.is_some(),
        }
    }
}

/// The first key of an object; empty for an object without one.
fn first_key(bytes: &[u8]) -> Option<&[u8]> {
    let inside = bytes.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
    let key = inside.strip_prefix(b"\"").unwrap_or_default();
    key.split(|byte| *byte == b'"').next()
}

fn poison(fault: Fault) -> Class {
    Class::Poison(Poison::new(fault))
}

/// The first bytes of a record packed by the Kinesis Producer Library.
const KPL_MAGIC: &[u8] = &[0xF3, 0x89, 0x9A, 0xC2];
/// Keys of a change record that no event has.
const CHANGE_KEYS: &[&[u8]] = &[
    b"awsRegion",
    b"dynamodb",
    b"eventID",
    b"eventName",
    b"eventSource",
    b"recordFormat",
    b"tableName",
    b"userIdentity",
];

#[cfg(test)]
mod tests;
