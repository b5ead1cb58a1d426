//! The sessionizer over the services of AWS says what it says over the embedded store, whoever dies where; on the stand-ins.
#![expect(clippy::indexing_slicing, reason = "a test stops at the first surprise")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "suite/common.rs"]
mod common;

use std::{collections::BTreeSet, pin::pin, task::Poll};

use contract::{
    kinesis::PartialBatchAnswer,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS},
};
use embedded::Store;
use friction::{cells::CellKind, policy::SessionPolicy};
use ports::{
    chance::Chance,
    clock::{Clock, SystemClock},
    faulty::{FaultPlan, Faulty, Hands, Rates},
    sessions::{IncidentQuery, SessionQuery, Sessions as _, Span, Understanding},
};
use serde_json::{Value, json};
use sessionizer::Sessionizer;
use standin::Corner;

use self::common::{ALL, batch, click, day};

struct World<W> {
    world: W,
    clock: Hands,
    plan: FaultPlan,
    sessionizer: Sessionizer<Faulty<W>, Hands>,
}

impl<W: sessionizer::World + Understanding + Clone> World<W> {
    fn new(world: W, clock: &Hands, plan: FaultPlan) -> Self {
        // Each begins at the same time.
        let clock = Hands::at(clock.now());
        let faulty = Faulty::new(world.clone(), plan.clone());
        let sessionizer = Sessionizer::new(faulty, clock.clone(), SessionPolicy::nine_days());
        Self { world, clock, plan, sessionizer }
    }

    async fn takes(&self, events: &[Value]) {
        let answer = self.sessionizer.handle(&batch(events, self.clock.now())).await.unwrap();
        assert_eq!(answer, PartialBatchAnswer::done());
    }

    async fn sweeps(&self) {
        self.sessionizer.sweep(ALL, None).await.unwrap();
    }

    /// Everything that is said: sessions with their revisions, incidents, cells. Bytes, so that nothing is almost equal.
    async fn says(&self, span: &Span) -> Vec<String> {
        let query = SessionQuery { span: span.clone(), state: None, after: None, limit: 1_000 };
        let sessions = self.world.sessions(&query).await.unwrap();
        let session = |held: &friction::change::StoredSession| {
            json!([held.session, held.state.as_str(), held.revision, held.actor_slot]).to_string()
        };
        let mut said: Vec<String> = sessions.iter().map(session).collect();
        let query = IncidentQuery {
            span: span.clone(),
            rule: None,
            session: None,
            after: None,
            limit: 1_000,
        };
        let incidents = self.world.incidents(&query).await.unwrap();
        said.extend(incidents.iter().map(|held| json!([held.incident, held.revision]).to_string()));
        let mut cells = BTreeSet::new();
        for kind in CellKind::ALL {
            for (key, cell) in self.world.cells(span, kind).await.unwrap() {
                let place = (key.product, key.day, key.kind.as_str(), key.name);
                cells.insert(json!([place, cell]).to_string());
            }
        }
        said.extend(cells);
        said
    }

    /// How much waits to be announced.
    async fn unsent(&self) -> usize {
        self.world.unsent(1_000).await.unwrap().len()
    }
}

async fn embedded(clock: &Hands) -> (World<Store>, tempfile::TempDir) {
    let (store, directory) = common::store(clock, &["acme"]).await;
    (World::new(store, clock, FaultPlan::none()), directory)
}

async fn on_aws(clock: &Hands, plan: FaultPlan) -> World<aws::Cloud> {
    World::new(Corner::open().await.cloud(), clock, plan)
}

/// Events of three weeks of use, some of them late, repeated, or both, in batches as they come.
fn weeks(clock: &Hands, seed: u64) -> Vec<Vec<Value>> {
    let mut chance = Chance::of(seed);
    let mut batches = Vec::new();
    for round in 0..6_u32 {
        let mut events = Vec::new();
        for n in 0..30_u32 {
            let id = format!("e.{seed}.{round}.{n}");
            let late = if chance.percent(10) { 2 * DAY_MS } else { 0 };
            let within = i64::try_from(chance.below(90)).unwrap() * MINUTE_MS / 2;
            let at = clock.now().plus_ms(i64::from(round) * 2 * HOUR_MS - within - late);
            let actor = u32::try_from(chance.below(4)).unwrap();
            let mut event = click(&id, actor, at);
            match chance.below(6) {
                0 => event["eventType"] = json!("ui.navigation"),
                1 => {
                    event["eventType"] = json!("ui.error");
                    event["error"] = json!({"code": "E1"});
                }
                2 | 3 => {
                    let kind = ["task.started", "task.completed"][chance.below(2)];
                    event.as_object_mut().unwrap().remove("element");
                    event["eventType"] = json!(kind);
                    let name = ["export", "import"][chance.below(2)];
                    event["task"] = json!({ "name": name });
                }
                _ => {}
            }
            let (screen, product) =
                (["/a", "/b", "/c"][chance.below(3)], ["crm", "default"][chance.below(2)]);
            event["screen"] = json!(screen);
            event["productId"] = json!(product);
            events.push(event);
        }
        // A few come again.
        for _ in 0..3 {
            let again = events[chance.below(events.len())].clone();
            events.push(again);
        }
        batches.push(events);
    }
    batches
}

