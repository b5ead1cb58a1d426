//! The real binary of the insights API: behind a Runtime API and over stand-ins, and on a machine over the embedded store.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise"
)]

use aws::resources::Resource;
use contract::{Event, OrgId};
use domain::api_key::{ApiKey, Scope};
use friction::policy::SessionPolicy;
use ports::{
    clock::SystemClock,
    keys::{ApiKeyRecord, ApiKeys},
    reference::Organisations,
    sessions::Lane,
};
use serde_json::{Value, json};
use sessionizer::{Sessionizer, World};
use standin::{
    Corner,
    events::{self, Body},
    lambda::Function,
    run,
};

const NEEDED: &[Resource] = &[
    Resource::Staging,
    Resource::Delivery,
    Resource::Dedupe,
    Resource::Counters,
    Resource::Reference,
    Resource::Keys,
    Resource::Sessions,
    Resource::Stream,
    Resource::Archive,
    Resource::OnFailure,
    Resource::CursorSecret,
];
const BINARY: &str = env!("CARGO_BIN_EXE_insights");

/// An organisation with a key that may read.
async fn key<W: Organisations + ApiKeys>(world: &W) -> String {
    let org = OrgId::parse("acme").unwrap();
    world.create(&org).await.unwrap();
    let key = ApiKey::new([1; 16], [2; 32]);
    let record = ApiKeyRecord::of(&key, vec![org], &[Scope::Read], standin::now());
    world.put(&record).await.unwrap();
    key.reveal()
}

/// Each of so many people loses patience an hour ago; sessions are made of that.
async fn understand<W: World>(world: W, people: usize) {
    let click = |person: usize, number: usize| -> Event {
        let at = standin::now().plus_ms(-3_600_000 + i64::try_from(number).unwrap() * 150);
        let more = json!({
            "element": {"key": "save"}, "screen": "/orders", "occurredAt": at.to_string(),
            "actorId": format!("u1.1.{person:025}0"),
        });
        events::event("acme", &format!("click.{person}.{number}"), "ui.click", &more)
    };
    let clicks = (0..people).flat_map(|person| (0..6).map(move |number| (person, number)));
    let policy = SessionPolicy { grace_ms: 0, live_ms: Some(0), ..SessionPolicy::nine_days() };
    let sessionizer = Sessionizer::new(world, SystemClock, policy);
    let events = clicks.map(|(person, number)| click(person, number)).collect();
    sessionizer.take_events(events).await.unwrap();
    let swept = sessionizer.sweep(Lane { index: 0, of: 1 }, None).await.unwrap();
    assert_eq!(swept.owners, people);
}

/// Asks, and reads status and body.
async fn ask(function: &Function, key: &str, path: &str) -> (u64, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut request = events::http("GET", path, &[("x-api-key", key)], Body::None);
    request.as_object_mut().unwrap().insert("rawQueryString".to_owned(), query.into());
    let told = function.invoke(request.to_string()).await.unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["headers"]["cache-control"], "no-store");
    assert!(told["headers"].get("access-control-allow-origin").is_none());
    let body = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
    (told["statusCode"].as_u64().unwrap(), body)
}

#[test]
fn what_is_understood_is_answered_and_the_next_environment_goes_on_with_a_page() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let key = key(&corner.cloud()).await;
        understand(corner.cloud(), 5).await;
        let insights = corner.function(BINARY, NEEDED, &[], &log).await;
        let (status, overview) = ask(&insights, &key, "/v1/insights/overview").await;
        assert_eq!((status, &overview["sessions"]), (200, &json!(5)), "{overview}");
        let (status, page) = ask(&insights, &key, "/v1/sessions?limit=2").await;
        assert_eq!(status, 200, "{page}");
        insights.kill().await;
        let next = page["nextCursor"].as_str().unwrap();
        let (status, rest) =
            ask(&insights, &key, &format!("/v1/sessions?limit=9&cursor={next}")).await;
        assert_eq!(status, 200, "{rest}");
        let ids = |page: &Value| -> Vec<String> {
            let sessions = page["sessions"].as_array().unwrap().iter();
            sessions.map(|one| one["sessionId"].as_str().unwrap().to_owned()).collect()
        };
        let mut all = [ids(&page), ids(&rest)].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5);
        let (_, incidents) = ask(&insights, &key, "/v1/incidents").await;
        assert_eq!(incidents["incidents"].as_array().unwrap().len(), 5);
        let session = all.first().unwrap();
        let (status, events) =
            ask(&insights, &key, &format!("/api/sessions/{session}/events")).await;
        assert_eq!((status, events["events"].as_array().unwrap().len()), (200, 6));
        let (status, ledger) = ask(&insights, &key, "/v1/ledger").await;
        assert_eq!((status, &ledger["balanced"]), (200, &json!(true)));
        assert_eq!(ask(&insights, &key, "/v1/events/nobody").await.0, 404);
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(!text.contains("u1.1.") && !text.contains(&key), "{text}");
    });
}

#[test]
fn strangers_are_turned_away_and_the_description_is_for_everybody() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let insights = corner.function(BINARY, NEEDED, &[], &logs.path().join("log")).await;
        assert_eq!(ask(&insights, "fk_nobody", "/v1/sessions").await.0, 401);
        assert_eq!(ask(&insights, "fk_nobody", "/nowhere").await.0, 404);
        let (status, description) = ask(&insights, "fk_nobody", "/openapi.json").await;
        assert_eq!((status, &description["openapi"]), (200, &json!("3.1.0")));
    });
}

#[test]
fn without_the_key_of_cursors_nothing_is_answered_and_with_it_the_same_environment_answers() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let key = key(&corner.cloud()).await;
        let name = format!("{}-other", corner.name(Resource::CursorSecret));
        let other = [("CURSOR_SECRET", name.as_str())];
        let insights = corner.function(BINARY, NEEDED, &other, &logs.path().join("log")).await;
        let (status, problem) = ask(&insights, &key, "/v1/sessions").await;
        assert_eq!((status, &problem["code"]), (503, &json!("storage_unavailable")), "{problem}");
        let text = format!(r#"{{"version":1,"cursorKey":"{}"}}"#, "0f".repeat(32));
        let secrets = corner.access().secrets();
        secrets.create_secret().name(&name).secret_string(text).send().await.unwrap();
        assert_eq!(ask(&insights, &key, "/v1/sessions").await.0, 200);
    });
}

#[test]
fn a_missing_variable_is_named_and_nothing_starts() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let others = ["AWS_REGION", "AWS_SECRET_ACCESS_KEY"];
        for variable in NEEDED.iter().map(|resource| resource.variable()).chain(others) {
            let _ = std::fs::remove_file(&log);
            let function = corner.function(BINARY, NEEDED, &[(variable, "")], &log).await;
            assert!(function.warm_up().await.is_err(), "{variable}");
            let told = std::fs::read_to_string(&log).unwrap();
            assert!(told.contains(variable), "{variable}: {told}");
        }
    });
}
