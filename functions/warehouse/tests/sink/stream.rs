//! Events.

use contract::collision::EventStruck;
use domain::admit::{ck_of, ck_text};
use ports::{steps::complete, warehouse::Table};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{World, event, queue, stream};

const DONE: &str = r#"{"batchItemFailures":[]}"#;
const AGAIN: &str = r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#;

fn take(world: &World, records: &[Value]) -> String {
    complete(world.sink().handle(&stream(records))).unwrap().answer
}

#[test]
fn an_event_is_a_row_of_what_the_contract_allows() {
    let world = World::default();
    let friction = json!({
        "eventType": "friction.user_override", "traceComponent": "reasoning",
        "actorId": "u1.1.aaaaaaaaaaaaaaaaaaaaaaaaa0", "sessionId": "s1.1.bbbbbbbbbbbbbbbbbbbbbbbbb0",
        "context": { "feature": "summary", "aiConfidence": 0.25, "userAction": "edited" },
    });
    let click = json!({ "eventType": "ui.click", "element": { "key": "pay", "x": 3, "y": -4 } });
    let error = json!({ "eventType": "ui.error", "error": { "code": "E1", "latencyMs": 12 } });
    let events = [event("e1", 0, friction), event("e2", 0, click), event("e3", 0, error)];
    assert_eq!(take(&world, &events), DONE);
    for (at, column, expected) in [
        (0, "org_id", json!("acme")),
        (0, "product_id", json!("default")),
        (0, "day", json!("2026-02-02")),
        (0, "occurred_at", json!("2026-02-02T02:40:00.000Z")),
        (0, "family", json!("friction")),
        (0, "pillar", json!("reasoning")),
        (0, "severity", json!(3)),
        (0, "session_token", json!("s1.1.bbbbbbbbbbbbbbbbbbbbbbbbb0")),
        (0, "actor_token", json!("u1.1.aaaaaaaaaaaaaaaaaaaaaaaaa0")),
        (0, "screen", json!("/home")),
        (0, "feature", json!("summary")),
        (0, "ai_confidence", json!(0.25)),
        (0, "forward", json!(true)),
        (0, "task", json!("")),
        (1, "element_key", json!("pay")),
        (1, "element_y", json!(-4)),
        (1, "element_kind", json!("")),
        (1, "latency_ms", Value::Null),
        (2, "error_code", json!("E1")),
        (2, "latency_ms", json!(12)),
    ] {
        assert_eq!(world.column(Table::Events, column)[at], expected, "{column}");
    }
    let body: Value =
        serde_json::from_str(world.column(Table::Events, "body")[0].as_str().unwrap()).unwrap();
    assert_eq!(body["eventId"], "e1");
}

#[test]
fn what_is_no_event_or_may_not_be_analysed_is_no_row() {
    let world = World::default();
    let records = [
        json!("no JSON at all"),
        json!({ "eventName": "MODIFY", "dynamodb": {} }),
        event("not-agreed", 0, json!({ "consent": { "analytics": false } })),
        event("no-type", 0, json!({ "eventType": "unheard.of" })),
        event("kept", 0, json!({})),
    ];
    assert_eq!(take(&world, &records), DONE);
    assert_eq!(world.column(Table::Events, "event_id"), [json!("kept")]);
}

#[test]
fn a_warehouse_that_is_away_gets_the_whole_batch_again() {
    let world = World::default();
    world.change(|held| held.fails_before = vec![1]);
    let records: Vec<_> = (0..9).map(|id| event(&format!("e{id}"), id, json!({}))).collect();
    assert_eq!(take(&world, &records), AGAIN);
    assert!(world.column(Table::Events, "event_id").is_empty());
    assert_eq!(take(&world, &records), DONE);
    assert_eq!(world.column(Table::Events, "event_id").len(), 9);
}

#[test]
fn a_refused_row_is_set_aside_and_costs_nobody_else() {
    let world = World::default();
    world.change(|held| held.refuses = Some("poison".to_owned()));
    let name = |id: i64| if id % 10 == 3 { format!("poison{id}") } else { format!("e{id}") };
    let records: Vec<_> = (0..100).map(|id| event(&name(id), id, json!({}))).collect();
    assert_eq!(take(&world, &records), DONE);
    assert_eq!(world.column(Table::Events, "event_id").len(), 90);
    let kept = world.change(|held| held.objects.clone());
    assert_eq!(kept.len(), 10);
    let (key, bytes) = kept.first_key_value().unwrap();
    assert!(key.starts_with("warehouse/refused/v1/events_raw/acme/"), "{key}");
    let object: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!((&object["table"], &object["code"]), (&json!("events_raw"), &json!(27)));
    assert!(object["row"]["event_id"].as_str().unwrap().starts_with("poison"), "{object}");
    assert_eq!(take(&world, &records), DONE);
    assert_eq!(world.change(|held| held.objects.clone()), kept, "again is the same");
}

