//! The JSON Schema of a document of rules, made of the settings of the built-in ones.

use contract::{incident::Rule, limits::SCREEN_BYTES_MAX};
use serde_json::{Map, Value, json};

use super::{Rules, matching::PATTERN_BYTES_MAX};

/// The schema of what `RuleSet::parse` reads. What it says of a setting is its name and its kind; bounds are said by
/// whoever refuses a document.
#[must_use]
pub fn schema() -> Value {
    let all: Vec<&str> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    let mut layer = Map::from_iter([
        ("rules".to_owned(), rules(&all)),
        ("elements".to_owned(), elements()),
        ("paths".to_owned(), paths()),
        ("flows".to_owned(), flows()),
    ]);
    let product = json!({ "type": "object", "properties": layer, "additionalProperties": false });
    let version = json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX });
    layer.insert("version".to_owned(), version);
    layer.insert(
        "products".to_owned(),
        json!({ "type": "object", "maxProperties": 200, "additionalProperties": product }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:tribometer:schema:v1:rules",
        "title": "Rules",
        "description": "What differs from the built-in rules, for an organisation and for single products.",
        "type": "object",
        "properties": layer,
        "required": ["version"],
        "additionalProperties": false,
    })
}

/// Some of the rules, each with some of its settings.
fn rules(known: &[&str]) -> Value {
    let built_in = Rules::default().to_json();
    let rule = |name: &&str| {
        let settings = built_in.get(*name).and_then(Value::as_object);
        let settings: Map<String, Value> = settings
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), kind(value)))
            .collect();
        let schema =
            json!({ "type": "object", "properties": settings, "additionalProperties": false });
        ((*name).to_owned(), schema)
    };
    let rules: Map<String, Value> = known.iter().map(rule).collect();
    json!({ "type": "object", "properties": rules, "additionalProperties": false })
}

/// What can stand where `value` stands.
fn kind(value: &Value) -> Value {
    match value {
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(number) if number.is_f64() => json!({ "type": "number" }),
        Value::Number(_) => json!({ "type": "integer" }),
        Value::String(_) => json!({ "type": "string" }),
        Value::Array(_) => json!({ "type": "array", "items": matcher() }),
        Value::Null | Value::Object(_) => json!({}),
    }
}

fn elements() -> Value {
    let own = [Rule::RageClick, Rule::DeadClick, Rule::ErrorClick].map(Rule::as_str);
    let element = json!({
        "type": "object",
        "properties": { "match": { "type": "array", "items": matcher() }, "rules": rules(&own) },
        "required": ["match", "rules"],
        "additionalProperties": false,
    });
    json!({ "type": "array", "maxItems": 200, "items": element })
}

fn matcher() -> Value {
    let pattern = json!({ "type": "string", "minLength": 1, "maxLength": PATTERN_BYTES_MAX });
    let names = ["key", "kind", "screen", "task"];
    let properties: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), pattern.clone())).collect();
    json!({ "type": "object", "properties": properties, "minProperties": 1, "additionalProperties": false })
}

fn paths() -> Value {
    let text = json!({ "type": "string", "minLength": 1, "maxLength": SCREEN_BYTES_MAX });
    let rule = json!({
        "type": "object",
        "properties": { "pattern": text, "screen": text },
        "required": ["pattern", "screen"],
        "additionalProperties": false,
    });
    json!({ "type": "array", "maxItems": 100, "items": rule })
}

fn flows() -> Value {
    let text = json!({ "type": "string", "minLength": 1, "maxLength": PATTERN_BYTES_MAX });
    let name = json!({
        "type": "object",
        "properties": {
            "name": text,
            "task": text,
            "path": { "type": "array", "items": text, "minItems": 1, "maxItems": 12 },
        },
        "required": ["name"],
        "anyOf": [{ "required": ["task"] }, { "required": ["path"] }],
        "additionalProperties": false,
    });
    json!({ "type": "array", "maxItems": 200, "items": name })
}
