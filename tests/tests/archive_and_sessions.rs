//! The archive and the sessions tell of the same events, whatever ids collide and in whatever order their readers come to
//! them: sessions are what a replay of the archive makes of an empty store.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use contract::{ProductId, Timestamp, kinesis::RecordBatch, session::Session};
use domain::archive;
use embedded::{Durability, Options, Store};
use friction::{cells::CellKind, policy::SessionPolicy, preferences::PreferencesState};
use insights::context_of;
use libdeflater::Decompressor;
use ports::{
    archive::Archive,
    clock::Clock as _,
    faulty::Hands,
    projections::{Projected, Projections as _},
    reference::{Organisations as _, Subject},
    sessions::{IncidentQuery, Lane, SessionQuery, Span, Sums as _, Understanding as _},
};
use processor::{Invocation, Processor};
use proptest::prelude::*;
use serde_json::{Value, json};
use sessionizer::Sessionizer;

/// 2026-02-12T10:00:00Z.
const NOW_MS: i64 = 1_770_890_400_000;
const MINUTE_MS: i64 = 60_000;
/// More than one session tells the preferences of.
const ACTORS: u32 = 12;
const ALL: Lane = Lane { index: 0, of: 1 };

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// The processor takes these records.
    Count(Vec<usize>),
    /// The sessionizer does.
    Log(Vec<usize>),
    /// Minutes pass, and a sweep comes.
    Sweep(i64),
}

struct World {
    clock: Hands,
    store: Store,
    processor: Processor<Store, Hands>,
    sessionizer: Sessionizer<Store, Hands>,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let clock = Hands::at(Timestamp::from_ms(NOW_MS));
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            durability: Durability::Relaxed,
            clock: Arc::new(clock.clone()),
            ..Options::default()
        };
        let store = Store::open(directory.path(), options).unwrap();
        store.create_keys_if_absent().unwrap();
        store.create(&"acme".parse().unwrap()).await.unwrap();
        Self {
            processor: Processor::new(store.clone(), clock.clone()),
            sessionizer: Sessionizer::new(
                store.clone(),
                clock.clone(),
                SessionPolicy::whole_horizon(),
            ),
            clock,
            store,
            _directory: directory,
        }
    }

    async fn step(&self, step: &Step, events: &[Value]) {
        match step {
            Step::Count(some) => {
                let answer = self
                    .processor
                    .handle(&batch(some, events), &Invocation::default())
                    .await
                    .unwrap();
                assert!(answer.batch_item_failures.is_empty());
            }
            Step::Log(some) => {
                let answer = self.sessionizer.handle(&batch(some, events)).await.unwrap();
                assert!(answer.batch_item_failures.is_empty());
            }
            Step::Sweep(minutes) => {
                self.clock.forward(minutes * MINUTE_MS);
                self.sessionizer.sweep(ALL, None).await.unwrap();
            }
        }
    }

    async fn come_to_rest(&self) {
        for _ in 0..4 {
            self.clock.forward(60 * MINUTE_MS);
            self.sessionizer.sweep(ALL, None).await.unwrap();
        }
    }

    /// The archive's events, each once.
    async fn archived(&self) -> Vec<contract::Event> {
        let mut events = BTreeMap::new();
        for key in Archive::list(&self.store, archive::PREFIX).await.unwrap() {
            let packed = self.store.read(&key).await.unwrap().unwrap();
            let size = packed.last_chunk::<4>().map(|size| u32::from_le_bytes(*size)).unwrap();
            let mut lines = vec![0; usize::try_from(size).unwrap()];
            Decompressor::new().gzip_decompress(&packed, &mut lines).unwrap();
            for event in archive::parse_lines(&lines) {
                let event = event.unwrap();
                events.insert(event.event_id.clone(), event);
            }
        }
        events.into_values().collect()
    }

    /// Everything that is said, revisions aside.
    async fn says(&self) -> Value {
        let (from, to) = (Timestamp::from_ms(0), self.clock.now());
        let span = Span { org: "acme".parse().unwrap(), product: None, from, to };
        let query = SessionQuery { span: span.clone(), state: None, after: None, limit: 1_000 };
        let sessions = self.store.sessions(&query).await.unwrap();
        let mut contexts = Vec::new();
        for held in &sessions {
            let Session { org_id, session_id, .. } = &held.session;
            let told = context_of(&self.store, org_id, session_id).await.unwrap();
            contexts.push(json!(told.map(|(_, context)| context)));
        }
        let sessions: Vec<Value> =
            sessions.iter().map(|held| json!([held.session, held.state.as_str()])).collect();
        let query = IncidentQuery {
            span: span.clone(),
            rule: None,
            session: None,
            after: None,
            limit: 1_000,
        };
        let incidents = self.store.incidents(&query).await.unwrap();
        let incidents: Vec<Value> = incidents.iter().map(|held| json!(held.incident)).collect();
        let mut cells = BTreeMap::new();
        for kind in CellKind::ALL {
            for (key, cell) in self.store.cells(&span, kind).await.unwrap() {
                if cell != friction::cells::Cell::default() {
                    cells.insert(format!("{kind:?} {key:?}"), json!(cell));
                }
            }
        }
        let mut preferences = Vec::new();
        for actor in (0..ACTORS).map(token) {
            let (org, product) = (span.org.clone(), ProductId::default());
            let subject = Subject { org: span.org.clone(), product, actor: actor.clone() };
            let kept = self.store.load(&Projected::Preferences(subject)).await.unwrap();
            let state = kept.map(|kept| serde_json::from_str::<PreferencesState>(&kept.state));
            let state = state.transpose().unwrap().unwrap_or_default();
            preferences.push(json!(state.preferences(&org, None, &actor)));
        }
        json!([sessions, contexts, incidents, cells, preferences])
    }
}

