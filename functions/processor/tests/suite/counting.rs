//! Counted exactly once, whatever comes twice, late or in other company.

use contract::{
    Event, EventId, Timestamp,
    collision::EventStruck,
    limits::{CHUNK_EVENTS_MAX, DAY_MS, HOUR_MS},
};
use domain::{admit, intake::collided};
use ports::{
    bus::AnnouncementKind,
    faulty::{Fault, FaultPlan},
    sessions::Heads as _,
};
use processor::{Invocation, Processor};
use proptest::prelude::*;
use serde_json::json;

use crate::world::{Fixed, Records, World, event, events, now, org};

/// Scenario 4: crash after the commit, before the answer.
#[tokio::test]
async fn a_batch_delivered_again_counts_nothing_and_writes_the_same_objects() {
    let world = World::new().await;
    let batch = Records::of(1, events(20)).batch();
    world.finish(&batch).await;
    let (cells, objects) = (world.cells("acme").await, world.objects().await);
    assert_eq!(cells["all"], 20);
    assert_eq!(objects.len(), 1);
    world.finish(&batch).await;
    assert_eq!(world.cells("acme").await, cells);
    assert_eq!(world.objects().await, objects);
}

/// Scenario 7.
#[tokio::test]
async fn one_id_twice_in_a_batch_is_counted_once_and_kept_twice() {
    let world = World::new().await;
    let one = event("e.1", json!({}));
    world.finish(&Records::of(1, [&one, &one, &event("e.2", json!({}))]).batch()).await;
    assert_eq!(world.counted("acme").await, 2);
    assert_eq!(world.archived().await.len(), 3);
    assert_eq!(world.reasons().await, []);
}

/// Scenario 8: whoever comes second finds the ledger moved, reads again and drops what is known.
#[tokio::test]
async fn two_shards_with_the_same_events_at_once_count_them_once() {
    let world = World::failing(FaultPlan::none().stepwise()).await;
    let other =
        Processor::new(ports::faulty::Faulty::new(world.store.clone(), world.plan.clone()), Fixed);
    let left = Records::of(1, events(30)).on("shardId-000000000001");
    let right = Records::of(1, (10..40).map(|n| event(&format!("e.{n}"), json!({}))))
        .on("shardId-000000000002");
    let invocation = Invocation::default();
    let (a, b) =
        tokio::join!(world.processor.handle(&left, &invocation), other.handle(&right, &invocation));
    assert!(a.unwrap().batch_item_failures.is_empty());
    assert!(b.unwrap().batch_item_failures.is_empty());
    assert_eq!(world.counted("acme").await, 40);
    assert_eq!(world.plan.calls("ledger.commit"), 3, "one of them was stale");
    assert_eq!(world.archived().await.len(), 60);
    assert_eq!(world.archived_ids().await.len(), 40);
}

/// Scenario 9, in one batch and over two.
#[tokio::test]
async fn one_id_with_another_body_is_set_aside_and_the_first_stays() {
    let world = World::new().await;
    let (first, second) =
        (event("e.1", json!({"severity": 1})), event("e.1", json!({"severity": 2})));
    world.finish(&Records::of(1, [&first, &second, &first]).batch()).await;
    world.finish(&Records::of(4, [&second, &first]).batch()).await;
    assert_eq!(world.counted("acme").await, 1);
    let collision = |sequence: &str| ("id_collision".to_owned(), sequence.to_owned());
    assert_eq!(world.reasons().await, [collision("2"), collision("4")]);
    assert!(world.quarantined().await.iter().all(|held| !held.terminal));
    let archived = world.archived().await;
    assert_eq!(archived.len(), 3);
    assert!(archived.iter().all(|event| event.severity == Some(1)));
}

