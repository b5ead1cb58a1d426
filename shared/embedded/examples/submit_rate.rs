//! How many events a second the store takes, beside what SQLite itself commits on the same disk.
//!
//! `cargo run --release -p embedded --example submit_rate -- [EVENTS] [DIRECTORY]`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a measurement for people"
)]

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use contract::{
    Event, EventId, OrgId, Timestamp,
    ingest::{EventAnswer, EventStatus},
    staged::StagedEvent,
};
use domain::counters;
use embedded::{Options, Store};
use ports::{
    delivery::{BatchedEvent, Forming, Leases, NewBatch, Outbox, Settlement},
    intake::{Entry, Intake, Put, Submission},
    ledger::{Booking, CountedChunk, EventKey, Ledger, Marker},
    stream::{StreamRecord, StreamSource},
};

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let events: usize = args.next().map_or(100_000, |text| text.parse().unwrap());
    let base = args.next().map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(&base).unwrap();
    println!("{events} events of {} bytes under {}", body(0, true).len(), base.display());
    raw(directory.path());
    for (size, tasks) in [(1, 64), (100, 1), (100, 8), (500, 1), (500, 8)] {
        let count = if size == 1 { events.min(20_000) } else { events };
        for staged in [true, false] {
            let kind = if staged { "friction" } else { "plain" };
            let name = format!("submit {kind}, requests of {size:3}, {tasks:2} at a time");
            let (store, took) =
                submitted(directory.path(), &name, count, size, tasks, staged).await;
            rate(&name, count, took);
            drop(store);
        }
    }
    pipeline(directory.path(), events).await;
}

/// What the disk and SQLite can do at most: rows of the same size, and nothing else.
fn raw(directory: &Path) {
    for rows in [1_u32, 100, 500] {
        let file = directory.join(format!("raw-{rows}.db"));
        let mut connection = rusqlite::Connection::open(file).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "synchronous", "FULL").unwrap();
        connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)").unwrap();
        let data = body(0, true);
        let (started, mut commits) = (Instant::now(), 0);
        while started.elapsed() < Duration::from_secs(2) {
            let transaction = connection.transaction().unwrap();
            for _ in 0..rows {
                let mut insert =
                    transaction.prepare_cached("INSERT INTO t (data) VALUES (?1)").unwrap();
                insert.execute([data.as_bytes()]).unwrap();
            }
            transaction.commit().unwrap();
            commits += 1;
        }
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "SQLite, {rows:3} rows a commit: {:7.0} commits/s, {:8.0} rows/s",
            f64::from(commits) / seconds,
            f64::from(commits * rows) / seconds
        );
    }
}

async fn submitted(
    base: &Path,
    name: &str,
    events: usize,
    size: usize,
    tasks: usize,
    staged: bool,
) -> (Store, Duration) {
    let directory = base.join(name.replace([' ', ','], "-"));
    let store = Store::open(directory, Options::default()).unwrap();
    let requests: Vec<_> = (0..events)
        .step_by(size)
        .map(|first| submission(first..(first + size).min(events), staged))
        .collect();
    let mut parts: Vec<Vec<_>> = (0..tasks).map(|_| Vec::new()).collect();
    for (turn, request) in requests.into_iter().enumerate() {
        parts.get_mut(turn % tasks).unwrap().push(request);
    }
    let started = Instant::now();
    let running = parts.into_iter().map(|part| {
        let store = store.clone();
        tokio::spawn(async move {
            for request in part {
                store.submit(request).await.unwrap();
            }
        })
    });
    for task in running.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    (store, started.elapsed())
}

