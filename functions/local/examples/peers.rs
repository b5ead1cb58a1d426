//! What `scripts/compare-peers` runs of ours beside others, and the events for all of them.
//!
//! ```text
//! peers make FILE EVENTS SESSIONS     events as NDJSON, made up: disordered, one in a hundred twice, pauses around 30:00.000
//! peers presses FILE PRESSES          presses in bursts, made up
//! peers door FILE OUT                 recorded events as they are behind the door, in the order of FILE
//! peers split FILE OUT                the rule alone, over all events at once: session,owner,start,end,events,cut
//! peers sessionize FILE OUT           the sessionizer over the embedded store: the same without owner; then incidents
//! peers rage FILE TIMES               rage clicks under PostHog's configuration, looked for so many times
//! ```
#![expect(clippy::print_stdout, reason = "a measurement for people")]
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

#[path = "sessions_rate/traffic.rs"]
mod traffic;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    slice,
    sync::Arc,
};

use contract::{
    Event, OrgId, Timestamp,
    incident::Rule,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS},
    session::Bounds,
};
use data_encoding::BASE64;
use domain::{
    intake::{Door, Outcome, read_event},
    pseudonym::{OrgKey, Pseudonymiser},
    seal::SealKey,
};
use embedded::{Durability, Options, Store};
use friction::{
    detect::{Ending, detect},
    owner::{Owner, Position},
    policy::SessionPolicy,
    rules::presets,
    split::{Before, Segment, split},
};
use ports::{
    clock::Clock as _,
    faulty::Hands,
    reference::Organisations as _,
    sessions::{IncidentQuery, Lane, SessionQuery, Span, Understanding as _},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sessionizer::Sessionizer;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["make", file, events, sessions] => {
            make(file, events.parse().unwrap(), sessions.parse().unwrap());
        }
        ["presses", file, presses] => make_presses(file, presses.parse().unwrap()),
        ["door", file, out] => door(file, out),
        ["split", file, out] => split_all(file, out),
        ["sessionize", file, out] => sessionize(file, out).await,
        ["rage", file, times] => rage(file, times.parse().unwrap()),
        _ => panic!(
            "make, presses, door, split, sessionize or rage; see the first lines of this file"
        ),
    }
}

/// Sessions of persons who come four times in thirty days, in the order in which their events arrive. Of fifty sessions one
/// goes on after exactly half an hour, and one ends because it was a millisecond more. One person never rests.
fn make(file: &str, events: i64, sessions: i64) {
    let each = (events / sessions).max(2);
    let at = |session: i64, n: i64| {
        let begin = traffic::START_MS + session * (30 * DAY_MS / sessions);
        let pause = match (n == each - 1, session % 50) {
            (true, 1) => 30 * MINUTE_MS - traffic::GAP_MS,
            (true, 2) => 30 * MINUTE_MS + 1 - traffic::GAP_MS,
            _ => 0,
        };
        begin + n * traffic::GAP_MS + pause
    };
    let mut arrivals = Vec::new();
    for session in 0..sessions {
        for n in 0..each {
            let arrives = at(session, n) + (session * 31 + n * 7) % 10 * SECOND_MS;
            arrivals.push((arrives, session, n));
            if (session + n) % 100 == 0 {
                arrivals.push((arrives + MINUTE_MS, session, n));
            }
        }
    }
    // Somebody who never rests: nothing but a limit ends what goes on for three days.
    let restless = (0..432).map(|n| (traffic::START_MS + n * 10 * MINUTE_MS, sessions, n));
    arrivals.extend(restless);
    arrivals.sort_unstable();
    let mut out = BufWriter::new(fs::File::create(file).unwrap());
    for (arrives, session, n) in arrivals {
        let happens = if session == sessions { arrives } else { at(session, n) };
        let mut event = traffic::event(session, (n, 12), happens);
        let fields = event.as_object_mut().unwrap();
        // Persons, not tokens of sessions: the pauses decide.
        fields.remove("sessionId");
        let person = if session == sessions { session } else { session % (sessions / 4).max(1) };
        fields.insert("actorId".to_owned(), json!(token("u", person)));
        writeln!(out, "{event}").unwrap();
    }
    out.flush().unwrap();
}

