//! What understanding costs on one machine: events through the sessionizer into sessions, then questions over thirty days.
//!
//! `cargo run --release -p tribo --example sessions_rate -- [EVENTS] [SESSIONS] [SCREENS] [DIRECTORY]`
//!
//! Batches go through the handler as a stream delivers them, sweeps run every minute of simulated time, and the process's own
//! CPU time is divided by the events: reading the payload, the log, deriving, committing and announcing included.
#![expect(clippy::print_stdout, reason = "a measurement for people")]
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]
#![expect(clippy::as_conversions, reason = "a measurement for people")]
#![expect(clippy::indexing_slicing, reason = "a measurement stops at the first surprise")]

#[path = "sessions_rate/traffic.rs"]
mod traffic;

use std::{
    fs,
    ops::Range,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use contract::{
    Timestamp,
    limits::{DAY_MS, MINUTE_MS},
};
use data_encoding::BASE64;
use domain::api_key::{ApiKey, Scope};
use embedded::{Durability, Options, Store};
use friction::policy::SessionPolicy;
use insights::{CursorKey, Insights};
use ports::{
    clock::Clock as _,
    faulty::{Counter, Hands},
    keys::{ApiKeyRecord, ApiKeys},
    reference::Organisations as _,
    sessions::Lane,
};
use serde_json::json;
use sessionizer::Sessionizer;
use tower::ServiceExt as _;

use traffic::{GAP_MS, START_MS, event};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usual: i64| arguments.next().map_or(usual, |text| text.parse().unwrap());
    let events = number(1_000_000);
    let sessions = number(20_000);
    let traffic = Traffic { each: (events / sessions).max(1), sessions, screens: number(12) };
    let base = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(base).unwrap();
    let clock = Hands::at(Timestamp::from_ms(START_MS));
    let options = Options {
        durability: Durability::Full,
        clock: Arc::new(clock.clone()),
        ..Options::default()
    };
    let store = Store::open(directory.path(), options).unwrap();
    store.create_keys_if_absent().unwrap();
    store.create(&"acme".parse().unwrap()).await.unwrap();
    understand(&store, &clock, traffic, directory.path()).await;
    question(store, &clock).await;
}

/// Thirty days of sessions beginning evenly, each with an event every few seconds.
#[derive(Debug, Clone, Copy)]
struct Traffic {
    sessions: i64,
    /// Events of each.
    each: i64,
    /// Screens of each of ten areas.
    screens: i64,
}

impl Traffic {
    fn spacing_ms(self) -> i64 {
        30 * DAY_MS / self.sessions
    }
}

/// Takes all events and closes all sessions, a group of sessions at a time.
async fn understand(store: &Store, clock: &Hands, traffic: Traffic, directory: &Path) {
    let Traffic { sessions, each, screens } = traffic;
    println!(
        "{} events of {sessions} sessions, {screens} screens in each of 10 areas",
        sessions * each
    );
    println!("   events    closed  us CPU/event: take   sweep     sum   since  RSS MB  disk MB");
    let sessionizer =
        Sessionizer::new(store.clone(), clock.clone(), SessionPolicy::whole_horizon());
    let (mut taking, mut sweeping, mut closed, mut taken) =
        (Duration::ZERO, Duration::ZERO, 0, 0_i64);
    let (mut session, mut quarter, mut before_quarter) = (0, 1, (Duration::ZERO, 0));
    while session < sessions {
        let until = (session + SESSIONS_AT_A_TIME).min(sessions);
        let payloads = payloads(session..until, traffic);
        let now_ms = START_MS + until * traffic.spacing_ms() + each * GAP_MS;
        clock.forward(now_ms - clock.now().ms());
        let start = cpu_time();
        for payload in payloads {
            assert_eq!(sessionizer.handle_payload(&payload).await.unwrap(), ALL_TAKEN);
        }
        let middle = cpu_time();
        // What lies between two groups of sessions is more than a session's end.
        clock.forward(40 * MINUTE_MS);
        closed += sessionizer.sweep(Lane { index: 0, of: 1 }, None).await.unwrap().closed;
        sweeping += cpu_time().saturating_sub(middle);
        taking += middle.saturating_sub(start);
        taken += (until - session) * each;
        session = until;
        if session * 4 >= sessions * quarter {
            let sum = taking + sweeping;
            let since = per_event(sum.saturating_sub(before_quarter.0), taken - before_quarter.1);
            println!(
                "{taken:>9} {closed:>9} {:>19.1} {:>7.1} {:>7.1} {since:>7.1} {:>7} {:>8}",
                per_event(taking, taken),
                per_event(sweeping, taken),
                per_event(sum, taken),
                rss_mb(),
                disk_mb(directory),
            );
            before_quarter = (sum, taken);
            quarter += 1;
        }
    }
    // A measurement of events that nobody takes would be a fast one.
    assert_eq!(i64::try_from(closed).unwrap(), sessions);
}

