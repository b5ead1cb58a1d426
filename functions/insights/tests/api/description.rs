//! What the API says about itself is what it does.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn every_described_path_is_a_route_and_the_contracts_paths_are_described() {
    let world = World::open().await;
    let document = world.document().await;
    let described: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = BTreeSet::from([
        "/v1/insights/overview",
        "/v1/insights/hotspots",
        "/v1/insights/trace",
        "/v1/flows/top",
        "/v1/flows/graph",
        "/v1/flows/unusual",
        "/v1/sessions",
        "/v1/sessions/{id}",
        "/v1/incidents",
        "/api/sessions/{id}/events",
        "/api/sessions/{id}/context",
        "/api/users/{id}/preferences",
        "/v1/ledger",
        "/v1/events/{id}",
        "/openapi.json",
    ]);
    if cfg!(feature = "websocket") {
        expected.insert("/api/sessions/{id}/context/stream");
    }
    assert_eq!(described, expected);
    for path in described {
        // A route answers another method with 405; what is no route is not found.
        let bytes = crate::client::head("POST", &path.replace("{id}", "x"), &[]);
        assert_eq!(crate::client::request(world.address, &bytes).await.status, 405, "{path}");
    }
}

#[tokio::test]
async fn the_description_is_one_and_its_schemas_are_schemas() {
    let world = World::open().await;
    let document = world.document().await;
    assert_eq!(document["openapi"], "3.1.0");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        jsonschema::meta::validate(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let mut references = Vec::new();
    collect(document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let place = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(place).is_some(), "{reference}");
    }
    let operations: Vec<&Value> =
        document["paths"].as_object().unwrap().values().map(|item| &item["get"]).collect();
    let ids: BTreeSet<&str> =
        operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len());
}

#[tokio::test]
async fn a_described_bound_is_the_bound() {
    let world = World::open().await;
    let document = world.document().await;
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for parameter in item["get"]["parameters"].as_array().unwrap() {
            let schema = &parameter["schema"];
            let (Some(min), Some(max)) = (schema["minimum"].as_u64(), schema["maximum"].as_u64())
            else {
                continue;
            };
            let name = parameter["name"].as_str().unwrap();
            let path = path.replace("{id}", &format!("s_{}", "0".repeat(32)));
            let below = min.checked_sub(1).map(|value| (value, false));
            let others = [(min, true), (max, true), (max + 1, false)];
            for (value, is_allowed) in below.into_iter().chain(others) {
                let answer = world.get(&world.keys.acme, &format!("{path}?{name}={value}")).await;
                assert_eq!(answer.status != 400, is_allowed, "{path} {name} {value}");
            }
            assert!(schema["default"].as_u64().is_some_and(|usual| (min..=max).contains(&usual)));
            tried += 1;
        }
    }
    assert!(tried >= 6, "{tried}");
}

#[tokio::test]
async fn what_the_description_admits_is_not_called_malformed() {
    let world = World::open().await;
    let document = world.document().await;
    let (mut admitted, mut ruled_out) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for parameter in item["get"]["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            // No schema says what is signed, or which organisations a key has.
            if parameter["schema"]["type"] == "integer" || ["cursor", "org"].contains(&name) {
                continue;
            }
            let schema =
                json!({ "components": document["components"], "allOf": [parameter["schema"]] });
            let said = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
            for text in TEXTS {
                let encoded = text.replace('#', "%23").replace('õ', "%C3%B5").replace(' ', "%20");
                let target = match parameter["in"].as_str().unwrap() {
                    "path" => path.replace("{id}", &encoded),
                    _ => format!("{}?{name}={encoded}", path.replace("{id}", SESSION)),
                };
                let status = world.get(&world.keys.acme, &target).await.status;
                if said.is_valid(&json!(text)) {
                    assert_ne!(status, 400, "{target}");
                    admitted += 1;
                } else {
                    assert!((400..500).contains(&status), "{status} {target}");
                    ruled_out += 1;
                }
            }
        }
    }
    assert!(admitted >= 30 && ruled_out >= 100, "{admitted} {ruled_out}");
}

#[tokio::test]
async fn the_description_needs_no_key_and_everything_else_says_it_needs_one() {
    let world = World::open().await;
    for (path, item) in world.document().await["paths"].as_object().unwrap() {
        let needs = item["get"]["security"] != json!([]);
        assert_eq!(needs, path != "/openapi.json", "{path}");
        let answer = crate::client::head("GET", &path.replace("{id}", "x"), &[]);
        let status = crate::client::request(world.address, &answer).await.status;
        assert_eq!(status, if needs { 401 } else { 200 }, "{path}");
    }
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|inner| collect(inner, references));
        }
        Value::Array(values) => values.iter().for_each(|inner| collect(inner, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const SESSION: &str = "s_0123456789abcdef0123456789abcdef";
const TEXTS: [&str; 14] = [
    "a",
    "a.b",
    "õ",
    "0#0",
    "x ",
    SESSION,
    "s_0123456789ABCDEF0123456789abcdef",
    "2025-10-09T00:00:00.000Z",
    "2025-10-09T00:00:00.000Z#e.1",
    "2025-10-09T00:00:00.000Z#e.1#000012",
    "2025-10-09T00:00:00.000Z#e.1#12",
    "2025-13-09T00:00:00.000Z#e.1",
    "rage_click",
    "open",
];
