//! The law of sessions: whatever the order, the duplicates, the batches and the moments of sweeping, the same events say the
//! same about sessions, incidents and every number.
#![expect(clippy::indexing_slicing, reason = "a test stops at the first surprise")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use contract::{Event, Timestamp, limits::MINUTE_MS, session::SessionId};
use friction::{
    cells::{self, Cells},
    change::{Head, Notice, SessionState, StoredIncident, StoredSession, Sweep},
    contribution::contribution,
    derive::Baselines,
    owner::{Owner, Position},
    policy::SessionPolicy,
    reconcile::{self, Work},
    rules::{RuleSet, Rules},
    split::{Before, Splitter, split},
};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

/// What a store keeps of one owner.
#[derive(Debug)]
struct Kept {
    policy: SessionPolicy,
    rules: Rules,
    events: BTreeMap<Position, Event>,
    head: Option<Head>,
    sessions: BTreeMap<SessionId, StoredSession>,
    incidents: BTreeMap<String, StoredIncident>,
    cells: Cells,
    notices: Vec<Notice>,
}

impl Kept {
    fn nothing(policy: SessionPolicy, rules: Rules) -> Self {
        Self {
            policy,
            rules,
            events: BTreeMap::new(),
            head: None,
            sessions: BTreeMap::new(),
            incidents: BTreeMap::new(),
            cells: Cells::new(),
            notices: Vec::new(),
        }
    }

    fn take(&mut self, batch: &[Event], now: Timestamp) {
        for event in batch {
            self.events.entry(Position::of(event)).or_insert_with(|| event.clone());
        }
        let dirty = batch.iter().map(|event| event.occurred_at).min();
        let due = batch.iter().map(|event| self.policy.look_at(event, now)).min();
        let head = self.head.get_or_insert(Head { version: 0, dirty_from: None, due_at: None });
        head.version += 1;
        head.dirty_from = [head.dirty_from, dirty].into_iter().flatten().min();
        head.due_at = [head.due_at, due].into_iter().flatten().min();
    }

    /// One sweep, and whether there was anything to do.
    fn sweep(&mut self, now: Timestamp) -> bool {
        let Some(sweep) = self.decide(now) else { return false };
        self.commit(sweep);
        true
    }

    fn decide(&self, now: Timestamp) -> Option<Sweep> {
        let policy = self.policy;
        let head = self.head.clone().filter(|head| head.due_at.is_some_and(|due| due <= now))?;
        let dirty = head.dirty_from.unwrap_or(now);
        let from = reconcile::stored_from(dirty, &policy);
        let mut sessions: Vec<_> =
            self.sessions.values().filter(|s| s.session.ended_at >= from).cloned().collect();
        sessions.sort_by_key(|held| held.session.started_at);
        let incidents: Vec<_> =
            self.incidents.values().filter(|i| i.incident.ended_at >= from).cloned().collect();
        let reading = reconcile::reading(dirty, &sessions, &policy, now);
        let mut work = Work::new(owner(), &head, reading, (sessions, incidents), (policy, now));
        let mut splitter = Splitter::new(reading.before, &policy);
        for event in self.events.values().filter(|e| e.occurred_at >= reading.from).cloned() {
            for segment in splitter.push(event) {
                work.take(&segment, &self.rules, &Baselines::new());
            }
            if work.is_full() {
                return Some(work.decide(splitter.begun_at()).sweep);
            }
        }
        if let Some(segment) = splitter.finish() {
            work.take(&segment, &self.rules, &Baselines::new());
        }
        Some(work.decide(None).sweep)
    }

    fn commit(&mut self, sweep: Sweep) {
        let head = self.head.as_mut().unwrap();
        assert_eq!(head.version, sweep.version);
        *head =
            Head { version: sweep.version + 1, dirty_from: sweep.dirty_from, due_at: sweep.due_at };
        for session in sweep.sessions {
            self.sessions.insert(session.session.session_id.clone(), session);
        }
        for incident in sweep.incidents {
            self.incidents.insert(incident.incident.incident_id.clone(), incident);
        }
        cells::merge(&mut self.cells, &sweep.cells);
        self.notices.extend(sweep.notices);
    }

    fn finish(mut self, now: Timestamp) -> Self {
        let end = now.plus_ms(26 * 60 * MINUTE_MS);
        for _ in 0..1_000 {
            if !self.sweep(end) {
                break;
            }
        }
        assert_eq!(self.head.as_ref().unwrap().due_at, None, "nothing is left to do");
        self
    }

