//! Whatever happens to sweepers, a session is closed once per revision and says the same in the end.

use std::collections::BTreeSet;

use contract::{
    Event, Timestamp,
    incident::Rule,
    kinesis::PartialBatchAnswer,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS},
};
use embedded::Store;
use friction::{
    cells::CellKind,
    change::{SessionState, StoredSession},
    policy::SessionPolicy,
};
use ports::{
    clock::Clock,
    faulty::{Fault, FaultPlan, Faulty, Hands, Rates},
    sessions::{IncidentQuery, Lane, SessionQuery, Span, Sums as _, Understanding as _},
};
use serde_json::{Value, json};
use sessionizer::Sessionizer;

use crate::{
    NOW_MS,
    common::{self, ALL, batch},
    dies_after,
};

struct World {
    store: Store,
    clock: Hands,
    plan: FaultPlan,
    sessionizer: Sessionizer<Faulty<Store>, Hands>,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new(plan: FaultPlan) -> Self {
        let clock = Hands::at(Timestamp::from_ms(NOW_MS));
        let (store, directory) = common::store(&clock, &["acme"]).await;
        let faulty = Faulty::new(store.clone(), plan.clone());
        let sessionizer = Sessionizer::new(faulty, clock.clone(), SessionPolicy::nine_days());
        Self { store, clock, plan, sessionizer, _directory: directory }
    }

    async fn takes(&self, events: &[Value]) {
        let answer = self.sessionizer.handle(&batch(events, self.clock.now())).await.unwrap();
        assert_eq!(answer, PartialBatchAnswer::done());
    }

    async fn sweeps(&self) {
        self.sessionizer.sweep(ALL, None).await.unwrap();
    }

    async fn sessions(&self) -> Vec<StoredSession> {
        let query = SessionQuery { span: span(), state: None, after: None, limit: 1_000 };
        self.store.sessions(&query).await.unwrap()
    }

    /// Everything that is said, revisions aside.
    async fn says(&self) -> Value {
        let sessions: Vec<Value> = self
            .sessions()
            .await
            .iter()
            .map(|held| json!([held.session, held.state.as_str()]))
            .collect();
        let query =
            IncidentQuery { span: span(), rule: None, session: None, after: None, limit: 1_000 };
        let incidents = self.store.incidents(&query).await.unwrap();
        let incidents: Vec<Value> = incidents.iter().map(|held| json!(held.incident)).collect();
        let mut cells = Vec::new();
        for kind in CellKind::ALL {
            let found = self.store.cells(&span(), kind).await.unwrap();
            cells.extend(found.iter().map(|(key, cell)| json!([kind.as_str(), key.name, cell])));
        }
        json!([sessions, incidents, cells])
    }

    /// The ids of everything that was announced, in order.
    async fn announced(&self) -> Vec<String> {
        let heard = self.store.announcements(0, 10_000).await.unwrap();
        heard.into_iter().map(|(_, announcement)| announcement.id).collect()
    }
}

#[tokio::test]
async fn a_session_is_closed_when_its_pause_is_long_enough_and_not_before() {
    let world = World::new(FaultPlan::none()).await;
    world.takes(&day()).await;
    world.sweeps().await;
    assert_eq!(world.sessions().await, [], "nothing is due");
    world.clock.forward(35 * MINUTE_MS - 1);
    world.sweeps().await;
    let closed = |held: &StoredSession| held.state == SessionState::Closed;
    assert_eq!(world.sessions().await.iter().filter(|held| closed(held)).count(), 4);
    world.clock.forward(1);
    world.sweeps().await;
    assert_eq!(world.sessions().await.iter().filter(|held| closed(held)).count(), 5);
    let ids = world.announced().await;
    assert_eq!(ids.iter().filter(|id| id.starts_with("session:")).count(), 5);
}

#[tokio::test]
async fn an_event_that_comes_late_makes_a_revision_and_a_gap_that_closes_merges() {
    let world = World::new(FaultPlan::none()).await;
    let gap = |id: &str, minutes: i64| click(id, 0, minutes * MINUTE_MS - HOUR_MS);
    world.takes(&[gap("a", -50), gap("b", 0)]).await;
    world.clock.forward(6 * MINUTE_MS);
    world.sweeps().await;
    assert_eq!(world.sessions().await.len(), 2);
    world.takes(&[gap("between", -25)]).await;
    world.clock.forward(6 * MINUTE_MS);
    world.sweeps().await;
    let merged = world.sessions().await;
    assert_eq!(merged.len(), 1, "the second session is a part of the first");
    assert_eq!((merged[0].revision, merged[0].session.metrics.events), (2, 3));
    let sessions = world.store.cells(&span(), CellKind::Overview).await.unwrap();
    let sum: i64 = sessions.iter().map(|(_, cell)| cell.sum("sessions")).sum();
    assert_eq!(sum, 1);
}