/// Who keeps sessions reads the stream as well, and may come to a record earlier or later than the processor does.
#[tokio::test]
async fn what_is_set_aside_for_its_id_is_in_nobodys_sessions() {
    let world = World::new().await;
    let body =
        |actor: &str, severity: i64| event("e.1", json!({"actorId": actor, "severity": severity}));
    let (anna, ben) = ("u1.1.00000000000000000000000010", "u1.1.00000000000000000000000020");
    let (first, changed, of_ben) = (body(anna, 1), body(anna, 2), body(ben, 1));
    world.log([&first, &changed]).await;
    let records = Records::of(1, [&first, &changed, &of_ben]);
    world.plan.arrange("strikes.strike", [Fault::Before, Fault::After]);
    world.plan.arrange("bus.publish", [Fault::Before]);
    for _ in 0..3 {
        let resume = world.handle(&records.batch()).await.unwrap();
        assert_eq!(resume.as_deref(), Some("2"), "what is not struck out comes again");
    }
    world.finish(&records.batch()).await;
    world.log([&of_ben, &changed]).await;
    assert_eq!(world.logged(anna).await, [Some(1)]);
    assert_eq!(world.logged(ben).await, []);
    let announced = world.store.announcements(0, 100).await.unwrap();
    let details: Vec<EventStruck> = announced
        .iter()
        .filter(|(_, told)| told.kind == AnnouncementKind::EventStruck)
        .map(|(_, told)| serde_json::from_str(told.detail.as_ref().unwrap()).unwrap())
        .collect();
    assert_eq!(details.len(), 2);
    for (told, body) in details.iter().zip([&changed, &of_ben]) {
        let event: Event = serde_json::from_slice(body).unwrap();
        assert_eq!((&told.event_id, told.occurred_at), (&event.event_id, event.occurred_at));
        assert_eq!(told.ck, admit::ck_text(admit::ck(&event)));
    }
    for owner in [anna, ben] {
        let head = world.store.head(&World::owner(owner)).await.unwrap().unwrap();
        assert!(head.dirty_from.unwrap() <= now().plus_ms(-HOUR_MS), "{owner}");
        assert_eq!(head.due_at, Some(now()), "{owner}");
    }
}

#[tokio::test]
async fn an_event_that_may_not_be_analysed_is_struck_out_of_nothing() {
    let world = World::new().await;
    let suppressed = event("e.1", json!({"consent": {"analytics": false}}));
    world.finish(&Records::of(1, [&event("e.1", json!({})), &suppressed]).batch()).await;
    assert_eq!(world.reasons().await, [("id_collision".to_owned(), "2".to_owned())]);
    assert_eq!(world.store.announcements(0, 9).await.unwrap(), []);
}

/// A door that knows of it says so: whoever comes first to such a record, it is no event.
#[tokio::test]
async fn what_a_door_refused_for_its_id_is_set_aside_wherever_it_comes() {
    let world = World::new().await;
    let (first, second) =
        (event("e.1", json!({"severity": 1})), event("e.1", json!({"severity": 2})));
    let (acme, id) = (org("acme"), EventId::parse("e.1").unwrap());
    let records = Records::of(1, [collided(&acme, &id, &second), first]);
    world.finish(&records.batch()).await;
    assert_eq!(world.counted("acme").await, 1);
    assert_eq!(world.reasons().await, [("id_collision".to_owned(), "1".to_owned())]);
    let held = world.quarantined().await;
    assert_eq!((held[0].event_id.as_ref(), held[0].terminal), (Some(&id), false));
    assert_eq!(held[0].path.as_deref(), Some("/eventId"));
    let severities: Vec<_> = world.archived().await.iter().map(|event| event.severity).collect();
    assert_eq!(severities, [Some(1)]);
    // A client that makes many of them stops nobody.
    let many = (0..50).map(|n| collided(&acme, &id, &event("e.1", json!({"severity": n % 5}))));
    world.finish(&Records::of(10, many).batch()).await;
    assert_eq!(world.reasons().await.len(), 51);
}

/// The ledger, not the batch, says which body came first.
#[tokio::test]
async fn the_body_that_was_counted_owns_the_id_even_behind_another_in_the_batch() {
    let world = World::new().await;
    let (first, second) =
        (event("e.1", json!({"severity": 1})), event("e.1", json!({"severity": 2})));
    world.finish(&Records::of(1, [&first]).batch()).await;
    world.finish(&Records::of(2, [&second, &first]).batch()).await;
    assert_eq!(world.reasons().await, [("id_collision".to_owned(), "2".to_owned())]);
    assert_eq!(world.archived().await.len(), 2);
}

