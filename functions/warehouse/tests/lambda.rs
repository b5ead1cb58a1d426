//! The real binary of the warehouse, behind a Runtime API, over stand-ins and ClickHouse's own engine.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use aws::resources::Resource;
use connector::{
    Source,
    warehouse::{ClickHouse, Settings, WarehouseUrl},
};
use ports::archive::Archive as _;
use serde_json::{Value, json};
use standin::{Corner, events, run};
use warehouse::schema::STATEMENTS;

const BINARY: &str = env!("CARGO_BIN_EXE_warehouse");

/// A database of its own.
async fn database(name: &str) -> (ClickHouse, Vec<(&'static str, String)>) {
    let url = std::env::var("CLICKHOUSE_STAND_IN").unwrap_or_default();
    let database = format!("{name}_{}", std::process::id());
    let settings = Settings {
        url: WarehouseUrl::parse(&url).expect("run it within scripts/stand-ins run"),
        database: database.clone(),
        user: "default".to_owned(),
    };
    let client = ClickHouse::new(settings, Source::Text(String::new())).unwrap();
    for statement in STATEMENTS {
        client.run(statement.sql.trim_end().trim_end_matches(';'), &[]).await.unwrap();
    }
    let backoff = ("WAREHOUSE_BACKOFF_MS", "0".to_owned());
    (client, vec![("CLICKHOUSE_URL", url), ("CLICKHOUSE_DATABASE", database), backoff])
}

fn stream(ids: std::ops::Range<usize>) -> String {
    let event = |id: usize| {
        let screen = if id == 3 { "/refused" } else { "/home" };
        let actor = json!({ "actorId": "u1.1.00000000000000000000000000", "screen": screen });
        let event = events::event("acme", &format!("walk.{id}"), "ui.navigation", &actor);
        serde_json::to_vec(&event).unwrap()
    };
    events::kinesis(ids.map(event)).to_string()
}

fn queue() -> String {
    let incident = json!({ "revision": 1, "incident": {
        "incidentId": "i_1", "rule": "rage_click", "rulesVersion": 1, "thresholds": {}, "orgId": "acme",
        "productId": "default", "sessionId": format!("s_{}", "0".repeat(32)),
        "startedAt": "2026-01-01T00:00:00Z", "endedAt": "2026-01-01T00:00:01Z", "confidence": "high",
        "count": 3, "eventIds": ["e1"],
    }});
    let body = json!({
        "version": "0", "source": "tribometer", "detail-type": "incident.rage_click",
        "detail": { "id": "incident:i_1:1", "org": "acme", "at": "2026-01-01T00:00:01Z", "detail": incident },
    });
    let message =
        |id: &str, body: String| json!({ "messageId": id, "eventSource": "aws:sqs", "body": body });
    json!({ "Records": [message("good", body.to_string()), message("bad", "{".to_owned())] })
        .to_string()
}

fn answer(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn the_stream_and_the_bus_become_rows_and_what_is_refused_an_object() {
    run(async {
        let corner = Corner::open().await;
        let (client, mut variables) = database("lambda").await;
        client
            .run("ALTER TABLE events_raw ADD CONSTRAINT no CHECK screen != '/refused'", &[])
            .await
            .unwrap();
        let name = format!("{}-warehouse", corner.name(Resource::PseudonymSecret));
        let secrets = corner.access().secrets();
        let made = secrets.create_secret().name(&name).secret_string(r#"{"password":"pass-1"}"#);
        made.send().await.unwrap();
        variables.push(("CLICKHOUSE_PASSWORD", format!("secret:{name}#password")));
        let more: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let function = corner.function(BINARY, &[Resource::Archive], &more, &log).await;
        let batch = stream(0..30);
        for _ in 0..2 {
            let told = function.invoke(batch.clone()).await.unwrap();
            let text = std::fs::read_to_string(&log).unwrap();
            assert_eq!(answer(&told), json!({ "batchItemFailures": [] }), "{text}");
            let told = function.invoke(queue()).await.unwrap();
            assert_eq!(
                answer(&told),
                json!({ "batchItemFailures": [{ "itemIdentifier": "bad" }] })
            );
        }
        let count = "SELECT (SELECT count() FROM events_raw FINAL), (SELECT count() FROM fact_incidents FINAL)";
        assert_eq!(client.run(count, &[]).await.unwrap().trim(), "29\t1");
        let kept = corner.cloud().list("warehouse/refused/v1/").await.unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(text.contains("\"warehouse_refused\":1") && text.contains("_aws"), "{text}");
        for hidden in ["pass-1", "u1.1.", "walk.", "/refused\""] {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
    });
}

#[test]
fn a_warehouse_that_is_away_gets_everything_again_and_one_that_is_not_named_stops_the_start() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let away = [("CLICKHOUSE_URL", "http://127.0.0.1:9"), ("WAREHOUSE_BACKOFF_MS", "0")];
        let function = corner.function(BINARY, &[Resource::Archive], &away, &log).await;
        let told = answer(&function.invoke(stream(0..3)).await.unwrap());
        assert_eq!(told["batchItemFailures"].as_array().map(Vec::len), Some(1), "{told}");
        let told = answer(&function.invoke(queue()).await.unwrap());
        let both = json!([{ "itemIdentifier": "good" }, { "itemIdentifier": "bad" }]);
        assert_eq!(told["batchItemFailures"], both);
        let unnamed = corner.function(BINARY, &[Resource::Archive], &[], &log).await;
        assert!(unnamed.invoke(stream(0..1)).await.is_err());
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(text.contains("CLICKHOUSE_URL is not set"), "{text}");
    });
}
