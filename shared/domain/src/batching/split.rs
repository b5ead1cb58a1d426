//! Making smaller batches out of one: each is rendered again from its own events, whose bytes stay as they were formed.

use std::collections::BTreeSet;

use contract::{EventId, OrgId};
use serde_json::value::RawValue;

use super::{
    NewBatch,
    sequence::{half, next_remainder},
};
use crate::profile::{Profile, RenderedEvent, Slot};

/// A stored body that does not hold the batch's events: the store was tampered with, or it is not a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body of the batch does not hold its events")]
pub struct UnreadableBatch;

/// Splits a batch of at least two events into two halves, the first the larger by at most one. A batch of one stays
/// whole: the answer is empty.
///
/// # Errors
/// [`UnreadableBatch`].
pub fn split(
    batch: &NewBatch,
    org: &OrgId,
    profile: &Profile,
) -> Result<Vec<NewBatch>, UnreadableBatch> {
    let mut first = events(batch, profile)?;
    if first.len() < 2 {
        return Ok(Vec::new());
    }
    let second = first.split_off(first.len().div_ceil(2));
    let make = |events: &[RenderedEvent], is_second| {
        profile.assemble(&Slot { org, seq: half(&batch.seq, is_second) }, events)
    };
    Ok(vec![make(&first, false), make(&second, true)])
}

/// Which events of a batch to keep.
#[derive(Debug, Clone, Copy)]
pub enum Subset<'a> {
    /// These.
    Only(&'a BTreeSet<EventId>),
    /// All but these.
    Without(&'a BTreeSet<EventId>),
}

impl Subset<'_> {
    fn keeps(&self, id: &EventId) -> bool {
        match self {
            Self::Only(ids) => ids.contains(id),
            Self::Without(ids) => !ids.contains(id),
        }
    }
}

/// What remains of a batch, as a batch of its own with a new number and a new idempotency key; nothing when nothing
/// remains.
///
/// # Errors
/// [`UnreadableBatch`].
pub fn remainder(
    batch: &NewBatch,
    subset: Subset<'_>,
    org: &OrgId,
    profile: &Profile,
) -> Result<Option<NewBatch>, UnreadableBatch> {
    let kept = part(batch, subset, profile)?;
    let slot = Slot { org, seq: next_remainder(&batch.seq) };
    Ok((!kept.is_empty()).then(|| profile.assemble(&slot, &kept)))
}

/// Some of a batch's events, as they were rendered, in order.
///
/// # Errors
/// [`UnreadableBatch`].
pub fn part(
    batch: &NewBatch,
    subset: Subset<'_>,
    profile: &Profile,
) -> Result<Vec<RenderedEvent>, UnreadableBatch> {
    let mut kept = events(batch, profile)?;
    kept.retain(|event| subset.keeps(&event.event_id));
    Ok(kept)
}

/// Reads a body back. Its envelope may be that of an older profile: the events are the array that has as many members
/// as the batch has events.
fn events(batch: &NewBatch, profile: &Profile) -> Result<Vec<RenderedEvent>, UnreadableBatch> {
    let envelope: std::collections::BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(&batch.body).map_err(|_| UnreadableBatch)?;
    let members = |value: &RawValue| {
        serde_json::from_str::<Vec<Box<RawValue>>>(value.get())
            .ok()
            .filter(|members| members.len() == batch.events.len())
    };
    let bodies = envelope
        .get(&profile.envelope.events)
        .and_then(|value| members(value))
        .or_else(|| envelope.values().find_map(|value| members(value)))
        .ok_or(UnreadableBatch)?;
    Ok(batch
        .events
        .iter()
        .zip(bodies)
        .map(|(event, body)| RenderedEvent {
            event_id: event.event_id.clone(),
            connector_id: event.connector_id.clone(),
            at: profile.time_of(body.get()),
            json: String::from(Box::<str>::from(body)),
        })
        .collect())
}