    /// What is said in the end: as text, so that equal means equal bytes.
    fn says(&self) -> String {
        let closed = self.sessions.values().filter(|held| held.state == SessionState::Closed);
        let sessions: Vec<_> = closed.map(|held| (&held.session, held.actor_slot)).collect();
        let incidents: Vec<_> = self
            .incidents
            .values()
            .filter(|held| !held.retracted)
            .map(|held| &held.incident)
            .collect();
        let cells: Vec<_> =
            self.cells.iter().map(|(key, cell)| (format!("{key:?}"), json!(cell))).collect();
        serde_json::to_string_pretty(&json!([sessions, incidents, cells])).unwrap()
    }
}

fn usual() -> SessionPolicy {
    SessionPolicy { live_ms: Some(5_000), ..SessionPolicy::nine_days() }
}

/// Everything is too much for something: for a session, for half a day, for a commit.
fn crowded() -> impl Strategy<Value = SessionPolicy> {
    (1..8_usize, 1..4_i64, 1..4_usize, 1..6_usize).prop_map(
        |(events_max, hours, changes_max, incidents_max)| SessionPolicy {
            events_max,
            cut_ms: hours * 60 * MINUTE_MS,
            changes_max,
            incidents_max,
            ..usual()
        },
    )
}

/// Rules under which details of orders are orders.
fn cleaning() -> Rules {
    let said = json!({
        "version": 2, "paths": [{"pattern": "/orders/*", "screen": "/orders"}, {"pattern": "/help", "screen": "/orders/help"}],
    });
    RuleSet::parse(&said.to_string()).unwrap().for_product(&owner().product)
}

