//! What understanding costs on one machine: events through the sessionizer into sessions, then questions over thirty days.
//!
//! `cargo bench -p suite --bench sessions -- [EVENTS] [SESSIONS]`
//!
//! Batches go through the handler as a stream delivers them, sweeps run every minute of simulated time, and the process's own
//! CPU time is divided by the events: reading the payload, the log, deriving, committing and announcing included.
#![expect(clippy::print_stdout, reason = "a measurement for people")]
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]
#![expect(clippy::as_conversions, reason = "a measurement for people")]
#![expect(clippy::indexing_slicing, reason = "a measurement stops at the first surprise")]

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use contract::{
    Timestamp,
    limits::{DAY_MS, MINUTE_MS, SECOND_MS},
};
use domain::api_key::{ApiKey, Scope};
use embedded::{Durability, Options, Store};
use friction::policy::SessionPolicy;
use http_body_util::BodyExt as _;
use insights::{CursorKey, Insights};
use ports::{
    clock::{Clock, Entropy},
    keys::{ApiKeyRecord, ApiKeys},
    reference::Organisations as _,
    sessions::Lane,
};
use serde_json::json;
use sessionizer::Sessionizer;
use tower::ServiceExt as _;

#[derive(Debug, Clone)]
struct Hand(Arc<AtomicI64>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug, Clone, Copy)]
struct Seven;

impl Entropy for Seven {
    fn bytes(&self) -> [u8; 16] {
        [7; 16]
    }
}

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<i64>().ok());
    let events = numbers.next().unwrap_or(1_000_000);
    let sessions = numbers.next().unwrap_or(20_000);
    let each = (events / sessions).max(1);
    let directory = tempfile::tempdir().unwrap();
    let clock = Hand(Arc::new(AtomicI64::new(START_MS)));
    let options = Options {
        durability: Durability::Full,
        clock: Arc::new(clock.clone()),
        ..Options::default()
    };
    let store = Store::open(directory.path(), options).unwrap();
    store.create_keys_if_absent().unwrap();
    store.create(&"acme".parse().unwrap()).await.unwrap();
    let policy = SessionPolicy::whole_horizon();
    let sessionizer = Sessionizer::new(store.clone(), clock.clone(), policy);

    // Thirty days, sessions beginning evenly, each with an event every few seconds.
    let spacing = 30 * DAY_MS / sessions;
    let (mut cpu, mut closed, mut taken, mut next_mark) = (Duration::ZERO, 0, 0_i64, 10);
    println!(
        "{:>9} {:>9} {:>12} {:>9} {:>9}",
        "events", "closed", "us CPU/event", "RSS MB", "disk MB"
    );
    let mut session = 0;
    while session < sessions {
        let until = (session + SESSIONS_AT_A_TIME).min(sessions);
        let payloads = payloads(session..until, each, spacing);
        clock.0.store(START_MS + until * spacing + each * GAP_MS, Ordering::SeqCst);
        let before = cpu_time();
        for payload in payloads {
            sessionizer.handle_payload(&payload).await.unwrap();
        }
        // What lies between two groups of sessions is more than a session's end.
        clock.0.fetch_add(40 * MINUTE_MS, Ordering::SeqCst);
        closed += sessionizer.sweep(Lane { index: 0, of: 1 }, None).await.unwrap().closed;
        cpu += cpu_time().saturating_sub(before);
        taken += (until - session) * each;
        session = until;
        if taken * 10 / events >= next_mark / 10 {
            let per_event = cpu.as_secs_f64() * 1e6 / taken as f64;
            println!(
                "{taken:>9} {closed:>9} {per_event:>12.1} {:>9} {:>9}",
                rss_mb(),
                disk_mb(directory.path())
            );
            next_mark += 10;
        }
    }
    let key = key(&store).await;
    let world = Insights::new(store, clock.clone(), Seven, CursorKey::new([7; 32]));
    let router = insights::router(Arc::new(world));
    let (to, from) = (clock.now(), clock.now().plus_ms(-30 * DAY_MS));
    println!("{:<28} {:>9} {:>9}", "30 days", "p50 ms", "p99 ms");
    for path in ["/v1/insights/overview", "/v1/insights/hotspots", "/v1/flows/top", "/v1/sessions"]
    {
        let uri = format!("{path}?productId=app&from={from}&to={to}");
        let (p50, p99) = ask(&router, &uri, &key).await;
        println!("{path:<28} {p50:>9.2} {p99:>9.2}");
    }
}

