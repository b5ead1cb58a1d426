//! An API over the embedded store, behind a real server, with a clock that tests own and people who press buttons.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use contract::{
    Event, OrgId, Timestamp,
    limits::{DAY_MS, HOUR_MS, SECOND_MS},
};
use domain::api_key::{ApiKey, Scope};
use embedded::{Durability, Options, Store};
use friction::{owner::actor_slot, policy::SessionPolicy};
use insights::{CursorKey, Insights, router};
use ports::{
    faulty::{Counter, FaultPlan, Faulty, Hands},
    keys::{ApiKeyRecord, ApiKeys as _},
    reference::Organisations as _,
    sessions::Lane,
};
use serde_json::{Value, json};
use sessionizer::Sessionizer;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::OnceCell};

use crate::client::{Answer, head, request};

/// 2025-10-09, 08:53:20 UTC.
pub(crate) const NOW_MS: i64 = 1_760_000_000_000;

/// What a test talks to.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) faults: FaultPlan,
    pub(crate) keys: Keys,
    clock: Arc<Hands>,
    sessionizer: Sessionizer<Store, Arc<Hands>>,
    document: OnceCell<Value>,
    _directory: TempDir,
}

/// One key of each sort.
pub(crate) struct Keys {
    /// May read for `acme`.
    pub(crate) acme: String,
    /// May read for `bolt`.
    pub(crate) bolt: String,
    /// May read for `acme` and `bolt`.
    pub(crate) both: String,
    /// May read for nobody.
    pub(crate) none: String,
    /// Operates the installation, bound to `acme`.
    pub(crate) admin: String,
    pub(crate) ingest_only: String,
    pub(crate) revoked: String,
    /// The id of `acme` with another secret.
    pub(crate) wrong_secret: String,
    pub(crate) unknown: String,
}

impl World {
    pub(crate) async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hands::at(Timestamp::from_ms(NOW_MS)));
        let options = Options {
            durability: Durability::Relaxed,
            clock: Arc::<Hands>::clone(&clock),
            ..Options::default()
        };
        let store = Store::open(directory.path(), options).unwrap();
        for name in ["acme", "bolt"] {
            store.create(&org(name)).await.unwrap();
        }
        let keys = Keys::put(&store).await;
        let faults = FaultPlan::none();
        let world = Faulty::new(store.clone(), faults.clone());
        let key = CursorKey::new([7; 32]);
        let app = Insights::new(world, Arc::clone(&clock), Counter::default(), key);
        #[cfg(feature = "websocket")]
        let app = app.checking_streams_every(std::time::Duration::from_millis(100));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(Arc::new(app))).await });
        let policy = SessionPolicy::whole_horizon();
        let sessionizer = Sessionizer::new(store.clone(), Arc::clone(&clock), policy);
        Self {
            address,
            store,
            faults,
            keys,
            clock,
            sessionizer,
            document: OnceCell::new(),
            _directory: directory,
        }
    }

    /// Takes events that arrive now.
    pub(crate) async fn take(&self, events: impl IntoIterator<Item = Event>) {
        self.sessionizer.take_events(events.into_iter().collect()).await.unwrap();
    }

    /// Looks at everybody whose time has come.
    pub(crate) async fn sweep(&self) {
        let report = self.sessionizer.sweep(Lane { index: 0, of: 1 }, None).await.unwrap();
        assert_eq!((report.failed, report.stale), (0, 0));
    }

    /// Waits until every session is over, and looks at it.
    pub(crate) async fn close(&self) {
        self.forward(HOUR_MS);
        self.sweep().await;
    }

    pub(crate) fn forward(&self, ms: i64) {
        self.clock.forward(ms);
    }

    /// Asks with a key.
    pub(crate) async fn get(&self, key: &str, target: &str) -> Answer {
        let bearer = format!("Bearer {key}");
        request(self.address, &head("GET", target, &[("authorization", &bearer)])).await
    }

    /// Asks as somebody of `acme`, and gets an answer of the kind that is described for `path`.
    pub(crate) async fn ask(&self, path: &str, query: &str) -> Value {
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        self.ask_at(path, &target).await
    }

    /// The same for a path with an id in it.
    pub(crate) async fn ask_at(&self, path: &str, target: &str) -> Value {
        let answer = self.get(&self.keys.acme, target).await;
        answer.answers(path, self.document().await)
    }

    /// The code with which somebody of `acme` is refused.
    pub(crate) async fn refused(&self, target: &str) -> (u16, String) {
        let answer = self.get(&self.keys.acme, target).await;
        (answer.status, answer.code())
    }

    /// The API's description of itself.
    pub(crate) async fn document(&self) -> &Value {
        let read = || async {
            let answer = request(self.address, &head("GET", "/openapi.json", &[])).await;
            assert_eq!(answer.status, 200);
            answer.json()
        };
        self.document.get_or_init(read).await
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
            acme: record(1, &["acme"], Scope::Read, None).await,
            bolt: record(2, &["bolt"], Scope::Read, None).await,
            both: record(3, &["acme", "bolt"], Scope::Read, None).await,
            none: record(4, &[], Scope::Read, None).await,
            admin: record(5, &["acme"], Scope::Admin, None).await,
            ingest_only: record(6, &["acme"], Scope::Ingest, None).await,
            revoked: record(7, &["acme"], Scope::Read, Some(NOW_MS)).await,
            wrong_secret: ApiKey::new([1; 16], [9; 32]).reveal(),
            unknown: ApiKey::new([9; 16], [9; 32]).reveal(),
        }
    }
}

