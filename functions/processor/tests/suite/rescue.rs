//! Change records of the staging table: what is new, what a batch took, what TTL took.

use contract::{
    Event, Timestamp,
    change::ChangeRecord,
    limits::{DAY_MS, HOUR_MS},
    staged::StagedEvent,
};
use domain::admit::{ck, ck_text};
use ports::{delivery::Forming, faulty::Fault, staging::Staging};
use serde_json::{Value, json};

use crate::world::{Records, World, event, now, org};

/// Scenarios 17 and 19: a duplicated insert, and an insert that comes behind its own removal.
#[tokio::test]
async fn change_records_in_any_order_and_number_count_once_and_bring_no_row_back() {
    let world = World::new().await;
    let row = row("e.1");
    let insert = encoded(&ChangeRecord::insert(&row, now()));
    let removal = encoded(&ChangeRecord::removal(&row, now()));
    let mut modified = serde_json::to_value(ChangeRecord::insert(&row, now())).unwrap();
    modified["eventName"] = json!("MODIFY");
    let modified = modified.to_string().into_bytes();
    world.finish(&Records::of(1, [&removal, &insert, &modified, &insert, &removal]).batch()).await;
    world.finish(&Records::of(6, [&insert]).batch()).await;
    assert_eq!(world.counted("acme").await, 1);
    assert_eq!(world.archived_ids().await.len(), 1);
    assert_eq!(world.reasons().await, []);
    assert!(staged(&world).await.is_empty());
}

/// Scenario 18.
#[tokio::test]
async fn the_precision_of_a_change_records_time_does_not_matter() {
    let world = World::new().await;
    let bodies = [
        ("e.s", json!(1_770_890_400), None),
        ("e.ms", json!(1_770_890_400_000_i64), Some("MILLISECOND")),
        ("e.ms2", json!(1_770_890_400_000_i64), None),
        ("e.us", json!(1_770_890_400_000_123_i64), Some("MICROSECOND")),
        ("e.us2", json!(1_770_890_400_000_123_i64), None),
    ]
    .map(|(id, at, precision)| {
        let row = row(id);
        let mut record = serde_json::to_value(ChangeRecord::insert(&row, now())).unwrap();
        record["dynamodb"]["ApproximateCreationDateTime"] = at;
        record["dynamodb"]["ApproximateCreationDateTimePrecision"] = json!(precision);
        record.to_string().into_bytes()
    });
    world.finish(&Records::of(1, bodies).batch()).await;
    assert_eq!(world.counted("acme").await, 5);
}

/// Scenario 20: TTL takes an event that no batch took.
#[tokio::test]
async fn a_row_that_ttl_took_goes_back_for_a_day_and_is_not_counted_again() {
    let world = World::new().await;
    let row = row("e.1");
    world.finish(&Records::of(1, [encoded(&ChangeRecord::insert(&row, now()))]).batch()).await;
    let removal = encoded(&ChangeRecord::ttl_removal(&row, now()));
    let records = Records::of(2, [&removal]);
    world.plan.arrange("staging.rescue", [Fault::Before]);
    assert_eq!(world.handle(&records.batch()).await.unwrap().as_deref(), Some("2"));
    assert!(staged(&world).await.is_empty());
    for _ in 0..2 {
        world.finish(&records.batch()).await;
        let expected = StagedEvent { rescues: 1, expires_at: now().plus_ms(DAY_MS), ..row.clone() };
        assert_eq!(staged(&world).await, [expected]);
    }
    assert_eq!(world.counted("acme").await, 1);
}

/// The body in the row is what counts: a change record without it is poison, and the shard goes on.
#[tokio::test]
async fn a_change_record_without_its_image_is_set_aside() {
    let world = World::new().await;
    let mut broken = serde_json::to_value(ChangeRecord::insert(&row("e.1"), now())).unwrap();
    broken["dynamodb"]["NewImage"].as_object_mut().unwrap().remove("body");
    let expired = json!({
        "eventName": "REMOVE",
        "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
        "dynamodb": {},
    });
    world.finish(&Records::of(1, [broken.to_string(), expired.to_string()]).batch()).await;
    let reason = |sequence: &str| ("invalid_change_record".to_owned(), sequence.to_owned());
    assert_eq!(world.reasons().await, [reason("1"), reason("2")]);
}

/// A row as a door stages it, recorded a minute ago.
fn row(id: &str) -> StagedEvent {
    let staged_at = now().plus_ms(-60_000);
    let friction = json!({
        "eventType": "friction.challenge", "traceComponent": "reasoning",
        "recordedAt": staged_at.to_string(),
    });
    let mut stored: Event = serde_json::from_slice(&event(id, friction)).unwrap();
    let ck = ck(&stored);
    stored.ck = Some(ck_text(ck));
    StagedEvent {
        org_id: stored.org_id.clone(),
        product_id: stored.product_id.clone(),
        event_id: stored.event_id.clone(),
        body: serde_json::to_string(&stored).unwrap(),
        ck,
        occurred_at: stored.occurred_at,
        staged_at,
        expires_at: Timestamp::from_ms((staged_at.ms() + DAY_MS) / 1_000 * 1_000),
        rescues: 0,
    }
}

fn encoded(record: &ChangeRecord<'_>) -> Vec<u8> {
    let mut record = serde_json::to_value(record).unwrap();
    // As AWS sends it: more fields, in another order.
    record["awsRegion"] = Value::from("eu-central-1");
    record["recordFormat"] = Value::from("application/json");
    record.to_string().into_bytes()
}

async fn staged(world: &World) -> Vec<StagedEvent> {
    assert!(world.store.organisations().await.unwrap().len() <= 1);
    world.store.staged(&org("acme"), now().plus_ms(HOUR_MS), 10).await.unwrap()
}
