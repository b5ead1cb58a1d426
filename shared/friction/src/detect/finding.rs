//! What a rule saw.

use std::collections::BTreeMap;

use contract::{
    EventId, Pillar, Timestamp,
    incident::{Confidence, EVENT_IDS_MAX, Incident, Rule},
    session::SessionId,
};
use data_encoding::HEXLOWER;

use super::scene::Scene;
use crate::owner::Owner;

/// What a rule saw: an incident before it is known whose it is. It has at least one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The thresholds that were used.
    pub thresholds: BTreeMap<String, f64>,
    /// Time of its first event.
    pub started_at: Timestamp,
    /// Time of its last event, or when a timer found it.
    pub ended_at: Timestamp,
    /// Where.
    pub screen: Option<String>,
    /// On what: an element, or the operation of a backend.
    pub element: Option<String>,
    /// In which task.
    pub task: Option<String>,
    /// The pillar that its events name; the first, should they name several.
    pub trace_component: Option<Pillar>,
    /// How sure the rule is.
    pub confidence: Confidence,
    /// How many events it is made of.
    pub count: u32,
    /// Those events, the first 50 in order.
    pub event_ids: Vec<EventId>,
    /// What else the rule noticed.
    pub tags: Vec<String>,
}

impl Finding {
    /// The incident of `owner` in the session `session`, under rules of this version. No event begins two of one rule.
    #[must_use]
    pub fn incident(self, owner: &Owner, session: &SessionId, rules_version: u32) -> Incident {
        let first = self.event_ids.first().map_or("", |id| id.as_str());
        let id = owner.hash(&["incident", self.rule.as_str(), first]);
        Incident {
            incident_id: format!("i_{}", HEXLOWER.encode(&id)),
            rule: self.rule,
            rules_version,
            thresholds: self.thresholds,
            org_id: owner.org.clone(),
            product_id: owner.product.clone(),
            session_id: session.clone(),
            started_at: self.started_at,
            ended_at: self.ended_at,
            screen: self.screen,
            element: self.element,
            task: self.task,
            trace_component: self.trace_component,
            confidence: self.confidence,
            count: self.count,
            event_ids: self.event_ids,
            tags: self.tags,
        }
    }

    /// What `rule` saw in the events at these places, which are in order: where and in which task the first of them is.
    pub(super) fn in_events(
        rule: Rule,
        thresholds: BTreeMap<String, f64>,
        scene: &Scene<'_>,
        places: &[usize],
    ) -> Self {
        let events = || places.iter().filter_map(|place| scene.events().get(*place));
        let time = |place: Option<&usize>| place.map(|place| scene.at(*place)).unwrap_or_default();
        let first = places.first().copied().unwrap_or_default();
        let element = events().find_map(|event| event.element.as_ref());
        Self {
            rule,
            thresholds,
            started_at: time(places.first()),
            ended_at: time(places.last()),
            screen: scene.screen(first).map(str::to_owned),
            element: element.map(|element| element.key.clone()),
            task: scene.task(first).map(str::to_owned),
            trace_component: events().find_map(|event| event.trace_component),
            confidence: Confidence::Medium,
            count: u32::try_from(places.len()).unwrap_or(u32::MAX),
            event_ids: events().take(EVENT_IDS_MAX).map(|event| event.event_id.clone()).collect(),
            tags: Vec::new(),
        }
    }

    pub(super) fn tagged(mut self, tag: &str) -> Self {
        self.tags.push(tag.to_owned());
        self
    }

    /// Where it lies among others.
    pub(super) fn place(&self) -> (Timestamp, Rule, Option<&EventId>) {
        (self.started_at, self.rule, self.event_ids.first())
    }
}