/// Scenario 10.
#[tokio::test]
async fn halves_of_a_batch_count_what_the_whole_would() {
    let world = World::new().await;
    let records = Records::of(1, events(31));
    world.finish(&records.some(0..15).batch()).await;
    world.finish(&records.batch()).await;
    world.finish(&records.some(15..31).batch()).await;
    assert_eq!(world.counted("acme").await, 31);
    assert_eq!(world.archived_ids().await.len(), 31);
}

/// Scenarios 11, 12 and 13: other company, other shards, other lanes.
#[tokio::test]
async fn events_in_other_company_and_on_other_shards_are_counted_once() {
    let world = World::new().await;
    let records = Records::of(100, events(138));
    world.finish(&records.some(0..100).on("shardId-000000000001")).await;
    world.finish(&records.some(2..138).on("shardId-000000000002")).await;
    for lane in 0..10 {
        let places = (0..138).filter(|place| place % 10 == lane);
        world.finish(&records.some(places).on("shardId-000000000003")).await;
    }
    assert_eq!(world.counted("acme").await, 138);
    assert_eq!(world.archived_ids().await.len(), 138);
}

/// Scenario 14: the mapping is made anew and reads everything again.
#[tokio::test]
async fn a_replay_of_a_day_changes_no_counter() {
    let world = World::new().await;
    let records = Records::of(1, events(90));
    for places in [0..30, 30..60, 60..90] {
        world.finish(&records.some(places).batch()).await;
    }
    let cells = world.cells("acme").await;
    let commits = world.plan.calls("ledger.commit");
    for places in [0..50, 50..90] {
        world.finish(&records.some(places).batch()).await;
    }
    assert_eq!(world.cells("acme").await, cells);
    assert_eq!(world.plan.calls("ledger.commit"), commits, "duplicates cost no transaction");
}

/// A chunk knows the names that the one before it brought: none is recomputed.
#[tokio::test]
async fn chunks_of_one_batch_do_not_make_each_other_stale() {
    let world = World::new().await;
    let screens = ["/a", "/b", "/c", "/d"];
    let bodies = (0..2 * CHUNK_EVENTS_MAX).map(|n| {
        let screen = screens[n * screens.len() / (2 * CHUNK_EVENTS_MAX)];
        event(&format!("e.{n}"), json!({"screen": screen}))
    });
    world.finish(&Records::of(1, bodies).batch()).await;
    assert_eq!(world.plan.calls("ledger.commit"), 2);
    assert_eq!(world.plan.calls("ledger.dictionaries"), 1);
    let cells = world.cells("acme").await;
    assert!(screens.iter().all(|screen| cells[&format!("screen {screen}")] == 250), "{cells:?}");
}

/// Two writers bring new names at once: the second one reads again, and neither name is lost.
#[tokio::test]
async fn a_dictionary_that_grew_meanwhile_is_read_again() {
    let world = World::failing(FaultPlan::none().stepwise()).await;
    let other =
        Processor::new(ports::faulty::Faulty::new(world.store.clone(), world.plan.clone()), Fixed);
    let left = Records::of(1, [event("l", json!({"screen": "/left"}))]).batch();
    let right = Records::of(2, [event("r", json!({"screen": "/right"}))]).batch();
    let invocation = Invocation::default();
    let (a, b) =
        tokio::join!(world.processor.handle(&left, &invocation), other.handle(&right, &invocation));
    assert!(a.unwrap().batch_item_failures.is_empty());
    assert!(b.unwrap().batch_item_failures.is_empty());
    assert_eq!(world.plan.calls("ledger.commit"), 3, "one of them was stale");
    let cells = world.cells("acme").await;
    assert_eq!((cells["screen /left"], cells["screen /right"]), (1, 1));
}

