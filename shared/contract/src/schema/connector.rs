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
    let take = |root: &mut Map<String, Value>, key| root.remove(key).unwrap_or_default();
    let mut plain = json!({
        "description": "Dialect of `athena-eu`: the answer itself. `enrichment` may speak of the batch as a whole.",
        "type": "object",
        "properties": take(root, "properties"),
        "required": ["accepted"],
    });
    if let Some(per_event) = plain.pointer_mut("/properties/enrichment") {
        let list = per_event.take();
        *per_event = json!({ "anyOf": [list, { "$ref": "#/$defs/Enrichment" }] });
    }
    let wrapped = json!({
        "description": "Dialect of `frictionmelt-2026-02`: the answer stands in `data`.",
        "type": "object",
        "properties": {
            "success": { "type": "boolean" },
            "data": { "$ref": "#/$defs/PlainAnswer" },
        },
        "required": ["success", "data"],
    });
    if let Some(Value::Object(definitions)) = root.get_mut("$defs") {
        definitions.insert("PlainAnswer".to_owned(), plain);
        definitions.insert("WrappedAnswer".to_owned(), wrapped);
    }
    root.remove("type");
    root.insert("title".to_owned(), json!("ConnectorAnswer"));
    root.insert("description".to_owned(), json!("The connector's answer to one batch."));
    root.insert(
        "oneOf".to_owned(),
        json!([{ "$ref": "#/$defs/PlainAnswer" }, { "$ref": "#/$defs/WrappedAnswer" }]),
    );
    schema
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
