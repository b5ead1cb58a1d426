//! Batches: staged rows become numbered batches of exact bytes, and a batch that will not go through becomes smaller ones.

mod again;
mod sequence;
mod split;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt};

use contract::{
    Event, EventId, OrgId,
    limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX},
    staged::StagedEvent,
};

pub use self::{
    again::again,
    sequence::{remainders, sequence},
    split::{Subset, UnreadableBatch, part, remainder, split},
};
use crate::{
    admit::{Admission, admit},
    profile::{Profile, RenderedEvent, Slot},
};

/// A batch to be made: immutable from here on.
#[derive(Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// Orders batches within the organisation, as text: twelve digits, then the path of splits and remainders.
    pub seq: String,
    /// The `Idempotency-Key` for ever.
    pub batch_id: String,
    /// Exactly the bytes to send.
    pub body: Vec<u8>,
    /// The events in it, in the order of the body.
    pub events: Vec<BatchedEvent>,
}

impl fmt::Debug for NewBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewBatch")
            .field("seq", &self.seq)
            .field("batch_id", &self.batch_id)
            .field("events", &self.events.len())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// One event of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchedEvent {
    /// The event.
    pub event_id: EventId,
    /// What the connector calls it.
    pub connector_id: String,
}

/// The most that one batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Events.
    pub events: usize,
    /// Rendered bytes, envelope included.
    pub bytes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { events: BATCH_EVENTS_MAX, bytes: BATCH_BYTES_MAX }
    }
}

/// What to do with the oldest staged rows of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The batch to form; nothing when no row may be forwarded.
    pub batch: Option<NewBatch>,
    /// Rows that leave staging without being forwarded: refused, withheld, or forwarded before.
    pub dropped: Vec<EventId>,
    /// How many of the given rows the plan takes, from the first on. The others wait for the next batch.
    pub taken: usize,
}

/// Plans the next batch of `org` from its staged rows, in their order.
///
/// A row whose body no longer parses, whose identity differs from the event in it, or which [`admit`] does not answer
/// with [`Admission::Forward`], is dropped: the processor sees the same row in the change stream, judges it by the same
/// function and accounts for it (quarantined, withheld or suppressed), so a refused row is refused everywhere and needs
/// no second book entry here. `forwarded` names rows that an earlier batch carried already.
///
/// The batch never exceeds `caps`, except that one event that alone is larger travels alone: nothing is lost over a
/// limit. An admitted event is at most 16 KiB, so that this does not happen with the usual caps.
#[must_use]
pub fn next(
    rows: &[StagedEvent],
    forwarded: &BTreeSet<EventId>,
    slot: &Slot<'_>,
    profile: &Profile,
    caps: Caps,
) -> Plan {
    let mut chosen = Chosen::default();
    let mut dropped = Vec::new();
    let mut taken = 0;
    for row in rows {
        match judged(row, slot.org, forwarded) {
            Judgement::Drop => dropped.push(row.event_id.clone()),
            Judgement::Forward(event) => match profile.render_event(&event) {
                Some(event) if chosen.takes(&event, slot, profile, caps) => chosen.push(event),
                Some(_) => break,
                None => dropped.push(row.event_id.clone()),
            },
        }
        taken += 1;
    }
    let batch = (!chosen.events.is_empty()).then(|| profile.assemble(slot, &chosen.events));
    Plan { batch, dropped, taken }
}

enum Judgement {
    Forward(Box<Event>),
    Drop,
}

fn judged(row: &StagedEvent, org: &OrgId, forwarded: &BTreeSet<EventId>) -> Judgement {
    if forwarded.contains(&row.event_id) {
        return Judgement::Drop;
    }
    let Ok(event) = serde_json::from_str::<Event>(&row.body) else { return Judgement::Drop };
    let is_itself = event.event_id == row.event_id && event.org_id == *org && row.org_id == *org;
    match admit(&event, row.staged_at) {
        Ok(Admission::Forward) if is_itself => Judgement::Forward(Box::new(event)),
        Ok(Admission::Forward | Admission::Count | Admission::Withhold | Admission::Suppress)
        | Err(_) => Judgement::Drop,
    }
}

/// The events of the batch so far.
#[derive(Default)]
struct Chosen {
    events: Vec<RenderedEvent>,
    names: BTreeSet<String>,
    bytes: usize,
}

impl Chosen {
    /// Whether the event fits. Two events that the connector would call by one name never share a batch: its answer
    /// could not be told apart.
    fn takes(
        &mut self,
        event: &RenderedEvent,
        slot: &Slot<'_>,
        profile: &Profile,
        caps: Caps,
    ) -> bool {
        if self.events.is_empty() {
            self.bytes = profile.envelope_bytes(slot, caps.events);
            return true;
        }
        self.events.len() < caps.events
            && self.bytes + event.json.len() + SEPARATOR_BYTES <= caps.bytes
            && !self.names.contains(&event.connector_id)
    }

    fn push(&mut self, event: RenderedEvent) {
        self.bytes += event.json.len() + SEPARATOR_BYTES;
        self.names.insert(event.connector_id.clone());
        self.events.push(event);
    }
}

/// The comma between two events.
const SEPARATOR_BYTES: usize = 1;
