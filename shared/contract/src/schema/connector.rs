//! The outbound batch and the connector's answer, which comes in two dialects.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::{
    EventType, Family,
    connector::ConnectorAnswer,
    context::declared,
    schema::{event::stored_value, open},
};

/// The ten friction types without their family.
pub(crate) fn friction_names() -> Vec<&'static str> {
    let friction = EventType::ALL.iter().filter(|kind| kind.family() == Family::Friction);
    friction.map(|kind| kind.short_name()).collect()
}

/// The connector's `context`, bounded as the event's own keys are.
pub(crate) fn connector_context(_: &mut SchemaGenerator) -> Schema {
    renamed(CONTEXT)
}

/// The connector's `metadata`.
pub(crate) fn connector_metadata(_: &mut SchemaGenerator) -> Schema {
    renamed(METADATA)
}

/// What a connector may answer. Both dialects are open: it adds members as it pleases, and they are kept.
pub(super) fn enrichment() -> Value {
    let mut schema = open::<ConnectorAnswer>("friction-enrichment");
    let Some(root) = schema.as_object_mut() else { return schema };
    let mut members = root.remove("properties").unwrap_or_default();
    or_one(&mut members, "enrichment", "Enrichment");
    or_one(&mut members, "errors", "EventError");
    if let Some(accepted) = members.get_mut("accepted") {
        let count = accepted.take();
        *accepted = json!({ "anyOf": [count, {
            "description": "The connector's ids of the events it took.",
            "type": "array", "items": { "type": "string" },
        }] });
    }
    let answer = json!({
        "description": "Dialect of `athena-eu`: the answer itself.",
        "type": "object",
        "properties": members,
    });
    let wrapped = json!({
        "description": "Dialect of `frictionmelt-2026-02`: the answer stands in `data`.",
        "type": "object",
        "properties": {
            "success": { "description": "False makes a 2xx a failure.", "type": "boolean" },
            "data": { "$ref": "#/$defs/Answer" },
        },
    });
    if let Some(Value::Object(definitions)) = root.get_mut("$defs") {
        definitions.insert("Answer".to_owned(), answer);
        definitions.insert("WrappedAnswer".to_owned(), wrapped);
    }
    for (member, value) in [
        ("title", json!("ConnectorAnswer")),
        (
            "description",
            json!("The connector's answer to one batch. What is not understood is ignored."),
        ),
        ("if", json!({ "required": ["data"] })),
        ("then", json!({ "$ref": "#/$defs/WrappedAnswer" })),
        ("else", json!({ "$ref": "#/$defs/Answer" })),
    ] {
        root.insert(member.to_owned(), value);
    }
    schema
}

/// Where a list of objects stands, one object may stand as well.
fn or_one(members: &mut Value, name: &str, definition: &str) {
    if let Some(member) = members.get_mut(name) {
        let list = member.take();
        *member = json!({ "anyOf": [list, { "$ref": format!("#/$defs/{definition}") }] });
    }
}

/// An object of declared context keys under the connector's names.
fn renamed(names: &[(&str, &str)]) -> Schema {
    let properties: Map<String, Value> = names
        .iter()
        .filter_map(|(theirs, ours)| {
            let key = declared(EventType::UserOverride, ours)?;
            Some(((*theirs).to_owned(), stored_value(key.holds)))
        })
        .collect();
    schemars::json_schema!({
        "type": "object", "properties": properties, "additionalProperties": false
    })
}

/// The connector's context keys and the declared keys they come from.
const CONTEXT: &[(&str, &str)] = &[
    ("feature", "feature"),
    ("aiConfidence", "aiConfidence"),
    ("userAction", "userAction"),
    ("sessionDuration", "sessionDurationSeconds"),
    ("explanationLevel", "explanationLevel"),
    ("complianceFlags", "complianceFlags"),
];
/// The connector's metadata keys and the declared keys they come from.
const METADATA: &[(&str, &str)] = &[
    ("athenaVersion", "appVersion"),
    ("orgSize", "orgSize"),
    ("industry", "industry"),
    ("deploymentAge", "deploymentAgeDays"),
];
