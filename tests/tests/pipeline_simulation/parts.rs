//! What a rig is put together from: clock and dice, the processor behind the pump, an open store with its keys.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::{
    api_key::{ApiKey, Scope},
    counters::{Cell, Count},
    delivery::DeliveryPolicy,
    profile::{Credentials, Profile, Sender},
    signature::SigningSecret,
};
use embedded::{Durability, Options, Store};
use ports::{
    chance::Chance,
    clock::{Clock as _, Entropy},
    faulty::{Faulty, Hands},
    keys::{ApiKeyRecord, ApiKeys},
    reference::Organisations,
};
use processor::{Invocation, Processor};
use pump::{FunctionError, StreamFunction};
use tempfile::TempDir;

use crate::clients::{ORGS, org};

/// The store, failing by seed.
pub(crate) type Base = Faulty<Store>;

/// How the processor is built: honestly, or with a mistake.
pub(crate) trait Variant: Default + Send + Sync {
    /// What the processor sees of the world.
    type World: processor::World + Send + Sync;

    /// The world over the store.
    fn world(&self, base: Base) -> Self::World;

    /// What the mapping hears of an invocation.
    fn answer(&self, answer: Result<String, FunctionError>) -> Result<String, FunctionError> {
        answer
    }

    /// Does every attempt at a batch bear a key of its own?
    const NEW_KEYS: bool = false;

    /// Counters that are kept elsewhere than in the store.
    fn counters(&self) -> Option<BTreeMap<Cell, Count>> {
        None
    }
}

/// The processor as it is.
#[derive(Default)]
pub(crate) struct Honest;

impl Variant for Honest {
    type World = Base;

    fn world(&self, base: Base) -> Base {
        base
    }
}

/// Unpredictable to whoever does not know the seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Arc<AtomicU64>);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }
}

impl Entropy for Dice {
    fn bytes(&self) -> [u8; 16] {
        let mut chance = Chance::of(self.0.fetch_add(1, Ordering::SeqCst));
        let (low, high) = (u128::from(chance.number()), u128::from(chance.number()));
        (low | high << 64).to_le_bytes()
    }
}

/// The processor behind a mapping.
pub(crate) struct Function<V: Variant> {
    pub(crate) variant: V,
    pub(crate) processor: Processor<V::World, Hands>,
}

impl<V: Variant> StreamFunction for Function<V> {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        let handled = self.processor.handle_payload(payload, &Invocation::default()).await;
        self.variant.answer(handled.map_err(FunctionError::failed))
    }
}

/// The same for what was given up.
pub(crate) struct Forced<V: Variant>(pub(crate) Arc<Function<V>>);

impl<V: Variant> StreamFunction for Forced<V> {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        let invocation = Invocation { deadline: None, force_quarantine: true };
        let handled = self.0.processor.handle_payload(payload, &invocation).await;
        handled.map_err(FunctionError::failed)
    }
}

/// In memory where the system has such a place: the archive is synced object by object.
pub(crate) fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A store in `directory`.
pub(crate) fn open(directory: &TempDir, clock: &Hands, shards: usize) -> Store {
    let options = Options {
        durability: Durability::Relaxed,
        shards: u32::try_from(shards).unwrap(),
        clock: Arc::new(clock.clone()),
        ..Options::default()
    };
    Store::open(directory.path(), options).unwrap()
}

/// Organisations, keys, and the clients' key as they present it.
pub(crate) async fn prepare(store: &Store, clock: &Hands) -> String {
    store.create_keys_if_absent().unwrap();
    for name in ORGS {
        store.create(&org(name)).await.unwrap();
    }
    let key = ApiKey::new([7; 16], [9; 32]);
    let record = ApiKeyRecord::of(
        &key,
        ORGS.iter().map(|name| org(name)).collect(),
        &[Scope::Ingest],
        clock.now(),
    );
    store.put(&record).await.unwrap();
    key.reveal()
}

/// What the connector knows the sender by.
pub(crate) fn credentials() -> Credentials {
    Credentials::new("key-1", SigningSecret::parse_all(SIGNING).unwrap()).unwrap()
}

/// The batchers' settings.
pub(crate) fn sending() -> batcher::Settings {
    batcher::Settings {
        profile: Profile::parse("athena-eu").unwrap(),
        policy: DeliveryPolicy::default(),
        sender: Sender::new("simulation", "eu-central-1").unwrap(),
    }
}

/// 2026-02-13T12:00:00Z.
/// A noon.
pub(crate) const START_MS: i64 = 1_770_984_000_000;
const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
