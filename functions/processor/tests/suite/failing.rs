//! A world that fails: nothing unfinished is acknowledged, nothing finished is done twice.

use std::sync::atomic::{AtomicI64, Ordering};

use contract::{Timestamp, limits::CHUNK_EVENTS_MAX};
use ports::{
    clock::Clock,
    faulty::{Fault, FaultPlan, Faulty, Rates},
};
use processor::{BatchError, Invocation, Processor, budget::RESERVE_MS, json::PayloadError};
use serde_json::json;

use crate::world::{NOW_MS, Records, World, event, events};

/// Scenario 5.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_counts_once() {
    let world = World::new().await;
    let records = Records::of(1, events(30));
    world.plan.arrange("ledger.commit", [Fault::After]);
    assert_eq!(world.handle(&records.batch()).await.unwrap().as_deref(), Some("1"));
    assert_eq!(world.counted("acme").await, 30);
    assert!(world.objects().await.is_empty());
    world.finish(&records.batch()).await;
    assert_eq!(world.counted("acme").await, 30);
    assert_eq!(world.archived().await.len(), 30);
}

/// Scenario 6.
#[tokio::test]
async fn a_chunk_that_is_throttled_is_where_the_next_delivery_begins() {
    let world = World::new().await;
    let records = Records::of(1, events(7 * CHUNK_EVENTS_MAX));
    world.plan.arrange("ledger.commit", [Fault::Pass, Fault::Before]);
    let resume = world.handle(&records.batch()).await.unwrap().unwrap();
    assert_eq!(resume, (CHUNK_EVENTS_MAX + 1).to_string());
    assert_eq!(world.counted("acme").await, 500);
    assert_eq!(world.archived().await.len(), 500);
    world.finish(&records.from(&resume).batch()).await;
    assert_eq!(world.counted("acme").await, 3_500);
    assert_eq!(world.archived().await.len(), 3_500);
}

/// Scenario 40, under faults of every kind: whatever fails, the answer is a record of the batch, and in the end every
/// event is counted and kept and every poison set aside.
#[tokio::test]
async fn under_any_faults_the_answer_is_a_record_of_the_batch_and_the_end_is_exact() {
    for seed in 0..40 {
        let rates = Rates { before: 12, after: 8, partial: 5 };
        let world = World::failing(FaultPlan::seeded(seed, rates)).await;
        let mut bodies = events(30);
        bodies.push(event("e.3", json!({"severity": 1})));
        bodies.insert(7, b"{".to_vec());
        let mut records = Records::of(98, bodies);
        for delivery in 0.. {
            assert!(delivery < 200, "seed {seed} does not end");
            let Some(resume) = world.handle(&records.batch()).await.unwrap() else { break };
            assert!(records.0.iter().any(|raw| raw.sequence == resume), "seed {seed}");
            records = records.from(&resume);
        }
        assert_eq!(world.counted("acme").await, 30, "seed {seed}");
        assert_eq!(world.archived_ids().await.len(), 30, "seed {seed}");
        let mut reasons = world.reasons().await;
        reasons.sort();
        let reason = |code: &str, sequence: &str| (code.to_owned(), sequence.to_owned());
        assert_eq!(reasons, [reason("id_collision", "129"), reason("invalid_json", "105")]);
    }
}

/// Scenario 42: a clock that moves a second with every look at it.
#[tokio::test]
async fn when_time_runs_out_the_answer_is_the_first_unfinished_record() {
    let world = World::new().await;
    let ticking = Ticking(AtomicI64::new(NOW_MS));
    let processor = Processor::new(Faulty::new(world.store.clone(), world.plan.clone()), ticking);
    let mut records = Records::of(1, events(3 * CHUNK_EVENTS_MAX));
    let mut deliveries = 0;
    loop {
        // Not even the reserve is left: every delivery still gets on by a chunk.
        let deadline = Some(Timestamp::from_ms(NOW_MS + RESERVE_MS - 1));
        let invocation = Invocation { deadline, force_quarantine: false };
        let answer = processor.handle(&records.batch(), &invocation).await.unwrap();
        deliveries += 1;
        let Some(resume) = answer.batch_item_failures.first() else { break };
        let expected = deliveries * CHUNK_EVENTS_MAX + 1;
        assert_eq!(resume.item_identifier, expected.to_string());
        records = records.from(&resume.item_identifier);
    }
    assert_eq!(deliveries, 3);
    assert_eq!(world.counted("acme").await, 1_500);
    assert_eq!(world.archived().await.len(), 1_500);
}

