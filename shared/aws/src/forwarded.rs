//! What remembers that an event was forwarded: batched or parked, whatever became of it since.
//!
//! Staging forgets an id when its row leaves. An event whose row comes back later, put again by a client or by a rescue
//! that was overtaken, is known here, and leaves staging without being forwarded twice.

use std::collections::BTreeSet;

use contract::{EventId, OrgId, Timestamp};
use ports::{PortError, PortResult, ledger::EventKey};

use crate::{
    Cloud,
    markers::{Marking, Memory, NewMark, UNTAKEN},
    resources::Resource,
    transaction::{Outcome, TRIES_MAX, Write},
};

/// Events on the way out of staging, to be remembered as such.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving<'a> {
    pub(crate) org: &'a OrgId,
    pub(crate) ids: &'a [EventId],
    /// The number of the batch that takes them, or [`WITHOUT_BATCH`].
    pub(crate) number: u32,
    pub(crate) at: Timestamp,
}

/// What became of a transaction that lets events leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Left {
    /// It is durable, and the events are remembered.
    Committed,
    /// Nothing was written: these were forwarded before.
    Before(BTreeSet<EventId>),
    /// Nothing was written: the conditions of the caller's own writes at these positions do not hold.
    Refused(Vec<usize>),
    /// Nothing was written: it is more than a transaction takes.
    TooMuch,
}

impl Cloud {
    /// Commits the caller's writes together with those that remember the events, unless one of them is remembered.
    pub(crate) async fn commit_leaving(
        &self,
        operation: &'static str,
        own: &[Write],
        leaving: Leaving<'_>,
    ) -> PortResult<Left> {
        let table = self.resources().name(Resource::Dedupe)?;
        let marks: Vec<_> = leaving.ids.iter().map(|id| leaving.mark(id)).collect();
        for _ in 0..TRIES_MAX {
            let before = self.forwarded(leaving.org, leaving.ids).await?;
            if !before.is_empty() {
                return Ok(Left::Before(before));
            }
            let places = match self.plan_marks(Memory::Forwarded, &marks).await? {
                Marking::Writes(places) => places,
                // In between; the next look finds which.
                Marking::Known => continue,
            };
            let remembering =
                places.iter().map(|place| Write::put(table, place.item()).when(UNTAKEN));
            let writes: Vec<_> = own.iter().cloned().chain(remembering).collect();
            if writes.len() > contract::limits::TRANSACTION_ITEMS_MAX {
                return Ok(Left::TooMuch);
            }
            let positions = match self.commit(operation, writes).await? {
                Outcome::Committed => {
                    self.marks_written(&places);
                    return Ok(Left::Committed);
                }
                Outcome::Refused(positions) => positions,
            };
            let place = |position: &usize| places.get(position.checked_sub(own.len())?);
            self.marks_refused(positions.iter().filter_map(place));
            let refused: Vec<_> = positions.into_iter().filter(|at| *at < own.len()).collect();
            if !refused.is_empty() {
                return Ok(Left::Refused(refused));
            }
        }
        Err(PortError::transient(operation, "the places of forwarded events keep changing"))
    }

    /// Those of `ids` that were forwarded.
    pub(crate) async fn forwarded(
        &self,
        org: &OrgId,
        ids: &[EventId],
    ) -> PortResult<BTreeSet<EventId>> {
        let key = |id: &EventId| EventKey { org: org.clone(), id: id.clone() };
        let keys: Vec<_> = ids.iter().map(key).collect();
        let found = self.find_marks(Memory::Forwarded, &keys).await?;
        let known = keys.into_iter().zip(found).filter(|(_, found)| found.is_some());
        Ok(known.map(|(key, _)| key.id).collect())
    }

    /// How many of these rows, from the first on, leave in one transaction beside `others` writes. Rows that were
    /// forwarded before will only be deleted; every other one has to be remembered too, and how many writes that takes
    /// depends on how close together their ids lie.
    pub(crate) async fn leaving_at_once(
        &self,
        org: &OrgId,
        ids: &[EventId],
        others: usize,
    ) -> PortResult<usize> {
        let before = self.forwarded(org, ids).await?;
        let room = contract::limits::TRANSACTION_ITEMS_MAX.saturating_sub(others);
        let mut leaving = ids.len().min(room);
        while leaving > 1 {
            let new: Vec<_> =
                ids.iter().take(leaving).filter(|id| !before.contains(*id)).cloned().collect();
            let (number, at) = (WITHOUT_BATCH, Timestamp::from_ms(0));
            let asked = Leaving { org, ids: &new, number, at };
            let marks: Vec<_> = new.iter().map(|id| asked.mark(id)).collect();
            let places = match self.plan_marks(Memory::Forwarded, &marks).await? {
                Marking::Writes(places) => places.len(),
                Marking::Known => 0,
            };
            let over = (leaving + places).saturating_sub(room);
            if over == 0 {
                break;
            }
            // Each row less is one deletion less, and at most one place.
            leaving = leaving.saturating_sub(over.div_ceil(2));
        }
        Ok(leaving)
    }
}

impl Leaving<'_> {
    fn mark(&self, id: &EventId) -> NewMark {
        NewMark {
            key: EventKey { org: self.org.clone(), id: id.clone() },
            payload: self.number,
            arrived_at: self.at,
        }
    }
}

/// Stands for the number of a batch where an event was parked without ever having been in one.
pub(crate) const WITHOUT_BATCH: u32 = 0;