/// The built-in ones under the same version.
fn plain() -> Rules {
    RuleSet::parse(r#"{"version": 2}"#).unwrap().for_product(&owner().product)
}

fn owner() -> Owner {
    Owner::of(&event(0, 0, 0, 0)).unwrap()
}

/// The n-th event: what happens, and where.
fn event(n: usize, at_ms: i64, what: usize, place: usize) -> Event {
    let screen = ["/", "/orders", "/orders/{id}", "/help"][place % 4];
    let (name, key) = (["export", "invite"][place % 2], ["save", "next", "menu"][place % 3]);
    let task = json!({"name": name});
    let element = json!({"key": key, "kind": "button", "x": 10, "y": 10});
    let body = match what % 14 {
        0..=3 => json!({"eventType": "ui.click", "screen": screen, "element": element}),
        4 | 5 => json!({"eventType": "ui.navigation", "screen": screen}),
        6 => json!({"eventType": "task.started", "screen": screen, "task": task}),
        7 => json!({"eventType": "task.completed", "screen": screen, "task": task}),
        8 => json!({"eventType": "ui.error", "screen": screen, "error": {"code": "E1"}}),
        9 => {
            json!({"eventType": "ui.focus_change", "screen": screen, "context": {"visible": place.is_multiple_of(2)}})
        }
        10 => json!({"eventType": "friction.user_override", "traceComponent": "reasoning"}),
        11 => {
            json!({"eventType": "friction.explanation_request", "traceComponent": "explainability"})
        }
        12 => json!({"eventType": "ui.input_meta", "screen": screen, "element": element}),
        _ => {
            json!({"eventType": "backend.error", "error": {"code": "E2"}, "context": {"operation": "save"}})
        }
    };
    let mut event: Value = json!({
        "eventId": format!("e{n:03}"), "occurredAt": Timestamp::from_ms(BASE_MS + at_ms), "orgId": "acme",
        "productId": "app", "actorId": "u1.1.00000000000000000000000000",
    });
    event.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    serde_json::from_value(event).unwrap()
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let gap = prop_oneof![
        2 => Just(0),
        6 => 0..800_i64,
        6 => 800..20_000_i64,
        3 => 20_000..16 * MINUTE_MS,
        2 => 29 * MINUTE_MS..31 * MINUTE_MS,
        1 => 31 * MINUTE_MS..300 * MINUTE_MS,
    ];
    prop::collection::vec((gap, 0..14_usize, 0..12_usize), 1..40).prop_map(|steps| {
        let mut at = 0;
        let made = steps.into_iter().enumerate().map(|(n, (gap, what, place))| {
            at += gap;
            event(n, at, what, place)
        });
        made.collect()
    })
}

/// The events in one order, cut into batches, each with the time that passes before it.
fn arrivals() -> impl Strategy<Value = (Vec<Event>, Vec<(Vec<Event>, i64)>)> {
    (events(), prop::collection::vec((any::<Index>(), any::<Index>(), 0..50 * MINUTE_MS), 0..60))
        .prop_map(|(events, moves)| {
            let mut order: Vec<Event> = events.clone();
            let mut pauses = Vec::new();
            for (from, to, pause) in moves {
                let moved = order[from.index(order.len())].clone();
                // Every third comes twice.
                if pause % 3 != 0 {
                    order.remove(from.index(order.len()));
                }
                order.insert(to.index(order.len() + 1), moved);
                pauses.push(pause);
            }
            let mut batches = Vec::new();
            let size = 1 + pauses.len() % 7;
            for (n, batch) in order.chunks(size).enumerate() {
                batches.push((batch.to_vec(), pauses.get(n).copied().unwrap_or_default()));
            }
            (events, batches)
        })
}

fn at_once(events: &[Event]) -> Kept {
    under(usual(), Rules::default(), events)
}

fn under(policy: SessionPolicy, rules: Rules, events: &[Event]) -> Kept {
    let now = last(events);
    let mut kept = Kept::nothing(policy, rules);
    kept.take(events, now);
    kept.finish(now)
}

/// What is kept of batches that arrive with a pause and a sweep behind each.
fn arriving(
    policy: SessionPolicy,
    rules: Rules,
    events: &[Event],
    batches: &[(Vec<Event>, i64)],
) -> Kept {
    let mut kept = Kept::nothing(policy, rules);
    let mut now = last(events);
    for (batch, pause) in batches {
        kept.take(batch, now);
        now = now.plus_ms(*pause);
        kept.sweep(now);
    }
    kept.finish(now)
}

fn last(events: &[Event]) -> Timestamp {
    events.iter().map(|event| event.occurred_at).max().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn any_order_any_batches_and_any_sweeps_say_the_same((events, batches) in arrivals()) {
        let whole = at_once(&events);
        let kept = arriving(usual(), Rules::default(), &events, &batches);
        prop_assert_eq!(kept.says(), whole.says());
        let ids: BTreeSet<&str> = kept.notices.iter().map(|notice| notice.id.as_str()).collect();
        prop_assert_eq!(ids.len(), kept.notices.len(), "every fact is said once");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn too_much_of_everything_says_the_same_in_any_order_and_in_any_sweeps(
        (events, batches) in arrivals(), policy in crowded(),
    ) {
        let whole = under(policy, Rules::default(), &events);
        let kept = arriving(policy, Rules::default(), &events, &batches);
        prop_assert_eq!(kept.says(), whole.says());
        let counted = |held: &StoredSession| (held.session.started_at, held.session.metrics.events);
        let closed = kept.sessions.values().filter(|held| held.state == SessionState::Closed);
        let mut found: Vec<_> = closed.map(counted).collect();
        found.sort_unstable();
        let split = split(events.clone(), Before::Pause, &policy);
        let mut expected: Vec<_> = split
            .iter()
            .map(|own| (own.events[0].occurred_at, u32::try_from(own.events.len()).unwrap()))
            .collect();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
        let counted: u32 = kept.sessions.values().filter(|held| held.state == SessionState::Closed)
            .map(|held| held.session.metrics.events).sum();
        prop_assert_eq!(usize::try_from(counted).unwrap(), events.len(), "each event is in one session");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn crowds_that_are_swept_while_they_happen_say_the_same(
        events in events(), every in 1..9_usize, policy in crowded(),
    ) {
        let mut kept = Kept::nothing(policy, Rules::default());
        for batch in events.chunks(every) {
            let now = last(batch);
            kept.take(batch, now);
            kept.sweep(now.plus_ms(5_000));
        }
        let kept = kept.finish(last(&events));
        prop_assert_eq!(kept.says(), under(policy, Rules::default(), &events).says());
    }

    #[test]
    fn sweeping_while_it_happens_says_the_same(events in events(), every in 1..9_usize) {
        let mut kept = Kept::nothing(usual(), Rules::default());
        for batch in events.chunks(every) {
            let now = last(batch);
            kept.take(batch, now);
            kept.sweep(now.plus_ms(5_000));
        }
        let kept = kept.finish(last(&events));
        prop_assert_eq!(kept.says(), at_once(&events).says());
    }

    #[test]
    fn cleaning_screens_says_in_any_order_what_clean_screens_say((events, batches) in arrivals()) {
        let clean: Vec<Event> = events.iter().cloned().map(|mut event| {
            event.screen = event.screen.map(|screen| match screen.as_str() {
                "/orders/{id}" => "/orders".to_owned(),
                "/help" => "/orders/help".to_owned(),
                _ => screen,
            });
            event
        }).collect();
        let kept = arriving(usual(), cleaning(), &events, &batches);
        prop_assert_eq!(kept.says(), under(usual(), plain(), &clean).says());
    }

    #[test]
    fn the_cells_are_the_sum_of_the_closed_sessions((events, batches) in arrivals()) {
        let mut kept = Kept::nothing(usual(), Rules::default());
        let mut now = last(&events);
        for (batch, pause) in &batches {
            kept.take(batch, now);
            now = now.plus_ms(*pause);
            kept.sweep(now);
            let mut sum = Cells::new();
            for session in kept.sessions.values() {
                cells::merge(&mut sum, &contribution(session));
            }
            prop_assert_eq!(&kept.cells, &sum);
        }
    }
}

/// 2026-02-12T00:00:00Z.
const BASE_MS: i64 = 1_770_854_400_000;
