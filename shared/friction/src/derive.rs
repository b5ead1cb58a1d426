//! A session of its events.

use std::collections::BTreeMap;

use contract::{
    Event,
    incident::{Incident, Rule},
    session::{Baseline, FlowOutcome, ScreenVisit, Session},
};

use crate::{
    detect::{self, Ending},
    flow,
    metrics::{self, Visit},
    owner::Owner,
    rules::Rules,
    score,
    split::Segment,
};

/// A session and its incidents.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The session.
    pub session: Session,
    /// Its incidents, in the order of time.
    pub incidents: Vec<Incident>,
    /// The slot of its actor.
    pub actor_slot: u8,
}

/// What tasks usually take, by name.
pub type Baselines = BTreeMap<String, Baseline>;

/// Derives the session of `segment`; nothing for a segment without events. Its screens are what `rules` say they are before
/// anything else is decided.
#[must_use]
pub fn derive(
    owner: &Owner,
    segment: &Segment,
    ending: Ending,
    rules: &Rules,
    baselines: &Baselines,
) -> Option<Derived> {
    let events: &[Event] = &rules.paths.cleaned(&segment.events);
    let first = segment.first()?;
    let session_id = owner.session_id(&first);
    let findings = detect::detect(events, rules, ending);
    let incidents: Vec<Incident> = findings
        .into_iter()
        .map(|finding| finding.incident(owner, &session_id, rules.version))
        .collect();
    let visits = metrics::visits(events);
    let open_ms = rules.thresholds.abandoned_task.open_ms;
    let tasks = flow::task_runs(events, ending, open_ms);
    let metrics = metrics::metrics(events, &visits, &tasks, &incidents);
    let open = tasks.iter().filter(|run| run.outcome == FlowOutcome::Open).count();
    let open = u32::try_from(open).unwrap_or(metrics.tasks_started);
    let all: Vec<&Event> = events.iter().collect();
    let session = Session {
        session_id,
        org_id: owner.org.clone(),
        product_id: owner.product.clone(),
        started_at: first.at,
        ended_at: segment.last,
        bounds: segment.bounds,
        frustration: score::frustration(&incidents, &all),
        efficiency: score::efficiency(&score::Performance {
            // Whether those that go on succeed is not known.
            tasks_started: metrics.tasks_started - open,
            tasks_completed: metrics.tasks_completed,
            active_ms: metrics.active_ms,
            clicks: metrics.clicks,
            screens_visited: metrics.screens_visited,
            unique_screens: metrics.unique_screens,
            baseline: score::baseline_of(&tasks, baselines),
        }),
        path: flow::path(events),
        flows: flow::flows(events, ending, open_ms),
        screens: screens(&visits, &incidents),
        trace: metrics::trace(events, &incidents),
        incidents: incidents.iter().map(|incident| incident.incident_id.clone()).collect(),
        rules_version: rules.version,
        metrics,
        tasks,
    };
    let actor = events.iter().find_map(|event| event.actor_id.as_deref()).unwrap_or(&owner.token);
    Some(Derived { session, incidents, actor_slot: crate::owner::actor_slot(actor) })
}

fn screens(visits: &[Visit<'_>], incidents: &[Incident]) -> BTreeMap<String, ScreenVisit> {
    let mut screens: BTreeMap<String, ScreenVisit> = BTreeMap::new();
    for visit in visits {
        let screen = screens.entry(visit.screen.to_owned()).or_default();
        screen.visits = screen.visits.saturating_add(1);
        screen.dwell_ms = screen.dwell_ms.saturating_add(visit.dwell_ms);
    }
    if let Some(last) = visits.last().and_then(|visit| screens.get_mut(visit.screen)) {
        last.exit = true;
    }
    for (name, screen) in &mut screens {
        let here: Vec<&Incident> =
            incidents.iter().filter(|incident| incident.screen.as_deref() == Some(name)).collect();
        let rage = here.iter().filter(|incident| incident.rule == Rule::RageClick).count();
        screen.incidents = u32::try_from(here.len()).unwrap_or(u32::MAX);
        screen.rage_clicks = u32::try_from(rage).unwrap_or(u32::MAX);
        screen.frustration = score::screen_frustration(&here);
    }
    screens
}
