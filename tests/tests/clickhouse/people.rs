//! People who do all sorts of things, sessions that are made of it by and by, and the insights API over them.

use std::sync::Arc;

use axum::{Router, body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use contract::{
    Event, OrgId, Timestamp,
    limits::{DAY_MS, HOUR_MS},
};
use data_encoding::BASE32_NOPAD;
use domain::api_key::{ApiKey, Scope};
use embedded::{Durability, Options, Store};
use friction::policy::SessionPolicy;
use http_body_util::BodyExt as _;
use insights::{CursorKey, Insights, router};
use ports::{
    bus::Announcement,
    clock::{Clock as _, SystemClock},
    faulty::{Counter, Hands},
    keys::{ApiKeyRecord, ApiKeys as _},
    reference::Organisations as _,
    sessions::Lane,
};
use serde_json::{Value, json};
use sessionizer::Sessionizer;
use tempfile::TempDir;
use tower::ServiceExt as _;
use warehouse::standalone;

use crate::engine::draw;

/// The embedded store's side: what the suite itself knows.
pub(crate) struct World {
    pub(crate) store: Store,
    sessionizer: Sessionizer<Store, Arc<Hands>>,
    clock: Arc<Hands>,
    api: Router,
    key: String,
    _directory: TempDir,
}

impl World {
    pub(crate) async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hands::at(now()));
        let options = Options {
            durability: Durability::Relaxed,
            clock: Arc::<Hands>::clone(&clock),
            ..Options::default()
        };
        let store = Store::open(directory.path(), options).unwrap();
        let org = OrgId::parse("acme").unwrap();
        store.create(&org).await.unwrap();
        let key = ApiKey::new([1; 16], [1; 32]);
        let record = ApiKeyRecord::of(&key, vec![org], &[Scope::Read], Timestamp::from_ms(0));
        store.put(&record).await.unwrap();
        let cursors = CursorKey::new([7; 32]);
        let api = Insights::new(store.clone(), Arc::clone(&clock), Counter::default(), cursors);
        let policy = SessionPolicy::whole_horizon();
        Self {
            sessionizer: Sessionizer::new(store.clone(), Arc::clone(&clock), policy),
            api: router(Arc::new(api)),
            key: key.reveal(),
            store,
            clock,
            _directory: directory,
        }
    }

    /// Takes events in two parts, each of which is closed before the other comes: what was said is said again, and taken back.
    pub(crate) async fn live(&self, events: &[Event], seed: u64) {
        let (first, second): (Vec<_>, Vec<_>) =
            (0..).zip(events).partition(|(at, _)| !draw(seed ^ at).is_multiple_of(4));
        for part in [first, second] {
            let part = part.into_iter().map(|(_, event)| event.clone()).collect();
            self.sessionizer.take_events(part).await.unwrap();
            self.clock.forward(2 * HOUR_MS);
            let report = self.sessionizer.sweep(Lane { index: 0, of: 1 }, None).await.unwrap();
            assert_eq!((report.failed, report.stale), (0, 0));
        }
    }

    /// Everything that was announced, each as it would come alone.
    pub(crate) async fn announced(&self) -> Vec<(u64, Announcement)> {
        self.store.announcements(0, 1_000_000).await.unwrap()
    }

    /// What the insights API answers.
    pub(crate) async fn ask(&self, target: &str) -> Value {
        let request = Request::builder()
            .uri(target)
            .header("authorization", format!("Bearer {}", self.key))
            .body(Body::empty())
            .unwrap();
        let answer = self.api.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{target}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }
}

/// The start of today: everything happened on the days before.
pub(crate) fn now() -> Timestamp {
    SystemClock.now().day()
}

/// The day so many days ago, as SQL has it.
pub(crate) fn day(ago: i64) -> &'static str {
    let mut text = now().plus_ms(-ago * DAY_MS).to_string();
    text.truncate("2026-01-01".len());
    text.leak()
}

/// What `actors` people did on the six days before today, each on each day with some chance.
pub(crate) fn events(actors: u64, seed: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for actor in 0..actors {
        for ago in 1..=6 {
            let dice = draw(seed ^ (actor << 8) ^ ago);
            if !dice.is_multiple_of(3) {
                let begin = now().plus_ms(-i64::try_from(ago).unwrap() * DAY_MS);
                visit(actor, begin, dice, &mut events);
            }
        }
    }
    events
}

