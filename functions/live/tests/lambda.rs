//! The real binary of the live function, behind a Runtime API, a gateway for WebSockets and stand-ins.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::{path::Path, sync::Arc, time::Duration};

use aws::resources::Resource;
use contract::{Event, Timestamp, session::SessionId};
use domain::api_key::{ApiKey, Scope};
use friction::{context::ContextState, owner::Owner, policy::SessionPolicy};
use futures::{SinkExt as _, StreamExt as _};
use ports::{
    clock::{Clock, SystemClock},
    keys::{ApiKeyRecord, ApiKeys as _},
    sessions::{Lane, SessionQuery, Span, Understanding as _},
    watches::Watched as _,
};
use serde_json::{Value, json};
use sessionizer::Sessionizer;
use standin::{
    Corner,
    lambda::Function,
    run,
    websocket::{Bound, Gateway, Limits, integration},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

const NEEDED: &[Resource] = &[Resource::Sessions, Resource::Keys, Resource::Bus];

/// A clock that is ahead, so that what is due soon is due.
struct Ahead;

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(60_000)
    }
}

/// The function behind its gateway, and a session under way.
struct World {
    corner: Corner,
    function: Arc<Function>,
    gateway: Gateway,
    key: ApiKey,
    events: Vec<Event>,
    session: SessionId,
}

impl World {
    async fn open(log: &Path) -> Self {
        let corner = Corner::open().await;
        let bound = Bound::at("127.0.0.1:0").await.unwrap();
        let more = [("CONNECTIONS_URL", bound.connections_url())];
        let more = more.each_ref().map(|(name, value)| (*name, value.as_str()));
        let function = corner.function(env!("CARGO_BIN_EXE_live"), NEEDED, &more, log).await;
        let function = Arc::new(function);
        let gateway = bound.serve(integration(Arc::clone(&function)), Limits::default());
        let key = ApiKey::new([1; 16], [1; 32]);
        let events = vec![look(0, "tax"), look(1, "vat")];
        take(&corner, &events).await;
        let lane = Lane { index: 0, of: 1 };
        let sessionizer = Sessionizer::new(corner.cloud(), Ahead, policy());
        sessionizer.sweep(lane, None).await.unwrap();
        let now = SystemClock.now();
        let span = Span {
            org: events[0].org_id.clone(),
            product: None,
            from: now.plus_ms(-3_600_000),
            to: now.plus_ms(3_600_000),
        };
        let query = SessionQuery { span, state: None, after: None, limit: 1 };
        let session = corner.cloud().sessions(&query).await.unwrap().remove(0).session.session_id;
        let world = Self { corner, function, gateway, key, events, session };
        world.put_key(None).await;
        world
    }

    async fn put_key(&self, revoked_at: Option<Timestamp>) {
        let record = ApiKeyRecord {
            key_id: self.key.key_id().to_owned(),
            secret_hash: self.key.secret_hash(),
            orgs: vec![self.events[0].org_id.clone()],
            scopes: vec![Scope::Read],
            created_at: Timestamp::from_ms(0),
            revoked_at,
        };
        self.corner.cloud().put(&record).await.unwrap();
    }

    fn owner(&self) -> Owner {
        Owner::of(&self.events[0]).unwrap()
    }

    fn expected(&self) -> Value {
        let state = ContextState::project(&self.events);
        serde_json::to_value(state.context(&self.owner(), &self.session)).unwrap()
    }