/// Events as the stream carries them; the number of each is its place in the stream.
fn batch(some: &[usize], events: &[Value]) -> RecordBatch {
    let arrived = f64::from(u32::try_from(NOW_MS / 1_000).unwrap());
    let record = |at: &usize| {
        json!({
            "eventID": format!("shardId-000000000000:{}", at + 1),
            "kinesis": {
                "sequenceNumber": (at + 1).to_string(),
                "partitionKey": "p",
                "data": STANDARD.encode(events[*at].to_string()),
                "approximateArrivalTimestamp": arrived,
            },
        })
    };
    serde_json::from_value(json!({"Records": some.iter().map(record).collect::<Vec<_>>()})).unwrap()
}

/// What a dozen people did over two hours, some of them in sessions of several, under so few ids that many collide: with another
/// time, body, person or session.
fn events() -> impl Strategy<Value = Vec<Value>> {
    let event = (0..24_u32, 0..ACTORS, 0..40_i64, 0..3_u32, 0..3_u32);
    let event = event.prop_map(|(id, actor, at, what, number)| {
        let mut event = json!({
            "eventId": format!("e.{id}"), "eventType": "ui.click", "orgId": "acme",
            "occurredAt": Timestamp::from_ms(NOW_MS - at * 3 * MINUTE_MS),
            "actorId": token(actor), "screen": "/a", "element": {"key": format!("key-{what}")},
        });
        if what > 0 {
            event["context"] = json!({"feature": format!("feature-{what}")});
        }
        if what == 1 {
            event["eventType"] = json!("friction.user_override");
            event["traceComponent"] = json!("reasoning");
        }
        if what == 2 {
            event["eventType"] = json!("knowledge.user_viewed");
            event["object"] = json!({"type": "concept", "id": format!("concept-{at}")});
        }
        if number > 0 {
            event["sessionId"] = json!(session(number));
        }
        event
    });
    (prop::collection::vec(event, 1..60), any::<bool>()).prop_map(|(mut events, is_long)| {
        if is_long {
            events.extend(long());
        }
        events
    })
}

