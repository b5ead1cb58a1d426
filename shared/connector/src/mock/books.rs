//! What the mock took, and what was done wrong to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use contract::Timestamp;

/// Everything that happened at the mock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Books {
    /// Requests of any kind.
    pub requests: u64,
    /// Answers by status; requests that got none are under zero.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests answered from memory, because their `Idempotency-Key` was known.
    pub repeated: u64,
    /// Per organisation.
    pub orgs: BTreeMap<String, OrgBooks>,
    /// What senders did wrong.
    pub violations: Vec<Violation>,
}

/// One organisation's books.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrgBooks {
    /// The last batches taken, at most 5,000, in the order of arrival.
    pub batches: Vec<TakenBatch>,
    /// Their events, and the batch that brought each first.
    pub taken: BTreeMap<String, String>,
    /// Events ever taken, each once.
    pub events_taken: usize,
    /// Events refused for good.
    pub rejected: BTreeSet<String>,
}

/// A batch that was taken, at least in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBatch {
    /// Its `Idempotency-Key`.
    pub batch_id: String,
    /// Its `X-Batch-Seq`.
    pub seq: String,
    /// The events taken from it, in its order.
    pub events: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// What a sender did wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// A header that the contract demands is absent or wrong.
    Header {
        /// Its name.
        name: String,
    },
    /// No signature fits, or its time is off.
    Signature {
        /// The batch.
        batch_id: String,
    },
    /// One `Idempotency-Key`, two bodies.
    KeyReused {
        /// The key.
        batch_id: String,
    },
    /// One event in two batches.
    EventTwice {
        /// The connector's id of the event.
        event: String,
        /// The batch that brought it first.
        first: String,
        /// The batch that brought it again.
        again: String,
    },
    /// A new batch with a number that is not beyond the last one's.
    SeqBackwards {
        /// The organisation.
        org: String,
        /// The last number.
        last: String,
        /// This one.
        seq: String,
    },
    /// A body that is not what the profile says.
    Body {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A batch beyond the contract's caps.
    TooLarge {
        /// The batch.
        batch_id: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name } => write!(f, "the header {name} is absent"),
            Self::Signature { batch_id } => write!(f, "no signature fits batch {batch_id}"),
            Self::KeyReused { batch_id } => write!(f, "batch {batch_id} came with another body"),
            Self::EventTwice { event, first, again } => {
                write!(f, "event {event} came in batch {first} and again in batch {again}")
            }
            Self::SeqBackwards { org, last, seq } => {
                write!(f, "batch number {seq} of {org} came after {last}")
            }
            Self::Body { what } => write!(f, "a body cannot be read: {what}"),
            Self::TooLarge { batch_id } => write!(f, "batch {batch_id} is beyond the caps"),
        }
    }
}

impl Books {
    /// The books of `org`.
    #[must_use]
    pub fn org(&self, org: &str) -> OrgBooks {
        self.orgs.get(org).cloned().unwrap_or_default()
    }

    /// Events taken, over all organisations, each once.
    #[must_use]
    pub fn events_taken(&self) -> usize {
        self.orgs.values().map(|org| org.events_taken).sum()
    }
}

impl OrgBooks {
    /// Adds a batch. Beyond the limit the older half is forgotten, so that a mock may run for months; answers the
    /// batches that were.
    pub(super) fn add(&mut self, batch: TakenBatch) -> Vec<TakenBatch> {
        self.events_taken += batch.events.len();
        self.batches.push(batch);
        if self.batches.len() <= BATCHES_REMEMBERED {
            return Vec::new();
        }
        let forgotten: Vec<TakenBatch> = self.batches.drain(..BATCHES_REMEMBERED / 2).collect();
        for event in forgotten.iter().flat_map(|batch| &batch.events) {
            self.taken.remove(event);
        }
        forgotten
    }

    /// The events in the order in which they arrived, each where it was first taken.
    #[must_use]
    pub fn in_order(&self) -> Vec<&str> {
        self.batches.iter().flat_map(|batch| batch.events.iter().map(String::as_str)).collect()
    }
}

const BATCHES_REMEMBERED: usize = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_ago_is_forgotten_but_stays_counted() {
        let mut org = OrgBooks::default();
        let mut forgotten = 0;
        for number in 0..=BATCHES_REMEMBERED {
            let event = format!("evt_{number:016x}");
            org.taken.insert(event.clone(), number.to_string());
            let batch = TakenBatch {
                batch_id: number.to_string(),
                seq: number.to_string(),
                events: vec![event],
                at: Timestamp::default(),
            };
            forgotten += org.add(batch).len();
        }
        assert_eq!(forgotten, BATCHES_REMEMBERED / 2);
        assert_eq!(org.batches.len(), org.taken.len());
        assert_eq!((org.events_taken, org.batches[0].seq.as_str()), (5_001, "2500"));
    }
}
