//! What a session is about, folded from its events in their order: the session context projector `ctx-1`.
//!
//! Folding one event after the other gives what projecting all of them gives. An event that lies before the last one that
//! was folded cannot be folded any more: then all are projected again.

pub(crate) mod ranking;

use std::cmp::Ordering;

use contract::{
    Event, EventId, EventType, Family, Timestamp,
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

/// A context as a sweeper keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptContext {
    /// Version of the owner's head that was read before the events were: whoever keeps less than this was overtaken.
    #[serde(default)]
    pub head: u64,
    /// What is known.
    #[serde(flatten)]
    pub state: ContextState,
}

/// How far a projector has read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Read {
    /// Events.
    #[serde(default)]
    events: u32,
    /// When the last of them happened, and its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<(Timestamp, EventId)>,
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

    /// True when some event told something: only then is a context worth keeping.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        self.evidence > 0
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
            last_seq: self.read.last().as_ref().map(|last| revision(last, self.read.events)),
            updated_at: self.read.last().map(|last| last.at),
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
    /// How many events.
    #[must_use]
    pub fn events(&self) -> u32 {
        self.events
    }

    /// The last of them.
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        self.last.as_ref().map(|(at, id)| Position { at: *at, id: id.clone() })
    }

    /// Takes `event` for read, if it comes after what was.
    pub(crate) fn advance(&mut self, event: &Event) -> Folded {
        if let Some((at, id)) = &self.last {
            match (event.occurred_at, &event.event_id).cmp(&(*at, id)) {
                Ordering::Less => return Folded::Reproject,
                Ordering::Equal => return Folded::Known,
                Ordering::Greater => {}
            }
        }
        self.events = self.events.saturating_add(1);
        self.last = Some((event.occurred_at, event.event_id.clone()));
        Folded::New
    }
}

/// A position as text: `time#id`. Texts have the order of their positions.
#[must_use]
pub fn sequence(position: &Position) -> String {
    format!("{}#{}", position.at, position.id)
}

/// How much was read, as text: `time#id#events`. An event that comes late lies before the last one, which stays the last one,
/// and there is one more: so of two texts about the same events and more, the greater one has read more.
#[must_use]
pub fn revision(last: &Position, events: u32) -> String {
    format!("{}#{events:06}", sequence(last))
}