/// The batches of a group of sessions: by turns, as their events happen.
fn payloads(sessions: std::ops::Range<i64>, each: i64, spacing: i64) -> Vec<String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut records = Vec::new();
    for n in 0..each {
        for session in sessions.clone() {
            let at = START_MS + session * spacing + n * GAP_MS;
            let event = event(session, n, at).to_string();
            let sequence = session * each + n + 1;
            records.push(json!({
                "eventID": format!("shardId-000000000000:{sequence}"),
                "kinesis": {
                    "sequenceNumber": sequence.to_string(), "partitionKey": "p",
                    "data": STANDARD.encode(event),
                    "approximateArrivalTimestamp": at as f64 / 1e3,
                },
            }));
        }
    }
    records.chunks(1_000).map(|some| json!({ "Records": some }).to_string()).collect()
}

fn event(session: i64, n: i64, at: i64) -> serde_json::Value {
    let screen = format!("/area/{}/page-{}", session % 10, (session + n / 5) % 12);
    let mut event = json!({
        "schemaVersion": "1.0", "eventId": format!("e.{session}.{n}"), "occurredAt": Timestamp::from_ms(at),
        "orgId": "acme", "productId": "app", "actorId": format!("u1.1.{:025}0", session % 5_000),
        "sessionId": format!("s1.1.{session:025}0"), "screen": screen, "ck": "00000000",
        "source": {"service": "web", "version": "1", "region": "eu-central-1"},
    });
    let more = match (n, (session + n) % 17) {
        (0, _) => {
            json!({"eventType": "task.started", "task": {"name": TASKS[(session % 4) as usize]}})
        }
        (40, _) => {
            json!({"eventType": "task.completed", "task": {"name": TASKS[(session % 4) as usize]}})
        }
        (_, 3) => json!({"eventType": "ui.error", "error": {"code": "E_TIMEOUT"}}),
        (_, 5) => {
            json!({"eventType": "friction.user_override", "traceComponent": "reasoning", "severity": 3})
        }
        (_, 7 | 8) => json!({"eventType": "ui.navigation"}),
        _ => {
            json!({"eventType": "ui.click", "element": {"key": format!("button-{}", n % 7), "kind": "button"}})
        }
    };
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

async fn key(store: &Store) -> String {
    let key = ApiKey::new([7; 16], [7; 32]);
    let record = ApiKeyRecord {
        key_id: key.key_id().to_owned(),
        secret_hash: key.secret_hash(),
        orgs: vec!["acme".parse().unwrap()],
        scopes: vec![Scope::Read],
        created_at: Timestamp::from_ms(START_MS),
        revoked_at: None,
    };
    ApiKeys::put(store, &record).await.unwrap();
    key.reveal()
}

async fn ask(router: &Router, uri: &str, key: &str) -> (f64, f64) {
    let mut times = Vec::new();
    for _ in 0..200 {
        let request = Request::get(uri).header(header::AUTHORIZATION, format!("Bearer {key}"));
        let started = Instant::now();
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        times.push(started.elapsed().as_secs_f64() * 1e3);
        assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    }
    times.sort_by(f64::total_cmp);
    (times[100], times[197])
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse().unwrap())
        .collect();
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}

fn rss_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

fn disk_mb(directory: &std::path::Path) -> u64 {
    let files = fs::read_dir(directory).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>() / 1_000_000
}

const TASKS: [&str; 4] = ["export", "invite", "checkout", "search"];
const SESSIONS_AT_A_TIME: i64 = 200;
const GAP_MS: i64 = 4 * SECOND_MS;
/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;
