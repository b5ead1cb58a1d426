//! Counting on DynamoDB: one transaction leaves the markers of a chunk's events and adds everything that they count.
//!
//! A transaction holds, for a chunk of events:
//!
//! - the markers, packed (see `crate::markers`), which exist already or come from this transaction alone;
//! - one update for each organisation, product and hour, which adds to all its counters, and to what the ledger books;
//! - the dictionaries that grow, on the condition that nobody else let them grow.
//!
//! Whatever is not sure is not claimed: an answer that is lost is a failure that may pass, and when the events come again
//! their markers tell. Actors are not stored: exact numbers of them are read from the archive.

mod cells;
mod hours;
mod names;
mod reading;

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::{AtomicU8, Ordering},
};

use contract::limits::{TRANSACTION_BYTES_MAX, TRANSACTION_ITEMS_MAX};
use domain::counters::{Dictionary, DictionaryKey};
use ports::{
    PortResult,
    ledger::{CommitOutcome, CountedChunk, EventKey, Ledger, Marker},
};

use self::{
    hours::Addition,
    names::{Growth, Needed},
};
use crate::{
    Cloud,
    markers::{MarkWrite, Marking, Memory, NewMark, UNTAKEN},
    resources::Resource,
    transaction::{Outcome, Write},
};

pub(crate) use names::Dictionaries;

/// Which of the items of an hour a process adds to. Readers add them all up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lane(u8);

impl Lane {
    /// The lane of the process with this name: its log stream, which no other one has.
    #[must_use]
    pub fn of(process: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        process.hash(&mut hasher);
        Self(u8::try_from(hasher.finish() % u64::from(hours::LANES)).unwrap_or_default())
    }
}

/// The lane that was chosen last.
#[derive(Debug, Default)]
pub(crate) struct ChosenLane(AtomicU8);

impl Cloud {
    /// The same, counting in this lane; its clones do as well.
    #[must_use]
    pub fn with_lane(self, lane: Lane) -> Self {
        self.0.lane.0.store(lane.0, Ordering::Relaxed);
        self
    }

    fn lane(&self) -> u8 {
        self.0.lane.0.load(Ordering::Relaxed)
    }
}

impl Ledger for Cloud {
    async fn known(&self, keys: &[EventKey]) -> PortResult<Vec<Option<u32>>> {
        self.find_marks(Memory::Counted, keys).await
    }

    async fn dictionaries(
        &self,
        keys: &[DictionaryKey],
    ) -> PortResult<BTreeMap<DictionaryKey, Dictionary>> {
        let books = self.names(keys).await?;
        Ok(books.into_iter().map(|(key, names)| (key, names::dictionary(&names))).collect())
    }

    async fn commit(&self, chunk: CountedChunk) -> PortResult<CommitOutcome> {
        // Whoever reads the books finds the organisations there, delivered or not.
        let orgs = chunk.markers.iter().map(|marker| &marker.key.org).collect();
        let (needed, ()) = futures::try_join!(self.needed_names(&chunk), self.list(orgs))?;
        let Needed::Books(books, growths) = needed else { return Ok(CommitOutcome::Stale) };
        let additions = hours::additions(&chunk, &books, self.lane())?;
        let marks: Vec<NewMark> = chunk.markers.iter().map(new_mark).collect();
        let Marking::Writes(marks) = self.plan_marks(Memory::Counted, &marks).await? else {
            return Ok(CommitOutcome::Stale);
        };
        let transaction = Transaction { marks, additions, growths };
        if transaction.is_too_large() {
            return Ok(CommitOutcome::TooLarge);
        }
        let writes = transaction.writes(self)?;
        match Cloud::commit(self, "ledger.commit", writes).await? {
            Outcome::Committed => {
                self.marks_written(&transaction.marks);
                self.0.dictionaries.grown(transaction.growths);
                Ok(CommitOutcome::Committed)
            }
            Outcome::Refused(positions) => {
                let (marks, growths) = transaction.refused(&positions);
                self.marks_refused(marks);
                growths.for_each(|growth| self.0.dictionaries.outdate(&growth.key));
                Ok(CommitOutcome::Stale)
            }
        }
    }
}

/// Everything that is written together, in the order of its writes.
struct Transaction {
    marks: Vec<MarkWrite>,
    growths: Vec<Growth>,
    additions: Vec<Addition>,
}

impl Transaction {
    /// One event takes a marker with three seals at most, two hours' items and a dictionary.
    fn is_too_large(&self) -> bool {
        let items = self.marks.len() + self.growths.len() + self.additions.len();
        let bytes = self.marks.iter().map(MarkWrite::bytes).sum::<usize>()
            + self.growths.iter().map(Growth::bytes).sum::<usize>()
            + self.additions.iter().map(Addition::bytes).sum::<usize>();
        items > TRANSACTION_ITEMS_MAX || bytes > TRANSACTION_BYTES_MAX
    }

    fn writes(&self, cloud: &Cloud) -> PortResult<Vec<Write>> {
        let dedupe = cloud.resources().name(Resource::Dedupe)?;
        let counters = cloud.resources().name(Resource::Counters)?;
        let marks = self.marks.iter().map(|mark| Write::put(dedupe, mark.item()).when(UNTAKEN));
        let growths = self.growths.iter().map(|growth| growth.write(counters));
        let additions = self.additions.iter().map(|addition| addition.write(counters));
        Ok(marks.chain(growths).chain(additions).collect())
    }

    /// The markers and the dictionaries at these positions.
    fn refused<'a>(
        &'a self,
        positions: &'a [usize],
    ) -> (impl Iterator<Item = &'a MarkWrite>, impl Iterator<Item = &'a Growth>) {
        let marks = positions.iter().filter_map(|at| self.marks.get(*at));
        let growths = positions.iter().filter_map(|at| {
            let at = at.checked_sub(self.marks.len())?;
            self.growths.get(at)
        });
        (marks, growths)
    }
}

fn new_mark(marker: &Marker) -> NewMark {
    NewMark { key: marker.key.clone(), payload: marker.ck, arrived_at: marker.arrived_at }
}
