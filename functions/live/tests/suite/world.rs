//! The embedded store, the sessionizer, a bus that can be cut, and the function behind a gateway.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use aws::{access::Access, connections::Connections};
use axum::body::Bytes;
use contract::{Event, OrgId, Timestamp, session::SessionId};
use domain::api_key::{ApiKey, Scope};
use embedded::{Durability, Options, Store};
use friction::{context::ContextState, owner::Owner, policy::SessionPolicy};
use live::Live;
use ports::{
    bus::{Announcement, AnnouncementKind},
    clock::Clock as _,
    faulty::{FaultPlan, Faulty, Hands},
    keys::{ApiKeyRecord, ApiKeys as _},
    reference::Organisations as _,
    sessions::{Lane, SessionQuery, Span, Understanding as _},
};
use serde_json::{Value, json};
use sessionizer::Sessionizer;
use standin::{
    lambda::Failure,
    websocket::{Bound, Gateway, Integration, Limits},
};
use tempfile::TempDir;

/// 2025-10-09, 08:53:20 UTC.
pub(crate) const NOW_MS: i64 = 1_760_000_000_000;

/// The handler as tests run it.
pub(crate) type Handler<L> = Live<Faulty<Store>, L, Arc<Hands>>;

/// What is there without anybody listening.
pub(crate) struct Ground {
    pub(crate) store: Store,
    pub(crate) clock: Arc<Hands>,
    pub(crate) faults: FaultPlan,
    pub(crate) keys: Keys,
    pub(crate) sessionizer: Sessionizer<Faulty<Store>, Arc<Hands>>,
    /// The position up to which announcements were heard.
    heard: AtomicU64,
    _directory: TempDir,
}

/// One key of each sort.
pub(crate) struct Keys {
    /// May read for `acme`.
    pub(crate) acme: String,
    /// May read for `bolt`.
    pub(crate) bolt: String,
    /// May read for both.
    pub(crate) both: String,
    /// May send only.
    pub(crate) ingest_only: String,
    /// Nobody's.
    pub(crate) unknown: String,
}

impl Ground {
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
        let faults = FaultPlan::none();
        let world = Faulty::new(store.clone(), faults.clone());
        let policy = SessionPolicy::whole_horizon();
        let sessionizer = Sessionizer::new(world, Arc::clone(&clock), policy);
        let keys = Keys::put(&store).await;
        let heard = AtomicU64::new(0);
        Self { store, clock, faults, keys, sessionizer, heard, _directory: directory }
    }

    /// The handler over this ground.
    pub(crate) fn live<L: ports::watches::Listeners>(&self, listeners: L) -> Handler<L> {
        let world = Faulty::new(self.store.clone(), self.faults.clone());
        Live::new(world, listeners, Arc::clone(&self.clock))
    }

    /// Takes events that arrive now.
    pub(crate) async fn take(&self, events: &[Event]) {
        self.sessionizer.take_events(events.to_vec()).await.unwrap();
    }

    /// What was announced of contexts since this was asked before.
    pub(crate) async fn announced(&self) -> Vec<Announcement> {
        let mut announced = Vec::new();
        for (position, announcement) in
            self.store.announcements(self.heard.load(Ordering::SeqCst), 1_000).await.unwrap()
        {
            self.heard.store(position, Ordering::SeqCst);
            if announcement.kind == AnnouncementKind::ContextUpdated {
                announced.push(announcement);
            }
        }
        announced
    }

    /// Looks at everybody whose time has come.
    pub(crate) async fn sweep(&self) {
        self.clock.forward(20_000);
        self.sessionizer.sweep(Lane { index: 0, of: 1 }, None).await.unwrap();
    }

    /// The newest session of `tenant`.
    pub(crate) async fn session(&self, tenant: &str) -> SessionId {
        let (from, to) = (Timestamp::from_ms(0), self.clock.now().plus_ms(86_400_000));
        let span = Span { org: org(tenant), product: None, from, to };
        let query = SessionQuery { span, state: None, after: None, limit: 1 };
        self.store.sessions(&query).await.unwrap().remove(0).session.session_id
    }

    /// Revokes the key that may read for `acme`.
    pub(crate) async fn revoke(&self, key: &str) {
        let key = ApiKey::parse(key).unwrap();
        let record = self.store.find(key.key_id()).await.unwrap().unwrap();
        let revoked = ApiKeyRecord { revoked_at: Some(self.clock.now()), ..record };
        self.store.put(&revoked).await.unwrap();
    }
}

impl Keys {
    async fn put(store: &Store) -> Self {
        let record = async |number: u8, orgs: &[&str], scope: Scope| {
            let key = ApiKey::new([number; 16], [number; 32]);
            let record = ApiKeyRecord::of(
                &key,
                orgs.iter().map(|name| org(name)).collect(),
                &[scope],
                Timestamp::from_ms(0),
            );
            store.put(&record).await.unwrap();
            key.reveal()
        };
        Self {
            acme: record(1, &["acme"], Scope::Read).await,
            bolt: record(2, &["bolt"], Scope::Read).await,
            both: record(3, &["acme", "bolt"], Scope::Read).await,
            ingest_only: record(4, &["acme"], Scope::Ingest).await,
            unknown: ApiKey::new([9; 16], [9; 32]).reveal(),
        }
    }
}