#[test]
fn when_most_rows_are_refused_the_table_is_suspected() {
    let world = World::default();
    world.change(|held| held.refuses = Some("/home".to_owned()));
    let records: Vec<_> = (0..20).map(|id| event(&format!("e{id}"), id, json!({}))).collect();
    assert_eq!(take(&world, &records), AGAIN);
    assert!(world.change(|held| held.objects.is_empty()));
    // A few rows say nothing about a table.
    assert_eq!(take(&world, &records[..3]), DONE);
    assert_eq!(world.change(|held| held.objects.len()), 3);
}

#[test]
fn of_an_event_with_two_times_the_earlier_one_stays() {
    let same = json!({ "ck": "0000002a" });
    let (early, late) = (event("e", 9, same.clone()), event("e", 1, same));
    for records in [[&early, &late], [&late, &early]] {
        let world = World::default();
        for record in records {
            assert_eq!(take(&world, std::slice::from_ref(record)), DONE);
        }
        assert_eq!(world.column(Table::Events, "occurred_at"), [early["occurredAt"].clone()]);
    }
}

#[test]
fn a_body_whose_id_belongs_to_another_one_is_struck_out_whenever_that_is_heard() {
    let (first, second) = (event("e", 9, json!({})), event("e", 9, json!({ "screen": "/other" })));
    let refused: contract::Event = serde_json::from_value(second.clone()).unwrap();
    let fact = EventStruck {
        org_id: refused.org_id.clone(),
        product_id: refused.product_id.clone(),
        event_id: refused.event_id.clone(),
        occurred_at: refused.occurred_at,
        ck: ck_text(ck_of(&refused)),
    };
    let told = queue(&[("event.struck", json!(fact))]);
    let hear = |world: &World| complete(world.sink().handle(&told)).unwrap().answer;
    for at in 0..4 {
        let world = World::default();
        for (place, record) in [&first, &second, &first].into_iter().enumerate() {
            if place == at {
                assert_eq!(hear(&world), DONE);
            }
            assert_eq!(take(&world, std::slice::from_ref(record)), DONE);
        }
        if at == 3 {
            assert_eq!(world.column(Table::Events, "screen").len(), 2);
            assert_eq!(hear(&world), DONE);
        }
        assert_eq!(world.column(Table::Events, "screen"), [json!("/home")], "heard at {at}");
    }
}

#[test]
fn a_payload_of_nobody_is_no_batch() {
    for payload in ["", "{}", r#"{"Records":1}"#, r#"{"Records":[{}]}"#, "[1]"] {
        assert!(complete(World::default().sink().handle(payload)).is_err(), "{payload}");
    }
}

proptest! {
    /// Whatever comes again, in whatever company and order, and whatever fails: the rows are those of one clean batch.
    #[test]
    fn any_way_of_delivering_gives_the_same_rows(
        order in prop::collection::vec((0_usize..12, 0_i64..3, any::<bool>()), 1..60),
        sizes in prop::collection::vec(1_usize..9, 60),
        before in prop::collection::vec(1_usize..40, 0..10),
        after in prop::collection::vec(1_usize..40, 0..10),
    ) {
        let records: Vec<Value> = order
            .iter()
            .map(|(id, at, is_other)| {
                let more = if *is_other { json!({ "screen": "/pay" }) } else { json!({}) };
                event(&format!("e{id}"), *at, more)
            })
            .collect();
        let clean = World::default();
        take(&clean, &records);
        let world = World::default();
        world.change(|held| (held.fails_before, held.fails_after) = (before, after));
        let mut rest = records.iter().rev().cloned().collect::<Vec<_>>();
        for size in sizes {
            let batch: Vec<Value> = rest.iter().take(size).cloned().collect();
            if batch.is_empty() {
                break;
            }
            let mut tries = 0;
            while take(&world, &batch) != DONE {
                tries += 1;
                prop_assert!(tries < 50);
            }
            rest.drain(..batch.len());
        }
        let rows = |world: &World| world.change(|held| held.rows.clone());
        prop_assert_eq!(rows(&world), rows(&clean));
    }
}
