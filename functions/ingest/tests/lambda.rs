//! The real binary of the door, behind a Runtime API and over stand-ins.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::Write as _;

use aws::resources::Resource;
use contract::OrgId;
use domain::api_key::{ApiKey, Scope};
use ports::{
    keys::{ApiKeyRecord, ApiKeys},
    reference::Organisations,
    stream::StreamSource,
};
use serde_json::{Value, json};
use standin::{
    Corner,
    events::{self, Body},
    run,
};

const NEEDED: &[Resource] = &[
    Resource::Staging,
    Resource::Delivery,
    Resource::Dedupe,
    Resource::Reference,
    Resource::Keys,
    Resource::Stream,
    Resource::PseudonymSecret,
];

/// An organisation with a key.
async fn key(corner: &Corner) -> String {
    let org = OrgId::parse("acme").unwrap();
    let cloud = corner.cloud();
    cloud.create(&org).await.unwrap();
    let key = ApiKey::new([1; 16], [2; 32]);
    let record = ApiKeyRecord::of(&key, vec![org], &[Scope::Ingest], standin::now());
    cloud.put(&record).await.unwrap();
    key.reveal()
}

fn batch(ids: &[&str]) -> String {
    let events: Vec<Value> = ids
        .iter()
        .map(|id| {
            let (kind, pillar) = match id.starts_with("friction") {
                true => ("friction.abandon", json!("transparency")),
                false => ("ui.click", Value::Null),
            };
            let mut event = json!({
                "eventId": id, "eventType": kind, "occurredAt": standin::now().to_string(), "orgId": "acme",
                "actorId": "jan@example.org", "traceComponent": pillar,
                "element": {"key": "save"}, "screen": "/orders"
            });
            let fields = event.as_object_mut().unwrap();
            fields.retain(|name, value| !value.is_null() && (name != "element" || kind == "ui.click"));
            event
        })
        .collect();
    json!({"events": events}).to_string()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_batch_is_taken_as_text_and_as_base64_and_repeated_without_effect() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let key = key(&corner).await;
        let ingest = corner.function(env!("CARGO_BIN_EXE_ingest"), NEEDED, &[], &log).await;
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", "request-1"),
        ];
        let path = "/v1/events/batch";
        let text = batch(&["friction.1", "click.1"]);
        for _ in 0..2 {
            let request = events::http("POST", path, &headers, Body::Text(&text));
            let told: Value =
                serde_json::from_slice(&ingest.invoke(request.to_string()).await.unwrap()).unwrap();
            assert_eq!(told["statusCode"], 202, "{told}");
            let answer: Value = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
            assert_eq!(answer["accepted"], 2, "a repeated request gets its answer again: {answer}");
        }
        let packed = gzip(&batch(&["friction.2"]));
        let headers = [
            ("x-api-key", key.as_str()),
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ];
        let request = events::http("POST", path, &headers, Body::Base64(&packed));
        let told: Value =
            serde_json::from_slice(&ingest.invoke(request.to_string()).await.unwrap()).unwrap();
        assert_eq!(told["statusCode"], 202, "{told}");

        let world = corner.world();
        let mut records = Vec::new();
        for shard in world.shards().await.unwrap() {
            records.extend(world.read(&shard, None, 100).await.unwrap());
        }
        assert_eq!(records.len(), 3, "two change records and a plain one");
        let all: String =
            records.iter().map(|r| String::from_utf8_lossy(&r.data).into_owned()).collect();
        assert!(!all.contains("jan@example.org"), "an identifier is past the door");
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(!log.contains("jan@example.org") && !log.contains(&key), "{log}");
    });
}

#[test]
fn strangers_are_turned_away_and_health_is_told() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let ingest = corner.function(env!("CARGO_BIN_EXE_ingest"), NEEDED, &[], &log).await;
        let ask = async |request: Value| -> Value {
            serde_json::from_slice(&ingest.invoke(request.to_string()).await.unwrap()).unwrap()
        };
        let text = batch(&["click.1"]);
        let told = ask(events::http("POST", "/v1/events/batch", &[], Body::Text(&text))).await;
        assert_eq!(told["statusCode"], 401);
        assert_eq!(ask(events::http("GET", "/health", &[], Body::None)).await["statusCode"], 200);
        assert_eq!(ask(events::http("GET", "/nowhere", &[], Body::None)).await["statusCode"], 404);
    });
}

#[test]
fn a_missing_variable_is_named_and_nothing_starts() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let binary = env!("CARGO_BIN_EXE_ingest");
        let others = ["AWS_REGION", "AWS_SECRET_ACCESS_KEY"];
        for variable in NEEDED.iter().map(|resource| resource.variable()).chain(others) {
            let _ = std::fs::remove_file(&log);
            let function = corner.function(binary, NEEDED, &[(variable, "")], &log).await;
            assert!(function.warm_up().await.is_err(), "{variable}");
            let told = std::fs::read_to_string(&log).unwrap();
            assert!(told.contains(variable), "{variable}: {told}");
        }
        let wrong = [("INGEST_EVENTS_BURST", "many")];
        let function = corner.function(binary, NEEDED, &wrong, &log).await;
        assert!(function.warm_up().await.is_err());
        assert!(std::fs::read_to_string(&log).unwrap().contains("INGEST_EVENTS_BURST"));
    });
}
