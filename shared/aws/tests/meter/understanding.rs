//! What making sessions costs on DynamoDB: taking events, closing sessions, announcing them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use aws::{Cloud, access};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use base64::{Engine, engine::general_purpose::STANDARD};
use contract::{
    Timestamp,
    kinesis::{PartialBatchAnswer, RecordBatch},
    limits::MINUTE_MS,
};
use friction::policy::SessionPolicy;
use ports::{
    chance::Chance,
    clock::{Clock, SystemClock},
    sessions::Lane,
};
use serde_json::{Value, json};
use sessionizer::Sessionizer;
use standin::Corner;

use crate::stated::Stated;

#[derive(Debug, Clone)]
struct Hand(Arc<AtomicI64>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

/// A hundred people of four organisations click through ten minutes each; one in four of them hits something that hurts.
/// Their 2,000 events come in two batches.
#[test]
fn closing_a_session_costs_what_was_promised() {
    standin::run(async {
        let corner = Corner::open().await;
        let stated = Stated::new(access::http_client());
        let access = corner.access().clone().with_http(SharedHttpClient::new(stated.clone()));
        let clock = Hand(Arc::new(AtomicI64::new(SystemClock.now().ms())));
        let cloud = Cloud::new(&access, corner.resources().clone());
        let sessionizer = Sessionizer::new(cloud, clock.clone(), SessionPolicy::nine_days());
        let mut taken = 0.0;
        for half in 0..2 {
            let records = batch(&events(half, clock.now()), clock.now());
            let (cost, answer) = stated.run(sessionizer.handle(&records)).await;
            assert_eq!(answer.unwrap(), PartialBatchAnswer::done());
            println!("1,000 events of 100 owners are taken: {cost}");
            taken += cost.write_units;
        }
        clock.0.fetch_add(60 * MINUTE_MS, Ordering::SeqCst);
        let (cost, report) = stated.run(sessionizer.sweep(Lane { index: 0, of: 1 }, None)).await;
        let report = report.unwrap();
        println!(
            "{} sessions are closed, {} incidents found: {cost}",
            report.closed, report.incidents
        );
        assert_eq!(report.closed, 100);
        let (each_thousand, each_session) = (taken / 2.0, cost.write_units / 100.0);
        println!(
            "{each_thousand} write units for each 1,000 events taken, {each_session} for each session closed, {} read units",
            cost.read_units / 100.0
        );
        assert!(each_thousand <= 1_150.0, "{each_thousand}");
        assert!(each_session <= 32.0, "{each_session}");
    });
}

fn events(half: usize, now: Timestamp) -> Vec<Value> {
    let mut chance = Chance::of(u64::try_from(half).unwrap());
    let mut events = Vec::new();
    for n in 0..10 {
        for person in 0..100_usize {
            let at = now.plus_ms(-i64::try_from((20 - half * 10 - n) * 30_000 + person).unwrap());
            let screen = ["/answers", "/sources", "/settings", "/export"][chance.below(4)];
            let mut event = json!({
                "eventId": format!("e.{half}.{n}.{person}"), "eventType": "ui.click", "occurredAt": at,
                "orgId": format!("org-{}", person % 4), "productId": "crm", "screen": screen,
                "actorId": format!("u1.1.{person:025}0"),
                "element": {"key": "save"},
            });
            if n == 5 && person % 4 == 0 {
                event["eventType"] = json!("ui.dead_click");
            }
            events.push(event);
        }
    }
    events
}

fn batch(events: &[Value], now: Timestamp) -> RecordBatch {
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
                    "approximateArrivalTimestamp": now.ms() / 1_000,
                },
            })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}