fn per_event(time: Duration, events: i64) -> f64 {
    time.as_secs_f64() * 1e6 / events as f64
}

/// Asks about all of the thirty days.
async fn question(store: Store, clock: &Hands) {
    let key = key(&store).await;
    let world = Insights::new(store, clock.clone(), Counter::default(), CursorKey::new([7; 32]));
    let router = insights::router(Arc::new(world));
    let (to, from) = (clock.now(), clock.now().plus_ms(-30 * DAY_MS));
    println!("{:<24} {:>8} {:>8} {:>8} {:>9}", "30 days", "p50 ms", "p99 ms", "CPU ms", "bytes");
    for path in PATHS {
        let uri = format!("{path}?productId=app&from={from}&to={to}");
        let Answered { p50, p99, cpu, bytes } = ask(&router, &uri, &key).await;
        println!("{path:<24} {p50:>8.2} {p99:>8.2} {cpu:>8.2} {bytes:>9}");
    }
}

/// The batches of a group of sessions: by turns, as their events happen.
fn payloads(sessions: Range<i64>, traffic: Traffic) -> Vec<String> {
    let Traffic { each, screens, .. } = traffic;
    let mut records = Vec::new();
    for n in 0..each {
        for session in sessions.clone() {
            let at = START_MS + session * traffic.spacing_ms() + n * GAP_MS;
            let event = event(session, (n, screens), at).to_string();
            let sequence = session * each + n + 1;
            records.push(json!({
                "eventID": format!("shardId-000000000000:{sequence}"),
                "kinesis": {
                    "sequenceNumber": sequence.to_string(), "partitionKey": "p",
                    "data": BASE64.encode(event.as_bytes()),
                    "approximateArrivalTimestamp": at as f64 / 1e3,
                },
            }));
        }
    }
    records.chunks(1_000).map(|some| json!({ "Records": some }).to_string()).collect()
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

/// What a question cost, asked again and again.
struct Answered {
    p50: f64,
    p99: f64,
    cpu: f64,
    bytes: usize,
}

async fn ask(router: &Router, uri: &str, key: &str) -> Answered {
    let (mut times, mut bytes, start) = (Vec::new(), 0, cpu_time());
    for _ in 0..QUESTIONS {
        let request = Request::get(uri).header(header::AUTHORIZATION, format!("Bearer {key}"));
        let request = request.body(Body::empty()).unwrap();
        let started = Instant::now();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        times.push(started.elapsed().as_secs_f64() * 1e3);
        assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        bytes = body.len();
    }
    let cpu = (cpu_time() - start).as_secs_f64() * 1e3 / QUESTIONS as f64;
    times.sort_by(f64::total_cmp);
    Answered { p50: times[QUESTIONS / 2], p99: times[QUESTIONS * 99 / 100 - 1], cpu, bytes }
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

fn disk_mb(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>() / 1_000_000
}

const PATHS: [&str; 6] = [
    "/v1/insights/overview",
    "/v1/insights/hotspots",
    "/v1/insights/trace",
    "/v1/flows/top",
    "/v1/flows/graph",
    "/v1/sessions",
];
const ALL_TAKEN: &str = r#"{"batchItemFailures":[]}"#;
const QUESTIONS: usize = 200;
const SESSIONS_AT_A_TIME: i64 = 200;