/// Half of the visits go one of three ways for a task, the others go anywhere.
fn visit(actor: u64, begin: Timestamp, dice: u64, events: &mut Vec<Event>) {
    let mut visit = Visit { actor, at: begin.plus_ms(part(dice, 80_000_000)), events };
    if dice.is_multiple_of(2) {
        visit.errand(draw(dice));
        return;
    }
    for step in 0..4 + dice % 14 {
        let dice = draw(dice ^ step);
        let screen = SCREENS[usize::try_from(dice % 5).unwrap()];
        let (kind, fields) = deed(dice >> 8);
        visit.then(kind, screen, &fields);
        // Now and then a pause that may be one of a session, or be filled by what comes late.
        visit.wait(if dice.is_multiple_of(9) { 1_500_000 } else { 400 + part(dice, 30_000) });
    }
}

struct Visit<'a> {
    actor: u64,
    at: Timestamp,
    events: &'a mut Vec<Event>,
}

impl Visit<'_> {
    fn then(&mut self, kind: &str, screen: &str, fields: &Value) {
        let (actor, at) = (self.actor, self.at);
        let product = if actor.is_multiple_of(3) { "till" } else { "shop" };
        let mut event = json!({
            "eventId": format!("e{actor}-{}", at.ms()), "eventType": kind,
            "occurredAt": at.to_string(), "recordedAt": at.to_string(), "orgId": "acme",
            "productId": product, "screen": screen, "actorId": token("u1", actor),
            "sessionId": token("s1", actor),
        });
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.events.push(serde_json::from_value(event).unwrap());
        self.wait(1);
    }

    fn wait(&mut self, ms: i64) {
        self.at = self.at.plus_ms(ms);
    }

    /// To the till on one of three ways, mostly through it, and sometimes with a burst of clicks.
    fn errand(&mut self, dice: u64) {
        let way: &[&str] = match dice % 3 {
            0 => &["/home", "/cart", "/pay"],
            1 => &["/home", "/list", "/item/{id}", "/cart", "/pay"],
            _ => &["/home", "/list", "/home", "/pay"],
        };
        let task = json!({ "task": { "name": "pay" } });
        self.then("task.started", way[0], &task);
        for screen in way {
            self.then("ui.navigation", screen, &json!({}));
            self.wait(3_000 + part(dice, 4_000));
        }
        if dice.is_multiple_of(5) {
            for _ in 0..6 {
                let element = json!({ "element": { "key": "go", "x": 4, "y": 4 } });
                self.then("ui.click", "/pay", &element);
                self.wait(150);
            }
        }
        if !dice.is_multiple_of(4) {
            self.then("task.completed", "/pay", &task);
        }
    }
}

fn deed(dice: u64) -> (&'static str, Value) {
    match dice % 12 {
        0..=4 => ("ui.navigation", json!({})),
        5 | 6 => ("ui.click", json!({ "element": { "key": "go", "x": 4, "y": 4 } })),
        7 => ("task.started", json!({ "task": { "name": "pay" } })),
        8 => ("task.completed", json!({ "task": { "name": "pay" } })),
        9 => ("friction.user_override", json!({ "traceComponent": "reasoning" })),
        10 => ("friction.explanation_request", json!({ "traceComponent": "explainability" })),
        _ => ("ui.error", json!({ "error": { "code": "E1", "latencyMs": 12 } })),
    }
}

fn part(dice: u64, of: u64) -> i64 {
    i64::try_from(dice % of).unwrap()
}

const SCREENS: [&str; 5] = ["/home", "/list", "/item/{id}", "/cart", "/pay"];

/// A pseudonym of the sort that the door makes.
fn token(kind: &str, number: u64) -> String {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&draw(number).to_be_bytes());
    let text = BASE32_NOPAD.encode(&bytes).to_lowercase();
    let crockford = |c: char| {
        let at = "abcdefghijklmnopqrstuvwxyz234567".find(c).unwrap();
        char::from("0123456789abcdefghjkmnpqrstvwxyz".as_bytes()[at])
    };
    format!("{kind}.1.{}", text.chars().map(crockford).collect::<String>())
}

/// The payload of a stream with these events.
pub(crate) fn stream(events: &[Event]) -> String {
    let record = |(at, event): (usize, &Event)| {
        json!({
            "eventSource": "aws:kinesis",
            "eventID": format!("shardId-000000000000:{}", at + 1),
            "kinesis": {
                "sequenceNumber": (at + 1).to_string(),
                "data": STANDARD.encode(serde_json::to_vec(event).unwrap()),
                "approximateArrivalTimestamp": now().ms() / 1_000,
            },
        })
    };
    json!({ "Records": events.iter().enumerate().map(record).collect::<Vec<_>>() }).to_string()
}

/// The payload of a queue with these announcements.
pub(crate) fn queue(announced: &[(u64, Announcement)]) -> String {
    standalone::queued(announced)
}
