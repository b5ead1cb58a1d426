//! What a session is about, folded from its events in their order: the session context projector `ctx-1`.
//!
//! Folding one event after the other gives what projecting all of them gives. An event that lies before the last one that
//! was folded cannot be folded any more: then all are projected again.

pub(crate) mod ranking;

use contract::{
    Event, EventType, Family, Timestamp,
    projection::{ActiveConcept, ActiveObject, SessionContext},
    session::SessionId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::ranking::Ranking;
use crate::owner::{Owner, Position};

/// What is known of a session so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextState {
    #[serde(default)]
    concepts: Ranking<String>,
    #[serde(default)]
    objects: Ranking<(String, String)>,
    #[serde(default)]
    read: Read,
    #[serde(default)]
    evidence: u32,
}

/// How far a projector has read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Read {
    /// Events.
    #[serde(default)]
    pub events: u32,
    /// The last of them, see [`sequence`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<String>,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What became of an event that was to be folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    /// It is in.
    New,
    /// It was the last one already.
    Known,
    /// It lies before the last one: nothing changed, and all events are to be projected again.
    Reproject,
}

impl ContextState {
    /// What is known after `events`, in whatever order and however often they are given.
    #[must_use]
    pub fn project(events: &[Event]) -> Self {
        let mut state = Self::default();
        for event in in_order(events) {
            state.fold(event);
        }
        state
    }

    /// Reads one more event.
    pub fn fold(&mut self, event: &Event) -> Folded {
        let folded = self.read.advance(event);
        if folded == Folded::New {
            self.learn(event);
        }
        folded
    }

    /// How far it has read.
    #[must_use]
    pub fn read(&self) -> &Read {
        &self.read
    }

    /// What is said about the session `id` of `owner`.
    #[must_use]
    pub fn context(&self, owner: &Owner, id: &SessionId) -> SessionContext {
        let concepts = self.concepts.first(CONCEPTS_MAX);
        let objects = self.objects.first(OBJECTS_MAX);
        SessionContext {
            session_id: id.clone(),
            org_id: owner.org.clone(),
            product_id: owner.product.clone(),
            model: MODEL.to_owned(),
            active_concepts: concepts
                .map(|(concept, weight)| ActiveConcept { concept: concept.clone(), weight })
                .collect(),
            active_objects: objects
                .map(|((kind, id), weight)| ActiveObject {
                    kind: kind.clone(),
                    id: id.clone(),
                    weight,
                })
                .collect(),
            uncertainty: uncertainty(self.evidence),
            events: self.read.events,
            evidence: self.evidence,
            last_seq: self.read.last_seq.clone(),
            updated_at: self.read.at,
        }
    }

    fn learn(&mut self, event: &Event) {
        if event.event_type.family() != Family::Knowledge {
            return;
        }
        self.evidence = self.evidence.saturating_add(1);
        let now = self.read.events;
        if let Some(weight) = concept_weight(event.event_type) {
            for concept in concepts(event) {
                self.concepts.raise(concept.to_owned(), weight, now);
            }
        }
        if let Some((weight, object)) = object(event) {
            self.objects.hold(object, weight, now);
        }
    }
}

impl Read {
    /// Takes `event` for read, if it comes after what was.
    pub(crate) fn advance(&mut self, event: &Event) -> Folded {
        let sequence = sequence(&Position::of(event));
        match &self.last_seq {
            Some(last) if *last == sequence => Folded::Known,
            Some(last) if *last > sequence => Folded::Reproject,
            Some(_) | None => {
                self.events = self.events.saturating_add(1);
                self.last_seq = Some(sequence);
                self.at = Some(event.occurred_at);
                Folded::New
            }
        }
    }
}

/// A position as text: `time#id`. Texts have the order of the positions.
#[must_use]
pub fn sequence(position: &Position) -> String {
    format!("{}#{}", position.at, position.id)
}

/// Events by position, each once.
pub(crate) fn in_order(events: &[Event]) -> Vec<&Event> {
    let key = |event: &Event| (event.occurred_at, event.event_id.clone());
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by_cached_key(|event| key(event));
    events.dedup_by(|a, b| (a.occurred_at, &a.event_id) == (b.occurred_at, &b.event_id));
    events
}

/// By how much an event of a kind makes its concepts more active, in hundredths. A highlight is a look that left a mark.
fn concept_weight(kind: EventType) -> Option<u16> {
    let weights = [
        (EventType::UserViewed, 20),
        (EventType::UserHighlighted, 20),
        (EventType::ChatMessageCreated, 15),
        (EventType::ClaimUpserted, 10),
    ];
    weights.into_iter().find(|(weighed, _)| *weighed == kind).map(|(_, weight)| weight)
}

/// The concepts that an event names, each once: in its context, or as the object itself.
fn concepts(event: &Event) -> Vec<&str> {
    let named = event.context.get("concepts").and_then(Value::as_array);
    let named = named.into_iter().flatten().filter_map(Value::as_str);
    let object = event.object.as_ref().filter(|object| object.kind == CONCEPT);
    let mut concepts: Vec<&str> = named.chain(object.map(|object| object.id.as_str())).collect();
    concepts.sort_unstable();
    concepts.dedup();
    concepts
}

/// The object that an event makes active, and how active it is then, in hundredths.
fn object(event: &Event) -> Option<(u16, (String, String))> {
    let weights = [(EventType::SourceCaptured, 70), (EventType::ClaimUpserted, 80)];
    let (_, weight) = weights.into_iter().find(|(kind, _)| *kind == event.event_type)?;
    let object = event.object.as_ref()?;
    Some((weight, (object.kind.clone(), object.id.clone())))
}

/// How little is known after so many events that tell something.
fn uncertainty(evidence: u32) -> f64 {
    match evidence {
        0 => 1.0,
        1..=4 => 0.8,
        5..=9 => 0.5,
        _ => 0.2,
    }
}

const MODEL: &str = "ctx-1";
const CONCEPT: &str = "concept";
const CONCEPTS_MAX: usize = 10;
const OBJECTS_MAX: usize = 20;
