//! One event's way, station by station.

use std::io::Write as _;

use contract::{Code, EventId, Timestamp};
use domain::{
    archive::{self, Archived},
    batching::sequence,
};
use flate2::{Compression, write::GzEncoder};
use ports::{
    accounts::Accounts as _,
    archive::{Archive as _, Quarantine as _, Quarantined},
    delivery::{FormOutcome, Outbox as _, ParkedEvent, Parking as _, SettleOutcome, Settlement},
    staging::Staging as _,
};
use uuid::Uuid;

use crate::support::{Rig, acme, batch, event, id, now, row, rows};

async fn way(rig: &Rig, id: &EventId) -> (String, Vec<String>) {
    let mut found = rig.cloud.whereabouts(id, Some(&acme())).await.unwrap();
    let place = found.pop().unwrap();
    assert!(found.is_empty());
    assert!(place.stations.is_sorted_by_key(|station| station.at));
    let stations = place.stations.into_iter();
    (
        place.state,
        stations
            .map(|station| format!("{} {}", station.station, station.detail).trim().to_owned())
            .collect(),
    )
}

fn parked(id: &EventId) -> ParkedEvent {
    ParkedEvent {
        event_id: id.clone(),
        reason: Code::ConnectorRejected,
        detail: String::new(),
        body: b"{}".to_vec(),
    }
}

#[test]
fn an_event_that_was_parked_and_put_into_a_new_batch_is_found_there() {
    standin::run(async {
        let rig = Rig::open().await;
        let staged = rows(1..3);
        let (lease, first) = rig.formed(&staged).await;
        let (seq, one) = (first.seq.as_str(), id(1));
        assert_eq!(way(&rig, &one).await, ("batched".to_owned(), vec![format!("formed {seq}")]));
        let settlement = Settlement::Partial {
            delivered: vec![id(2)],
            parked: vec![parked(&one)],
            remainder: None,
            enrichment: vec![(id(2), r#"{"a":1}"#.to_owned())],
        };
        let settled = rig.cloud.settle(&lease, seq, settlement, now()).await.unwrap();
        assert_eq!(settled, SettleOutcome::Settled);
        let (state, stations) = way(&rig, &id(2)).await;
        assert_eq!(state, "delivered");
        let expected =
            [format!("formed {seq}"), format!("delivered {seq}"), r#"enriched {"a":1}"#.to_owned()];
        assert_eq!(stations, expected);
        let (state, stations) = way(&rig, &one).await;
        assert_eq!(state, "parked");
        assert_eq!(stations, [format!("formed {seq}"), "parked connector_rejected".to_owned()]);
        // Its marker still names the batch that it was parked from.
        let again = batch(&sequence(lease.next_seq), [one.clone()]);
        let unparked = rig.cloud.unpark(&lease, again.clone(), now()).await.unwrap();
        assert_eq!(unparked, FormOutcome::Formed);
        assert_eq!(way(&rig, &one).await.0, "batched");
        let lease = ports::delivery::Lease { next_seq: lease.next_seq + 1, ..lease };
        let delivered = Settlement::Delivered { confirmed: false, enrichment: Vec::new() };
        rig.cloud.settle(&lease, &again.seq, delivered, now()).await.unwrap();
        let (state, stations) = way(&rig, &one).await;
        assert_eq!(state, "delivered");
        assert_eq!(stations[1], format!("delivered {} unconfirmed", again.seq));
    });
}

#[test]
fn an_event_in_a_part_of_a_split_batch_is_found() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, whole) = rig.formed(&rows(1..3)).await;
        let part = |number: usize| batch(&format!("{}.{}", whole.seq, number - 1), [id(number)]);
        let split = Settlement::Split(vec![part(1), part(2)]);
        rig.cloud.settle(&lease, &whole.seq, split, now()).await.unwrap();
        let (state, stations) = way(&rig, &id(2)).await;
        assert_eq!(
            (state.as_str(), stations),
            ("batched", vec![format!("formed {}.1", whole.seq)])
        );
    });
}

#[test]
fn an_event_that_was_set_aside_is_found_with_the_reason() {
    standin::run(async {
        let rig = Rig::open().await;
        let record = Quarantined {
            shard: "shardId-000000000000".to_owned(),
            sequence: "7".to_owned(),
            arrived_at: now().plus_ms(-60_000),
            reason: Code::Late,
            path: None,
            org: Some(acme()),
            event_id: Some(id(1)),
            terminal: true,
            sealed: vec![1],
        };
        rig.cloud.hold(&[record]).await.unwrap();
        let (state, stations) = way(&rig, &id(1)).await;
        assert_eq!(state, "quarantined");
        assert_eq!(stations, ["quarantined late shardId-000000000000:7"]);
        // It is on its way all the same when the batcher can read it.
        rig.cloud.stage(&[row(&id(1), now())]).await.unwrap();
        assert_eq!(way(&rig, &id(1)).await.0, "pending");
    });
}

async fn archived(rig: &Rig, id: &EventId, arrived_at: Timestamp) -> String {
    let mut lines = Vec::new();
    let events = [Archived { event: event(id, arrived_at), sequence: "42", arrived_at }];
    let key = archive::render(&mut lines, "s", events).remove(0).key;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&lines).unwrap();
    rig.cloud.write(&key, &gzip.finish().unwrap()).await.unwrap();
    key
}

#[test]
fn an_event_that_only_the_archive_remembers_is_found_by_the_time_in_its_id() {
    standin::run(async {
        let rig = Rig::open().await;
        let id = EventId::parse(Uuid::now_v7().to_string()).unwrap();
        assert_eq!(rig.cloud.whereabouts(&id, None).await.unwrap(), []);
        let key = archived(&rig, &id, now()).await;
        for org in [None, Some(acme())] {
            let found = rig.cloud.whereabouts(&id, org.as_ref()).await.unwrap();
            assert_eq!((found.len(), found[0].org.as_str()), (1, "acme"));
            assert_eq!(found[0].state, "counted");
            assert_eq!(found[0].stations[0].detail, key);
        }
        let globex = "globex".parse().unwrap();
        assert_eq!(rig.cloud.whereabouts(&id, Some(&globex)).await.unwrap(), []);
    });
}

#[test]
fn a_counted_event_is_found_in_the_archive_beside_its_other_stations() {
    standin::run(async {
        let rig = Rig::open().await;
        let staged = rows(1..2);
        rig.cloud.stage(&staged).await.unwrap();
        rig.count(&staged).await;
        let key = archived(&rig, &id(1), staged[0].staged_at.plus_ms(2_000)).await;
        let (state, stations) = way(&rig, &id(1)).await;
        assert_eq!(state, "pending");
        assert_eq!(
            stations,
            ["accepted".to_owned(), "staged".into(), "counted".into(), format!("archived {key}")]
        );
    });
}

#[test]
fn an_object_that_is_none_hides_nothing() {
    standin::run(async {
        let rig = Rig::open().await;
        let staged = rows(1..2);
        rig.cloud.stage(&staged).await.unwrap();
        rig.count(&staged).await;
        let prefix = archive::hour_prefix(staged[0].staged_at);
        rig.cloud.write(&format!("{prefix}junk"), b"junk").await.unwrap();
        assert_eq!(way(&rig, &id(1)).await.0, "pending");
    });
}