/// What comes after the door, each step alone.
async fn pipeline(base: &Path, events: usize) {
    let (store, _) = submitted(base, "pipeline", events, 500, 8, true).await;
    let started = Instant::now();
    let (mut after, mut read) = (None::<String>, 0);
    loop {
        let records = store.read("shardId-000000000000", after.as_deref(), 1_000).await.unwrap();
        let Some(last) = records.last() else { break };
        after = Some(last.sequence.clone());
        read += records.len();
    }
    rate("read the stream, 1,000 at a time", read, started.elapsed());
    let started = Instant::now();
    for first in (0..events).step_by(100) {
        store.commit(chunk(first..(first + 100).min(events))).await.unwrap();
    }
    rate("count, 100 at a time", events, started.elapsed());
    let started = Instant::now();
    let now = Timestamp::from_ms(NOW_MS);
    let mut lease = store.acquire(&org(), now, now.plus_ms(1)).await.unwrap().unwrap();
    let mut delivered = 0;
    loop {
        let rows = store.staged(&org(), now.plus_ms(1), 96).await.unwrap();
        if rows.is_empty() {
            break;
        }
        let seq = format!("{:012}", lease.next_seq);
        let events = rows.iter().map(|row| BatchedEvent {
            event_id: row.event_id.clone(),
            connector_id: format!("evt_{}", row.event_id),
        });
        let batch = NewBatch {
            seq: seq.clone(),
            batch_id: seq.clone(),
            body: vec![b'x'; rows.iter().map(|row| row.body.len()).sum()],
            events: events.collect(),
        };
        store.form(&lease, Some(batch), &[], now).await.unwrap();
        lease.next_seq += 1;
        let settlement = Settlement::Delivered { confirmed: true, enrichment: Vec::new() };
        store.settle(&lease, &seq, settlement, now).await.unwrap();
        delivered += rows.len();
    }
    rate("form and settle, 96 at a time", delivered, started.elapsed());
}

fn rate(name: &str, count: usize, took: Duration) {
    println!("{name}: {:8.0} events/s", count as f64 / took.as_secs_f64());
}

fn submission(numbers: std::ops::Range<usize>, staged: bool) -> Submission {
    let entry = |(index, number): (usize, usize)| Entry {
        org: org(),
        answer: EventAnswer {
            index,
            event_id: Some(id(number).to_string()),
            status: EventStatus::Accepted,
            code: None,
            path: None,
        },
        put: put(number, staged),
    };
    let entries = numbers.enumerate().map(entry).collect();
    Submission { at: Timestamp::from_ms(NOW_MS), idempotency: None, entries }
}

fn put(number: usize, staged: bool) -> Put {
    let now = Timestamp::from_ms(NOW_MS);
    if !staged {
        let data = body(number, false).into_bytes();
        let record = StreamRecord { partition_key: format!("{:032x}", number % 1_000), data };
        return Put::Stream { event_id: id(number), ck: 1, record };
    }
    Put::Stage(StagedEvent {
        org_id: org(),
        product_id: "athena".parse().unwrap(),
        event_id: id(number),
        body: body(number, true),
        ck: 1,
        occurred_at: now,
        staged_at: now,
        expires_at: now.plus_ms(86_400_000),
        rescues: 0,
    })
}

fn chunk(numbers: std::ops::Range<usize>) -> CountedChunk {
    let events: Vec<Event> =
        numbers.map(|number| serde_json::from_str(&body(number, true)).unwrap()).collect();
    let marker = |event: &Event| Marker {
        key: EventKey { org: org(), id: event.event_id.clone() },
        ck: 1,
        arrived_at: Timestamp::from_ms(NOW_MS),
        booking: Booking::Forwarded,
    };
    let mut deltas = counters::deltas(&events, &BTreeMap::new());
    deltas.names.clear();
    CountedChunk {
        markers: events.iter().map(marker).collect(),
        deltas,
        dictionary_sizes: BTreeMap::new(),
    }
}

fn body(number: usize, friction: bool) -> String {
    let kind = if friction { "friction.abandon" } else { "ui.click" };
    let (id, now) = (id(number), Timestamp::from_ms(NOW_MS));
    let actor = number % 1_000;
    format!(
        r#"{{"schemaVersion":"1.0","eventId":"{id}","eventType":"{kind}","occurredAt":"{now}","orgId":"acme","productId":"athena","sessionId":"s1.1.{actor:026}","actorId":"u1.1.{actor:026}","traceComponent":"transparency","severity":4,"screen":"/orders/{{id}}/review","context":{{"aiConfidence":0.81,"feature":"search","userAction":"closed"}},"source":{{"service":"athena-api","version":"3.2.1","region":"eu-central-1"}},"recordedAt":"{now}","ck":"00000001"}}"#
    )
}

/// UUIDv7 as clients make them: in the order of time, random within a millisecond.
fn id(number: usize) -> EventId {
    let number = u64::try_from(number).unwrap();
    let ms = u64::try_from(NOW_MS).unwrap() + number / 20;
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (high, low) = (random >> 52, random & 0xffff_ffff_ffff);
    format!("{:08x}-{:04x}-7{high:03x}-8abc-{low:012x}", ms >> 16, ms & 0xffff).parse().unwrap()
}

fn org() -> OrgId {
    "acme".parse().unwrap()
}

/// 2026-02-11T08:00:00Z.
const NOW_MS: i64 = 1_770_796_800_000;
