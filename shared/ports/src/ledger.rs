//! Counting exactly once: an event's marker and every counter it changes commit together or not at all.

use std::collections::BTreeMap;

use contract::{EventId, OrgId, Timestamp};
use domain::counters::{Deltas, Dictionary, DictionaryKey};

use crate::PortResult;

/// Names an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// The tenant: one tenant cannot burn another's ids.
    pub org: OrgId,
    /// The event.
    pub id: EventId,
}

/// The mark that an event leaves when it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The event.
    pub key: EventKey,
    /// CRC-32C of its body at the door.
    pub ck: u32,
    /// When the stream took the record; markers live 35 days from here.
    pub arrived_at: Timestamp,
    /// What the ledger books with it.
    pub booking: Booking,
}

/// What the ledger books with an event's first marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booking {
    /// The event goes on to the connector by itself; only the counters change.
    Forwarded,
    /// The event ends here: counted, not forwarded.
    Counted,
    /// The event ends here, kept but not forwarded for want of consent: counted and suppressed.
    Withheld,
    /// The event ends here, for want of consent: suppressed, not kept.
    Suppressed,
}

/// One transaction: events that were not counted before, and everything they add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedChunk {
    /// One per event.
    pub markers: Vec<Marker>,
    /// Exactly what the markers' events add.
    pub deltas: Deltas,
    /// How many names each dictionary held when `deltas` was computed; at least of those that `deltas` lets grow.
    pub dictionary_sizes: BTreeMap<DictionaryKey, usize>,
}

/// What became of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Markers and counters are durable.
    Committed,
    /// A marker exists already or a dictionary has grown: nothing was written; read again and recompute.
    Stale,
    /// More than one transaction of this store takes: nothing was written; cut the chunk in two. A chunk of one event is
    /// never too large.
    TooLarge,
}

/// Markers and counters.
pub trait Ledger: Send + Sync {
    /// For each key the `ck` of the event counted under it, or nothing. Strongly consistent.
    fn known(&self, keys: &[EventKey])
    -> impl Future<Output = PortResult<Vec<Option<u32>>>> + Send;

    /// The dictionaries under `keys`; a day without names has an empty one.
    fn dictionaries(
        &self,
        keys: &[DictionaryKey],
    ) -> impl Future<Output = PortResult<BTreeMap<DictionaryKey, Dictionary>>> + Send;

    /// Commits a chunk, all or nothing. Repeating a committed chunk answers `Stale` and changes nothing.
    fn commit(&self, chunk: CountedChunk)
    -> impl Future<Output = PortResult<CommitOutcome>> + Send;
}
