//! Rendering: an event in the connector's schema, and the exact bytes of a batch.

use contract::{
    Event, EventId, Family, OrgId, Timestamp,
    connector::{BatchMetadata, FrictionEvent},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Profile, Suspicion};
use crate::{
    batching::{BatchedEvent, NewBatch},
    pseudonym::connector_event_id,
};

/// A batch's place: its number is unique within its organisation, so that both give its idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot<'a> {
    /// The organisation.
    pub org: &'a OrgId,
    /// The batch's number.
    pub seq: String,
}

impl Slot<'_> {
    /// UUIDv5 of organisation, number and the events in their order: a batch formed again after a crash has the same key,
    /// and two installations of one organisation, or one that was restored from a backup and counts its batches from
    /// there, never send different events under one key.
    #[must_use]
    pub fn batch_id(&self, events: &[RenderedEvent]) -> String {
        let mut name = format!("{}/{}", self.org, self.seq);
        for event in events {
            name.push('/');
            name.push_str(event.event_id.as_str());
        }
        Uuid::new_v5(&BATCH_NAMESPACE, name.as_bytes()).to_string()
    }
}

/// An event as the connector will read it.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedEvent {
    /// The event.
    pub event_id: EventId,
    /// What the connector calls it.
    pub connector_id: String,
    /// When it happened, as the connector is told.
    pub at: Option<Timestamp>,
    /// Its JSON.
    pub json: String,
}

impl std::fmt::Debug for RenderedEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RenderedEvent")
            .field("event_id", &self.event_id)
            .field("bytes", &self.json.len())
            .finish()
    }
}

impl Profile {
    /// Renders one event. Nothing for an event that is not of the friction family or names no pillar: the connector's
    /// schema has no place for it.
    #[must_use]
    pub fn render_event(&self, event: &Event) -> Option<RenderedEvent> {
        let pillar = event.trace_component?;
        if event.event_type.family() != Family::Friction {
            return None;
        }
        let connector_id = connector_event_id(&event.org_id, &event.event_id);
        let at = self.coarse(event.occurred_at);
        let (friction_signals, suggested_pattern) = self.suspicions(event);
        let friction = FrictionEvent {
            event_id: connector_id.clone(),
            timestamp: at,
            source: self.source.clone(),
            trace_component: pillar,
            event_type: event.event_type.short_name().to_owned(),
            org_id: event.org_id.to_string(),
            product_id: event.product_id.to_string(),
            severity: event.effective_severity(),
            user_id: event.actor_id.clone(),
            session_id: event.session_id.clone(),
            team_id: event.context.get("teamId").and_then(Value::as_str).map(str::to_owned),
            context: chosen(&event.context, &self.context),
            friction_signals,
            suggested_pattern,
            metadata: chosen(&event.context, &self.metadata),
        };
        let Ok(Value::Object(fields)) = serde_json::to_value(&friction) else { return None };
        let json = Value::Object(self.renamed_fields(fields)).to_string();
        Some(RenderedEvent { event_id: event.event_id.clone(), connector_id, at: Some(at), json })
    }

    /// The exact bytes of a batch. The same events in the same slot give the same bytes.
    #[must_use]
    pub fn assemble(&self, slot: &Slot<'_>, events: &[RenderedEvent]) -> NewBatch {
        let batch_id = slot.batch_id(events);
        let bodies: Vec<&str> = events.iter().map(|event| event.json.as_str()).collect();
        let times = || events.iter().filter_map(|event| event.at);
        let metadata = BatchMetadata {
            batch_id: batch_id.clone(),
            batch_seq: slot.seq.clone(),
            event_count: events.len(),
            first_at: times().min().unwrap_or_default(),
            last_at: times().max().unwrap_or_default(),
            source: self.source.clone(),
        };
        NewBatch {
            seq: slot.seq.clone(),
            batch_id,
            body: self.enveloped(&bodies.join(","), &metadata).into_bytes(),
            events: events
                .iter()
                .map(|event| BatchedEvent {
                    event_id: event.event_id.clone(),
                    connector_id: event.connector_id.clone(),
                })
                .collect(),
        }
    }

    /// The bytes that a batch in `slot` needs beside its events, at most.
    pub(crate) fn envelope_bytes(&self, slot: &Slot<'_>, events_max: usize) -> usize {
        let metadata = BatchMetadata {
            batch_id: slot.batch_id(&[]),
            batch_seq: slot.seq.clone(),
            event_count: events_max,
            first_at: Timestamp::default(),
            last_at: Timestamp::default(),
            source: self.source.clone(),
        };
        self.enveloped("", &metadata).len()
    }

    /// The time that a rendered event tells.
    pub(crate) fn time_of(&self, json: &str) -> Option<Timestamp> {
        let name = self.renamed.get("timestamp").map_or("timestamp", String::as_str);
        let fields: Map<String, Value> = serde_json::from_str(json).ok()?;
        Timestamp::parse(fields.get(name)?.as_str()?)
    }

    fn enveloped(&self, events: &str, metadata: &BatchMetadata) -> String {
        let key = |name: &str| Value::from(name).to_string();
        let tail = match &self.envelope.metadata {
            Some(name) => {
                let metadata = serde_json::to_string(metadata).unwrap_or_default();
                format!(",{}:{metadata}", key(name))
            }
            None => String::new(),
        };
        format!("{{{}:[{events}]{tail}}}", key(&self.envelope.events))
    }

    fn suspicions(
        &self,
        event: &Event,
    ) -> (Option<contract::event::Signals>, Option<contract::event::Pattern>) {
        let Some(mut signals) = event.signals.clone() else { return (None, None) };
        let pattern = signals.suggested_pattern.take();
        let signals = Some(signals).filter(|signals| *signals != Default::default());
        match self.suspicion {
            Suspicion::FrictionSignals => (signals, None),
            Suspicion::SuggestedPattern => (None, pattern),
            Suspicion::Both => (signals, pattern),
        }
    }

    fn renamed_fields(&self, fields: Map<String, Value>) -> Map<String, Value> {
        fields
            .into_iter()
            .filter(|(name, _)| !self.omitted.contains(name))
            .map(|(name, value)| (self.renamed.get(&name).cloned().unwrap_or(name), value))
            .collect()
    }

    fn coarse(&self, at: Timestamp) -> Timestamp {
        let step = self.time_step_ms.max(1);
        Timestamp::from_ms(at.ms().div_euclid(step) * step)
    }
}

fn chosen(
    context: &Map<String, Value>,
    names: &std::collections::BTreeMap<String, String>,
) -> Map<String, Value> {
    names
        .iter()
        .filter_map(|(ours, theirs)| Some((theirs.clone(), context.get(ours)?.clone())))
        .collect()
}

/// Drawn once. Another value would give batches that wait for a retry another idempotency key.
const BATCH_NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_3c52_8a0b_5e47_9c31_27d4_b8e6_0a95);
