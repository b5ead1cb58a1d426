//! The warehouse of the deployed suite: what it holds beside what the ledger and the API say.

use std::time::{Duration, Instant};

use ::warehouse::schema::STATEMENTS;
use connector::{
    Source,
    warehouse::{ClickHouse, Settings, WarehouseUrl},
};
use serde_json::json;
use standin::{
    platform::Pace,
    proxy::{Fault, Weather},
    run,
};

use crate::{Deployed, PATIENCE, impatient};

/// Where the engine is: `scripts/stand-ins run` says it.
pub(crate) fn url() -> String {
    std::env::var("CLICKHOUSE_STAND_IN").expect("run it within scripts/stand-ins run")
}

/// A stage's own database, with its tables.
pub(crate) async fn prepare(stage: &str) -> ClickHouse {
    let settings = Settings {
        url: WarehouseUrl::parse(&url()).unwrap(),
        database: stage.to_owned(),
        user: "default".to_owned(),
    };
    let client = ClickHouse::new(settings, Source::Text(String::new())).unwrap();
    for statement in STATEMENTS {
        client.run(statement.sql.trim_end().trim_end_matches(';'), &[]).await.unwrap();
    }
    client
}

impl Deployed {
    /// Events, closed sessions and incidents of the warehouse, as a reader counts them.
    async fn rows(&self) -> [u64; 3] {
        let counts = "SELECT (SELECT count() FROM events_raw FINAL), \
             (SELECT countIf(state = 'closed') FROM fact_sessions FINAL), \
             (SELECT countIf(state = 'found') FROM fact_incidents FINAL)";
        let told = self.warehouse.as_ref().unwrap().run(counts, &[]).await.unwrap();
        let counts: Vec<u64> =
            told.trim().split('\t').map(|count| count.parse().unwrap()).collect();
        counts.try_into().unwrap()
    }
}

#[test]
fn the_warehouse_holds_what_the_ledger_and_the_api_say_whatever_dies() {
    run(async {
        let weather = Some(Weather::of(5, 3, Fault::QUICK));
        let pace =
            Pace { tick: Some(Duration::from_secs(1)), untidy: true, weather, ..Pace::default() };
        let suite = Deployed::with_warehouse(pace).await;
        let people = 6;
        let events = impatient(standin::now(), people);
        let count = u64::try_from(events.len()).unwrap();
        for part in events.chunks(20) {
            tokio::join!(suite.send(part), suite.function("warehouse").kill());
        }
        suite.settle_counted(count).await;
        let people = u64::try_from(people).unwrap();
        let started = Instant::now();
        while suite.rows().await != [count, people, people] {
            let (rows, log) = (suite.rows().await, suite.log("warehouse"));
            assert!(started.elapsed() < PATIENCE, "{rows:?}\n{log}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(suite.ledger().await.accepted, count);
        for (question, list) in [
            ("/v1/sessions?state=closed&limit=100", "sessions"),
            ("/v1/incidents?limit=100", "incidents"),
        ] {
            let told = suite.ask(question).await;
            assert_eq!(told[list].as_array().map(Vec::len), usize::try_from(people).ok(), "{told}");
        }
        let overview = suite.ask("/v1/insights/overview").await;
        assert_eq!(
            (&overview["sessions"], &overview["incidents"]),
            (&json!(people), &json!(people)),
            "{overview}"
        );
        assert_eq!(suite.platform.bus().books().dead(), 0);
        suite.platform.stop().await;
    });
}