/// Somebody's visit.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    org: &'static str,
    actor: u32,
    at: i64,
    events: Vec<Value>,
}

impl Visit {
    /// A visit of `actor` that begins so many days before now, each at a second of its own.
    pub(crate) fn of(actor: u32, days_ago: i64) -> Self {
        let at = NOW_MS - days_ago * DAY_MS + i64::from(actor) * SECOND_MS;
        Self { org: "acme", actor, at, events: Vec::new() }
    }

    pub(crate) fn at_org(self, org: &'static str) -> Self {
        Self { org, ..self }
    }

    /// An event so many ms after the one before.
    pub(crate) fn then(mut self, ms: i64, kind: &str, fields: Value) -> Self {
        self.at += ms;
        let number = self.events.len();
        let mut event = json!({
            "eventId": format!("{}-{}-{}-{number:05}", self.org, self.actor, self.at),
            "eventType": kind, "occurredAt": Timestamp::from_ms(self.at).to_string(),
            "orgId": self.org, "actorId": token("u1", self.actor), "sessionId": token("s1", self.actor),
        });
        let members = event.as_object_mut().unwrap();
        members.extend(fields.as_object().unwrap().clone());
        self.events.push(event);
        self
    }

    pub(crate) fn screen(self, name: &str) -> Self {
        self.then(5_000, "ui.navigation", json!({ "screen": name }))
    }

    /// A look at something about `concept`.
    pub(crate) fn looks_at(self, concept: &str) -> Self {
        self.then(
            1_000,
            "knowledge.user_viewed",
            json!({ "object": { "type": "concept", "id": concept } }),
        )
    }

    /// Home, to the till, through it.
    pub(crate) fn buys(self) -> Self {
        self.screen("/home")
            .then(500, "task.started", json!({ "screen": "/home", "task": { "name": "buy" } }))
            .screen("/pay")
            .then(4_000, "ui.click", json!({ "screen": "/pay", "element": { "key": "ok" } }))
            .screen("/thanks")
            .then(200, "task.completed", json!({ "screen": "/thanks", "task": { "name": "buy" } }))
    }

    /// Home, to the till, where nothing works, and away.
    pub(crate) fn rages(self) -> Self {
        let begun = self
            .screen("/home")
            .then(500, "task.started", json!({ "screen": "/home", "task": { "name": "buy" } }))
            .screen("/pay");
        let pressed = (0..6).fold(begun, |visit, _| {
            visit.then(200, "ui.click", json!({ "screen": "/pay", "element": { "key": "ok" } }))
        });
        pressed.then(
            3_000,
            "friction.user_override",
            json!({ "screen": "/pay", "traceComponent": "reasoning", "severity": 3 }),
        )
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let read = |event: &Value| serde_json::from_value(event.clone()).unwrap();
        self.events.iter().map(read).collect()
    }
}

/// Events of visits.
pub(crate) fn events(visits: impl IntoIterator<Item = Visit>) -> Vec<Event> {
    visits.into_iter().flat_map(|visit| visit.events()).collect()
}

pub(crate) fn org(name: &str) -> OrgId {
    OrgId::parse(name).unwrap()
}

/// So many actors of whom no two are taken for one.
pub(crate) fn strangers(count: usize) -> Vec<u32> {
    let mut slots = BTreeSet::new();
    (0..).filter(|actor| slots.insert(actor_slot(&token("u1", *actor)))).take(count).collect()
}

/// A token that names nobody.
fn token(kind: &str, number: u32) -> String {
    format!("{kind}.0.{number:025}0")
}
