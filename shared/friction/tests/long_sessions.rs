//! Sessions that go on for long: what is said where they are cut, and how often they are looked at.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use contract::{
    Event, Timestamp,
    incident::Rule,
    limits::{HOUR_MS, MINUTE_MS},
    session::{EfficiencyBasis, FlowOutcome},
};
use friction::{
    cells::CellKind,
    change::{Head, SessionState, StoredSession, Sweep},
    owner::Owner,
    policy::SessionPolicy,
    reconcile::{Reading, Work, later},
    rules::Rules,
    split::Before,
};
use serde_json::{Value, json};

fn policy() -> SessionPolicy {
    SessionPolicy { live_ms: Some(5_000), ..SessionPolicy::nine_days() }
}

/// Something that happened so many ms after midnight.
fn event(at_ms: i64, kind: &str, fields: &Value) -> Event {
    let mut event: Value = json!({
        "eventId": format!("e{at_ms:010}"), "occurredAt": Timestamp::from_ms(DAY + at_ms), "orgId": "acme",
        "eventType": kind, "screen": "/a", "actorId": "u1.1.00000000000000000000000000",
    });
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(event).unwrap()
}

fn owner() -> Owner {
    Owner::of(&event(0, "ui.click", &json!({}))).unwrap()
}

/// A click every 20 minutes.
fn clicks(from: i64, to: i64) -> Vec<Event> {
    let times = (from..=to).step_by(usize::try_from(20 * MINUTE_MS).unwrap());
    times.map(|at| event(at, "ui.click", &json!({ "element": { "key": "k" } }))).collect()
}

fn sweep(events: Vec<Event>, now_ms: i64) -> Sweep {
    let now = Timestamp::from_ms(DAY + now_ms);
    let head = Head { version: 3, dirty_from: Some(Timestamp::from_ms(0)), due_at: Some(now) };
    let reading = Reading { from: Timestamp::from_ms(0), before: Before::Pause };
    let stored = (Vec::new(), Vec::new());
    Work::new(owner(), &head, reading, stored, (policy(), now))
        .decide_all(events, &Rules::default(), &BTreeMap::new())
        .sweep
}

#[test]
fn a_task_that_is_under_way_at_a_cut_is_neither_abandoned_nor_counted() {
    let task = |at, kind| event(at, kind, &json!({ "task": { "name": "export" } }));
    let mut events = clicks(2 * HOUR_MS, 15 * HOUR_MS);
    events.push(task(12 * HOUR_MS - 5 * MINUTE_MS, "task.started"));
    events.push(task(12 * HOUR_MS + 5 * MINUTE_MS, "task.completed"));
    events.push(task(3 * HOUR_MS + 7, "task.started"));
    for now in [15 * HOUR_MS + MINUTE_MS, 20 * HOUR_MS] {
        let sweep = sweep(events.clone(), now);
        let sessions: Vec<_> = sweep.sessions.iter().map(|held| &held.session).collect();
        assert_eq!(sessions.len(), 2);
        let outcomes: Vec<_> = sessions[0].tasks.iter().map(|run| run.outcome).collect();
        assert_eq!(outcomes, [FlowOutcome::Abandoned, FlowOutcome::Open]);
        assert_eq!(sessions[0].efficiency.completion, Some(0.0), "of the one that was decided");
        assert!(sessions[1].tasks.is_empty());
        assert_eq!(sessions[1].efficiency.basis, EfficiencyBasis::None);
        let rules: Vec<_> = sweep.incidents.iter().map(|held| held.incident.rule).collect();
        assert_eq!(rules.iter().filter(|rule| **rule == Rule::AbandonedTask).count(), 1);
        let started: i64 = sweep
            .cells
            .iter()
            .filter(|(key, _)| key.kind == CellKind::Task)
            .map(|(_, cell)| cell.sum("started"))
            .sum();
        assert_eq!(started, 1);
    }
}

/// An open session of so many events, the last of them at noon.
fn open(events: u32) -> StoredSession {
    let noon = 12 * HOUR_MS;
    let mut held = sweep(clicks(noon - HOUR_MS, noon), noon + 1).sessions.remove(0);
    assert_eq!(held.state, SessionState::Open);
    held.session.metrics.events = events;
    held
}

#[test]
fn the_more_events_open_sessions_have_the_longer_it_is_before_they_are_read_again() {
    let at = |ms: i64| Timestamp::from_ms(DAY + 12 * HOUR_MS + ms);
    let head = Head { version: 9, dirty_from: Some(at(1)), due_at: Some(at(5_000)) };
    let wait = |stored: &[StoredSession], now| {
        later(&owner(), &head, stored, (&policy(), at(now))).and_then(|sweep| sweep.due_at)
    };
    assert_eq!(wait(&[open(500)], 5_000), None);
    assert_eq!(wait(&[open(1_000)], 5_000), Some(at(5_001)));
    assert_eq!(wait(&[open(1_000)], 5_001), None);
    assert_eq!(wait(&[open(5_000)], 5_000), Some(at(45_001)));
    // What was cut at so many events is read with what goes on; a pause is the longest wait.
    let mut next = open(5_000);
    next.session.started_at = at(10);
    next.session.ended_at = at(4_000);
    assert_eq!(wait(&[open(5_000), next.clone()], 5_000), Some(at(4_000 + 95_000)));
    next.session.metrics.events = 500_000;
    assert_eq!(wait(&[open(5_000), next], 5_000), Some(at(4_000 + 30 * MINUTE_MS)));
    // Whoever looks only when it is due does not wait, and neither does what is news of an earlier session, nor what is left
    // of what goes on.
    let due = SessionPolicy { live_ms: None, ..policy() };
    let held = open(5_000);
    let stored = std::slice::from_ref(&held);
    assert_eq!(later(&owner(), &head, stored, (&due, at(5_000))), None);
    for dirty_from in [at(-2 * HOUR_MS), at(2)] {
        let other = Head { dirty_from: Some(dirty_from), ..head.clone() };
        assert_eq!(later(&owner(), &other, stored, (&policy(), at(5_000))), None);
    }
    let sweep = later(&owner(), &head, stored, (&policy(), at(5_000))).unwrap();
    assert_eq!((sweep.version, sweep.dirty_from, sweep.sessions.len()), (9, head.dirty_from, 0));
    assert_eq!(later(&owner(), &head, &[], (&policy(), at(5_000))), None);
}

#[test]
fn a_long_session_is_read_a_bounded_number_of_times_while_it_goes_on() {
    // An event a tenth of a second for ten minutes, looked at as often as is allowed.
    let (mut now, mut read, mut looked_to) = (0_i64, 0_i64, 0_i64);
    let pause = |events: i64| policy().look_pause_ms(u64::try_from(events).unwrap()).max(5_000);
    while now < 10 * MINUTE_MS {
        now = looked_to + pause(looked_to / 100);
        read += now / 100;
        looked_to = now;
    }
    let events = now / 100;
    assert!(read < 15 * events, "{read} reads of {events} events");
}

/// 2026-02-12T00:00:00Z.
const DAY: i64 = 1_770_854_400_000;
