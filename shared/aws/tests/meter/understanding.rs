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
use sessionizer::{Sessionizer, SweepReport};
use standin::Corner;

use crate::stated::{Cost, Stated};

#[derive(Debug, Clone)]
struct Hand(Arc<AtomicI64>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

/// Tables of their own, a clock in hand, and what calls cost.
struct Metered {
    stated: Stated,
    clock: Hand,
    sessionizer: Sessionizer<Cloud, Hand>,
    _corner: Corner,
}

impl Metered {
    async fn open(policy: SessionPolicy) -> Self {
        let corner = Corner::open().await;
        let stated = Stated::new(access::http_client());
        let access = corner.access().clone().with_http(SharedHttpClient::new(stated.clone()));
        let clock = Hand(Arc::new(AtomicI64::new(SystemClock.now().ms())));
        let cloud = Cloud::new(&access, corner.resources().clone());
        let sessionizer = Sessionizer::new(cloud, clock.clone(), policy);
        Self { stated, clock, sessionizer, _corner: corner }
    }

    /// A thousand events of a hundred owners.
    async fn take(&self, half: usize) -> Cost {
        let now = self.clock.now();
        let records = batch(&events(half, now), now);
        let (cost, answer) = self.stated.run(self.sessionizer.handle(&records)).await;
        assert_eq!(answer.unwrap(), PartialBatchAnswer::done());
        println!("1,000 events of 100 owners are taken: {cost}");
        cost
    }

    async fn sweep_after(&self, minutes: i64) -> (Cost, SweepReport) {
        self.clock.0.fetch_add(minutes * MINUTE_MS, Ordering::SeqCst);
        let sweep = self.sessionizer.sweep(Lane { index: 0, of: 1 }, None);
        let (cost, report) = self.stated.run(sweep).await;
        let report = report.unwrap();
        let SweepReport { owners, closed, incidents, .. } = report;
        println!(
            "{owners} owners are looked at, {closed} sessions closed, {incidents} incidents found: {cost}"
        );
        (cost, report)
    }
}

/// A hundred people of four organisations click through ten minutes each; one in four of them hits something that hurts.
/// Their 2,000 events come in two batches.
#[test]
fn closing_a_session_costs_what_was_promised() {
    standin::run(async {
        let metered = Metered::open(SessionPolicy::nine_days()).await;
        let (first, second) = (metered.take(0).await, metered.take(1).await);
        let (cost, report) = metered.sweep_after(60).await;
        assert_eq!(report.closed, 100);
        let (idle, report) = metered.sweep_after(1).await;
        assert_eq!(report.owners, 0);
        let each_thousand = f64::midpoint(first.write_units, second.write_units);
        let each_session = cost.write_units / 100.0;
        let reads = (cost.read_units - idle.read_units) / 100.0;
        println!(
            "{each_thousand} write units for each 1,000 events taken, {each_session} for each session closed, {reads} read units"
        );
        assert!(each_thousand <= 1_150.0, "{each_thousand}");
        assert!(each_session <= 32.0, "{each_session}");
        // Each owner's head is armed by either batch; the first arming is a row of the index as well.
        counted("write_units_per_event", (second.write_units - 100.0) / 1_000.0);
        counted("write_units_per_arming", (second.write_units - 1_000.0) / 100.0);
        counted("write_units_per_first_arming", (first.write_units - 1_000.0) / 100.0);
        counted("write_units_per_session", each_session);
        counted("read_units_per_session", reads);
        counted("read_units_per_sweep", idle.read_units);
        counted("write_units_per_sweep", idle.write_units);
    });
}

/// What `SessionLive` asks for: the same people, looked at while they are there.
#[test]
fn looking_at_a_session_under_way_costs_what_was_promised() {
    standin::run(async {
        let live = SessionPolicy { live_ms: Some(MINUTE_MS), ..SessionPolicy::nine_days() };
        let metered = Metered::open(live).await;
        metered.take(0).await;
        let (first, report) = metered.sweep_after(1).await;
        assert_eq!((report.owners, report.closed), (100, 0));
        let again = metered.take(1).await;
        let (second, report) = metered.sweep_after(1).await;
        assert_eq!((report.owners, report.closed), (100, 0));
        let (idle, report) = metered.sweep_after(1).await;
        assert_eq!(report.owners, 0);
        let looks = |cost: &Cost| {
            [cost.write_units - idle.write_units, cost.read_units - idle.read_units]
                .map(|all| all / 100.0)
        };
        let ([first_writes, first_reads], [writes, reads]) = (looks(&first), looks(&second));
        println!(
            "a first look: {first_writes} write units, {first_reads} read units; another one: {writes} and {reads}"
        );
        counted("write_units_per_arming_after_look", (again.write_units - 1_000.0) / 100.0);
        counted("write_units_per_first_look", first_writes);
        counted("write_units_per_look", writes);
        counted("read_units_per_look", reads);
    });
}

/// What the cost model says of the sessionizer is what was metered. Hours and days that end meanwhile move it a little.
fn counted(name: &str, metered: f64) {
    let counts: Value = serde_json::from_str(COUNTS).unwrap();
    let said = counts["sessionizer"][name]["value"].as_f64();
    let said = said.unwrap_or_else(|| panic!("{COUNTS_PLACE} does not say sessionizer.{name}"));
    let off = (metered - said).abs();
    assert!(
        off <= 0.05 * said.max(1.0),
        "{COUNTS_PLACE}: sessionizer.{name} is {said}, metered {metered}"
    );
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

const COUNTS: &str = include_str!("../../../../scripts/costs/counts.json");
const COUNTS_PLACE: &str = "scripts/costs/counts.json";