/// Events by position, each once.
pub(crate) fn in_order(events: &[Event]) -> Vec<&Event> {
    fn place(event: &Event) -> (Timestamp, &EventId) {
        (event.occurred_at, &event.event_id)
    }
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by(|a, b| place(a).cmp(&place(b)));
    events.dedup_by(|a, b| place(a) == place(b));
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

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::sample::of_type;

    fn knowledge(kind: &str, at: i64, more: Value) -> Event {
        let event = of_type(&format!("knowledge.{kind}"), &format!("e{at:04}"), at);
        let mut event = serde_json::to_value(event).unwrap();
        let fields = event.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        serde_json::from_value(event).unwrap()
    }

    fn about(concepts: &[&str]) -> Value {
        json!({ "context": { "concepts": concepts } })
    }

    fn object_of(kind: &str, id: &str) -> Value {
        json!({ "object": { "type": kind, "id": id } })
    }

    fn said(state: &ContextState) -> SessionContext {
        let owner = Owner::of(&of_type("ui.click", "e", 0)).unwrap();
        state.context(&owner, &SessionId::of([7; 16]))
    }

    fn context(events: &[Event]) -> SessionContext {
        said(&ContextState::project(events))
    }

    fn concepts_of(context: &SessionContext) -> Vec<(&str, f64)> {
        context
            .active_concepts
            .iter()
            .map(|active| (active.concept.as_str(), active.weight))
            .collect()
    }

    #[test]
    fn looks_mentions_and_claims_make_concepts_active_up_to_one() {
        let events = [
            knowledge("user_viewed", 1, about(&["tax", "vat", "tax"])),
            knowledge("chat_message_created", 2, about(&["tax"])),
            knowledge("claim_upserted", 3, about(&["duty"])),
            knowledge("user_highlighted", 4, about(&["vat"])),
            knowledge("recommendation_generated", 5, about(&["noise"])),
            knowledge("user_viewed", 6, object_of("concept", "duty")),
            of_type("ui.click", "e7", 7),
        ];
        assert_eq!(concepts_of(&context(&events)), [("vat", 0.4), ("tax", 0.35), ("duty", 0.3)]);
        let often: Vec<_> =
            (0..9).map(|at| knowledge("user_viewed", at, about(&["tax"]))).collect();
        assert_eq!(concepts_of(&context(&often)), [("tax", 1.0)]);
    }

    #[test]
    fn ten_concepts_are_told_and_of_equals_the_latest_first() {
        let viewed = |at: i64| knowledge("user_viewed", at, about(&[&format!("c{at:02}")]));
        let events: Vec<_> = (0..12).map(viewed).collect();
        let context = context(&events);
        let names: Vec<_> = concepts_of(&context).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["c11", "c10", "c09", "c08", "c07", "c06", "c05", "c04", "c03", "c02"]);
    }

    #[test]
    fn sources_and_claims_are_active_objects_and_twenty_of_them_are_told() {
        let mut events: Vec<_> = (0..21)
            .map(|at| knowledge("source_captured", at, object_of("pdf", &format!("s{at}"))))
            .collect();
        events.push(knowledge("claim_upserted", 30, object_of("claim", "c")));
        events.push(knowledge("user_viewed", 31, object_of("pdf", "seen")));
        events.push(knowledge("source_captured", 32, object_of("pdf", "s0")));
        let context = context(&events);
        let told: Vec<_> = context
            .active_objects
            .iter()
            .map(|o| (o.kind.as_str(), o.id.as_str(), o.weight))
            .collect();
        assert_eq!(told[..3], [("claim", "c", 0.8), ("pdf", "s0", 0.7), ("pdf", "s20", 0.7)]);
        assert_eq!(told.len(), 20);
    }

    #[test]
    fn uncertainty_falls_with_what_tells_something_and_clicks_tell_nothing() {
        for (evidence, expected) in
            [(0, 1.0), (1, 0.8), (4, 0.8), (5, 0.5), (9, 0.5), (10, 0.2), (99, 0.2)]
        {
            let mut events: Vec<_> =
                (0..evidence).map(|at| knowledge("user_viewed", at, json!({}))).collect();
            events.extend((0..20).map(|at| of_type("ui.click", &format!("u{at}"), 500 + at)));
            let context = context(&events);
            assert_eq!(
                (context.uncertainty, context.evidence),
                (expected, evidence.try_into().unwrap())
            );
            assert_eq!(i64::from(context.events), evidence + 20);
        }
        assert_eq!((context(&[]).uncertainty, context(&[]).last_seq), (1.0, None));
    }

    #[test]
    fn an_event_from_before_asks_for_all_of_them_and_changes_nothing() {
        let event = |at| knowledge("user_viewed", at, about(&["tax"]));
        let mut state = ContextState::project(&[event(5)]);
        let before = state.clone();
        assert_eq!(state.fold(&event(5)), Folded::Known);
        assert_eq!(state.fold(&event(4)), Folded::Reproject);
        let same_time = Event { event_id: EventId::parse("a").unwrap(), ..event(5) };
        assert_eq!(state.fold(&same_time), Folded::Reproject, "ids order what time does not");
        assert_eq!(state, before);
        assert_eq!(state.fold(&event(6)), Folded::New);
        assert_eq!(said(&state).last_seq.as_deref(), Some("1970-01-01T00:00:00.006Z#e0006#000002"));
    }

    #[test]
    fn a_state_stays_small_whatever_is_named() {
        let name = |n: i64| format!("{n:064}");
        let viewed = |at: i64| {
            let names: Vec<_> = (0..20).map(|n| name(at * 20 + n)).collect();
            knowledge("user_viewed", at, json!({ "context": { "concepts": names } }))
        };
        let state = ContextState::project(&(0..200).map(viewed).collect::<Vec<_>>());
        assert!(serde_json::to_string(&state).unwrap().len() < 32 * 1024);
    }

    pub(crate) fn any_event() -> impl Strategy<Value = Event> {
        let kinds = ["user_viewed", "user_highlighted", "chat_message_created", "source_captured"];
        let kinds = kinds.into_iter().chain(["claim_upserted", "recommendation_generated"]);
        let concepts = prop::collection::vec("[a-e]", 0..3);
        let kind = prop::sample::select(kinds.collect::<Vec<_>>());
        (kind, 0..200_i64, concepts, "[xy]").prop_map(|(kind, at, concepts, object)| {
            let level = ["beginner", "expert"].get(usize::from(object == "x")).copied();
            let context =
                json!({ "concepts": concepts, "feature": object, "explanationLevel": level });
            knowledge(
                kind,
                at,
                json!({ "context": context, "object": { "type": object, "id": "1" } }),
            )
        })
    }

    proptest! {
        #[test]
        fn folding_in_order_is_projecting_everything(
            events in prop::collection::vec(any_event(), 0..40).prop_shuffle(),
            stored in any::<prop::sample::Index>(),
        ) {
            let whole = ContextState::project(&events);
            let mut state = ContextState::default();
            // Stored and read back somewhere on the way.
            let restart = stored.index(events.len() + 1);
            for (at, event) in in_order(&events).into_iter().enumerate() {
                if at == restart {
                    state = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
                }
                prop_assert_eq!(state.fold(event), Folded::New);
            }
            prop_assert_eq!(&state, &whole);
        }

        #[test]
        fn a_stream_in_any_order_with_repeats_ends_where_projecting_ends(
            events in prop::collection::vec(any_event(), 1..30),
            repeats in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let mut state = ContextState::default();
            let mut log: Vec<Event> = Vec::new();
            let stream = repeats.iter().map(|at| at.get(&events)).chain(&events);
            for event in stream {
                if !log.iter().any(|known| Position::of(known) == Position::of(event)) {
                    log.push(event.clone());
                }
                if state.fold(event) == Folded::Reproject {
                    state = ContextState::project(&log);
                }
            }
            prop_assert_eq!(state, ContextState::project(&log));
        }

        #[test]
        fn texts_of_positions_have_their_order(a in any_event(), b in any_event()) {
            let (a, b) = (Position::of(&a), Position::of(&b));
            prop_assert_eq!(sequence(&a).cmp(&sequence(&b)), a.cmp(&b));
        }

        #[test]
        fn texts_of_revisions_have_the_order_of_positions_and_then_of_counts(
            (a, of_a) in (any_event(), 0_u32..1_000_000), (b, of_b) in (any_event(), 0_u32..1_000_000),
        ) {
            let (a, b) = (Position::of(&a), Position::of(&b));
            let expected = a.cmp(&b).then(of_a.cmp(&of_b));
            prop_assert_eq!(revision(&a, of_a).cmp(&revision(&b, of_b)), expected);
            prop_assert_eq!(revision(&a, of_a).cmp(&revision(&a, of_b)), of_a.cmp(&of_b));
            prop_assert!(sequence(&a) < revision(&a, 0));
        }
    }
}
