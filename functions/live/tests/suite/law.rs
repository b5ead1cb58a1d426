//! However announcements are lost or doubled, invocations overlap, fail and die, the last thing that a listener is told is
//! what the log holds, a minute after the weather has cleared.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use contract::{Event, Timestamp, session::SessionId};
use ports::{
    PortResult,
    chance::Chance,
    faulty::{FaultPlan, Faulty, Rates},
    watches::{Listeners, Posted},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Ground, Handler, expected, look, of_the_bus, visit};

/// The one listener, and all that it was told.
#[derive(Debug, Clone, Default)]
struct Wire(Arc<Mutex<Vec<Value>>>);

impl Listeners for Wire {
    async fn post(&self, _: &str, text: &str) -> PortResult<Posted> {
        self.0.lock().unwrap().push(serde_json::from_str(text).unwrap());
        Ok(Posted::Taken)
    }

    async fn hang_up(&self, _: &str) -> PortResult<()> {
        Ok(())
    }
}

type Invocation<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// An event comes, and is announced so many times.
    Event { copies: usize },
    /// A message of the listener's.
    Message,
    /// The schedule ticks before its time.
    Tick,
    /// Some invocation gets on, by one step.
    Run(usize),
    /// Some invocation dies.
    Kill(usize),
    /// A minute passes: whatever was under way is over by then.
    Minute,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_usize).prop_map(|copies| Step::Event { copies }),
        1 => Just(Step::Message),
        1 => Just(Step::Tick),
        20 => (0..8_usize).prop_map(Step::Run),
        1 => (0..8_usize).prop_map(Step::Kill),
        1 => Just(Step::Minute),
    ]
}

/// A world in which every call of a port is a step of its own.
struct Sky {
    ground: Ground,
    live: Handler<Faulty<Wire>>,
    wire: Wire,
    plan: FaultPlan,
}

impl Sky {
    async fn open(seed: u64) -> Self {
        let ground = Ground::open().await;
        ground.take(&visit("acme", &["tax"])).await;
        ground.sweep().await;
        let plan = FaultPlan::seeded(seed, Rates::default()).stepwise();
        let wire = Wire::default();
        let world = Faulty::new(ground.store.clone(), plan.clone());
        let listeners = Faulty::new(wire.clone(), plan.clone());
        let live = live::Live::new(world, listeners, Arc::clone(&ground.clock));
        Self { ground, live, wire, plan }
    }

    /// One invocation.
    fn invoke(&self, payload: Value) -> Invocation<'_> {
        let deadline = Some(Timestamp::from_ms(i64::MAX / 2));
        Box::pin(async move {
            // What fails is not repeated.
            drop(self.live.handle(&payload, deadline).await);
        })
    }
}

fn run(seed: u64, steps: &[Step]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let sky = Sky::open(seed).await;
        let session = sky.ground.session("acme").await;
        sky.invoke(connect(&sky, &session)).await;
        sky.plan.set_rates(Rates { before: 6, after: 6, partial: 0 });
        let mut events: Vec<Event> = visit("acme", &["tax"]);
        walk(&sky, steps, &mut events).await;
        sky.plan.set_rates(Rates::default());
        sky.ground.clock.forward(60_000);
        sky.invoke(json!({})).await;
        let last = sky.wire.0.lock().unwrap().last().cloned();
        prop_assert_eq!(last, Some(expected(&events, &session)));
        Ok(())
    })
}

fn connect(sky: &Sky, session: &SessionId) -> Value {
    json!({
        "headers": {"Authorization": format!("Bearer {}", sky.ground.keys.acme)},
        "queryStringParameters": {"session": session},
        "requestContext": {"eventType": "CONNECT", "connectionId": "a="},
    })
}

async fn walk(sky: &Sky, steps: &[Step], events: &mut Vec<Event>) {
    let mut under_way: Vec<Invocation<'_>> = Vec::new();
    for step in steps {
        match step {
            Step::Event { copies } => {
                let number = events.len();
                events.push(look("acme", number, CONCEPTS[number % CONCEPTS.len()]));
                sky.ground.take(&events[number..]).await;
                for announcement in sky.ground.announced().await {
                    let payload = of_the_bus(&announcement);
                    under_way.extend((0..*copies).map(|_| sky.invoke(payload.clone())));
                }
            }
            Step::Message => {
                let said = json!({
                    "requestContext": {"eventType": "MESSAGE", "connectionId": "a="}, "body": "{}",
                });
                under_way.push(sky.invoke(said));
            }
            Step::Tick => under_way.push(sky.invoke(json!({}))),
            Step::Run(at) if !under_way.is_empty() => {
                let at = at % under_way.len();
                let mut context = Context::from_waker(Waker::noop());
                if under_way[at].as_mut().poll(&mut context) == Poll::Ready(()) {
                    drop(under_way.swap_remove(at));
                }
            }
            Step::Kill(at) if !under_way.is_empty() => {
                drop(under_way.swap_remove(at % under_way.len()));
            }
            Step::Run(_) | Step::Kill(_) => {}
            Step::Minute => {
                under_way.clear();
                sky.ground.clock.forward(60_000);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_last_thing_that_is_told_is_what_the_log_holds(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(seed, &steps)?;
    }
}

#[test]
fn whoever_dies_in_any_step_leaves_a_listener_who_is_told() {
    for steps in 0..24 {
        let mut script = vec![Step::Event { copies: 2 }];
        script.extend((0..steps).map(|_| Step::Run(0)));
        script.extend([Step::Kill(0), Step::Event { copies: 0 }]);
        run(7, &script).unwrap();
    }
}

#[test]
fn nobody_is_told_anything_twice_while_nothing_fails() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let sky = Sky::open(0).await;
        let session = sky.ground.session("acme").await;
        sky.invoke(connect(&sky, &session)).await;
        let mut chance = Chance::of(0);
        let mut contexts = Vec::new();
        for number in 1..20 {
            let event = look("acme", number, CONCEPTS[number % CONCEPTS.len()]);
            sky.ground.take(&[event]).await;
            for announcement in sky.ground.announced().await {
                for _ in 0..=chance.below(3) {
                    sky.invoke(of_the_bus(&announcement)).await;
                }
            }
            sky.invoke(json!({})).await;
            contexts.push(sky.wire.0.lock().unwrap().last().cloned().unwrap());
        }
        assert_eq!(*sky.wire.0.lock().unwrap(), contexts);
    });
}

/// More for a campaign, as the variable says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

const CONCEPTS: [&str; 4] = ["vat", "duty", "fee", "tax"];
