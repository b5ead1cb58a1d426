//! What a sweep keeps beside sessions: whatever fails, sessions are closed and nothing that is kept is behind them.

use contract::{
    Event, Timestamp,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS},
};
use embedded::Store;
use friction::{
    context::{ContextState, KeptContext},
    owner::{Owner, Position},
    policy::SessionPolicy,
    preferences::PreferencesState,
};
use ports::{
    faulty::{Fault, FaultPlan, Faulty, Hands},
    projections::{Projected, Projection, Projections as _},
    reference::Subject,
    sessions::{Heads as _, SessionQuery, Span, Understanding as _},
};
use serde_json::json;
use sessionizer::Sessionizer;

use crate::{
    NOW_MS,
    common::{self, ALL},
};

struct World {
    store: Store,
    clock: Hands,
    plan: FaultPlan,
    sessionizer: Sessionizer<Faulty<Store>, Hands>,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let clock = Hands::at(Timestamp::from_ms(NOW_MS));
        let (store, directory) = common::store(&clock, &["acme"]).await;
        let plan = FaultPlan::none();
        let faulty = Faulty::new(store.clone(), plan.clone());
        let policy = SessionPolicy { live_ms: Some(0), ..SessionPolicy::nine_days() };
        let sessionizer = Sessionizer::new(faulty, clock.clone(), policy);
        Self { store, clock, plan, sessionizer, _directory: directory }
    }

    async fn takes(&self, events: &[Event]) {
        self.sessionizer.take_events(events.to_vec()).await.unwrap();
    }

    async fn sweeps_after(&self, ms: i64) {
        self.clock.forward(ms);
        let report = self.sessionizer.sweep(ALL, None).await.unwrap();
        assert_eq!((report.failed, report.stale), (0, 0));
    }

    async fn kept(&self) -> Option<Projection> {
        self.store.load(&Projected::Context(owner())).await.unwrap()
    }

    async fn uses(&self) -> Option<PreferencesState> {
        let Owner { org, product, token: actor } = owner();
        let subject = Subject { org, product, actor };
        let kept = self.store.load(&Projected::Preferences(subject)).await.unwrap()?;
        Some(serde_json::from_str(&kept.state).unwrap())
    }

    async fn sessions(&self) -> usize {
        let now = Timestamp::from_ms(NOW_MS);
        let (from, to) = (now.plus_ms(-DAY_MS), now.plus_ms(DAY_MS));
        let span = Span { org: owner().org, product: None, from, to };
        let query = SessionQuery { span, state: None, after: None, limit: 10 };
        self.store.sessions(&query).await.unwrap().len()
    }
}

fn state(kept: &Projection) -> ContextState {
    serde_json::from_str::<KeptContext>(&kept.state).unwrap().state
}

#[tokio::test]
async fn the_newest_session_is_kept_by_everything_that_was_read() {
    let world = World::new().await;
    let first: Vec<Event> = (0..4).map(|n| looks(n, n * 1_000)).collect();
    world.takes(&first).await;
    world.sweeps_after(0).await;
    let kept = world.kept().await.unwrap();
    assert_eq!(state(&kept), ContextState::project(&first));
    assert_eq!((kept.version, &kept.last), (1, &Position::of(&first[3])));
    // One that lies before is in its place.
    let late = looks(9, 1_500);
    world.takes(std::slice::from_ref(&late)).await;
    world.sweeps_after(0).await;
    let all: Vec<Event> = first.iter().cloned().chain([late]).collect();
    let kept = world.kept().await.unwrap();
    assert_eq!((state(&kept), kept.version), (ContextState::project(&all), 2));
    // After a pause it is another session's.
    let session = kept.session;
    let next = looks(20, 2 * HOUR_MS);
    world.takes(std::slice::from_ref(&next)).await;
    world.sweeps_after(2 * HOUR_MS).await;
    let kept = world.kept().await.unwrap();
    assert_ne!(kept.session, session);
    assert_eq!(state(&kept), ContextState::project(&[next]));
}

#[tokio::test]
async fn of_a_session_that_tells_nothing_nothing_is_kept() {
    let world = World::new().await;
    let mut click = looks(1, 0);
    click.event_type = contract::EventType::UiClick;
    click.context.clear();
    click.object = None;
    world.takes(&[click]).await;
    world.sweeps_after(HOUR_MS).await;
    assert_eq!((world.kept().await, world.uses().await), (None, None));
}

#[tokio::test]
async fn a_sweep_goes_on_without_what_cannot_be_kept_and_it_is_kept_later() {
    for fault in [Fault::Before, Fault::Permanent] {
        let world = World::new().await;
        let events: Vec<Event> = (0..3).map(|n| looks(n, n * 1_000)).collect();
        world.takes(&events).await;
        world.plan.arrange("projections.save", [fault]);
        world.sweeps_after(HOUR_MS).await;
        assert_eq!((world.sessions().await, world.kept().await), (1, None));
        let head = world.store.head(&owner()).await.unwrap().unwrap();
        let began = events[0].occurred_at;
        assert_eq!(head.dirty_from, Some(began), "whoever reads knows that nothing is kept");
        world.sweeps_after(10 * MINUTE_MS).await;
        assert_eq!(state(&world.kept().await.unwrap()), ContextState::project(&events));
        let head = world.store.head(&owner()).await.unwrap().unwrap();
        assert_eq!((head.dirty_from, head.due_at), (None, None));
        assert!(world.uses().await.is_some());
    }
}

#[tokio::test]
async fn whoever_read_less_does_not_replace_what_was_kept_by_more() {
    let world = World::new().await;
    world.takes(&[looks(0, 0)]).await;
    world.sweeps_after(0).await;
    let kept = world.kept().await.unwrap();
    let by: KeptContext = serde_json::from_str(&kept.state).unwrap();
    let ahead = KeptContext { head: by.head + 100, ..by };
    let state = serde_json::to_string(&ahead).unwrap();
    world
        .store
        .save(&Projected::Context(owner()), Projection { state: state.clone(), ..kept })
        .await
        .unwrap();
    world.takes(&[looks(1, 1_000)]).await;
    world.sweeps_after(0).await;
    assert_eq!(world.kept().await.unwrap().state, state);
}

fn owner() -> Owner {
    Owner::of(&looks(0, 0)).unwrap()
}

/// A look at something.
fn looks(n: i64, at_ms: i64) -> Event {
    serde_json::from_value(json!({
        "eventId": format!("e{n:03}"), "eventType": "knowledge.user_viewed", "orgId": "acme",
        "occurredAt": Timestamp::from_ms(NOW_MS + at_ms), "actorId": "u1.1.00000000000000000000000000",
        "object": { "type": "concept", "id": format!("c{n}") }, "context": { "feature": "search" },
    }))
    .unwrap()
}