/// A pointer that jumps now and then, and mostly stays around where it is.
fn make_presses(file: &str, presses: i64) {
    let mut state = 1_u64;
    let mut below = |bound: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((state >> 33) % bound).unwrap()
    };
    let mut out = BufWriter::new(fs::File::create(file).unwrap());
    let (mut at, mut x, mut y) = (traffic::START_MS, 500, 500);
    for n in 0..presses {
        at += 100 + below(1_300);
        (x, y) = if below(5) == 0 {
            (below(1_920), below(1_080))
        } else {
            ((x + below(37) - 18).max(0), (y + below(37) - 18).max(0))
        };
        let press = json!({
            "schemaVersion": "1.0", "eventId": format!("p.{n}"), "eventType": "ui.click",
            "occurredAt": Timestamp::from_ms(at), "orgId": ORG, "productId": "app",
            "sessionId": token("s", n / 1_000), "screen": "/desktop",
            "element": {"key": "cell", "kind": "cell", "x": x, "y": y},
        });
        writeln!(out, "{press}").unwrap();
    }
    out.flush().unwrap();
}

/// Events as a door lets them in an hour after the newest of them: tokens, screens without ids, scrubbed text.
fn door(file: &str, out: &str) {
    let org: OrgId = ORG.parse().unwrap();
    let key = OrgKey::from_mac([7; 32], 1);
    let pseudonymiser = Arc::new(Pseudonymiser::new(org.clone(), &key));
    let text = fs::read_to_string(file).unwrap();
    let newest = text.lines().map(|line| happened(line).ms()).max().unwrap();
    let door = Door {
        now: Timestamp::from_ms(newest).plus_ms(HOUR_MS),
        orgs: slice::from_ref(&org),
        pseudonymisers: &BTreeMap::from([(org.clone(), pseudonymiser)]),
        seal_key: &SealKey::from_bytes([7; 32]),
        entropy: &|| [7; 16],
    };
    let mut out = BufWriter::new(fs::File::create(out).unwrap());
    for line in text.lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        event.as_object_mut().unwrap().insert("orgId".to_owned(), json!(ORG));
        match read_event(&event.to_string(), &door) {
            Outcome::Ready(ready) => {
                writeln!(out, "{}", serde_json::to_string(&ready.event).unwrap()).unwrap();
            }
            other @ (Outcome::Sealed(_) | Outcome::Rejected(_)) => panic!("not taken: {other:?}"),
        }
    }
    out.flush().unwrap();
}

fn token(kind: &str, number: i64) -> String {
    format!("{kind}1.1.{number:025}0")
}

fn split_all(file: &str, out: &str) {
    let text = fs::read_to_string(file).unwrap();
    let policy = SessionPolicy::whole_horizon();
    let mut out = BufWriter::new(fs::File::create(out).unwrap());
    for lines in by_owner(&text).into_values() {
        let events = lines.into_iter().map(read).collect();
        for segment in split(events, Before::Pause, &policy) {
            let Some(owner) = segment.events.first().and_then(Owner::of) else { continue };
            let first: Position = segment.first().unwrap();
            let Segment { events, bounds, last, .. } = &segment;
            writeln!(
                out,
                "{},{}/{}/{},{},{},{},{}",
                owner.session_id(&first),
                owner.org,
                owner.product,
                owner.token,
                first.at.ms(),
                last.ms(),
                events.len(),
                cut(*bounds)
            )
            .unwrap();
        }
    }
    out.flush().unwrap();
}

/// Lines by whose they are: what is read at once is one owner's.
fn by_owner(text: &str) -> BTreeMap<(&str, &str), Vec<&str>> {
    let mut owners: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        let head: Head<'_> = serde_json::from_str(line).unwrap();
        if let Some(token) = head.session_id.or(head.actor_id) {
            owners.entry((head.product_id, token)).or_default().push(line);
        }
    }
    owners
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    product_id: &'a str,
    session_id: Option<&'a str>,
    actor_id: Option<&'a str>,
}

fn read(line: &str) -> Event {
    serde_json::from_str(line).unwrap()
}

fn cut(bounds: Bounds) -> u8 {
    u8::from(bounds.cut_before || bounds.cut_after)
}

