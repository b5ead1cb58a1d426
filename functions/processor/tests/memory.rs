//! A payload of the largest size with every tenth record poison: one invocation, bounded memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use contract::{
    Code, OrgId, Timestamp,
    kinesis::RecordBatch,
    limits::{HOUR_MS, PAYLOAD_BYTES_MAX},
};
use embedded::{Durability, Options, Store};
use peak_alloc::PeakAlloc;
use ports::{
    accounts::Accounts,
    archive::Quarantine,
    clock::{Clock, SystemClock},
    keys::PseudonymKeys,
};
use processor::{Invocation, Processor};

/// Counts what Rust allocates, the store's copies included; SQLite's own pages are not seen.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

#[tokio::test]
async fn six_megabytes_with_every_tenth_record_poison_end_in_one_invocation_and_64_mib() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Relaxed, ..Options::default() };
    let store = Store::open(directory.path(), options).unwrap();
    store.create_keys_if_absent().unwrap();
    let processor = Processor::new(store.clone(), SystemClock);
    let now = SystemClock.now();
    let (payload, poison) = payload(now);

    HEAP.reset_peak_usage();
    let answer = processor.handle_payload(&payload, &Invocation::default()).await.unwrap();
    let peak_mib = HEAP.peak_usage_as_mb();
    assert_eq!(answer, r#"{"batchItemFailures":[]}"#);
    println!("peak heap: {peak_mib:.1} MiB for {} records", poison.len() * 10);
    assert!(peak_mib <= 64.0, "{peak_mib} MiB");

    let batch: RecordBatch = serde_json::from_str(&payload).unwrap();
    let org: OrgId = "acme".parse().unwrap();
    let (from, to) = (now.plus_ms(-2 * HOUR_MS), now.plus_ms(HOUR_MS));
    let cells = store.counters(Some(&org), from, to).await.unwrap();
    let counted: u64 = cells
        .iter()
        .filter(|(cell, _)| cell.product.is_none())
        .map(|(_, count)| count.events)
        .sum();
    assert_eq!(usize::try_from(counted).unwrap(), batch.records.len() - poison.len());

    let mut held = store.held(None, from, to).await.unwrap();
    held.extend(store.held(Some(&org), from, to).await.unwrap());
    assert_eq!(held.len(), poison.len());
    let key = store.seal_key().await.unwrap();
    for (at, code) in poison {
        let record = &batch.records[at];
        let one = held.iter().find(|one| one.sequence == record.sequence).unwrap();
        assert_eq!(one.reason, code);
        let context = format!("shardId-000000000006/{}", record.sequence);
        assert_eq!(key.open(&context, &one.sealed).unwrap(), batch.bytes(record));
    }
}

/// As many records as fit, with the places of the poison among them and its reasons.
fn payload(now: Timestamp) -> (String, Vec<(usize, Code)>) {
    let mut payload = r#"{"Records":["#.to_owned();
    let mut poison = Vec::new();
    for n in 0.. {
        let (data, code) = record(n, now);
        let mut one = String::new();
        let (seconds, ms) = (now.ms() / 1_000, now.ms() % 1_000);
        write!(
            one,
            r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"6f1c2b3a9d8e7f60","sequenceNumber":"4959033827149025660855969253836157109592157{n:013}","data":{data},"approximateArrivalTimestamp":{seconds}.{ms:03}}},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:4959033827149025660855969253836157109592157{n:013}","eventName":"aws:kinesis:record","awsRegion":"eu-central-1","eventSourceARN":"arn:aws:kinesis:eu-central-1:000000000000:stream/eu-friction-stream"}}"#
        )
        .unwrap();
        // Full to the last ten records, so that every tenth is poison to the end.
        if n % 10 == 0 && payload.len() + 12 * one.len() > PAYLOAD_BYTES_MAX {
            break;
        }
        if n > 0 {
            payload.push(',');
        }
        payload.push_str(&one);
        poison.extend(code.map(|code| (n, code)));
    }
    payload.push_str("]}");
    (payload, poison)
}

/// An event of the usual size, or, every tenth time, one of four kinds of poison.
fn record(n: usize, now: Timestamp) -> (String, Option<Code>) {
    let event = format!(
        r#"{{"schemaVersion":"1.0","eventId":"order.{n}","eventType":"ui.click","occurredAt":"{now}","orgId":"acme","productId":"shop","sessionId":"s1.3.{n:08}000000000000000000","actorId":"u1.3.{n:08}000000000000000000","severity":1,"screen":"/orders/{{id}}/items/{{id}}","element":{{"key":"button.checkout.{}","kind":"button","x":312,"y":871}},"context":{{"feature":"checkout","appVersion":"4.12.0","browser":"firefox","os":"linux","deviceType":"desktop"}},"assignment":{{"experimentId":"checkout-2026","variantId":"{}","assignedAt":"{now}"}},"source":{{"service":"shop-web","version":"4.12.0","region":"eu-central-1"}},"recordedAt":"{now}"}}"#,
        n % 40,
        n % 3
    );
    let encoded = |bytes: &[u8]| format!("\"{}\"", STANDARD.encode(bytes));
    match n % 40 {
        5 => (encoded(&event.as_bytes()[..event.len() / 2]), Some(Code::InvalidJson)),
        15 => (
            encoded(event.replace("ui.click", "ui.unheard").as_bytes()),
            Some(Code::UnknownEventType),
        ),
        25 => (format!("\"%{}\"", STANDARD.encode(&event)), Some(Code::InvalidBase64)),
        35 => (encoded(event.replace("u1.3.", "anna.").as_bytes()), Some(Code::RawIdentifier)),
        _ => (encoded(event.as_bytes()), None),
    }
}