#[tokio::test]
async fn a_task_left_open_is_an_incident_by_the_clock_and_is_taken_back_by_a_late_end() {
    let world = World::new(FaultPlan::none()).await;
    let begun = task("task.started", "t1", 0);
    world.takes(&[begun]).await;
    world.clock.forward(15 * MINUTE_MS);
    world.sweeps().await;
    let query = IncidentQuery {
        span: span(),
        rule: Some(Rule::AbandonedTask),
        session: None,
        after: None,
        limit: 10,
    };
    assert_eq!(
        world.store.incidents(&query).await.unwrap(),
        [],
        "at exactly fifteen minutes it may end"
    );
    world.clock.forward(1_000);
    world.sweeps().await;
    let found = world.store.incidents(&query).await.unwrap();
    assert_eq!(found.len(), 1, "though nothing came");
    world.takes(&[task("task.completed", "t2", 14 * MINUTE_MS)]).await;
    world.clock.forward(40 * MINUTE_MS);
    world.sweeps().await;
    assert_eq!(world.store.incidents(&query).await.unwrap(), []);
    let told = world.announced().await;
    let about: Vec<&String> = told.iter().filter(|id| id.starts_with("incident:")).collect();
    let id = &found[0].incident.incident_id;
    assert_eq!(about, [&format!("incident:{id}:1"), &format!("incident:{id}:2")]);
}

#[tokio::test]
async fn a_sweeper_that_was_away_for_three_hours_says_what_a_punctual_one_says() {
    let punctual = World::new(FaultPlan::none()).await;
    let away = World::new(FaultPlan::none()).await;
    for world in [&punctual, &away] {
        world.takes(&day()).await;
    }
    for _ in 0..180 {
        punctual.clock.forward(MINUTE_MS);
        punctual.sweeps().await;
    }
    away.clock.forward(3 * HOUR_MS);
    away.sweeps().await;
    assert_eq!(punctual.says().await, away.says().await);
    assert_eq!(sorted(punctual.announced().await), sorted(away.announced().await));
}

#[tokio::test]
async fn two_sweepers_close_each_session_once() {
    let alone = World::new(FaultPlan::none()).await;
    let shared = World::new(FaultPlan::none().stepwise()).await;
    for world in [&alone, &shared] {
        world.takes(&day()).await;
        world.clock.forward(3 * HOUR_MS);
    }
    alone.sweeps().await;
    let (one, other) =
        tokio::join!(shared.sessionizer.sweep(ALL, None), shared.sessionizer.sweep(ALL, None));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(one.stale + other.stale > 0, "they met: {one:?} {other:?}");
    assert_eq!(one.closed + other.closed, 5);
    assert_eq!(shared.says().await, alone.says().await);
    assert_eq!(sorted(shared.announced().await), sorted(alone.announced().await));
}

#[tokio::test]
async fn lanes_share_the_work() {
    let world = World::new(FaultPlan::none()).await;
    world.takes(&day()).await;
    world.clock.forward(3 * HOUR_MS);
    let mut closed = 0;
    for index in 0..32 {
        closed += world.sessionizer.sweep(Lane { index, of: 32 }, None).await.unwrap().closed;
    }
    assert_eq!(closed, 5);
}

