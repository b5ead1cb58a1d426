//! Events, rows and batches for the laws.

use std::collections::BTreeSet;

use contract::{
    Event, EventId, OrgId, ProductId, Timestamp,
    change::{self, ChangeRecord},
    event::Consent,
    kinesis::sequence_order,
    ledger::OrgLedger,
    limits::STAGING_TTL_MS,
    staged::StagedEvent,
};
use domain::{
    admit::{self, Admission},
    batching::{self, BatchedEvent, NewBatch},
    counters,
};

use super::{ok, there};
use crate::{
    accounts::Accounts,
    clock::{Clock, SystemClock},
    delivery::{FormOutcome, Forming, Lease, Leases, ReadyBatch},
    ledger::{Booking, CountedChunk, EventKey, Ledger, Marker},
    staging::Staging,
    stream::{SourceRecord, StreamSource},
};

/// What kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Goes to the connector.
    Friction,
    /// Goes nowhere but into the counters.
    Click,
    /// Friction whose person keeps it to themselves.
    Private,
}

/// Now, in whole seconds: TTL attributes hold no more.
pub(super) fn now() -> Timestamp {
    let now = SystemClock.now();
    Timestamp::from_ms(now.ms() - now.ms().rem_euclid(1_000))
}

pub(super) fn org(name: &str) -> OrgId {
    there(OrgId::parse(name).ok(), "an organisation's name")
}

pub(super) fn id(number: usize) -> EventId {
    there(EventId::parse(format!("event.{number:04}")).ok(), "an event's id")
}

