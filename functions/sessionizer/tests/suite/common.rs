//! A clock that is moved by hand, a store that goes by it, and traffic.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use contract::{Timestamp, kinesis::RecordBatch, limits::HOUR_MS};
use embedded::{Durability, Options, Store};
use ports::{faulty::Hands, reference::Organisations as _, sessions::Lane};
use serde_json::{Value, json};

/// An empty store that goes by `clock` and knows the organisations.
pub(crate) async fn store(clock: &Hands, orgs: &[&str]) -> (Store, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        durability: Durability::Relaxed,
        clock: Arc::new(clock.clone()),
        ..Options::default()
    };
    let store = Store::open(directory.path(), options).unwrap();
    store.create_keys_if_absent().unwrap();
    for org in orgs {
        store.create(&org.parse().unwrap()).await.unwrap();
    }
    (store, directory)
}

/// Five sessions of three people before `now`, with incidents of several kinds.
pub(crate) fn day(now: Timestamp) -> Vec<Value> {
    let mut events = Vec::new();
    for (actor, hours) in [(0, 5), (0, 3), (1, 4), (2, 2), (2, 0)] {
        let start = now.plus_ms(-hours * HOUR_MS - 40_000);
        let id = |n: i64| format!("{actor}.{hours}.{n}");
        for n in 0..4 {
            events.push(click(&id(n), actor, start.plus_ms(n * 300)));
        }
        for (n, screen) in (10..).zip(["/a", "/b", "/a"]) {
            let mut event = click(&id(n), actor, start.plus_ms(n * 1_000));
            event["eventType"] = json!("ui.navigation");
            event["screen"] = json!(screen);
            events.push(event);
        }
        let mut error = click(&id(20), actor, start.plus_ms(40_000));
        error["error"] = json!({"code": "E1"});
        error["eventType"] = json!("ui.error");
        events.push(error);
    }
    events
}

pub(crate) fn click(id: &str, actor: u32, at: Timestamp) -> Value {
    json!({
        "eventId": id, "eventType": "ui.click", "occurredAt": at, "orgId": "acme",
        "actorId": format!("u1.1.{actor:025}0"), "screen": "/a", "element": {"key": "save"},
    })
}

/// Events as the stream hands them over.
pub(crate) fn batch(events: &[Value], now: Timestamp) -> RecordBatch {
    let arrived = f64::from(u32::try_from(now.ms() / 1_000).unwrap());
    let records: Vec<Value> = events
        .iter()
        .enumerate()
        .map(|(n, event)| {
            json!({
                "eventID": format!("shardId-000000000000:{}", n + 1),
                "kinesis": {
                    "sequenceNumber": (n + 1).to_string(),
                    "partitionKey": "p",
                    "data": STANDARD.encode(event.to_string()),
                    "approximateArrivalTimestamp": arrived,
                },
            })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

/// Every owner.
pub(crate) const ALL: Lane = Lane { index: 0, of: 1 };
