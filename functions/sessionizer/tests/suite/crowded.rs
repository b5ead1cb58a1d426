//! One owner who sends without a pause: every event is in one session, and no sweep holds or reads more than a commit takes.

use contract::{Event, Timestamp, limits::HOUR_MS};
use embedded::{Durability, Options, Store};
use friction::{
    cells::CellKind,
    change::{SessionState, StoredSession},
    policy::SessionPolicy,
};
use ports::{
    clock::Clock,
    faulty::{FaultPlan, Faulty},
    reference::Organisations as _,
    sessions::{SessionQuery, Span, Sums as _, Understanding as _},
};
use serde_json::json;
use sessionizer::{Sessionizer, SweepReport};

use crate::{NOW_MS, common::ALL};

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

struct World {
    store: Store,
    plan: FaultPlan,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { durability: Durability::Relaxed, ..Options::default() };
        let store = Store::open(directory.path(), options).unwrap();
        store.create_keys_if_absent().unwrap();
        store.create(&"acme".parse().unwrap()).await.unwrap();
        Self { store, plan: FaultPlan::none(), _directory: directory }
    }

    fn sessionizer(&self, at_ms: i64) -> Sessionizer<Faulty<Store>, At> {
        let world = Faulty::new(self.store.clone(), self.plan.clone());
        Sessionizer::new(world, At(after(at_ms)), SessionPolicy::nine_days())
    }

    async fn takes(&self, events: impl Iterator<Item = Event>) {
        let events: Vec<Event> = events.collect();
        self.sessionizer(0).take_events(events).await.unwrap();
    }

    /// One sweep, and how many pages of events it read.
    async fn sweeps(&self) -> (SweepReport, u64) {
        let before = self.plan.calls("event_log.read");
        let report = self.sessionizer(6 * HOUR_MS).sweep(ALL, None).await.unwrap();
        (report, self.plan.calls("event_log.read") - before)
    }

    async fn sessions(&self) -> Vec<StoredSession> {
        let state = Some(SessionState::Closed);
        let query = SessionQuery { span: span(), state, after: None, limit: 1_000 };
        let mut sessions = self.store.sessions(&query).await.unwrap();
        sessions.sort_by_key(|held| held.session.started_at);
        sessions
    }

    async fn sum(&self, name: &str) -> i64 {
        let cells = self.store.cells(&span(), CellKind::Overview).await.unwrap();
        cells.iter().map(|(_, cell)| cell.sum(name)).sum()
    }

    /// Each of `times` is in one session, and every sum says so.
    async fn holds_each_of(&self, times: &[i64]) {
        let sessions = self.sessions().await;
        let mut left = times;
        for StoredSession { session, .. } in &sessions {
            let (own, others) =
                left.split_at(left.partition_point(|ms| after(*ms) <= session.ended_at));
            assert_eq!(session.started_at, after(own[0]));
            assert_eq!(session.ended_at, after(own[own.len() - 1]));
            assert_eq!(usize::try_from(session.metrics.events).unwrap(), own.len());
            assert!(own.len() <= SessionPolicy::nine_days().events_max);
            left = others;
        }
        assert!(left.is_empty(), "{} are in no session", left.len());
        assert_eq!(self.sum("events").await, i64::try_from(times.len()).unwrap());
        assert_eq!(self.sum("sessions").await, i64::try_from(sessions.len()).unwrap());
    }
}

#[tokio::test]
async fn of_a_quarter_of_a_million_events_without_a_pause_each_is_in_one_session() {
    let world = World::new().await;
    let mut times: Vec<i64> = (0..EVENTS).map(|n| n * EVERY_MS).collect();
    for some in times.chunks(5_000) {
        world.takes(some.iter().map(|ms| event(*ms))).await;
    }
    // Twenty sessions until noon, thirty after it: what does not go into a commit is left to the next sweep.
    let (first, pages) = world.sweeps().await;
    assert_eq!((first.closed, first.failed), (45, 0));
    assert!(pages <= 226, "no more is read than is committed: {pages}");
    let (second, pages) = world.sweeps().await;
    assert_eq!(second.closed, 5);
    assert!(pages <= 32, "what is behind a cut is not read again: {pages}");
    assert_eq!(world.sweeps().await.0, SweepReport::default());
    world.holds_each_of(&times).await;

    // One that comes late moves what lies behind it in its half of the day, and nothing before.
    let late = times[240_000] + 1;
    world.takes([event(late)].into_iter()).await;
    times.insert(240_001, late);
    let (third, pages) = world.sweeps().await;
    assert_eq!((third.closed, third.superseded, third.failed), (3, 1, 0));
    assert!(pages <= 17, "{pages}");
    world.holds_each_of(&times).await;
}

fn event(at_ms: i64) -> Event {
    let event = json!({
        "eventId": format!("e{at_ms:09}"), "eventType": "ui.custom", "occurredAt": after(at_ms), "orgId": "acme",
        "actorId": "u1.1.00000000000000000000000000", "screen": "/a",
    });
    serde_json::from_value(event).unwrap()
}

fn after(ms: i64) -> Timestamp {
    Timestamp::from_ms(NOW_MS + ms)
}

fn span() -> Span {
    let (from, to) = (after(-24 * HOUR_MS), after(24 * HOUR_MS));
    Span { org: "acme".parse().unwrap(), product: None, from, to }
}

const EVENTS: i64 = 250_000;
/// Five hours in all, two of them before noon.
const EVERY_MS: i64 = 72;