    async fn listen(&self, more: &str) -> Result<Client, u16> {
        let url = format!("{}?session={}{more}", self.gateway.url(), self.session);
        let address = url.split('/').nth(2).unwrap().to_owned();
        let mut request = url.into_client_request().unwrap();
        let bearer = format!("Bearer {}", self.key.reveal());
        request.headers_mut().insert("authorization", bearer.parse().unwrap());
        let connection = TcpStream::connect(address).await.unwrap();
        match client_async(request, connection).await {
            Ok((socket, _)) => Ok(Client(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// The rule of the bus.
    async fn announce(&self) {
        let Owner { org, product, token } = self.owner();
        let event = json!({
            "version": "0", "id": "1", "detail-type": "session.context_updated", "source": "tribometer",
            "account": "000000000000", "time": "2026-02-12T00:00:00Z", "region": "eu-central-1", "resources": [],
            "detail": {"id": "1", "org": org, "at": "2026-02-12T00:00:00Z", "detail": {"productId": product, "token": token}}
        });
        self.function.invoke(event.to_string()).await.unwrap();
    }

    async fn happens(&mut self, concept: &str) {
        self.events.push(look(self.events.len(), concept));
        take(&self.corner, &self.events).await;
    }

    async fn until_kept(&self, count: usize) {
        while self.corner.cloud().watches(&self.owner()).await.unwrap().len() != count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

struct Client(WebSocketStream<TcpStream>);

impl Client {
    /// The next message; nothing when there is none any more.
    async fn next(&mut self) -> Option<Value> {
        match timeout(Duration::from_secs(30), self.0.next()).await.unwrap()?.ok()? {
            Message::Text(text) => Some(serde_json::from_str(&text).unwrap()),
            Message::Binary(_)
            | Message::Ping(_)
            | Message::Pong(_)
            | Message::Close(_)
            | Message::Frame(_) => None,
        }
    }
}

async fn take(corner: &Corner, events: &[Event]) {
    let sessionizer = Sessionizer::new(corner.cloud(), SystemClock, policy());
    sessionizer.take_events(events.to_vec()).await.unwrap();
}

/// Open sessions are looked at at once.
fn policy() -> SessionPolicy {
    SessionPolicy { live_ms: Some(0), ..SessionPolicy::nine_days() }
}

/// The look number `number` of this hour.
fn look(number: usize, concept: &str) -> Event {
    static BEGIN: std::sync::LazyLock<Timestamp> =
        std::sync::LazyLock::new(|| SystemClock.now().plus_ms(-60_000));
    let event = json!({
        "eventId": format!("look.{number:05}"), "eventType": "knowledge.user_viewed",
        "occurredAt": BEGIN.plus_ms(i64::try_from(number).unwrap() * 1_000).to_string(), "orgId": "acme",
        "actorId": format!("u1.0.{:026}", 7), "sessionId": format!("s1.0.{:026}", 7),
        "object": {"type": "concept", "id": concept},
    });
    serde_json::from_value(event).unwrap()
}

#[test]
fn whoever_listens_is_told_what_happens_and_resumes_without_a_gap() {
    run(async {
        let logs = tempfile::tempdir().unwrap();
        let mut world = World::open(&logs.path().join("log")).await;
        let mut client = world.listen("").await.unwrap();
        world.announce().await;
        let first = client.next().await.unwrap();
        assert_eq!(first, world.expected());
        world.happens("duty").await;
        world.announce().await;
        assert_eq!(client.next().await, Some(world.expected()));
        client.0.close(None).await.unwrap();
        while client.next().await.is_some() {}
        world.until_kept(0).await;
        // Back with what it has seen first, it is told what it missed, by the minute alone.
        world.happens("fee").await;
        let after = first["lastSeq"].as_str().unwrap().replace('#', "%23");
        let mut client = world.listen(&format!("&after={after}")).await.unwrap();
        world.function.invoke("{}").await.unwrap();
        assert_eq!(client.next().await, Some(world.expected()));
        // It asks, and is told again what it says it has not seen.
        client.0.send(Message::text(json!({"after": first["lastSeq"]}).to_string())).await.unwrap();
        assert_eq!(client.next().await, Some(world.expected()));
        // And who is watched is known to whoever takes events.
        let watched = world.corner.cloud().watched(SystemClock.now()).await.unwrap();
        assert!(watched.contains(&world.owner()));
    });
}

#[test]
fn a_key_that_is_revoked_ends_what_was_opened_with_it() {
    run(async {
        let logs = tempfile::tempdir().unwrap();
        let world = World::open(&logs.path().join("log")).await;
        let mut client = world.listen("").await.unwrap();
        world.announce().await;
        assert!(client.next().await.is_some());
        world.put_key(Some(SystemClock.now())).await;
        // What a process knows of keys may be a minute old.
        world.function.kill().await;
        world.function.invoke("{}").await.unwrap();
        assert_eq!(client.next().await, None);
        world.until_kept(0).await;
        assert_eq!(world.listen("").await.err(), Some(401));
    });
}

#[test]
fn a_process_that_dies_while_it_tells_leaves_a_listener_who_is_told() {
    run(async {
        let logs = tempfile::tempdir().unwrap();
        let mut world = World::open(&logs.path().join("log")).await;
        let mut client = world.listen("").await.unwrap();
        for concept in ["duty", "fee", "toll"] {
            world.happens(concept).await;
            tokio::select! {
                () = world.announce_in_vain() => {}
                () = async {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    world.function.kill().await;
                } => {}
            }
        }
        world.happens("levy").await;
        // A turn that nobody ended is over after half a minute; whatever comes until then is told by the next.
        loop {
            world.function.invoke("{}").await.unwrap();
            let told = timeout(Duration::from_secs(5), client.0.next()).await;
            if let Ok(Some(Ok(Message::Text(text)))) = told
                && serde_json::from_str::<Value>(&text).unwrap() == world.expected()
            {
                break;
            }
        }
        let watches = world.corner.cloud().watches(&world.owner()).await.unwrap();
        assert!(watches[0].told.is_some());
    });
}

impl World {
    /// The same when the function may die.
    async fn announce_in_vain(&self) {
        let Owner { org, product, token } = self.owner();
        let event = json!({
            "detail-type": "session.context_updated",
            "detail": {"id": "1", "org": org, "detail": {"productId": product, "token": token}}
        });
        drop(self.function.invoke(event.to_string()).await);
    }
}

#[test]
fn without_its_url_it_does_not_start() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let binary = env!("CARGO_BIN_EXE_live");
        let function = corner.function(binary, NEEDED, &[], &logs.path().join("log")).await;
        assert!(function.invoke("{}").await.is_err());
        let log = std::fs::read_to_string(logs.path().join("log")).unwrap();
        assert!(log.contains("CONNECTIONS_URL is not set"), "{log}");
    });
}
