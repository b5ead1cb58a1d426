//! JSON Schemas (draft 2020-12), generated from the types and the tables beside them.
//!
//! Lengths are bytes in the code and code points in a schema, so that a text outside ASCII may satisfy the schema and
//! still be too long at the door; never the other way round.

mod connector;
mod event;
mod leaf;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    Event,
    connector::ConnectorBatch,
    incident::Incident,
    ingest::IngestAnswer,
    insights::FrictionInsights,
    ledger::{LedgerReport, Whereabouts},
    problem::Problem,
    projection::{SessionContext, UserPreferences},
    session::Session,
};

pub(crate) use connector::{connector_context, connector_metadata, friction_names};
pub(crate) use event::{any_context, stored_rules};
pub use leaf::USER_TOKEN;
pub(crate) use leaf::{NAME, OBJECT_TOKEN, SESSION_TOKEN, UUID};

/// Every schema by its file name: what stands in `schemas/v1/`.
#[must_use]
pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("event.schema.json", closed::<Event>("event")),
        ("ingest-request.schema.json", event::request(closed::<Event>("ingest-request"))),
        ("ingest-answer.schema.json", closed::<IngestAnswer>("ingest-answer")),
        ("problem.schema.json", closed::<Problem>("problem")),
        ("friction-event.schema.json", closed::<ConnectorBatch>("friction-event")),
        ("friction-enrichment.schema.json", connector::enrichment()),
        ("friction-insights.schema.json", closed::<FrictionInsights>("friction-insights")),
        ("ledger.schema.json", closed::<LedgerReport>("ledger")),
        ("whereabouts.schema.json", closed::<Whereabouts>("whereabouts")),
        ("session.schema.json", exact::<Session>("session")),
        ("incident.schema.json", closed::<Incident>("incident")),
        ("session-context.schema.json", closed::<SessionContext>("session-context")),
        ("user-preferences.schema.json", closed::<UserPreferences>("user-preferences")),
    ]
}

/// The text of a schema file: two spaces of indentation, one newline at the end.
#[must_use]
pub fn render(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// The schema of what this build writes as a `T`: a member that is not declared is refused.
fn closed<T: JsonSchema>(name: &str) -> Value {
    closing(open::<T>(name))
}

/// The same of a `T` that writes `null` for what is not known.
fn exact<T: JsonSchema>(name: &str) -> Value {
    closing(named::<T>(name, &mut tidy_number))
}

fn closing(mut schema: Value) -> Value {
    let Some(root) = schema.as_object_mut() else { return schema };
    close(root);
    if let Some(Value::Object(definitions)) = root.get_mut("$defs") {
        definitions.values_mut().filter_map(Value::as_object_mut).for_each(close);
    }
    schema
}

fn close(object: &mut Map<String, Value>) {
    if object.contains_key("properties") {
        object.entry("additionalProperties").or_insert(json!(false));
    }
}

/// The schema of a `T` to which its writer may add.
fn open<T: JsonSchema>(name: &str) -> Value {
    named::<T>(name, &mut tidy)
}

fn named<T: JsonSchema>(name: &str, tidy: &mut impl FnMut(&mut Map<String, Value>)) -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    each_object(&mut schema, tidy);
    if let Some(root) = schema.as_object_mut() {
        root.insert("$id".to_owned(), json!(format!("urn:tribometer:schema:v1:{name}")));
    }
    schema
}

/// Takes out what only Rust means: `null` for a member that is left out instead, and the widths of numbers.
fn tidy(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
    tidy_number(object);
}

fn tidy_number(object: &mut Map<String, Value>) {
    if object.get("format") == Some(&json!("int32")) {
        object.entry("minimum").or_insert(json!(i32::MIN));
        object.entry("maximum").or_insert(json!(i32::MAX));
    }
    if object.get("format").is_some_and(|format| format != "date-time" && format != "uri") {
        object.remove("format");
    }
}

/// Visits every object of a schema, the outermost first.
fn each_object(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values_mut().for_each(|inner| each_object(inner, visit));
        }
        Value::Array(values) => values.iter_mut().for_each(|inner| each_object(inner, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
