//! Admission: one clock-free check of an event behind the door, taken there and repeated by everyone who reads it back.

mod context;
mod fields;
pub(crate) mod text;

use contract::{
    Code, Event, Family, Timestamp,
    limits::{CLOCK_AHEAD_MAX_MS, DEDUPE_HORIZON_MS, EVENT_BYTES_MAX},
    staged::StagedEvent,
};
use sha2::{Digest, Sha256};

/// Where an admitted event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Admission {
    /// A friction event with both consents: counted and forwarded to the connector.
    Forward,
    /// Any other family: counted.
    Count,
    /// A friction event whose person did not agree to forwarding: kept and counted, not forwarded.
    Withhold,
    /// The person did not agree to analytics: not kept.
    Suppress,
}

/// Why an event is not admitted. Never repeats the input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}{}", if path.is_some() { " at " } else { "" }, path.as_deref().unwrap_or_default())]
pub struct Fault {
    /// The stable code.
    pub code: Code,
    /// JSON pointer to the fault within the event.
    pub path: Option<String>,
}

impl Fault {
    /// A fault of the event as a whole.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { code, path: None }
    }

    /// A fault at a JSON pointer, which must hold declared names only.
    #[must_use]
    pub fn at(code: Code, path: impl Into<String>) -> Self {
        Self { code, path: Some(path.into()) }
    }
}

/// Judges a stored event: identifiers are tokens, every text is within its bounds, what its type requires is there, and
/// its times fit its arrival, which is `recordedAt`, else `arrived_at`. Events without a door must be [`clamp`]ed first.
///
/// `actorId` is a user token, `sessionId` a session token, `task.id` and `idempotencyKey` are object tokens; `screen`,
/// `route` and URLs are path templates. Of a suppressed event only the id, the version and the type are judged, since
/// nothing else of it is kept. A door also checks the size of what it reads, see [`fits`]: an event within these bounds
/// always fits.
///
/// # Errors
/// The first fault. `late` is found last, so that a late event is late only when nothing else is wrong with it.
pub fn admit(event: &Event, arrived_at: Timestamp) -> Result<Admission, Fault> {
    let arrival = event.recorded_at.unwrap_or(arrived_at);
    fields::version(event)?;
    id_time(event, arrival)?;
    let consent = event.agreed();
    if !consent.analytics {
        return Ok(Admission::Suppress);
    }
    fields::required(event)?;
    fields::bounded(event)?;
    context::bounded(event)?;
    if event.occurred_at.since_ms(arrival) > CLOCK_AHEAD_MAX_MS {
        return Err(Fault::at(Code::OutOfRange, "/occurredAt"));
    }
    if arrival.since_ms(event.occurred_at) > DEDUPE_HORIZON_MS {
        return Err(Fault::at(Code::Late, "/occurredAt"));
    }
    Ok(match (event.event_type.family(), consent.forward) {
        (Family::Friction, true) => Admission::Forward,
        (Family::Friction, false) => Admission::Withhold,
        (
            Family::Ui | Family::Task | Family::Knowledge | Family::Crawl | Family::Backend,
            true | false,
        ) => Admission::Count,
    })
}

/// Is a staged row to reach the connector? The question is the same that the processor and the batcher ask; a row that
/// nobody can read, or that lies under another event's id or organisation, is not: the processor sets it aside.
#[must_use]
pub fn forwards(row: &StagedEvent) -> bool {
    serde_json::from_str::<Event>(&row.body).is_ok_and(|event| {
        event.org_id == row.org_id
            && event.event_id == row.event_id
            && admit(&event, row.staged_at) == Ok(Admission::Forward)
    })
}

/// Checks the size of an encoded event, in bytes.
///
/// # Errors
/// `event_too_large`.
pub fn fits(encoded_bytes: usize) -> Result<(), Fault> {
    if encoded_bytes > EVENT_BYTES_MAX { Err(Fault::new(Code::EventTooLarge)) } else { Ok(()) }
}

/// CRC-32C of the encoded event without what doors and streams add (`ck`, `recordedAt`, `timeAdjusted`, `record`). Taken
/// before [`clamp`], it is equal for every resend of one event.
#[must_use]
pub fn ck(event: &Event) -> u32 {
    let is_as_sent = event.ck.is_none()
        && event.recorded_at.is_none()
        && !event.time_adjusted
        && event.record.is_none();
    if is_as_sent {
        return checksum(event);
    }
    checksum(&Event {
        ck: None,
        recorded_at: None,
        time_adjusted: false,
        record: None,
        ..event.clone()
    })
}

/// The `ck` that travels with an event, as it is written into it.
#[must_use]
pub fn ck_text(ck: u32) -> String {
    format!("{ck:08x}")
}

/// The `ck` that an event carries, else the one computed from it.
#[must_use]
pub fn ck_of(event: &Event) -> u32 {
    event.ck.as_deref().and_then(parse_ck).unwrap_or_else(|| ck(event))
}

/// Reads [`ck_text`].
#[must_use]
pub fn parse_ck(text: &str) -> Option<u32> {
    let is_ck = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_ck.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

/// Chooses the shard: one actor's events (else one session's) of a product stay together, and a large tenant is spread.
/// 32 hexadecimal digits.
#[must_use]
pub fn partition_key(event: &Event) -> String {
    let who = event.actor_id.as_deref().or(event.session_id.as_deref());
    let who = who.unwrap_or_else(|| event.event_id.as_str());
    let digest = Sha256::new()
        .chain_update(event.org_id.as_str())
        .chain_update([0])
        .chain_update(event.product_id.as_str())
        .chain_update([0])
        .chain_update(who)
        .finalize();
    let (head, _) = digest.split_at(PARTITION_KEY_BYTES);
    data_encoding::HEXLOWER.encode(head)
}

/// Moves an event that claims to happen more than 5 minutes after its arrival back to that limit, and flags it.
pub fn clamp(event: &mut Event, arrival: Timestamp) {
    let latest = arrival.plus_ms(CLOCK_AHEAD_MAX_MS);
    if event.occurred_at > latest {
        event.occurred_at = latest;
        event.time_adjusted = true;
    }
}

/// A UUIDv7's own time decides where its marker lives, so it must not lie outside the markers' lifetime.
fn id_time(event: &Event, arrival: Timestamp) -> Result<(), Fault> {
    let Some(ms) = event.event_id.uuid_v7_ms() else { return Ok(()) };
    let age = arrival.since_ms(Timestamp::from_ms(ms));
    if (-CLOCK_AHEAD_MAX_MS..=DEDUPE_HORIZON_MS).contains(&age) {
        return Ok(());
    }
    Err(Fault::at(Code::EventIdTime, "/eventId"))
}

/// An event always encodes: its keys are strings and its numbers are finite.
fn checksum(event: &Event) -> u32 {
    crc32c::crc32c(&serde_json::to_vec(event).unwrap_or_default())
}

const PARTITION_KEY_BYTES: usize = 16;

#[cfg(test)]
mod tests;