/// Twelve hours of one session without a pause, so that it may depend on one event whether it is cut.
fn long() -> impl Iterator<Item = Value> {
    (0..27).map(|number| {
        let at = Timestamp::from_ms(NOW_MS - 14 * 60 * MINUTE_MS + number * 28 * MINUTE_MS);
        json!({
            "eventId": format!("long.{number}"), "eventType": "ui.click", "orgId": "acme",
            "occurredAt": at, "actorId": token(0), "sessionId": session(1), "screen": "/b",
            "element": {"key": "on"},
        })
    })
}

fn session(number: u32) -> String {
    format!("s1.1.{number:025}0")
}

fn token(actor: u32) -> String {
    format!("u1.1.{actor:025}0")
}

/// Both readers come to every record, some of them more than once: the processor as a shard has them, from wherever it left
/// off or some way before, the sessionizer in any order. Sweeps come when they like.
fn story() -> impl Strategy<Value = (Vec<Value>, Vec<Step>)> {
    events().prop_flat_map(|events| {
        let logged = Just((0..events.len()).collect::<Vec<_>>()).prop_shuffle();
        let again = prop::collection::vec(0..events.len(), 0..8);
        let steps = prop::collection::vec((0..3_u8, 1..9_usize, 0..50_usize), 0..30);
        (logged, again, steps).prop_map(move |(mut logged, again, told)| {
            logged.extend(again);
            let mut logged = logged.into_iter();
            let (mut counted, all) = (0_usize, events.len());
            let mut steps = Vec::new();
            for (kind, some, more) in told {
                steps.push(match kind {
                    0 => {
                        let from = counted.saturating_sub(more % 10);
                        counted = all.min(counted + some);
                        Step::Count((from..counted).collect())
                    }
                    1 => Step::Log(logged.by_ref().take(some).collect()),
                    _ => Step::Sweep(i64::try_from(more).unwrap()),
                });
            }
            steps.push(Step::Log(logged.collect()));
            steps.push(Step::Count((counted..all).collect()));
            (events.clone(), steps)
        })
    })
}

/// The archive's events, sessionized in an empty store, against what `world` says.
async fn replayed(world: &World) -> (Value, Value) {
    let replayed = World::new().await;
    let archived = world.archived().await;
    assert!(!archived.is_empty());
    replayed.sessionizer.take_events(archived).await.unwrap();
    replayed.come_to_rest().await;
    (world.says().await, replayed.says().await)
}

/// Twelve hours stay one session, and half an hour more would have it cut at noon: by an event that turns out to be none.
#[tokio::test]
async fn what_was_cut_for_an_event_that_is_none_is_whole_again() {
    let world = World::new().await;
    // From 08:00 to 20:00 of the day before.
    let at = |half_hour: i64| Timestamp::from_ms(NOW_MS - (26 * 60 - half_hour * 30) * MINUTE_MS);
    let click = |id: &str, half_hour: i64, of: u32| {
        json!({
            "eventId": id, "eventType": "ui.click", "orgId": "acme", "occurredAt": at(half_hour),
            "actorId": token(of), "sessionId": session(of), "screen": "/a", "element": {"key": "on"},
        })
    };
    let mut events: Vec<Value> = (0..=24).map(|n| click(&format!("on.{n}"), n, 1)).collect();
    events.extend([click("twice", 2, 2), click("twice", 25, 1)]);
    let all = || (0..events.len()).collect::<Vec<_>>();
    world.step(&Step::Log(all()), &events).await;
    world.come_to_rest().await;
    assert_eq!(world.says().await[0].as_array().unwrap().len(), 3, "it is cut");
    world.step(&Step::Count(all()), &events).await;
    world.come_to_rest().await;
    let (says, replayed) = replayed(&world).await;
    assert_eq!(says[0].as_array().unwrap().len(), 2);
    assert_eq!(says, replayed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_of_the_archive_into_an_empty_store_says_what_the_store_says((events, steps) in story()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            for step in &steps {
                world.step(step, &events).await;
            }
            world.come_to_rest().await;
            let (says, replayed) = replayed(&world).await;
            prop_assert_eq!(says, replayed);
            Ok(())
        })?;
    }
}