/// Batches as a stream delivers them, in the order of the file; time is that of the newest event, and sweeps come in between.
async fn sessionize(file: &str, out: &str) {
    let directory = tempfile::tempdir().unwrap();
    let clock = Hands::at(Timestamp::from_ms(0));
    let options = Options {
        durability: Durability::Full,
        clock: Arc::new(clock.clone()),
        ..Options::default()
    };
    let store = Store::open(directory.path(), options).unwrap();
    store.create_keys_if_absent().unwrap();
    store.create(&ORG.parse().unwrap()).await.unwrap();
    let sessionizer =
        Sessionizer::new(store.clone(), clock.clone(), SessionPolicy::whole_horizon());
    let sweep = || sessionizer.sweep(Lane { index: 0, of: 1 }, None);
    let (mut records, mut taken) = (Vec::new(), 0_usize);
    for line in BufReader::new(fs::File::open(file).unwrap()).lines() {
        let line = line.unwrap();
        let ahead_ms = happened(&line).plus_ms(10 * SECOND_MS).since_ms(clock.now());
        clock.forward(ahead_ms.max(0));
        taken += 1;
        records.push(record(&line, taken, clock.now()));
        if records.len() == BATCH {
            take(&sessionizer, &mut records).await;
        }
        if taken.is_multiple_of(SWEEP_EVERY) {
            sweep().await.unwrap();
        }
    }
    take(&sessionizer, &mut records).await;
    clock.forward(DAY_MS);
    while sweep().await.unwrap().owners > 0 {}
    let incidents = list(&store, clock.now(), out).await;
    println!("{incidents}");
}

/// Writes every session that is closed, and counts incidents.
async fn list(store: &Store, now: Timestamp, out: &str) -> usize {
    let mut out = BufWriter::new(fs::File::create(out).unwrap());
    let span =
        Span { org: ORG.parse().unwrap(), product: None, from: Timestamp::from_ms(0), to: now };
    let mut query = SessionQuery { span: span.clone(), state: None, after: None, limit: PAGE };
    loop {
        let page = store.sessions(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some((last.session.started_at, last.session.session_id.clone()));
        for stored in &page {
            let session = &stored.session;
            let (start, end) = (session.started_at.ms(), session.ended_at.ms());
            let events = session.metrics.events;
            writeln!(out, "{},,{start},{end},{events},{}", session.session_id, cut(session.bounds))
                .unwrap();
        }
    }
    out.flush().unwrap();
    let mut query = IncidentQuery { span, rule: None, session: None, after: None, limit: PAGE };
    let mut incidents = 0;
    loop {
        let page = store.incidents(&query).await.unwrap();
        let Some(last) = page.last() else { break incidents };
        query.after = Some((last.incident.started_at, last.incident.incident_id.clone()));
        incidents += page.len();
    }
}

async fn take(sessionizer: &Sessionizer<Store, Hands>, records: &mut Vec<Value>) {
    let payload = json!({ "Records": std::mem::take(records) }).to_string();
    assert_eq!(sessionizer.handle_payload(&payload).await.unwrap(), ALL_TAKEN);
}

fn record(line: &str, sequence: usize, arrived: Timestamp) -> Value {
    json!({
        "eventID": format!("shardId-000000000000:{sequence}"),
        "kinesis": {
            "sequenceNumber": sequence.to_string(), "partitionKey": "p",
            "data": BASE64.encode(line.as_bytes()),
            "approximateArrivalTimestamp": arrived.ms() / SECOND_MS,
        },
    })
}

fn happened(line: &str) -> Timestamp {
    serde_json::from_str::<Happened>(line).unwrap().occurred_at
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Happened {
    occurred_at: Timestamp,
}

fn rage(file: &str, times: usize) {
    let text = fs::read_to_string(file).unwrap();
    let policy = SessionPolicy::whole_horizon();
    let sessions: Vec<Segment> = by_owner(&text)
        .into_values()
        .flat_map(|lines| split(lines.into_iter().map(read).collect(), Before::Pause, &policy))
        .collect();
    let rules = presets::posthog();
    let mut found = 0;
    for _ in 0..times {
        found = 0;
        for Segment { events, .. } in &sessions {
            let Some(first) = events.first() else { continue };
            let findings = detect(events, &rules.for_product(&first.product_id), Ending::Closed);
            found += findings.iter().filter(|finding| finding.rule == Rule::RageClick).count();
        }
    }
    println!("{found}");
}

const ORG: &str = "acme";
const ALL_TAKEN: &str = r#"{"batchItemFailures":[]}"#;
const BATCH: usize = 1_000;
const SWEEP_EVERY: usize = 10_000;
const PAGE: usize = 1_000;
