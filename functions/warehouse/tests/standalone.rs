//! The sink beside an embedded store: what the stream and the bus bring arrives, whatever the warehouse does meanwhile.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use contract::{OrgId, Timestamp};
use embedded::{Options, Store};
use ports::{
    PortError, PortResult,
    bus::{Announcement, AnnouncementKind, Bus as _},
    clock::SystemClock,
    stream::{EventStream as _, StreamRecord},
    warehouse::{Inserted, Table, Warehouse},
};
use serde_json::{Value, json};
use tokio::sync::watch;
use warehouse::{
    Sink,
    standalone::{self, CONSUMER, Pace},
};

/// Ids of rows by table; it is away for the first so many inserts.
#[derive(Debug, Clone, Default)]
struct Held {
    ids: Arc<Mutex<BTreeSet<(Table, String)>>>,
    away: Arc<AtomicUsize>,
}

impl Warehouse for Held {
    async fn insert(&self, table: Table, rows: &[String]) -> PortResult<Inserted> {
        if self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
        {
            return Err(PortError::transient("warehouse.insert", "away"));
        }
        for row in rows {
            let row: Value = serde_json::from_str(row).unwrap();
            let id =
                ["event_id", "incident_id", "session_id"].iter().find_map(|id| row[id].as_str());
            self.ids.lock().unwrap().insert((table, id.unwrap().to_owned()));
        }
        Ok(Inserted::Stored)
    }
}

const PACE: Pace = Pace { batch: 7, window_ms: 50, backoff_min_ms: 1, backoff_max_ms: 5 };

/// Feeds until `done`.
async fn feed(world: &Store, held: &Held, done: impl Fn(&Held) -> bool) {
    let sink = Arc::new(Sink::new(held.clone(), world.clone(), SystemClock));
    let (stop, stopping) = watch::channel(false);
    let feeding = tokio::spawn(standalone::feed(sink, world.clone(), PACE, stopping));
    while !done(held) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send_replace(true);
    feeding.await.unwrap();
}

async fn append(world: &Store, ids: std::ops::Range<usize>) {
    let now = ports::clock::Clock::now(&SystemClock).to_string();
    let record = |id: usize| StreamRecord {
        partition_key: id.to_string(),
        data: json!({
            "eventId": format!("e{id}"), "eventType": "ui.navigation", "occurredAt": now,
            "orgId": "acme", "screen": "/home", "recordedAt": now,
        })
        .to_string()
        .into_bytes(),
    };
    let records: Vec<_> = ids.map(record).collect();
    world.append(&records).await.unwrap();
}

async fn announce(world: &Store, ids: std::ops::Range<usize>) {
    let fact = |id: usize| {
        json!({ "revision": 1, "incident": {
            "incidentId": format!("i{id}"), "rule": "rage_click", "rulesVersion": 1, "thresholds": {},
            "orgId": "acme", "productId": "default", "sessionId": format!("s_{:032x}", id),
            "startedAt": "2026-01-01T00:00:00Z", "endedAt": "2026-01-01T00:00:01Z", "confidence": "high",
            "count": 3, "eventIds": ["e1"],
        }})
    };
    let told: Vec<_> = ids
        .map(|id| Announcement {
            id: format!("incident:i{id}:1"),
            kind: AnnouncementKind::Incident(contract::incident::Rule::RageClick),
            org: OrgId::parse("acme").unwrap(),
            at: Timestamp::from_ms(0),
            detail: Some(fact(id).to_string()),
        })
        .collect();
    world.publish(&told).await.unwrap();
}

fn count(held: &Held, table: Table) -> usize {
    held.ids.lock().unwrap().iter().filter(|(own, _)| *own == table).count()
}

#[tokio::test]
async fn a_warehouse_that_is_away_for_long_has_everything_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let world = Store::open(dir.path(), Options { shards: 3, ..Options::default() }).unwrap();
    append(&world, 0..40).await;
    announce(&world, 0..20).await;
    let behind = world.backlog(CONSUMER).await.unwrap();
    assert_eq!((behind.records, behind.announcements), (40, 20));
    let held = Held { away: Arc::new(AtomicUsize::new(30)), ..Held::default() };
    feed(&world, &held, |held| {
        count(held, Table::Events) == 40 && count(held, Table::Incidents) == 20
    })
    .await;
    assert_eq!(world.backlog(CONSUMER).await.unwrap(), embedded::Backlog::default());
}

#[tokio::test]
async fn it_goes_on_where_it_was_and_begins_again_when_it_was_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let world = Store::open(dir.path(), Options { shards: 2, ..Options::default() }).unwrap();
    append(&world, 0..9).await;
    announce(&world, 0..9).await;
    let all = |held: &Held| held.ids.lock().unwrap().len() == 18;
    feed(&world, &Held::default(), all).await;
    append(&world, 9..12).await;
    announce(&world, 9..12).await;
    let second = Held::default();
    feed(&world, &second, |held| held.ids.lock().unwrap().len() == 6).await;
    assert!(second.ids.lock().unwrap().contains(&(Table::Events, "e9".to_owned())));
    assert!(world.knows_consumer(CONSUMER).await.unwrap());
    assert!(world.forget_consumer(CONSUMER).await.unwrap());
    assert!(!world.knows_consumer(CONSUMER).await.unwrap());
    assert!(!world.forget_consumer(CONSUMER).await.unwrap());
    feed(&world, &Held::default(), |held| held.ids.lock().unwrap().len() == 24).await;
}
