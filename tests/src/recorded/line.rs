//! One event in the form that a door takes: JSON with raw identifiers, which the door turns into tokens.

use contract::{EventType, Timestamp, limits};
use serde_json::{Map, Value, json};

/// Who an event comes from: the same for every event of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// `orgId`.
    pub org: &'static str,
    /// `productId`.
    pub product: &'static str,
    /// `source.service`: the folder of the recorded data.
    pub service: &'static str,
}

/// One event under construction. Every field is written as given; the door judges it.
#[derive(Debug, Clone)]
pub struct EventLine {
    kind: EventType,
    fields: Map<String, Value>,
}

impl EventLine {
    /// An event of `origin`. A friction type carries its usual pillar: recorded data never names one.
    #[must_use]
    pub fn new(origin: Origin, kind: EventType, event_id: &str, at: Timestamp) -> Self {
        let line = Self { kind, fields: Map::new() }
            .set("schemaVersion", limits::SCHEMA_VERSION)
            .set("eventId", event_id)
            .set("eventType", kind.as_str())
            .set("occurredAt", at.to_string())
            .set("orgId", origin.org)
            .set("productId", origin.product)
            .set(
                "source",
                json!({"service": origin.service, "version": SOURCE_VERSION, "region": REGION}),
            );
        match kind.usual_pillar() {
            Some(pillar) => line.set("traceComponent", pillar.as_str()),
            None => line,
        }
    }

    /// The person or client, raw.
    #[must_use]
    pub fn actor(self, raw: &str) -> Self {
        self.set("actorId", raw)
    }

    /// The session, raw.
    #[must_use]
    pub fn session(self, raw: &str) -> Self {
        self.set("sessionId", raw)
    }

    /// The screen, cut to the contract's length at a character.
    #[must_use]
    pub fn screen(self, path: &str) -> Self {
        let end = path.floor_char_boundary(limits::SCREEN_BYTES_MAX);
        self.set("screen", path.get(..end).unwrap_or(path))
    }

    /// The element that was used, without a position.
    #[must_use]
    pub fn element(self, key: &str, kind: &str) -> Self {
        self.set("element", json!({"key": key, "kind": kind}))
    }

    /// The element that was used, and where, px from the top left.
    #[must_use]
    pub fn element_at(self, key: &str, kind: &str, (x, y): (i32, i32)) -> Self {
        self.set("element", json!({"key": key, "kind": kind, "x": x, "y": y}))
    }

    /// The task and this run of it.
    #[must_use]
    pub fn task(self, name: &str, run: &str) -> Self {
        self.set("task", json!({"name": name, "id": run}))
    }

    /// The object that the event is about.
    #[must_use]
    pub fn object(self, kind: &str, id: &str) -> Self {
        self.set("object", json!({"type": kind, "id": id}))
    }

    /// What went wrong.
    #[must_use]
    pub fn error(self, code: &str, category: &str) -> Self {
        self.set("error", json!({"code": code, "category": category}))
    }

    /// One context key.
    #[must_use]
    pub fn context(mut self, key: ContextKey, value: impl Into<Value>) -> Self {
        let context = self.fields.entry("context").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(keys) = context {
            keys.insert(key.as_str().to_owned(), value.into());
        }
        self
    }

    /// The event's type.
    #[must_use]
    pub fn kind(&self) -> EventType {
        self.kind
    }

    /// The event as one line of NDJSON, without the line's end; keys are sorted, so equal events have equal bytes.
    #[must_use]
    pub fn into_json(self) -> String {
        Value::Object(self.fields).to_string()
    }

    fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.to_owned(), value.into());
        self
    }
}

/// The context keys that recorded data has something to say about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextKey {
    /// What was being used.
    Feature,
    /// What the person did.
    UserAction,
    /// The agent that answered.
    AgentId,
}

impl ContextKey {
    fn as_str(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::UserAction => "userAction",
            Self::AgentId => "agentId",
        }
    }
}

const SOURCE_VERSION: &str = "1";
const REGION: &str = "eu-central-1";

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin = Origin { org: "o", product: "p", service: "s" };

    fn line(kind: EventType) -> EventLine {
        EventLine::new(ORIGIN, kind, "e.1", Timestamp::from_ms(1_700_000_000_001))
    }

    #[test]
    fn only_friction_carries_a_pillar() {
        let pillar = |kind| {
            serde_json::from_str::<Value>(&line(kind).into_json()).unwrap()["traceComponent"]
                .clone()
        };
        assert_eq!(pillar(EventType::Feedback), "explainability");
        assert_eq!(pillar(EventType::UiClick), Value::Null);
    }

    #[test]
    fn a_long_screen_is_cut_at_a_character() {
        let text =
            line(EventType::UiNavigation).screen(&format!("{}ö", "a".repeat(255))).into_json();
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["screen"], "a".repeat(255));
    }
}