/// An event as a door would write it.
pub(super) fn event(org: &OrgId, number: usize, kind: Kind, at: Timestamp) -> Event {
    let (name, pillar) = match kind {
        Kind::Friction | Kind::Private => {
            ("friction.abandon", r#","traceComponent":"transparency""#)
        }
        Kind::Click => ("ui.click", r#","element":{"key":"save"}"#),
    };
    let id = id(number);
    let text = format!(
        r#"{{"eventId":"{id}","eventType":"{name}","occurredAt":"{at}","orgId":"{org}"{pillar},"screen":"/{}"}}"#,
        ["answers", "sources", "settings"].get(number % 3).unwrap_or(&"home")
    );
    let mut event: Event = there(serde_json::from_str(&text).ok(), "an event");
    if kind == Kind::Private {
        event.consent = Some(Consent { analytics: true, forward: false });
    }
    event.ck = Some(admit::ck_text(admit::ck(&event)));
    event.recorded_at = Some(at);
    assert_eq!(admit::admit(&event, at).err(), None, "the laws' own event is not admitted");
    event
}

pub(super) fn encoded(event: &Event) -> String {
    there(serde_json::to_string(event).ok(), "an encoded event")
}

/// The staging row of an event.
pub(super) fn row(event: &Event) -> StagedEvent {
    let at = there(event.recorded_at, "an arrival");
    StagedEvent {
        org_id: event.org_id.clone(),
        product_id: ProductId::default(),
        event_id: event.event_id.clone(),
        body: encoded(event),
        ck: admit::ck_of(event),
        occurred_at: event.occurred_at,
        staged_at: at,
        expires_at: at.plus_ms(STAGING_TTL_MS),
        rescues: 0,
    }
}

/// Rows of friction events, staged a second apart, the newest a minute ago.
pub(super) fn rows(org: &OrgId, numbers: impl IntoIterator<Item = usize>) -> Vec<StagedEvent> {
    let start = now().plus_ms(-3_600_000);
    let at = |number| start.plus_ms(i64::try_from(number).unwrap_or(0) * 1_000);
    numbers.into_iter().map(|number| row(&event(org, number, Kind::Friction, at(number)))).collect()
}

/// A batch of these events under the lease's number.
pub(super) fn batch(lease: &Lease, events: &[EventId]) -> NewBatch {
    named_batch(&lease.org, batching::sequence(lease.next_seq), events)
}

pub(super) fn named_batch(org: &OrgId, seq: String, events: &[EventId]) -> NewBatch {
    NewBatch {
        batch_id: format!("{org}-{seq}"),
        body: format!("{{\"batch\":\"{seq}\",\"bytes\":\"\u{e4}\"}}").into_bytes(),
        events: events
            .iter()
            .map(|id| BatchedEvent {
                event_id: id.clone(),
                connector_id: domain::pseudonym::connector_event_id(org, id),
            })
            .collect(),
        seq,
    }
}

pub(super) fn ids(rows: &[StagedEvent]) -> Vec<EventId> {
    rows.iter().map(|row| row.event_id.clone()).collect()
}

pub(super) async fn lease<W: Leases>(world: &W, org: &OrgId) -> Lease {
    let lease = ok(world.acquire(org, now(), now().plus_ms(600_000)).await);
    there(lease, "a lease that nobody holds")
}

/// Forms one batch of all these rows.
pub(super) async fn formed<W: Staging + Leases + Forming>(
    world: &W,
    rows: &[StagedEvent],
) -> (Lease, NewBatch) {
    ok(world.stage(rows).await);
    let lease = lease(world, &there(rows.first(), "a row").org_id).await;
    let batch = batch(&lease, &ids(rows));
    let outcome = ok(world.form(&lease, Some(batch.clone()), &[], now()).await);
    assert_eq!(outcome, FormOutcome::Formed);
    (lease, batch)
}

/// The lease as its holder knows it after one more batch.
pub(super) fn advanced(lease: &Lease) -> Lease {
    Lease { next_seq: lease.next_seq + 1, ..lease.clone() }
}

pub(super) fn batch_of(ready: Option<ReadyBatch>) -> Option<NewBatch> {
    ready.map(|ready| ready.batch)
}

/// Every record of every shard.
pub(super) async fn records<W: StreamSource>(world: &W) -> Vec<SourceRecord> {
    let mut all = Vec::new();
    for shard in ok(world.shards().await) {
        let records = ok(world.read(&shard, None, 10_000).await);
        for pair in records.windows(2) {
            if let [earlier, later] = pair {
                let order = sequence_order(&earlier.sequence, &later.sequence);
                assert!(order.is_lt(), "sequence numbers do not ascend within a shard");
            }
        }
        all.extend(records);
    }
    all
}

/// The rows that the stream tells were inserted, and those that were removed, each by whom.
pub(super) async fn changes<W: StreamSource>(world: &W) -> Vec<Told> {
    let mut told = Vec::new();
    for record in records(world).await {
        let Ok(text) = std::str::from_utf8(&record.data) else { continue };
        let Ok(change) = serde_json::from_str::<ChangeRecord<'_>>(text) else { continue };
        let row = |image: &Option<change::Image<'_>>| image.as_ref().and_then(change::row);
        match change.event_name.as_ref() {
            "INSERT" => told.extend(row(&change.dynamodb.new_image).map(Told::Inserted)),
            "REMOVE" if change.is_ttl_removal() => {
                told.extend(row(&change.dynamodb.old_image).map(Told::Expired));
            }
            "REMOVE" => told.extend(row(&change.dynamodb.old_image).map(Told::Removed)),
            other => panic!("a {other} of a staging row, which is never updated"),
        }
    }
    told
}

/// A change of staging that the stream told.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    Inserted(StagedEvent),
    Removed(StagedEvent),
    Expired(StagedEvent),
}

/// The transaction that counts these events, as a processor would compute it now.
pub(super) async fn chunk<W: Ledger>(world: &W, events: &[Event]) -> CountedChunk {
    let keys: BTreeSet<_> = events.iter().map(counters::dictionary_key).collect();
    let known = ok(world.dictionaries(&keys.into_iter().collect::<Vec<_>>()).await);
    CountedChunk {
        markers: events.iter().map(marker).collect(),
        deltas: counters::deltas(events, &known),
        dictionary_sizes: known.into_iter().map(|(key, names)| (key, names.len())).collect(),
    }
}

pub(super) fn key(event: &Event) -> EventKey {
    EventKey { org: event.org_id.clone(), id: event.event_id.clone() }
}

fn marker(event: &Event) -> Marker {
    let arrived_at = there(event.recorded_at, "an arrival");
    let booking = match admit::admit(event, arrived_at) {
        Ok(Admission::Forward) => Booking::Forwarded,
        Ok(Admission::Count) => Booking::Counted,
        Ok(Admission::Withhold) => Booking::Withheld,
        Ok(Admission::Suppress) => Booking::Suppressed,
        Err(fault) => panic!("the laws' own event is not admitted: {fault}"),
    };
    Marker { key: key(event), ck: admit::ck_of(event), arrived_at, booking }
}

/// The organisation's row of the ledger.
pub(super) async fn books<W: Accounts>(world: &W, org: &OrgId) -> OrgLedger {
    let report = ok(world.ledger(Some(org), now()).await);
    let row = report.orgs.into_iter().find(|row| row.org == org.as_str());
    row.unwrap_or_else(|| OrgLedger { org: org.to_string(), ..OrgLedger::default() })
}