#[test]
fn aws_and_one_machine_say_the_same_byte_by_byte() {
    standin::run(async {
        for seed in 0..4 {
            let clock = recently();
            let (one_machine, _directory) = embedded(&clock).await;
            let aws = on_aws(&clock, FaultPlan::none()).await;
            let span = span(&clock);
            for events in weeks(&clock, seed) {
                one_machine.takes(&events).await;
                aws.takes(&events).await;
                for world_clock in [&one_machine.clock, &aws.clock] {
                    world_clock.forward(40 * MINUTE_MS);
                }
                one_machine.sweeps().await;
                aws.sweeps().await;
                let (said, expected) = (aws.says(&span).await, one_machine.says(&span).await);
                assert_eq!(said, expected, "seed {seed}");
                for world_clock in [&one_machine.clock, &aws.clock] {
                    world_clock.forward(80 * MINUTE_MS);
                }
            }
            one_machine.sweeps().await;
            aws.sweeps().await;
            let said = aws.says(&span).await;
            assert!(said.len() > 60, "there is much to say: {}", said.len());
            assert_eq!(said, one_machine.says(&span).await, "seed {seed}");
            assert_eq!(aws.unsent().await, 0);
        }
    });
}

#[test]
fn two_sweepers_close_each_session_once() {
    standin::run(async {
        let clock = recently();
        let span = span(&clock);
        let (alone, _directory) = embedded(&clock).await;
        let shared = on_aws(&clock, FaultPlan::none()).await;
        alone.takes(&day(clock.now())).await;
        shared.takes(&day(clock.now())).await;
        alone.clock.forward(3 * HOUR_MS);
        shared.clock.forward(3 * HOUR_MS);
        alone.sweeps().await;
        let (one, other) =
            tokio::join!(shared.sessionizer.sweep(ALL, None), shared.sessionizer.sweep(ALL, None));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.closed + other.closed, 5, "{one:?} {other:?}");
        shared.sweeps().await;
        assert_eq!(shared.says(&span).await, alone.says(&span).await);
        assert_eq!(shared.unsent().await, 0);
    });
}

#[test]
fn a_sweeper_that_dies_anywhere_changes_nothing_in_the_end() {
    standin::run(async {
        let clock = recently();
        let span = span(&clock);
        let (healthy, _directory) = embedded(&clock).await;
        healthy.takes(&day(clock.now())).await;
        healthy.clock.forward(3 * HOUR_MS);
        healthy.sweeps().await;
        let says = healthy.says(&span).await;
        let mut deaths = 0;
        // How often it is polled before it dies: often at first, then in growing steps.
        let mut polls = 1;
        loop {
            let world = on_aws(&clock, FaultPlan::none()).await;
            world.takes(&day(clock.now())).await;
            world.clock.forward(3 * HOUR_MS);
            let finished = dies_after(polls, world.sessionizer.sweep(ALL, None)).await.is_some();
            world.sweeps().await;
            assert_eq!(world.says(&span).await, says, "after {polls} polls");
            assert_eq!(world.unsent().await, 0, "after {polls} polls");
            if finished {
                break;
            }
            deaths += 1;
            polls += 1 + polls / 3;
        }
        assert!(deaths > 10, "there are many places to die in: {deaths}");
    });
}

#[test]
fn a_world_that_fails_now_and_then_only_takes_longer() {
    standin::run(async {
        let clock = recently();
        let span = span(&clock);
        let (healthy, _directory) = embedded(&clock).await;
        healthy.takes(&day(clock.now())).await;
        healthy.clock.forward(3 * HOUR_MS);
        healthy.sweeps().await;
        let says = healthy.says(&span).await;
        for seed in 0..10 {
            let rates = Rates { before: 8, after: 8, partial: 8 };
            let world = on_aws(&clock, FaultPlan::seeded(seed, rates)).await;
            let records = batch(&day(clock.now()), world.clock.now());
            while world.sessionizer.handle(&records).await.unwrap() != PartialBatchAnswer::done() {}
            world.clock.forward(3 * HOUR_MS);
            for _ in 0..8 {
                drop(world.sessionizer.sweep(ALL, None).await);
            }
            world.plan.set_rates(Rates::default());
            world.sweeps().await;
            assert_eq!(world.says(&span).await, says, "seed {seed}");
            assert_eq!(world.world.post(ALL).await.unwrap(), 0);
        }
    });
}

/// Runs a future for so many polls; nothing when it died before its end.
async fn dies_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Now, in whole minutes: what is long ago is not kept by AWS.
fn recently() -> Hands {
    let now = SystemClock.now();
    Hands::at(now.plus_ms(-now.ms().rem_euclid(MINUTE_MS) - 12 * HOUR_MS))
}

fn span(clock: &Hands) -> Span {
    let (from, to) = (clock.now().plus_ms(-9 * DAY_MS), clock.now().plus_ms(3 * DAY_MS));
    Span { org: "acme".parse().unwrap(), product: None, from, to }
}
