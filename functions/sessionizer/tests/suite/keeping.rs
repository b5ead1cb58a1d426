//! What a sweep keeps beside sessions: whatever fails, sessions are closed and nothing that is kept is behind them.

use contract::{
    Event, Timestamp,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS},
    projection::UserPreferences,
};
use embedded::Store;
use friction::{
    context::{ContextState, KeptContext},
    owner::{Owner, Position},
    policy::SessionPolicy,
    preferences::PreferencesState,
};
use ports::{
    clock::Clock as _,
    faulty::{Fault, FaultPlan, Faulty, Hands},
    projections::{Projected, Projection, Projections as _},
    reference::Subject,
    sessions::{Heads as _, SessionQuery, Span, Strikes as _, StruckEvent, Understanding as _},
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

    /// An event turns out to be none, and a sweep comes.
    async fn loses(&self, event: &Event) {
        let ck = domain::admit::ck_of(event);
        let struck = StruckEvent { owner: owner(), position: Position::of(event), ck };
        self.store.strike(&[struck], self.clock.now()).await.unwrap();
        self.sweeps_after(0).await;
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

    /// What is said of the person.
    async fn told(&self) -> Option<UserPreferences> {
        let Owner { org, token, .. } = owner();
        self.uses().await?.preferences(&org, None, &token)
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

#[tokio::test]
async fn sessions_of_one_person_that_end_together_are_all_kept_at_once() {
    let world = World::new().await;
    let session = |n: i64| Event { session_id: Some(format!("s1.1.{n:025}0")), ..looks(n, n) };
    world.takes(&(0..40).map(session).collect::<Vec<_>>()).await;
    // Another sweeper, which knows nothing of this one's turns, works on as much of it as it gets.
    let other = Sessionizer::new(
        world.store.clone(),
        world.clock.clone(),
        SessionPolicy { live_ms: Some(0), ..SessionPolicy::nine_days() },
    );
    world.clock.forward(HOUR_MS);
    let (ours, theirs) = tokio::join!(world.sessionizer.sweep(ALL, None), other.sweep(ALL, None));
    assert_eq!((ours.unwrap().failed, theirs.unwrap().failed), (0, 0));
    assert_eq!(world.told().await.map(|told| (told.sessions, told.events)), Some((40, 40)));
}

#[tokio::test]
async fn what_a_sweep_kept_that_could_not_commit_is_taken_back_as_well() {
    let world = World::new().await;
    let event = looks(1, 0);
    world.takes(std::slice::from_ref(&event)).await;
    world.plan.arrange("sessions.commit", [Fault::Before]);
    world.clock.forward(HOUR_MS);
    assert_eq!(world.sessionizer.sweep(ALL, None).await.unwrap().failed, 1);
    assert_eq!(world.told().await.map(|told| told.events), Some(1));
    world.loses(&event).await;
    assert_eq!((world.sessions().await, world.told().await), (0, None));
}

/// Whoever reads the stream beside the processor takes an event for one that is none, until that is said.
#[tokio::test]
async fn what_is_struck_out_or_displaced_leaves_the_preferences_it_was_in() {
    let world = World::new().await;
    let event = looks(1, 0);
    world.takes(std::slice::from_ref(&event)).await;
    world.sweeps_after(HOUR_MS).await;
    assert_eq!(world.told().await.map(|told| told.events), Some(1));
    world.loses(&event).await;
    assert_eq!((world.sessions().await, world.told().await), (0, None));
    assert_eq!(world.kept().await.and_then(|kept| kept.session), None);
    // Of the persons of one session eight count: one more who comes before them leaves the last one out.
    let by = |actor: i64, at_ms: i64| Event {
        actor_id: Some(format!("u1.1.{actor:025}0")),
        session_id: Some("s1.1.00000000000000000000000000".to_owned()),
        ..looks(100 + actor, HOUR_MS + at_ms)
    };
    world.takes(&(1..8).chain([0]).zip(0..).map(|(n, at)| by(n, at)).collect::<Vec<_>>()).await;
    world.sweeps_after(2 * HOUR_MS).await;
    assert_eq!(world.told().await.map(|told| told.events), Some(1), "the eighth");
    world.takes(&[by(9, -5)]).await;
    world.sweeps_after(HOUR_MS).await;
    assert_eq!(world.told().await, None);
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
