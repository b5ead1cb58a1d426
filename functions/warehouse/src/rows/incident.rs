//! An incident as a row of `fact_incidents`.

use std::collections::BTreeMap;

use contract::{EventId, Timestamp, incident::Confidence};
use friction::change::StoredIncident;
use ports::warehouse::Table;
use serde::Serialize;

use super::{Row, day, row};

/// The row of an incident as it was announced.
#[must_use]
pub fn incident(stored: &StoredIncident) -> Row {
    let StoredIncident { incident, retracted, revision } = stored;
    let columns = IncidentColumns {
        org_id: incident.org_id.as_str(),
        product_id: incident.product_id.as_str(),
        day: day(incident.started_at),
        incident_id: &incident.incident_id,
        revision: *revision,
        precedence: u64::from(*revision) << u32::BITS | u64::from(incident.count),
        state: if *retracted { "retracted" } else { "found" },
        rule: incident.rule.as_str(),
        rules_version: incident.rules_version,
        session_id: incident.session_id.as_str(),
        started_at: incident.started_at,
        ended_at: incident.ended_at,
        screen: incident.screen.as_deref().unwrap_or_default(),
        element: incident.element.as_deref().unwrap_or_default(),
        task: incident.task.as_deref().unwrap_or_default(),
        pillar: incident.trace_component.map_or("", |pillar| pillar.as_str()),
        confidence: confidence(incident.confidence),
        events: incident.count,
        event_ids: &incident.event_ids,
        thresholds: &incident.thresholds,
        tags: &incident.tags,
    };
    row(Table::Incidents, &incident.org_id, &columns)
}

#[derive(Serialize)]
struct IncidentColumns<'a> {
    org_id: &'a str,
    product_id: &'a str,
    day: String,
    incident_id: &'a str,
    revision: u32,
    precedence: u64,
    state: &'static str,
    rule: &'static str,
    rules_version: u32,
    session_id: &'a str,
    started_at: Timestamp,
    ended_at: Timestamp,
    screen: &'a str,
    element: &'a str,
    task: &'a str,
    pillar: &'static str,
    confidence: &'static str,
    events: u32,
    event_ids: &'a [EventId],
    thresholds: &'a BTreeMap<String, f64>,
    tags: &'a [String],
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}
