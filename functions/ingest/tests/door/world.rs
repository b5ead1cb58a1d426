//! A door over the embedded store, behind a real server, with a clock that tests own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use contract::{Event, OrgId, Timestamp};
use domain::api_key::{ApiKey, Scope};
use embedded::{Durability, Options, Store};
use ingest::{
    Ingest,
    config::{Config, Rate},
    router,
};
use ports::{
    faulty::{Counter, FaultPlan, Faulty, Hands},
    keys::{ApiKeyRecord, ApiKeys as _},
    reference::Organisations as _,
    stream::StreamSource as _,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub(crate) const NOW_MS: i64 = 1_760_000_000_000;
/// Stands in every event: no answer repeats it and no file keeps it.
pub(crate) const CANARY: &str = "canary-7q4z";

/// What a test talks to.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) faults: FaultPlan,
    pub(crate) clock: Arc<Hands>,
    pub(crate) keys: Keys,
    directory: TempDir,
}

/// One key of each sort.
pub(crate) struct Keys {
    /// May send for `acme`.
    pub(crate) acme: String,
    /// May send for `acme`, as another key.
    pub(crate) acme_new: String,
    /// May send for `acme` and `bolt`.
    pub(crate) both: String,
    /// May send for `ghost`, which does not exist.
    pub(crate) ghost: String,
    pub(crate) read_only: String,
    pub(crate) revoked: String,
    /// The id of `acme` with another secret.
    pub(crate) wrong_secret: String,
    pub(crate) unknown: String,
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hands::at(Timestamp::from_ms(NOW_MS)));
        let options = Options {
            durability: Durability::Relaxed,
            clock: Arc::<Hands>::clone(&clock),
            ..Options::default()
        };
        let store = Store::open(directory.path(), options).unwrap();
        store.create_keys_if_absent().unwrap();
        for name in ["acme", "bolt"] {
            store.create(&org(name)).await.unwrap();
        }
        let keys = Keys::put(&store).await;
        let faults = FaultPlan::none();
        let world = Faulty::new(store.clone(), faults.clone());
        let app = Ingest::new(world, Arc::clone(&clock), Counter::default(), config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(Arc::new(app))).await });
        Self { address, store, faults, clock, keys, directory }
    }

    /// The stream records, oldest first: every stored event has exactly one.
    pub(crate) async fn records(&self) -> Vec<Value> {
        let mut records = Vec::new();
        for shard in self.store.shards().await.unwrap() {
            for record in self.store.read(&shard, None, 10_000).await.unwrap() {
                records.push(serde_json::from_slice(&record.data).unwrap());
            }
        }
        records
    }

    /// The events among the records that are no change records.
    pub(crate) async fn events(&self) -> Vec<Event> {
        let records = self.records().await;
        records.into_iter().filter_map(|record| serde_json::from_value(record).ok()).collect()
    }

    /// Every byte that lies in the store's directory.
    pub(crate) fn kept(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.directory.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default()).collect()
    }
}

impl Keys {
    async fn put(store: &Store) -> Self {
        let record = async |number: u8, orgs: &[&str], scope: Scope, revoked_at: Option<i64>| {
            let key = ApiKey::new([number; 16], [number; 32]);
            let record = ApiKeyRecord::of(
                &key,
                orgs.iter().map(|name| org(name)).collect(),
                &[scope],
                Timestamp::from_ms(0),
            );
            let record = ApiKeyRecord { revoked_at: revoked_at.map(Timestamp::from_ms), ..record };
            store.put(&record).await.unwrap();
            key.reveal()
        };
        Self {
            acme: record(1, &["acme"], Scope::Ingest, None).await,
            acme_new: record(2, &["acme"], Scope::Ingest, Some(NOW_MS + 60_000)).await,
            both: record(3, &["acme", "bolt"], Scope::Ingest, None).await,
            ghost: record(4, &["ghost"], Scope::Ingest, None).await,
            read_only: record(5, &["acme"], Scope::Read, None).await,
            revoked: record(6, &["acme"], Scope::Ingest, Some(NOW_MS)).await,
            wrong_secret: ApiKey::new([1; 16], [9; 32]).reveal(),
            unknown: ApiKey::new([9; 16], [9; 32]).reveal(),
        }
    }
}

/// A door that lets go after a moment, and lets in 100 events a second.
pub(crate) fn impatient() -> Config {
    Config {
        rate: Rate { events_per_second: 100, burst: 500 },
        body_timeout: Duration::from_millis(50),
    }
}

pub(crate) fn org(name: &str) -> OrgId {
    OrgId::parse(name).unwrap()
}

/// A click by somebody with the canary's address, with `changes` merged over it; a null removes a field.
pub(crate) fn event(id: &str, changes: Value) -> Value {
    let mut event = json!({
        "eventId": id, "eventType": "ui.click", "occurredAt": Timestamp::from_ms(NOW_MS).to_string(),
        "orgId": "acme", "screen": "/cart", "element": {"key": "pay"}, "actorId": format!("{CANARY}@example.org"),
    });
    let fields = event.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    event
}

pub(crate) fn batch(events: &[Value]) -> String {
    json!({ "events": events }).to_string()
}
