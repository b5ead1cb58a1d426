//! What the schema of an event says beyond its fields: rules per type, declared context keys, and the door's form.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::{
    EventType, Family,
    context::{COMMON, ContextKey, Holds, family},
    limits::{
        CONTEXT_KEYS_MAX, KEY_BYTES_MAX, RAW_ID_BYTES_MAX, REQUEST_EVENTS_MAX, SCREEN_BYTES_MAX,
    },
    schema::leaf::{ANY_TIME, NAME, OBJECT_TOKEN},
};

/// A context before its type is known; [`stored_rules`] says which keys each type declares.
pub(crate) fn any_context(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object", "maxProperties": CONTEXT_KEYS_MAX })
}

/// What each family adds behind the door: the fields it needs, and the context keys it declares, nothing beside them.
pub(crate) fn stored_rules() -> Vec<Value> {
    rules(&Form::Stored)
}

/// The schema of what a client may send, from the schema of what is stored.
///
/// At the door identifiers may be raw, ids and defaults may be left out, times may have any offset, types may be
/// written as their aliases, and undeclared context keys are dropped and counted. What the suite itself adds is not read,
/// so that an archived event can be sent again. The door takes more than this promises: `null` and empty texts where a
/// field is optional, and the spellings of versions 0.
pub(super) fn request(mut stored: Value) -> Value {
    let Some(root) = stored.as_object_mut() else { return stored };
    let mut definitions = root.remove("$defs").unwrap_or_default();
    let id = root.remove("$id");
    let dialect = root.remove("$schema");
    loosen_event(root);
    if let Some(time) = definitions.pointer_mut("/Timestamp") {
        *time = any_time();
    }
    if let Some(kind) = definitions.pointer_mut("/EventType") {
        let names: Vec<String> = EventType::ALL.iter().copied().flat_map(spellings).collect();
        *kind = json!({ "description": "A type, or an accepted alias.", "type": "string", "enum": names });
    }
    for (place, schema) in [
        ("/Consent/required", json!([])),
        (
            "/Task/properties/id",
            raw("One run of the task, raw or a token: leaves the door as a token."),
        ),
        ("/ObjectRef/properties/id", text(KEY_BYTES_MAX)),
        ("/Element/properties/x/type", json!("number")),
        ("/Element/properties/y/type", json!("number")),
        ("/ErrorInfo/properties/latencyMs/type", json!("number")),
        ("/Assignment/properties/timeSinceAssignment", not_read()),
    ] {
        if let Some(value) = definitions.pointer_mut(place) {
            *value = schema;
        }
    }
    let event = json!(root);
    if let Some(definitions) = definitions.as_object_mut() {
        definitions.remove("RecordRef");
        definitions.insert("Event".to_owned(), event);
    }
    json!({
        "$schema": dialect,
        "$id": id,
        "title": "IngestRequest",
        "description": "The body of `POST /v1/events/batch`.",
        "type": "object",
        "properties": {
            "events": {
                "description": "The events, each answered on its own.",
                "type": "array",
                "items": { "$ref": "#/$defs/Event" },
                "minItems": 1,
                "maxItems": REQUEST_EVENTS_MAX,
            },
        },
        "required": ["events"],
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// What a declared context key holds behind the door.
pub(super) fn stored_value(holds: Holds) -> Value {
    value(holds, &Form::Stored)
}

enum Form {
    Sent,
    Stored,
}

fn loosen_event(event: &mut Map<String, Value>) {
    event.insert("allOf".to_owned(), json!(rules(&Form::Sent)));
    event.insert("required".to_owned(), json!(["eventType", "occurredAt"]));
    event.insert("description".to_owned(), json!("One event, as a client sends it."));
    let Some(Value::Object(fields)) = event.get_mut("properties") else { return };
    let identifier = || raw("A raw identifier or a token: leaves the door as a token.");
    let place = || {
        json!({ "description": "A path, a URL or a name: leaves the door as a path template of at most \
        256 bytes.", "type": "string", "minLength": 1 })
    };
    for (name, schema) in [
        ("sessionId", identifier()),
        ("actorId", identifier()),
        ("idempotencyKey", identifier()),
        ("screen", place()),
        ("route", place()),
        ("timeAdjusted", not_read()),
        ("recordedAt", not_read()),
        ("ck", not_read()),
        ("record", not_read()),
    ] {
        fields.insert(name.to_owned(), schema);
    }
    if let Some(Value::Object(org)) = fields.get_mut("orgId") {
        let told = "The tenant; may be left out when the key is bound to one organisation.";
        org.insert("description".to_owned(), json!(told));
    }
}

/// A member that the suite writes itself.
fn not_read() -> Value {
    json!({ "description": "Written behind the door; what is sent of it is not read." })
}

fn raw(description: &str) -> Value {
    let mut schema = text(RAW_ID_BYTES_MAX);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(description));
    }
    schema
}

/// One rule per family, and one per group of types that needs more than its family. An event whose person did not
/// agree to analytics is not kept, so it needs nothing.
fn rules(form: &Form) -> Vec<Value> {
    let families = FAMILIES.iter().map(|(name, needs)| {
        let mut then = needs.clone().into_json();
        let mut context = json!({ "properties": context_keys(*name, form) });
        if let (Form::Stored, Some(context)) = (form, context.as_object_mut()) {
            context.insert("additionalProperties".to_owned(), json!(false));
        }
        then.insert("properties".to_owned(), json!({ "context": context }));
        rule(&|kind| kind.family() == *name, form, then)
    });
    let groups = GROUPS
        .iter()
        .map(|(kinds, needs)| rule(&|kind| kinds.contains(&kind), form, needs.clone().into_json()));
    families.chain(groups).collect()
}

fn rule(applies: &dyn Fn(EventType) -> bool, form: &Form, then: Map<String, Value>) -> Value {
    let kinds = EventType::ALL.iter().copied().filter(|kind| applies(*kind));
    let names: Vec<String> = match form {
        Form::Stored => kinds.map(|kind| kind.as_str().to_owned()).collect(),
        Form::Sent => kinds.flat_map(spellings).collect(),
    };
    json!({
        "if": {
            "properties": {
                "eventType": { "enum": names },
                "consent": { "properties": { "analytics": { "const": true } } },
            },
            "required": ["eventType"],
        },
        "then": then,
    })
}

fn context_keys(name: Family, form: &Form) -> Map<String, Value> {
    let keys = COMMON.iter().chain(family(name));
    keys.map(|ContextKey { name, holds }| ((*name).to_owned(), value(*holds, form))).collect()
}

fn value(holds: Holds, form: &Form) -> Value {
    match holds {
        Holds::Number(least, most) => {
            json!({ "type": "number", "minimum": least, "maximum": most })
        }
        Holds::Integer(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Holds::Boolean => json!({ "type": "boolean" }),
        Holds::Word(words) => json!({ "type": "string", "enum": words }),
        Holds::Name(bytes_max) => name(bytes_max),
        Holds::Names(count_max, bytes_max) => {
            json!({ "type": "array", "items": name(bytes_max), "maxItems": count_max })
        }
        Holds::Identifier => match form {
            Form::Stored => json!({ "type": "string", "pattern": OBJECT_TOKEN }),
            Form::Sent => text(RAW_ID_BYTES_MAX),
        },
        Holds::Text(bytes_max) => text(bytes_max),
        Holds::Url => match form {
            Form::Stored => text(SCREEN_BYTES_MAX),
            Form::Sent => json!({ "type": "string", "minLength": 1 }),
        },
        Holds::Time => any_time(),
    }
}

fn name(bytes_max: usize) -> Value {
    json!({ "type": "string", "pattern": NAME, "maxLength": bytes_max })
}

fn text(bytes_max: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": bytes_max })
}

fn any_time() -> Value {
    json!({ "type": "string", "format": "date-time", "pattern": ANY_TIME })
}

/// Every way a door reads a type: its name, then the aliases that no other type's name takes.
fn spellings(kind: EventType) -> Vec<String> {
    let short = kind.short_name();
    let camel: String = short
        .split('_')
        .filter_map(|word| Some((word.chars().next()?.to_ascii_uppercase(), word.get(1..)?)))
        .map(|(first, rest)| format!("{first}{rest}"))
        .collect();
    let aliases = [short.to_owned(), camel];
    let own = aliases.into_iter().filter(|alias| EventType::parse(alias) == Some(kind));
    std::iter::once(kind.as_str().to_owned()).chain(own).collect()
}

/// What an event must carry.
#[derive(Clone)]
enum Needs {
    Nothing,
    Field(&'static str),
    OneOf(&'static [&'static str]),
}

impl Needs {
    fn into_json(self) -> Map<String, Value> {
        let required = |field: &str| json!({ "required": [field] });
        let rule = match self {
            Self::Nothing => json!({}),
            Self::Field(field) => required(field),
            Self::OneOf(fields) => {
                json!({ "anyOf": fields.iter().map(|field| required(field)).collect::<Vec<_>>() })
            }
        };
        rule.as_object().cloned().unwrap_or_default()
    }
}

const FAMILIES: &[(Family, Needs)] = &[
    (Family::Friction, Needs::Field("traceComponent")),
    (Family::Ui, Needs::OneOf(&["screen", "route"])),
    (Family::Task, Needs::Field("task")),
    (Family::Knowledge, Needs::Field("object")),
    (Family::Crawl, Needs::Nothing),
    (Family::Backend, Needs::Nothing),
];
const GROUPS: &[(&[EventType], Needs)] = &[
    (&[EventType::UiClick, EventType::UiDeadClick], Needs::Field("element")),
    (&[EventType::UiError, EventType::BackendError], Needs::Field("error")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_in_the_schema_is_read_as_its_type() {
        for kind in EventType::ALL {
            for name in spellings(*kind) {
                assert_eq!(EventType::parse(&name), Some(*kind), "{name}");
            }
        }
    }

    #[test]
    fn the_spellings_of_the_origin_systems_are_in_the_schema() {
        for (kind, name) in [
            (EventType::UserOverride, "user_override"),
            (EventType::UserViewed, "UserViewed"),
            (EventType::UiClick, "click"),
        ] {
            assert!(spellings(kind).iter().any(|spelling| spelling == name), "{name}");
        }
        assert_eq!(spellings(EventType::BackendError), ["backend.error"]);
    }
}
