//! Events, and counting them as a processor does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use aws::Cloud;
use contract::{Event, EventId, OrgId, Timestamp, limits::HOUR_MS};
use domain::{
    admit,
    counters::{self, Cell, Count},
    event_id,
};
use ports::{
    PortResult,
    accounts::Accounts,
    ledger::{Booking, CommitOutcome, CountedChunk, EventKey, Ledger, Marker},
};
use serde_json::json;

/// Some hours ago, and the same all through a test.
pub(crate) fn base() -> Timestamp {
    static BASE: LazyLock<Timestamp> =
        LazyLock::new(|| standin::now().hour().plus_ms(-3 * HOUR_MS));
    *BASE
}

pub(crate) fn acme() -> OrgId {
    "acme".parse().unwrap()
}

/// An id that tells its time.
pub(crate) fn timed(ms_after_base: i64, number: u64) -> EventId {
    let mut entropy = [0; 16];
    entropy[8..].copy_from_slice(&number.to_be_bytes());
    event_id::v7(base().plus_ms(ms_after_base), entropy)
}

pub(crate) fn plain(number: u64) -> EventId {
    format!("order.{number}").parse().unwrap()
}

pub(crate) fn event(org: &OrgId, id: EventId, screen: &str) -> Event {
    let mut event: Event = serde_json::from_value(json!({
        "eventId": id, "eventType": "ui.click", "occurredAt": base(), "orgId": org, "severity": 2,
        "screen": screen, "element": {"key": "save"}, "recordedAt": base(),
    }))
    .unwrap();
    event.ck = Some(admit::ck_text(admit::ck(&event)));
    event
}

pub(crate) fn key(event: &Event) -> EventKey {
    EventKey { org: event.org_id.clone(), id: event.event_id.clone() }
}

/// The transaction that counts these events, as a processor would compute it now.
pub(crate) async fn chunk(world: &Cloud, events: &[Event]) -> PortResult<CountedChunk> {
    let keys: BTreeSet<_> = events.iter().map(counters::dictionary_key).collect();
    let known = world.dictionaries(&keys.into_iter().collect::<Vec<_>>()).await?;
    let marker = |event: &Event| Marker {
        key: key(event),
        ck: admit::ck_of(event),
        arrived_at: event.recorded_at.unwrap(),
        booking: Booking::Counted,
    };
    Ok(CountedChunk {
        markers: events.iter().map(marker).collect(),
        deltas: counters::deltas(events, &known),
        dictionary_sizes: known.into_iter().map(|(key, names)| (key, names.len())).collect(),
    })
}

/// What became of counting.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) commits: usize,
    pub(crate) stale: usize,
    pub(crate) too_large: usize,
}

/// Counts events until they are counted, whoever counts them.
pub(crate) async fn count(world: &Cloud, events: &[Event]) -> PortResult<Tally> {
    let mut tally = Tally::default();
    let mut pending = vec![events.to_vec()];
    while let Some(events) = pending.pop() {
        let keys: Vec<_> = events.iter().map(key).collect();
        let known = world.known(&keys).await?;
        let fresh = events.into_iter().zip(known).filter(|(_, ck)| ck.is_none());
        let fresh: Vec<Event> = fresh.map(|(event, _)| event).collect();
        if fresh.is_empty() {
            continue;
        }
        match world.commit(chunk(world, &fresh).await?).await? {
            CommitOutcome::Committed => tally.commits += 1,
            CommitOutcome::Stale => {
                tally.stale += 1;
                pending.push(fresh);
            }
            CommitOutcome::TooLarge => {
                tally.too_large += 1;
                let (left, right) = fresh.split_at(fresh.len() / 2);
                pending.extend([right.to_vec(), left.to_vec()]);
            }
        }
    }
    Ok(tally)
}

/// What is counted of `org`, by whom ever.
pub(crate) async fn counted(world: &Cloud, org: &OrgId) -> BTreeMap<Cell, Count> {
    let (from, to) = (base().plus_ms(-HOUR_MS), base().plus_ms(2 * HOUR_MS));
    world.counters(Some(org), from, to).await.unwrap().into_iter().collect()
}

/// What these events add, each once.
pub(crate) fn expected<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeMap<Cell, Count> {
    counters::deltas(events, &BTreeMap::new()).counts
}

/// What the books say was accepted of `org`.
pub(crate) async fn accepted(world: &Cloud, org: &OrgId) -> u64 {
    let report = world.ledger(Some(org), standin::now()).await.unwrap();
    report.orgs.first().map_or(0, |row| row.accepted)
}