#[tokio::test]
async fn a_sweeper_that_dies_after_any_await_changes_nothing_in_the_end() {
    let healthy = World::new(FaultPlan::none()).await;
    healthy.takes(&day()).await;
    healthy.clock.forward(3 * HOUR_MS);
    healthy.sweeps().await;
    let (says, announced) = (healthy.says().await, sorted(healthy.announced().await));
    let mut deaths = 0;
    for polls in 1.. {
        let world = World::new(FaultPlan::none().stepwise()).await;
        world.takes(&day()).await;
        world.clock.forward(3 * HOUR_MS);
        let finished = dies_after(polls, world.sessionizer.sweep(ALL, None)).is_some();
        world.sweeps().await;
        assert_eq!(world.says().await, says, "after {polls} polls");
        assert_eq!(sorted(world.announced().await), announced, "after {polls} polls");
        if finished {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 15, "there are many places to die in: {deaths}");
}

#[tokio::test]
async fn a_batch_that_dies_after_any_await_comes_again_and_nothing_is_doubled() {
    let healthy = World::new(FaultPlan::none()).await;
    healthy.takes(&day()).await;
    healthy.clock.forward(3 * HOUR_MS);
    healthy.sweeps().await;
    let says = healthy.says().await;
    for polls in 1.. {
        let world = World::new(FaultPlan::none().stepwise()).await;
        let batch = batch(&day(), world.clock.now());
        let finished = dies_after(polls, world.sessionizer.handle(&batch)).is_some();
        world.takes(&day()).await;
        world.clock.forward(3 * HOUR_MS);
        world.sweeps().await;
        assert_eq!(world.says().await, says, "after {polls} polls");
        if finished {
            break;
        }
    }
}

#[tokio::test]
async fn a_world_that_fails_now_and_then_only_takes_longer() {
    let healthy = World::new(FaultPlan::none()).await;
    healthy.takes(&day()).await;
    healthy.clock.forward(3 * HOUR_MS);
    healthy.sweeps().await;
    let says = healthy.says().await;
    for seed in 0..50 {
        let rates = Rates { before: 8, after: 8, partial: 8 };
        let world = World::new(FaultPlan::seeded(seed, rates)).await;
        let records = batch(&day(), world.clock.now());
        while world.sessionizer.handle(&records).await.unwrap() != PartialBatchAnswer::done() {}
        world.clock.forward(3 * HOUR_MS);
        for _ in 0..20 {
            drop(world.sessionizer.sweep(ALL, None).await);
        }
        world.plan.set_rates(Rates::default());
        world.sweeps().await;
        assert_eq!(world.says().await, says, "seed {seed}");
    }
}

#[tokio::test]
async fn a_log_that_is_down_leaves_the_batch_and_one_that_is_broken_fails_it() {
    let world = World::new(FaultPlan::none()).await;
    let records = batch(&day(), world.clock.now());
    world.plan.arrange("event_log.append", [Fault::Before, Fault::Permanent]);
    let answer = world.sessionizer.handle(&records).await.unwrap();
    assert_eq!(answer.batch_item_failures.len(), 1, "it resumes at its first record");
    assert!(world.sessionizer.handle(&records).await.is_err());
}

#[tokio::test]
async fn what_is_unreadable_late_or_of_nobody_makes_no_session() {
    let world = World::new(FaultPlan::none()).await;
    let mut nobody = click("n", 0, 0);
    nobody.as_object_mut().unwrap().remove("actorId");
    let mut refused = click("r", 0, 0);
    refused["consent"] = json!({"analytics": false});
    let late = click("l", 0, -6 * DAY_MS - 1);
    world.takes(&[nobody, refused, late, json!({"what": "is this"})]).await;
    world.clock.forward(3 * HOUR_MS);
    world.sweeps().await;
    assert_eq!(world.sessions().await, []);
}

/// Five sessions of three people, with incidents of several kinds.
fn day() -> Vec<Value> {
    common::day(Timestamp::from_ms(NOW_MS))
}

fn click(id: &str, actor: u32, at_ms: i64) -> Value {
    common::click(id, actor, Timestamp::from_ms(NOW_MS + at_ms))
}

fn task(event_type: &str, id: &str, at_ms: i64) -> Value {
    let mut event = click(id, 0, at_ms);
    event.as_object_mut().unwrap().remove("element");
    event["eventType"] = json!(event_type);
    event["task"] = json!({"name": "export"});
    event
}

fn span() -> Span {
    let now = Timestamp::from_ms(NOW_MS);
    let (from, to) = (now.plus_ms(-30 * DAY_MS), now.plus_ms(DAY_MS));
    Span { org: "acme".parse().unwrap(), product: None, from, to }
}

fn sorted(ids: Vec<String>) -> BTreeSet<String> {
    let count = ids.len();
    let set: BTreeSet<String> = ids.into_iter().collect();
    assert_eq!(set.len(), count, "nothing is announced twice");
    set
}

/// Reads as an event.
#[test]
fn the_events_of_these_tests_are_events() {
    for event in day() {
        serde_json::from_value::<Event>(event).unwrap();
    }
}
