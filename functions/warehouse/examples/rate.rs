//! How many rows a second go through the handler into a ClickHouse.
//!
//! ```sh
//! scripts/stand-ins run cargo run -p warehouse --example rate -- 100000 100 4
//! ```
//!
//! makes so many events, in payloads of so many records, with so many invocations at once, against `CLICKHOUSE_STAND_IN`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise, and prints"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use connector::{
    Source,
    warehouse::{ClickHouse, Settings, WarehouseUrl},
};
use embedded::{Options, Store};
use ports::clock::{Clock as _, SystemClock};
use serde_json::json;
use warehouse::{Outcome, Sink, schema::STATEMENTS};

#[tokio::main]
async fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let [events, batch, at_once] = numbers.try_into().unwrap();
    let settings = Settings {
        url: WarehouseUrl::parse(&std::env::var("CLICKHOUSE_STAND_IN").unwrap()).unwrap(),
        database: format!("rate_{}", std::process::id()),
        user: "default".to_owned(),
    };
    let client = ClickHouse::new(settings, Source::Text(String::new())).unwrap();
    for statement in STATEMENTS {
        client.run(statement.sql.trim_end().trim_end_matches(';'), &[]).await.unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let archive = Store::open(directory.path(), Options::default()).unwrap();
    let sink = Arc::new(Sink::new(client.clone(), archive, SystemClock));
    let payloads: Arc<Vec<String>> =
        Arc::new((0..events.div_ceil(batch)).map(|number| payload(number, batch)).collect());
    let (next, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut workers = Vec::new();
    for _ in 0..at_once {
        let (sink, payloads, next) = (Arc::clone(&sink), Arc::clone(&payloads), Arc::clone(&next));
        workers.push(tokio::spawn(async move {
            while let Some(payload) = payloads.get(next.fetch_add(1, Ordering::SeqCst)) {
                assert_eq!(sink.handle(payload).await.unwrap().outcome, Outcome::Done);
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    let took = started.elapsed();
    let rows = client.run("SELECT count() FROM events_raw FINAL", &[]).await.unwrap();
    let rows: u32 = rows.trim().parse().unwrap();
    assert_eq!(usize::try_from(rows).unwrap(), events.div_ceil(batch) * batch);
    let rate = f64::from(rows) / took.as_secs_f64();
    println!(
        "{rows} rows in {:.1} s: {rate:.0} rows/s in batches of {batch}, {at_once} at once",
        took.as_secs_f64()
    );
}

/// A payload of the stream, with people who walk through screens.
fn payload(number: usize, batch: usize) -> String {
    let now = SystemClock.now();
    let record = |at: usize| {
        let id = number * batch + at;
        let event = json!({
            "eventId": format!("e{id}"), "eventType": "ui.navigation", "occurredAt": now.to_string(),
            "recordedAt": now.to_string(), "orgId": format!("org{}", id % 7), "screen": SCREENS.get(id % SCREENS.len()),
        });
        json!({
            "eventSource": "aws:kinesis",
            "eventID": format!("shardId-000000000000:{}", at + 1),
            "kinesis": {
                "sequenceNumber": (at + 1).to_string(),
                "data": STANDARD.encode(event.to_string()),
                "approximateArrivalTimestamp": now.ms() / 1_000,
            },
        })
    };
    json!({ "Records": (0..batch).map(record).collect::<Vec<_>>() }).to_string()
}

const SCREENS: [&str; 5] = ["/home", "/list", "/item/{id}", "/cart", "/pay"];
