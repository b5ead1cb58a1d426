//! A bad record costs itself alone: it lies in quarantine, sealed, with its reason, and the batch goes on.

use contract::{
    Code,
    staged::{Bytes, SealedRecord},
};
use ports::{faulty::Fault, keys::PseudonymKeys};
use processor::{BatchError, Invocation};
use serde_json::json;

use crate::world::{Records, World, event, events, now, org};

/// Scenario 1.
#[tokio::test]
async fn one_malformed_record_of_a_hundred_is_set_aside_with_its_bytes() {
    let world = World::new().await;
    let mut bodies = events(100);
    bodies[2] = b"{\"eventId\":\"anna@example.org\"".to_vec();
    world.finish(&Records::of(1, bodies).batch()).await;
    assert_eq!(world.counted("acme").await, 99);
    assert_eq!(world.archived().await.len(), 99);
    let held = world.quarantined().await;
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].reason, held[0].sequence.as_str()), (Code::InvalidJson, "3"));
    assert_eq!(held[0].arrived_at, now());
    let key = world.store.seal_key().await.unwrap();
    let bytes = key.open("shardId-000000000000/3", &held[0].sealed).unwrap();
    assert_eq!(bytes, b"{\"eventId\":\"anna@example.org\"");
}

/// Scenario 2.
#[tokio::test]
async fn poison_that_cannot_be_written_away_is_left_for_the_next_delivery() {
    let world = World::new().await;
    let mut bodies = events(100);
    bodies[2] = b"{".to_vec();
    let records = Records::of(1, bodies);
    world.plan.arrange("quarantine.hold", [Fault::Before]);
    assert_eq!(world.handle(&records.batch()).await.unwrap().as_deref(), Some("3"));
    assert_eq!(world.archived().await.len(), 2, "exactly what was acknowledged");
    world.finish(&records.from("3").batch()).await;
    assert_eq!(world.counted("acme").await, 99);
    assert_eq!(world.archived().await.len(), 99);
    assert_eq!(world.reasons().await.len(), 1);
}