/// Scenario 15.
#[tokio::test]
async fn a_redrive_repeated_three_times_counts_once() {
    let world = World::new().await;
    let payload = Records::of(1, events(25)).payload("shardId-000000000000");
    let document = json!({
        "requestContext": {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 51},
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "version": "1.0", "timestamp": now().to_string(),
        "KinesisBatchInfo": {"shardId": "shardId-000000000000", "batchSize": 25},
        "payload": payload,
    });
    for _ in 0..3 {
        let answer = world.processor.redrive(&document.to_string()).await.unwrap();
        assert!(answer.batch_item_failures.is_empty());
    }
    assert_eq!(world.counted("acme").await, 25);
    assert_eq!(world.objects().await.len(), 1);
}

/// Scenario 44.
#[tokio::test]
async fn a_batch_over_the_hour_gives_two_objects_under_keys_that_a_retry_repeats() {
    let world = World::new().await;
    let mut records = Records::of(1, events(10));
    for raw in &mut records.0[..4] {
        raw.arrived_at = Timestamp::from_ms(now().ms() - 1);
    }
    world.finish(&records.batch()).await;
    world.finish(&records.batch()).await;
    let keys: Vec<String> = world.objects().await.into_keys().collect();
    assert_eq!(
        keys,
        [
            "events/v1/year=2026/month=02/day=12/hour=09/shardId-000000000000-1-4.ndjson.gz",
            "events/v1/year=2026/month=02/day=12/hour=10/shardId-000000000000-5-10.ndjson.gz",
        ]
    );
}

/// Scenario 52.
#[tokio::test]
async fn a_clock_that_is_ahead_is_clamped_and_one_far_behind_is_late() {
    let world = World::new().await;
    let at = |ms: i64| json!({"occurredAt": now().plus_ms(ms).to_string()});
    let bodies = [event("ahead", at(7_200_000)), event("behind", at(-40 * DAY_MS))];
    world.finish(&Records::of(1, bodies).batch()).await;
    let archived = world.archived().await;
    assert_eq!(archived.len(), 1);
    assert!(archived[0].time_adjusted);
    assert_eq!(archived[0].occurred_at, now().plus_ms(300_000));
    assert_eq!(world.reasons().await, [("late".to_owned(), "2".to_owned())]);
    assert_eq!(world.counted("acme").await, 1);
}

/// Scenario 16, for a record that is itself too old: its marker may be gone.
#[tokio::test]
async fn a_record_redriven_after_the_horizon_is_late_and_not_counted() {
    let world = World::new().await;
    let mut records = Records::of(1, events(2));
    records.0[0].arrived_at = now().plus_ms(-30 * DAY_MS - 1);
    let recorded = records.0[0].arrived_at;
    let old = event("old", json!({"recordedAt": recorded, "occurredAt": recorded}));
    records = Records::of(1, [old, event("new", json!({}))]);
    records.0[0].arrived_at = recorded;
    world.finish(&records.batch()).await;
    assert_eq!(world.reasons().await, [("late".to_owned(), "1".to_owned())]);
    assert_eq!(world.counted("acme").await, 1);
}

#[tokio::test]
async fn tenants_do_not_burn_each_others_ids() {
    let world = World::new().await;
    let bodies = [event("e.1", json!({})), event("e.1", json!({"orgId": "beta"}))];
    world.finish(&Records::of(1, bodies).batch()).await;
    assert_eq!((world.counted("acme").await, world.counted("beta").await), (1, 1));
}

#[tokio::test]
async fn an_empty_batch_is_done() {
    let world = World::new().await;
    world.finish(&Records::default().batch()).await;
    assert!(world.objects().await.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// The law behind all of them: the counters are those of the distinct events, however a shard is cut into
    /// deliveries and however often it is repeated.
    #[test]
    fn however_a_shard_is_cut_and_repeated_every_event_counts_once(
        deliveries in proptest::collection::vec((0_usize..40, 1_usize..30), 1..8)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let records = Records::of(1, events(40));
            let mut sent = std::collections::BTreeSet::new();
            for (start, length) in deliveries {
                let places = start..(start + length).min(40);
                sent.extend(places.clone().map(|place| format!("e.{place}")));
                world.finish(&records.some(places).batch()).await;
            }
            assert_eq!(world.counted("acme").await, u64::try_from(sent.len()).unwrap());
            assert_eq!(world.archived_ids().await, sent);
        });
    }
}
