//! A store whose transactions take few events: the processor cuts until they fit.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use contract::{OrgId, Timestamp, event::Assignment, staged::StagedEvent};
use domain::{
    counters::{Dictionary, DictionaryKey},
    pseudonym::Pseudonymiser,
    seal::SealKey,
};
use embedded::Store;
use ports::{
    PortResult,
    archive::{Archive, Quarantine, Quarantined},
    bus::{Announcement, Bus},
    intake::Put,
    keys::PseudonymKeys,
    ledger::{CommitOutcome, CountedChunk, EventKey, Ledger},
    reference::{Reference, Subject},
    sessions::{Strikes, StruckEvent},
    staging::{Staged, Staging},
};
use processor::{BatchError, Invocation, Processor};
use serde_json::json;

use crate::world::{Fixed, Records, World, event, events};

/// Takes so many events in one transaction, and remembers how many it took.
#[derive(Clone)]
struct Narrow {
    store: Store,
    events_max: usize,
    taken: Arc<Mutex<Vec<usize>>>,
}

impl Ledger for Narrow {
    async fn known(&self, keys: &[EventKey]) -> PortResult<Vec<Option<u32>>> {
        self.store.known(keys).await
    }

    async fn dictionaries(
        &self,
        keys: &[DictionaryKey],
    ) -> PortResult<BTreeMap<DictionaryKey, Dictionary>> {
        self.store.dictionaries(keys).await
    }

    async fn commit(&self, chunk: CountedChunk) -> PortResult<CommitOutcome> {
        let events = chunk.markers.len();
        if events > self.events_max {
            return Ok(CommitOutcome::TooLarge);
        }
        self.taken.lock().unwrap().push(events);
        self.store.commit(chunk).await
    }
}

/// Passes a port on to the store.
macro_rules! pass_on {
    ($($trait:ident { $(fn $method:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)* })*) => {
        $(impl $trait for Narrow {
            $(async fn $method(&self, $($argument: $kind),*) -> PortResult<$answer> {
                $trait::$method(&self.store, $($argument),*).await
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

fn narrow(world: &World, events_max: usize) -> Narrow {
    Narrow { store: world.store.clone(), events_max, taken: Arc::default() }
}

#[tokio::test]
async fn a_chunk_that_is_too_large_is_cut_until_it_fits() {
    let world = World::new().await;
    let narrow = narrow(&world, 30);
    let batch = Records::of(1, events(100)).batch();
    let processor = Processor::new(narrow.clone(), Fixed);
    let answer = processor.handle(&batch, &Invocation::default()).await.unwrap();
    assert!(answer.batch_item_failures.is_empty());
    assert_eq!(*narrow.taken.lock().unwrap(), [25; 4]);
    assert_eq!(world.counted("acme").await, 100);
    assert_eq!(world.archived_ids().await.len(), 100);
}

#[tokio::test]
async fn it_is_cut_between_organisations_first() {
    let world = World::new().await;
    let narrow = narrow(&world, 30);
    let of = |org: &'static str, count: usize| {
        (0..count).map(move |n| event(&format!("{org}.{n}"), json!({"orgId": org})))
    };
    let batch = Records::of(1, of("acme", 29).chain(of("beta", 10))).batch();
    let processor = Processor::new(narrow.clone(), Fixed);
    processor.handle(&batch, &Invocation::default()).await.unwrap();
    assert_eq!(*narrow.taken.lock().unwrap(), [29, 10]);
    assert_eq!((world.counted("acme").await, world.counted("beta").await), (29, 10));
}

/// No store promises less; one that breaks its word must not keep the processor cutting.
#[tokio::test]
async fn one_event_that_is_too_large_fails_the_batch() {
    let world = World::new().await;
    let batch = Records::of(1, events(3)).batch();
    let processor = Processor::new(narrow(&world, 0), Fixed);
    let error = processor.handle(&batch, &Invocation::default()).await.unwrap_err();
    assert!(matches!(error, BatchError::World(error) if !error.transient));
    assert_eq!(world.counted("acme").await, 0);
}
