//! The description of the API in OpenAPI 3.1, made of the table of endpoints and of the answers' types.

use contract::{EventId, problem::Problem, schema::USER_TOKEN};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    endpoints::{ENDPOINTS, Endpoint, Operation},
    parameters::SESSION,
};

/// The description.
pub(crate) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator = settings
        .with(|settings| {
            settings.definitions_path = COMPONENTS.into();
            settings.meta_schema = None;
        })
        .into_generator();
    let problem = generator.subschema_for::<Problem>().to_value();
    let paths: Map<String, Value> = ENDPOINTS
        .iter()
        .map(|endpoint| (endpoint.path.to_owned(), path(endpoint, &mut generator)))
        .collect();
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tribometer insights",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": { "Problem": {
                "description": "Why there is no answer. It never repeats the request.",
                "content": { "application/problem+json": { "schema": problem } },
            } },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "header": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
            },
        },
    })
}

fn path(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let answer = (endpoint.answer)(generator).to_value();
    let needs_key = endpoint.operation != Operation::Description;
    let security = if needs_key { json!([{ "bearer": [] }, { "header": [] }]) } else { json!([]) };
    let mut responses = Map::new();
    let mut granted = json!({ "description": endpoint.about });
    let is_one_answer = endpoint.status() == 200;
    if is_one_answer && let Some(granted) = granted.as_object_mut() {
        let content = json!({ "application/json": { "schema": answer } });
        granted.insert("content".to_owned(), content);
    }
    responses.insert(endpoint.status().to_string(), granted);
    for (status, is_possible) in [
        ("400", needs_key),
        ("401", needs_key),
        ("403", needs_key),
        ("404", endpoint.path.contains('{')),
        ("426", !is_one_answer),
        ("429", !is_one_answer),
        ("503", needs_key),
    ] {
        if is_possible {
            let problem = json!({ "$ref": "#/components/responses/Problem" });
            responses.insert(status.to_owned(), problem);
        }
    }
    json!({ "get": {
        "operationId": endpoint.id,
        "summary": endpoint.about,
        "security": security,
        "parameters": parameters(endpoint, generator),
        "responses": responses,
    } })
}

fn parameters(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Vec<Value> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are about sessions")]
    let id = match endpoint.operation {
        Operation::Whereabouts => generator.subschema_for::<EventId>().to_value(),
        Operation::Preferences => json!({ "type": "string", "pattern": USER_TOKEN }),
        _ => SESSION.schema(),
    };
    let in_path = endpoint
        .path
        .contains("{id}")
        .then(|| json!({ "name": "id", "in": "path", "required": true, "schema": id }));
    let in_query = endpoint.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "in": "query",
            "required": false,
            "description": parameter.about,
            "schema": parameter.schema(),
        })
    });
    in_path.into_iter().chain(in_query).collect()
}

const COMPONENTS: &str = "/components/schemas";
const ABOUT: &str = "What is understood of an organisation's events. Every request needs a key with the scope read of \
    that organisation, or one with the scope admin, which operates the installation. Times are RFC 3339; numbers about fewer than 5 actors, and those that would \
    tell such a one by subtraction within one answer, are left out and counted.";