/// Scenario 3: a typed event would fail the whole batch for any of these.
#[tokio::test]
async fn data_that_is_null_or_no_base64_costs_that_record() {
    let world = World::new().await;
    let mut records = Records::of(1, events(20));
    for (place, data) in [(4, "null"), (5, r#""%%%""#), (6, "7"), (7, r#"{"a":1}"#)] {
        records.0[place].data = data.to_owned();
    }
    world.finish(&records.batch()).await;
    assert_eq!(world.counted("acme").await, 16);
    let held = world.quarantined().await;
    assert_eq!(held.len(), 4);
    assert!(held.iter().all(|one| one.reason == Code::InvalidBase64));
    let key = world.store.seal_key().await.unwrap();
    assert_eq!(key.open("shardId-000000000000/6", &held[1].sealed).unwrap(), b"%%%");
}

/// Scenario 16.
#[tokio::test]
async fn a_late_event_is_set_aside_and_ends_there_when_a_door_had_taken_it() {
    let world = World::new().await;
    let late = json!({"occurredAt": "2025-12-01T00:00:00Z"});
    let stored = json!({"occurredAt": "2025-12-01T00:00:00Z", "recordedAt": now().to_string()});
    world.finish(&Records::of(1, [event("e.1", late), event("e.2", stored)]).batch()).await;
    assert_eq!(world.counted("acme").await, 0);
    let held = world.quarantined().await;
    assert!(held.iter().all(|one| one.reason == Code::Late && one.org == Some(org("acme"))));
    let terminal: Vec<_> =
        held.iter().map(|one| (one.event_id.as_ref().unwrap().as_str(), one.terminal)).collect();
    assert_eq!(terminal, [("e.1", false), ("e.2", true)]);
}

/// Scenario 51.
#[tokio::test]
async fn a_record_of_the_producer_library_is_set_aside_as_a_whole() {
    let world = World::new().await;
    let packed = b"\xF3\x89\x9A\xC2\x0a\x01p\x1a\x05\x08\x00\x1a\x01x0123456789abcdef";
    world.finish(&Records::of(1, [&packed[..], &event("e.1", json!({}))]).batch()).await;
    assert_eq!(world.reasons().await, [("kpl_aggregated".to_owned(), "1".to_owned())]);
    assert_eq!(world.counted("acme").await, 1);
}

/// Scenario 38.
#[tokio::test]
async fn a_batch_that_is_mostly_poison_fails_whole_and_a_redrive_ends_it() {
    let world = World::new().await;
    let mut bodies = events(40);
    for body in &mut bodies[..24] {
        *body = b"{".to_vec();
    }
    let records = Records::of(1, bodies);
    let failed = world.handle(&records.batch()).await.unwrap_err();
    assert!(matches!(failed, BatchError::Systemic { poison: 24, records: 40 }), "{failed}");
    assert_eq!(world.reasons().await, []);
    assert_eq!(world.counted("acme").await, 0);
    assert!(world.objects().await.is_empty());

    let document = json!({"payload": records.payload("shardId-000000000000")}).to_string();
    let answer = world.processor.redrive(&document).await.unwrap();
    assert!(answer.batch_item_failures.is_empty());
    assert_eq!(world.reasons().await.len(), 24);
    assert_eq!(world.counted("acme").await, 16);
}

#[tokio::test]
async fn a_batch_of_nothing_but_poison_fails_and_its_redrive_quarantines_it() {
    let world = World::new().await;
    let records = Records::of(1, (0..250).map(|n| format!("poison {n}")));
    assert!(world.handle(&records.batch()).await.is_err());
    assert_eq!(world.reasons().await, []);
    let forced = Invocation { force_quarantine: true, ..Invocation::default() };
    for _ in 0..2 {
        assert_eq!(world.run(&records.batch(), &forced).await.unwrap(), None);
        assert_eq!(world.reasons().await.len(), 250);
    }
    let key = world.store.seal_key().await.unwrap();
    let held = world.quarantined().await;
    let last = held.iter().find(|one| one.sequence == "250").unwrap();
    assert_eq!(key.open("shardId-000000000000/250", &last.sealed).unwrap(), b"poison 249");
}

#[tokio::test]
async fn what_a_door_sealed_and_what_came_late_is_no_bad_deploy() {
    let world = World::new().await;
    let late =
        (0..15).map(|n| event(&format!("late.{n}"), json!({"occurredAt": "2025-12-01T00:00:00Z"})));
    let sealed = (0..15).map(|n| sealed(&format!("sealed.{n}")));
    let bodies: Vec<Vec<u8>> = late.chain(sealed).chain(events(2)).collect();
    world.finish(&Records::of(1, bodies).batch()).await;
    assert_eq!(world.reasons().await.len(), 30);
    assert_eq!(world.counted("acme").await, 2);
}

#[tokio::test]
async fn a_sealed_record_is_set_aside_as_its_door_sealed_it() {
    let world = World::new().await;
    world.finish(&Records::of(1, [sealed("e.1")]).batch()).await;
    let held = world.quarantined().await;
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].reason, held[0].terminal), (Code::UnknownEventType, true));
    assert_eq!(
        (&held[0].org, held[0].event_id.as_ref().unwrap().as_str()),
        (&Some(org("acme")), "e.1")
    );
    assert_eq!(held[0].sealed, [1, 2, 3]);
}

#[tokio::test]
async fn an_identifier_behind_the_door_is_not_counted() {
    let world = World::new().await;
    let bodies = [event("e.1", json!({"actorId": "anna@example.org"})), event("e.2", json!({}))];
    world.finish(&Records::of(1, bodies).batch()).await;
    let held = world.quarantined().await;
    assert_eq!((held[0].reason, held[0].path.as_deref()), (Code::RawIdentifier, Some("/actorId")));
    assert!(!format!("{held:?}").contains("anna"));
    assert_eq!(world.archived_ids().await.len(), 1);
}

fn sealed(id: &str) -> Vec<u8> {
    let record = SealedRecord {
        org_id: org("acme"),
        event_id: id.parse().unwrap(),
        reason: Code::UnknownEventType,
        ck: "0000002a".to_owned(),
        recorded_at: now(),
        sealed: Bytes(vec![1, 2, 3]),
    };
    serde_json::to_vec(&record).unwrap()
}
