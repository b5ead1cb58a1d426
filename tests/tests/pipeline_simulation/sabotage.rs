//! Known mistakes, each of which the promises must find.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use contract::{OrgId, Timestamp, event::Assignment, staged::StagedEvent};
use domain::{
    counters::{Cell, Count, Deltas, Dictionary, DictionaryKey},
    pseudonym::Pseudonymiser,
    seal::SealKey,
};
use ports::{
    PortResult,
    archive::{Archive, Quarantine, Quarantined},
    bus::{Announcement, Bus},
    faulty::Pause,
    intake::Put,
    keys::PseudonymKeys,
    ledger::{CommitOutcome, CountedChunk, EventKey, Ledger},
    reference::{Reference, Subject},
    sessions::{Strikes, StruckEvent},
    staging::{Staged, Staging},
};
use pump::FunctionError;

use crate::parts::{Base, Variant};

/// Acknowledges a batch whatever became of it.
#[derive(Default)]
pub(crate) struct AckFirst;

impl Variant for AckFirst {
    type World = Base;

    fn world(&self, base: Base) -> Base {
        base
    }

    fn answer(&self, _answer: Result<String, FunctionError>) -> Result<String, FunctionError> {
        Ok(String::new())
    }
}

/// Writes markers in one transaction and counters in the next.
#[derive(Default)]
pub(crate) struct TwoSteps;

impl Variant for TwoSteps {
    type World = Patched<Self>;

    fn world(&self, base: Base) -> Patched<Self> {
        Patched { base, counting: Self }
    }
}

impl Counting for TwoSteps {
    async fn known(&self, base: &Base, keys: &[EventKey]) -> PortResult<Vec<Option<u32>>> {
        base.known(keys).await
    }

    async fn commit(&self, base: &Base, chunk: CountedChunk) -> PortResult<CommitOutcome> {
        let counters = CountedChunk { markers: Vec::new(), ..chunk.clone() };
        let markers = CountedChunk { deltas: Deltas::default(), ..chunk };
        match base.commit(markers).await? {
            CommitOutcome::Committed => base.commit(counters).await,
            nothing @ (CommitOutcome::Stale | CommitOutcome::TooLarge) => Ok(nothing),
        }
    }
}

/// Counts a set of events once, whatever other sets its events were counted in: a batch is known by its composition.
#[derive(Default, Clone)]
pub(crate) struct BatchIds(Arc<Mutex<Tally>>);

#[derive(Default)]
struct Tally {
    batches: BTreeSet<Vec<EventKey>>,
    counters: BTreeMap<Cell, Count>,
}

impl Variant for BatchIds {
    type World = Patched<Self>;

    fn world(&self, base: Base) -> Patched<Self> {
        Patched { base, counting: self.clone() }
    }

    fn counters(&self) -> Option<BTreeMap<Cell, Count>> {
        Some(self.0.lock().unwrap().counters.clone())
    }
}

impl Counting for BatchIds {
    async fn known(&self, _base: &Base, keys: &[EventKey]) -> PortResult<Vec<Option<u32>>> {
        Ok(vec![None; keys.len()])
    }

    async fn commit(&self, base: &Base, chunk: CountedChunk) -> PortResult<CommitOutcome> {
        // The books are kept honestly, so that only the counters can be wrong.
        let keys: Vec<_> = chunk.markers.iter().map(|marker| marker.key.clone()).collect();
        let known = base.known(&keys).await?;
        let markers = chunk.markers.iter().zip(known);
        let markers =
            markers.filter(|(_, known)| known.is_none()).map(|(marker, _)| marker.clone());
        let markers = CountedChunk {
            markers: markers.collect(),
            deltas: Deltas::default(),
            dictionary_sizes: BTreeMap::new(),
        };
        base.commit(markers).await?;
        let mut tally = self.0.lock().unwrap();
        if tally.batches.insert(keys) {
            for (cell, added) in chunk.deltas.counts {
                let count = tally.counters.entry(cell).or_default();
                count.events += added.events;
                count.severity += added.severity;
            }
        }
        Ok(CommitOutcome::Committed)
    }
}

/// Sends every attempt at a batch under a new idempotency key.
#[derive(Default)]
pub(crate) struct NewKeys;

impl Variant for NewKeys {
    type World = Base;
    const NEW_KEYS: bool = true;

    fn world(&self, base: Base) -> Base {
        base
    }
}

/// How a mistaken ledger counts.
pub(crate) trait Counting: Send + Sync {
    fn known(
        &self,
        base: &Base,
        keys: &[EventKey],
    ) -> impl Future<Output = PortResult<Vec<Option<u32>>>> + Send;

    fn commit(
        &self,
        base: &Base,
        chunk: CountedChunk,
    ) -> impl Future<Output = PortResult<CommitOutcome>> + Send;
}

/// The store with another ledger in front.
pub(crate) struct Patched<L> {
    base: Base,
    counting: L,
}

impl<L: Counting> Ledger for Patched<L> {
    async fn known(&self, keys: &[EventKey]) -> PortResult<Vec<Option<u32>>> {
        self.counting.known(&self.base, keys).await
    }

    async fn dictionaries(
        &self,
        keys: &[DictionaryKey],
    ) -> PortResult<BTreeMap<DictionaryKey, Dictionary>> {
        self.base.dictionaries(keys).await
    }

    async fn commit(&self, chunk: CountedChunk) -> PortResult<CommitOutcome> {
        Pause::default().await;
        self.counting.commit(&self.base, chunk).await
    }
}

/// Passes a port on to the store.
macro_rules! pass_on {
    ($($trait:ident { $(fn $method:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)* })*) => {
        $(impl<L: Counting> $trait for Patched<L> {
            $(async fn $method(&self, $($argument: $kind),*) -> PortResult<$answer> {
                $trait::$method(&self.base, $($argument),*).await
            })*
        })*
    };
}

pass_on! {
    Archive {
        fn write(key: &str, bytes: &[u8]) -> ();
        fn read(key: &str) -> Option<Vec<u8>>;
        fn list(prefix: &str) -> Vec<String>;
    }
    Quarantine {
        fn hold(records: &[Quarantined]) -> ();
        fn held(org: Option<&OrgId>, from: Timestamp, to: Timestamp) -> Vec<Quarantined>;
        fn release(record: &Quarantined, put: Put) -> bool;
    }
    Reference {
        fn assignments(subjects: &[Subject]) -> Vec<Option<Assignment>>;
        fn assign(assignments: &[(Subject, Assignment)]) -> ();
    }
    Staging {
        fn stage(rows: &[StagedEvent]) -> Vec<Staged>;
        fn rescue(rows: &[StagedEvent]) -> ();
        fn organisations() -> Vec<OrgId>;
    }
    Strikes {
        fn strike(events: &[StruckEvent], now: Timestamp) -> ();
    }
    Bus {
        fn publish(announcements: &[Announcement]) -> ();
    }
    PseudonymKeys {
        fn pseudonymiser(org: &OrgId) -> Option<Arc<Pseudonymiser>>;
        fn seal_key() -> Arc<SealKey>;
    }
}