/// Everything, with a gateway before it.
pub(crate) struct World {
    pub(crate) ground: Ground,
    pub(crate) live: Arc<Handler<Connections>>,
    pub(crate) gateway: Gateway,
    /// Messages of clients that were handled.
    heard: Arc<AtomicUsize>,
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let ground = Ground::open().await;
        let bound = Bound::at("127.0.0.1:0").await.unwrap();
        let connections = Connections::new(&access(), &bound.connections_url());
        let live = Arc::new(ground.live(connections));
        let heard = Arc::new(AtomicUsize::new(0));
        let gateway = bound.serve(integration(&live, &heard), limits);
        Self { ground, live, gateway, heard }
    }

    /// Takes events that arrive now, and carries what is announced of them.
    pub(crate) async fn take(&self, events: &[Event]) {
        self.ground.take(events).await;
        self.deliver().await;
    }

    /// Carries to the function what was announced since.
    pub(crate) async fn deliver(&self) {
        for announcement in self.ground.announced().await {
            // What fails is not repeated here: the minute makes up for it.
            drop(self.live.handle(&of_the_bus(&announcement), None).await);
        }
    }

    /// Loses what was announced since; answers how much that was.
    pub(crate) async fn lose(&self) -> usize {
        self.ground.announced().await.len()
    }

    /// Waits until so many messages of clients were handled.
    pub(crate) async fn hears(&self, messages: usize) {
        while self.heard.load(Ordering::SeqCst) < messages {
            tokio::task::yield_now().await;
        }
    }

    /// A minute passes.
    pub(crate) async fn minute(&self) {
        self.ground.clock.forward(60_000);
        self.live.handle(&json!({"detail-type": "Scheduled Event"}), None).await.unwrap();
    }
}

/// Credentials that open nothing: the gateway on loopback only wants a signature.
fn access() -> Access {
    let set = |name: &str| match name {
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("standin".to_owned()),
        _ => None,
    };
    Access::read(set).unwrap()
}

fn integration(live: &Arc<Handler<Connections>>, heard: &Arc<AtomicUsize>) -> Integration {
    let (live, heard) = (Arc::clone(live), Arc::clone(heard));
    Arc::new(move |payload| {
        let (live, heard) = (Arc::clone(&live), Arc::clone(&heard));
        Box::pin(async move {
            let payload: Value = serde_json::from_str(&payload).unwrap();
            let answer = live.handle(&payload, None).await;
            if payload["requestContext"]["eventType"] == "MESSAGE" {
                heard.fetch_add(1, Ordering::SeqCst);
            }
            let answer = answer.map_err(|error| Failure::Error(error.to_string()))?;
            Ok(Bytes::from(answer.to_string()))
        })
    })
}

/// An announcement as the bus delivers it.
pub(crate) fn of_the_bus(announcement: &Announcement) -> Value {
    let Announcement { id, kind, org, at, detail } = announcement;
    let detail: Value = serde_json::from_str(detail.as_deref().unwrap()).unwrap();
    json!({
        "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": kind.as_str(),
        "source": "tribometer", "account": "000000000000", "time": at.to_string(), "region": "eu-central-1",
        "resources": [], "detail": {"id": id, "org": org, "at": at, "detail": detail}
    })
}

/// Somebody's visit to `tenant`: a look at each of `concepts`, one a second.
pub(crate) fn visit(tenant: &str, concepts: &[&str]) -> Vec<Event> {
    concepts.iter().enumerate().map(|(number, concept)| look(tenant, number, concept)).collect()
}

/// The look number `number`.
pub(crate) fn look(tenant: &str, number: usize, concept: &str) -> Event {
    let at = Timestamp::from_ms(NOW_MS + i64::try_from(number).unwrap() * 1_000);
    let event = json!({
        "eventId": format!("{tenant}-{number:05}"), "eventType": "knowledge.user_viewed",
        "occurredAt": at.to_string(), "orgId": tenant, "actorId": token("u1"), "sessionId": token("s1"),
        "object": {"type": "concept", "id": concept},
    });
    serde_json::from_value(event).unwrap()
}

/// What is said of the session `id` after `events`, which were taken in order.
pub(crate) fn expected(events: &[Event], id: &SessionId) -> Value {
    let owner = Owner::of(&events[0]).unwrap();
    serde_json::to_value(ContextState::project(events).context(&owner, id)).unwrap()
}

pub(crate) fn org(name: &str) -> OrgId {
    OrgId::parse(name).unwrap()
}

fn token(kind: &str) -> String {
    format!("{kind}.0.{:026}", 7)
}