/// Scenario 43.
#[tokio::test]
async fn an_archive_that_fails_after_the_counters_repeats_the_batch_and_counts_nothing_again() {
    let world = World::new().await;
    let mut bodies = events(20);
    bodies[0] = b"{".to_vec();
    let records = Records::of(5, bodies);
    world.plan.arrange("archive.write", [Fault::Before]);
    assert_eq!(world.handle(&records.batch()).await.unwrap().as_deref(), Some("5"));
    assert_eq!(world.counted("acme").await, 19);
    world.finish(&records.batch()).await;
    assert_eq!(world.counted("acme").await, 19);
    assert_eq!(world.archived().await.len(), 19);
    assert_eq!(world.reasons().await.len(), 1);
}

/// Scenario 53.
#[tokio::test]
async fn sequence_numbers_of_different_length_are_compared_as_numbers() {
    let world = World::new().await;
    let mut bodies = events(4);
    bodies[1] = b"{".to_vec();
    bodies[3] = b"{".to_vec();
    // 9, 10, 11, 12: as text, "9" would be the highest.
    let records = Records::of(9, bodies);
    world.plan.arrange("quarantine.hold", [Fault::Before]);
    assert_eq!(world.handle(&records.batch()).await.unwrap().as_deref(), Some("10"));
    let archived = world.archived().await;
    assert_eq!(archived.len(), 1);
    assert_eq!(archived[0].record.as_ref().unwrap().sequence, "9");
}

#[tokio::test]
async fn a_failure_that_needs_somebody_to_act_fails_the_whole_batch() {
    for operation in ["ledger.known", "ledger.commit", "quarantine.hold", "archive.write"] {
        let world = World::new().await;
        let mut bodies = events(5);
        bodies.push(b"{".to_vec());
        let batch = Records::of(1, bodies).batch();
        world.plan.arrange(operation, [Fault::Permanent]);
        let failed = world.handle(&batch).await.unwrap_err();
        assert!(matches!(failed, BatchError::World(ref error) if !error.transient), "{operation}");
        world.finish(&batch).await;
        assert_eq!(world.counted("acme").await, 5, "{operation}");
        assert_eq!(world.reasons().await.len(), 1, "{operation}");
    }
}

#[tokio::test]
async fn without_its_keys_poison_waits_and_the_rest_goes_on() {
    let world = World::new().await;
    let mut bodies = events(5);
    bodies.push(b"{".to_vec());
    let records = Records::of(1, bodies);
    world.plan.arrange("keys.seal_key", [Fault::Before]);
    assert_eq!(world.handle(&records.batch()).await.unwrap().as_deref(), Some("6"));
    assert_eq!(world.archived().await.len(), 5);
    world.finish(&records.from("6").batch()).await;
    assert_eq!(world.reasons().await.len(), 1);
}

#[tokio::test]
async fn a_payload_that_is_none_is_refused_without_repeating_it() {
    let world = World::new().await;
    let invocation = Invocation::default();
    for payload in
        ["", "[]", r#"{"Records":"anna@example.org"}"#, r#"{"Records":[{"kinesis":{}}]}"#]
    {
        let refused = world.processor.handle_payload(payload, &invocation).await.unwrap_err();
        assert!(matches!(refused, PayloadError::Unreadable { .. }), "{payload}");
        assert!(!refused.to_string().contains("anna"));
    }
    let done = world.processor.handle_payload(r#"{"Records":[]}"#, &invocation).await.unwrap();
    assert_eq!(done, r#"{"batchItemFailures":[]}"#);
    world.plan.arrange("archive.write", [Fault::Before]);
    let payload = Records::of(7, events(2)).payload("shardId-000000000000");
    let resume = world.processor.handle_payload(&payload, &invocation).await.unwrap();
    assert_eq!(resume, r#"{"batchItemFailures":[{"itemIdentifier":"7"}]}"#);
}

struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}
