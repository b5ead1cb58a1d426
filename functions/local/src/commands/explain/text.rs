//! An explanation as people read it.

use std::collections::BTreeMap;

use contract::{
    Event, EventId,
    incident::Incident,
    insights::{pages::SessionState, unusual::RareStep},
    session::Session,
};

use super::Explanation;
use crate::{
    commands::sessions::{confidence, efficiency, frustration},
    output::{lasting, plain, table},
};

/// The explanation.
pub(super) fn of(told: &Explanation) -> String {
    let mut text = head(told);
    let session = &told.session.session;
    text.push_str(&metrics(session));
    text.push_str(&hurt(told));
    text.push_str(&went(told));
    for incident in &told.incidents {
        text.push_str(&moment(incident));
    }
    text + &timeline(told)
}

fn head(told: &Explanation) -> String {
    let session = &told.session.session;
    let state = serde_json::to_value(told.session.state).unwrap_or_default();
    let mut text = format!(
        "session {} of {}, product {}: {}, revision {}\n  {} to {}, {}, of it {} active\n",
        session.session_id,
        session.org_id,
        session.product_id,
        state.as_str().unwrap_or_default(),
        told.session.revision,
        session.started_at,
        session.ended_at,
        lasting(session.metrics.duration_ms),
        lasting(session.metrics.active_ms),
    );
    if let Some(unusual) = &told.session.unusual {
        let RareStep { from, to, likelihood } = &unusual.rarest;
        text.push_str(&format!(
            "  its way is more unusual than {:.0} % of {} flows: {:.2} bits a step; the rarest of them is {} → {}, {:.1} %\n",
            unusual.percentile,
            unusual.flows,
            unusual.bits_per_step,
            plain(from),
            plain(to),
            likelihood * 100.0,
        ));
    }
    if told.session.state == SessionState::Superseded {
        text.push_str("  it is no session any more: late events made it a part of another one, or what it was made of turned out to be none\n");
    }
    let bounds = session.bounds;
    for (is_so, why) in [
        (bounds.cut_before, "it goes on from an earlier session: activity without a pause is cut"),
        (bounds.cut_after, "it goes on in a later session: activity without a pause is cut"),
        (
            bounds.truncated,
            "it has as many events as a session may have: what came then is in a later one",
        ),
    ] {
        if is_so {
            text.push_str(&format!("  {why}\n"));
        }
    }
    text
}

fn metrics(session: &Session) -> String {
    let counted = serde_json::to_value(&session.metrics).unwrap_or_default();
    let mut rows = Vec::new();
    for (name, value) in counted.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(inner) => rows
                .extend(inner.iter().map(|(key, n)| vec![format!("{name} {key}"), n.to_string()])),
            None => rows.push(vec![name.clone(), value.to_string()]),
        }
    }
    format!("\n{}", table(&["metric", "value"], &rows))
}

fn hurt(told: &Explanation) -> String {
    let said = &told.session.session.frustration;
    let mut text = format!("\nfrustration {} ({})\n", frustration(said), said.model);
    if said.contributions.is_empty() {
        text.push_str("  nothing hurt\n");
        return text;
    }
    let rows: Vec<Vec<String>> = said
        .contributions
        .iter()
        .map(|part| {
            vec![
                part.signal.clone(),
                part.count.to_string(),
                format!("{:.2}", part.weight),
                format!("{:.1} %", part.share * 100.0),
            ]
        })
        .collect();
    text.push_str(&table(&["signal", "count", "weight", "share"], &rows));
    text.push_str(&format!("  {}\n", told.formulas.frustration));
    text
}

fn went(told: &Explanation) -> String {
    let said = &told.session.session.efficiency;
    let mut text = format!("\nefficiency {} ({})\n", efficiency(said), said.model);
    let usual = said.baseline;
    let number = |value: Option<f64>| value.map(|value| format!("{value:.2}"));
    let lines = [
        ("completion", number(said.completion), None),
        ("seconds per task", number(said.seconds_per_task), usual.map(|usual| usual.seconds)),
        ("clicks per task", number(said.clicks_per_task), usual.map(|usual| usual.clicks)),
        ("lostness", number(said.lostness), None),
        ("navigation efficiency", number(said.navigation_efficiency), None),
    ];
    for (name, value, usual) in lines {
        let Some(value) = value else { continue };
        let usual = usual.map(|usual| format!(", usual {usual:.2}")).unwrap_or_default();
        text.push_str(&format!("  {name} {value}{usual}\n"));
    }
    match usual {
        Some(usual) => text.push_str(&format!(
            "  what is usual is known from {} completed runs; below 50 it is assumed\n  {}\n",
            usual.completions, told.formulas.efficiency
        )),
        None => text.push_str("  no task was begun: there is no score\n"),
    }
    text
}

fn moment(incident: &Incident) -> String {
    let mut text = format!(
        "\n{} (rules of version {}, confidence {}) {} to {}\n",
        incident.rule,
        incident.rules_version,
        confidence(incident.confidence),
        incident.started_at,
        incident.ended_at,
    );
    for (what, name) in
        [("screen", &incident.screen), ("element", &incident.element), ("task", &incident.task)]
    {
        if let Some(name) = name {
            text.push_str(&format!("  {what} {}\n", plain(name)));
        }
    }
    let thresholds: Vec<String> =
        incident.thresholds.iter().map(|(name, value)| format!("{name} {value}")).collect();
    if !thresholds.is_empty() {
        text.push_str(&format!("  thresholds: {}\n", thresholds.join(", ")));
    }
    if !incident.tags.is_empty() {
        text.push_str(&format!("  noticed: {}\n", plain(&incident.tags.join(", "))));
    }
    let ids: Vec<&str> = incident.event_ids.iter().map(EventId::as_str).collect();
    let more = usize::try_from(incident.count).unwrap_or(usize::MAX).saturating_sub(ids.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    text + &format!("  events: {}{more}\n", ids.join(" "))
}

fn timeline(told: &Explanation) -> String {
    let mut text = format!("\n{} events", told.events.len());
    if told.session.state == SessionState::Superseded {
        text.push_str(" of it left; the others are another session's, or in quarantine");
    } else if told.events_gone > 0 {
        text.push_str(&format!(", {} more are not kept any longer", told.events_gone));
    }
    text.push('\n');
    let mut marks: BTreeMap<&EventId, Vec<&str>> = BTreeMap::new();
    for incident in &told.incidents {
        for id in &incident.event_ids {
            marks.entry(id).or_default().push(incident.rule.as_str());
        }
    }
    for event in &told.events {
        let marks = marks.get(&event.event_id).map(|rules| format!("  ← {}", rules.join(", ")));
        text.push_str(&format!(
            "  {}  {:<24} {}{}\n",
            event.occurred_at,
            event.event_type.as_str(),
            what(event),
            marks.unwrap_or_default()
        ));
    }
    text
}

/// Where it was, on what, and in which task.
fn what(event: &Event) -> String {
    let element = event.element.as_ref().map(|element| format!("[{}]", element.key));
    let task = event.task.as_ref().map(|task| format!("task {}", task.name));
    let error = event.error.as_ref().map(|error| format!("error {}", error.code));
    let parts = [event.screen.clone(), element, task, error, Some(event.event_id.to_string())];
    plain(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}
