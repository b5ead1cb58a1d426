//! What is counted in a session.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    Event, EventType, Family, Pillar, Timestamp,
    incident::{Incident, Rule},
    limits::{ACTIVE_GAP_MS, MINUTE_MS},
    session::{FlowOutcome, PillarImpact, SessionMetrics, TaskRun},
};

/// A stay on a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit<'a> {
    /// The screen.
    pub screen: &'a str,
    /// Time of the first event on it.
    pub entered_at: Timestamp,
    /// Time on it until the next screen or the end, pauses of more than 60 s left out, ms.
    pub dwell_ms: i64,
}

/// The stays of a session, in order: events that name the screen that is already there, or none, go on with it.
#[must_use]
pub fn visits(events: &[Event]) -> Vec<Visit<'_>> {
    let mut visits: Vec<Visit<'_>> = Vec::new();
    let mut before: Option<Timestamp> = None;
    for event in events {
        if let (Some(visit), Some(before)) = (visits.last_mut(), before) {
            visit.dwell_ms = visit.dwell_ms.saturating_add(active(before, event.occurred_at));
        }
        before = Some(event.occurred_at);
        if let Some(screen) = event.screen.as_deref()
            && visits.last().is_none_or(|visit| visit.screen != screen)
        {
            visits.push(Visit { screen, entered_at: event.occurred_at, dwell_ms: 0 });
        }
    }
    visits
}

/// Counts a session.
#[must_use]
pub fn metrics(
    events: &[Event],
    visits: &[Visit<'_>],
    tasks: &[TaskRun],
    incidents: &[Incident],
) -> SessionMetrics {
    let span = events.first().zip(events.last());
    let mut by_rule: BTreeMap<Rule, u32> = BTreeMap::new();
    for incident in incidents {
        add(&mut by_rule, incident.rule);
    }
    let mut friction_events = BTreeMap::new();
    for event in events.iter().filter(|event| event.event_type.family() == Family::Friction) {
        add(&mut friction_events, event.event_type);
    }
    let of_rule = |rule: Rule| by_rule.get(&rule).copied().unwrap_or_default();
    let of_type = |kind: EventType| number(events.iter().filter(|e| e.event_type == kind).count());
    let abandoned = tasks.iter().filter(|task| task.outcome == FlowOutcome::Abandoned).count();
    let unique: BTreeSet<&str> = visits.iter().map(|visit| visit.screen).collect();
    SessionMetrics {
        duration_ms: span.map_or(0, |(first, last)| last.occurred_at.since_ms(first.occurred_at)),
        active_ms: active_ms(events),
        events: number(events.len()),
        clicks: of_type(EventType::UiClick),
        screens_visited: number(visits.len()),
        unique_screens: number(unique.len()),
        rage_clicks: of_rule(Rule::RageClick),
        dead_clicks: of_rule(Rule::DeadClick),
        error_clicks: of_rule(Rule::ErrorClick),
        backtracks: of_rule(Rule::Backtrack),
        context_switches: of_rule(Rule::ContextSwitch),
        tasks_started: number(tasks.len()),
        tasks_completed: number(
            tasks.iter().filter(|task| task.outcome == FlowOutcome::Completed).count(),
        ),
        tasks_cancelled: number(
            tasks.iter().filter(|task| task.outcome == FlowOutcome::Cancelled).count(),
        ),
        tasks_abandoned: number(abandoned),
        errors: number(events.iter().filter(|event| event.error.is_some()).count()),
        friction_events,
        incidents: by_rule,
    }
}

/// What each pillar caused: the severities of the friction events and one for each incident that name it; and prevented:
/// explanations asked for that neither an override nor an abandonment followed within 10 minutes.
#[must_use]
pub fn trace(events: &[Event], incidents: &[Incident]) -> BTreeMap<Pillar, PillarImpact> {
    let mut trace: BTreeMap<Pillar, PillarImpact> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        let Some(pillar) = event.trace_component else { continue };
        if event.event_type.family() != Family::Friction {
            continue;
        }
        let impact = trace.entry(pillar).or_default();
        impact.caused = impact.caused.saturating_add(severity(event).into());
        let rest = events.get(at..).unwrap_or_default();
        if event.event_type == EventType::ExplanationRequest && helped(event, rest, incidents) {
            impact.prevented = impact.prevented.saturating_add(1);
        }
    }
    for pillar in incidents.iter().filter_map(|incident| incident.trace_component) {
        let impact = trace.entry(pillar).or_default();
        impact.caused = impact.caused.saturating_add(1);
    }
    trace
}

/// How much a friction event hurt, 0 to 5: what it says itself, what its producer suspects, or what its type usually does.
#[must_use]
pub fn severity(event: &Event) -> u8 {
    let suggested = event.signals.as_ref().and_then(|signals| signals.suggested_severity);
    event.severity.or(suggested).unwrap_or_else(|| {
        let negative = event.context.get("userAction").and_then(|action| action.as_str());
        match (event.event_type, negative) {
            (EventType::Feedback, Some("negative")) => NEGATIVE_FEEDBACK_SEVERITY,
            (kind, _) => kind.default_severity(),
        }
    })
}

fn helped(asked: &Event, rest: &[Event], incidents: &[Incident]) -> bool {
    let until = asked.occurred_at.plus_ms(EXPLAINED_WITHIN_MS);
    let soon = |at: Timestamp| at >= asked.occurred_at && at <= until;
    let gave_up = |event: &&Event| {
        matches!(event.event_type, EventType::UserOverride | EventType::Abandon)
            && soon(event.occurred_at)
    };
    let left_open =
        |incident: &&Incident| incident.rule == Rule::AbandonedTask && soon(incident.ended_at);
    !rest.iter().any(|event| gave_up(&event))
        && !incidents.iter().any(|incident| left_open(&incident))
}

fn active_ms(events: &[Event]) -> i64 {
    let pairs = events.iter().zip(events.iter().skip(1));
    pairs.map(|(before, after)| active(before.occurred_at, after.occurred_at)).sum()
}

/// The time between two events, unless it is a pause.
fn active(before: Timestamp, after: Timestamp) -> i64 {
    let gap = after.since_ms(before);
    if gap <= ACTIVE_GAP_MS { gap } else { 0 }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

const NEGATIVE_FEEDBACK_SEVERITY: u8 = 2;
const EXPLAINED_WITHIN_MS: i64 = 10 * MINUTE_MS;
