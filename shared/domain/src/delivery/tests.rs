//! The table from answers to verdicts, and the answers that no table foresees.

use contract::{ProductId, limits::HOUR_MS, staged::StagedEvent};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    batching::{Caps, next, sequence},
    breaker::Breaker,
    profile::{Profile, Slot},
};

const NOW_MS: i64 = 1_760_000_000_000;

fn now() -> Timestamp {
    Timestamp::from_ms(NOW_MS)
}

fn org() -> contract::OrgId {
    contract::OrgId::parse("acme").unwrap()
}

fn event_id(number: usize) -> EventId {
    EventId::parse(format!("e-{number}")).unwrap()
}

fn batch(events: usize) -> NewBatch {
    batch_as(&sequence(7), events)
}

fn batch_as(seq: &str, events: usize) -> NewBatch {
    let rows: Vec<StagedEvent> = (0..events)
        .map(|number| StagedEvent {
            org_id: org(),
            product_id: ProductId::default(),
            event_id: event_id(number),
            body: json!({
                "eventId": event_id(number), "eventType": "friction.abandon", "occurredAt": now(), "orgId": "acme",
                "traceComponent": "transparency",
            })
            .to_string(),
            ck: 0,
            occurred_at: now(),
            staged_at: now(),
            expires_at: now(),
            rescues: 0,
        })
        .collect();
    let slot = Slot { org: &org(), seq: seq.to_owned() };
    let none = std::collections::BTreeSet::new();
    next(&rows, &none, &slot, &profile(), Caps::default()).batch.unwrap()
}

fn profile() -> Profile {
    Profile::parse("athena-eu").unwrap()
}

fn http(status: u16, body: &Value) -> DeliveryAnswer {
    DeliveryAnswer::Http { status, retry_after: None, body: body.to_string().into_bytes() }
}

fn judge(answer: &DeliveryAnswer, batch: &NewBatch) -> Verdict {
    judge_late(answer, batch, 0, None, Others::Unknown)
}

fn judge_late(
    answer: &DeliveryAnswer,
    batch: &NewBatch,
    attempts: u32,
    failing_since: Option<Timestamp>,
    others: Others,
) -> Verdict {
    let org = org();
    let attempt =
        Attempt { org: &org, batch, attempts, failing_since, others, now: now(), jitter: 12_345 };
    verdict(answer, &attempt, &profile(), &DeliveryPolicy::default())
}

/// What became of each event, in words.
fn fates(settlement: &Settlement, of: &NewBatch) -> Vec<&'static str> {
    let fate = |id: &EventId| match settlement {
        Settlement::Delivered { confirmed: true, .. } => "delivered",
        Settlement::Delivered { confirmed: false, .. } => "unconfirmed",
        Settlement::Retry { counts: true, .. } => "again",
        Settlement::Retry { counts: false, .. } => "waits",
        Settlement::Split(halves) => {
            let holds = |half: &NewBatch| half.events.iter().any(|event| event.event_id == *id);
            if holds(&halves[0]) { "first half" } else { "second half" }
        }
        Settlement::Partial { delivered, parked, remainder, .. } => {
            let remains = |batch: &NewBatch| batch.events.iter().any(|event| event.event_id == *id);
            let found = [
                (delivered.contains(id), "delivered"),
                (parked.iter().any(|parked| parked.event_id == *id), "parked"),
                (remainder.as_ref().is_some_and(remains), "remains"),
            ];
            let found: Vec<&str> =
                found.into_iter().filter_map(|(is, name)| is.then_some(name)).collect();
            assert_eq!(found.len(), 1, "in exactly one place: {found:?}");
            found[0]
        }
    };
    of.events.iter().map(|event| fate(&event.event_id)).collect()
}

#[test]
fn each_status_has_its_meaning() {
    use {Health::*, Pace::*};
    let check = |status: u16, events: usize, fate: &str, health: Health, pace: Pace| {
        let batch = batch(events);
        let verdict = judge(&http(status, &json!({})), &batch);
        assert_eq!(fates(&verdict.settlement, &batch)[0], fate, "{status}");
        assert_eq!((verdict.health, verdict.pace), (health, pace), "{status}");
    };
    for status in [200, 201, 202, 204, 207] {
        check(status, 2, "delivered", Answered, Continue);
    }
    for status in [208, 409] {
        check(status, 2, "unconfirmed", Answered, Continue);
    }
    for status in [301, 302, 307, 308, 402, 405, 408, 418, 425, 429, 500, 502, 503, 504, 599] {
        check(status, 2, "again", Failed, Stop);
    }
    for status in [400, 413, 422] {
        check(status, 2, "first half", Answered, Continue);
        check(status, 1, "parked", Answered, Continue);
    }
    for status in [401, 403, 404, 410] {
        check(status, 2, "waits", Refused, Stop);
    }
}

#[test]
fn no_answer_is_tried_again_and_a_refused_address_waits_for_somebody() {
    use DeliveryFailure::*;
    for failure in [Connect, Timeout, Tls, Broken] {
        let verdict = judge(&DeliveryAnswer::Failed(failure), &batch(1));
        assert_eq!(fates(&verdict.settlement, &batch(1)), ["again"], "{failure:?}");
    }
    let verdict = judge(&DeliveryAnswer::Failed(Refused), &batch(1));
    assert_eq!(
        (fates(&verdict.settlement, &batch(1))[0], verdict.health),
        ("waits", Health::Refused)
    );
}

#[test]
fn a_retry_after_is_honoured_and_otherwise_the_pause_is_drawn() {
    let pause = |retry_after: Option<&str>| {
        let answer = DeliveryAnswer::Http {
            status: 429,
            retry_after: retry_after.map(str::to_owned),
            body: Vec::new(),
        };
        let Settlement::Retry { at, .. } = judge(&answer, &batch(2)).settlement else {
            panic!("not tried again")
        };
        at.since_ms(now())
    };
    assert_eq!(pause(Some("120")), 120_000);
    assert_eq!(pause(Some("99999999")), HOUR_MS);
    assert_eq!(pause(None), 12_345);
    assert_eq!(pause(Some("whenever")), 12_345);
}

#[test]
fn per_event_results_are_honoured() {
    let batch = batch(4);
    let name = |at: usize| batch.events[at].connector_id.clone();
    let check = |body: &Value, expected: [&str; 4]| {
        for body in [body.clone(), json!({"success": true, "data": body})] {
            let verdict = judge(&http(200, &body), &batch);
            assert_eq!(fates(&verdict.settlement, &batch), expected, "{body}");
        }
    };
    let rejected = json!([{"eventId": name(1), "error": "E7", "reason": "bad"}]);
    check(&json!({"accepted": 4}), ["delivered"; 4]);
    check(&json!({"accepted": 400}), ["delivered"; 4]);
    let strangers = json!([{"eventId": "evt_0000000000000000", "error": "E7"}, {"error": "E7"}, {"eventId": 7}]);
    check(&json!({"errors": strangers}), ["delivered"; 4]);
    check(&json!({"accepted": 1, "duplicates": 3}), ["delivered"; 4]);
    check(&json!({"errors": rejected}), ["delivered", "parked", "delivered", "delivered"]);
    check(
        &json!({"accepted": 3, "errors": rejected}),
        ["delivered", "parked", "delivered", "delivered"],
    );
    check(
        &json!({"accepted": 2, "errors": rejected, "enrichment": [{"eventId": name(0)}, {"eventId": name(3)}]}),
        ["delivered", "parked", "remains", "delivered"],
    );
    check(
        &json!({"accepted": [name(0), name(2)], "errors": [{"eventId": name(3), "retryable": true}]}),
        ["delivered", "remains", "delivered", "remains"],
    );
    check(
        &json!({"errors": [{"eventId": name(0), "retryable": true}, {"eventId": name(1), "retryable": false}]}),
        ["remains", "parked", "delivered", "delivered"],
    );
    let all: Vec<Value> = (0..4).map(|at| json!({"eventId": name(at)})).collect();
    check(&json!({"accepted": 0, "errors": all}), ["parked"; 4]);
}

#[test]
fn what_nobody_counted_is_narrowed_down_or_sent_again_under_a_new_key() {
    let narrowed = judge(&http(200, &json!({"accepted": 3})), &batch(4));
    assert_eq!(fates(&narrowed.settlement, &batch(4))[0], "first half");

    let unmoved = judge(&http(200, &json!({"accepted": 0})), &batch(4));
    assert_eq!(fates(&unmoved.settlement, &batch(4)), ["remains"; 4]);
    assert_eq!((unmoved.health, unmoved.pace), (Health::Failed, Pace::Stop));
    let Settlement::Partial { remainder: Some(again), .. } = unmoved.settlement else { panic!() };
    assert_eq!(again.seq, "000000000007.r1");
    assert_ne!(again.batch_id, batch(4).batch_id);

    let worn = batch_as("000000000007.r9.r9.r6", 1);
    for (others, fate) in [(Others::Unknown, "remains"), (Others::Pass, "parked")] {
        let verdict = judge_late(&http(200, &json!({"accepted": 0})), &worn, 0, None, others);
        assert_eq!(fates(&verdict.settlement, &worn), [fate]);
    }
}

#[test]
fn a_success_that_calls_itself_a_failure_is_none() {
    let batch = batch(2);
    let failed = judge(&http(200, &json!({"success": false, "message": "busy"})), &batch);
    assert_eq!(fates(&failed.settlement, &batch), ["again"; 2]);
    let name = &batch.events[0].connector_id;
    let named = json!({"success": false, "data": {"errors": [{"eventId": name, "error": "E1"}]}});
    let verdict = judge(&http(200, &named), &batch);
    assert_eq!(fates(&verdict.settlement, &batch), ["parked", "remains"]);
}

#[test]
fn a_parked_event_keeps_the_connectors_reason_cleaned_and_cut_and_its_own_body() {
    let batch = batch(2);
    let name = &batch.events[1].connector_id;
    let reason = format!("no\r\n\u{1b}[31m\u{202e}such {}", "x".repeat(500));
    let body =
        json!({"accepted": 1, "errors": [{"eventId": name, "error": "E7", "reason": reason}]});
    let Settlement::Partial { parked, .. } = judge(&http(200, &body), &batch).settlement else {
        panic!("not parked")
    };
    assert_eq!(parked[0].reason, Code::ConnectorRejected);
    assert!(parked[0].detail.starts_with("E7: no [31msuch xxx"), "{}", parked[0].detail);
    assert_eq!(parked[0].detail.chars().count(), 200);
    let sent: Value = serde_json::from_slice(&parked[0].body).unwrap();
    assert_eq!(sent["eventId"], json!(name));

    let single = batch_as(&sequence(8), 1);
    let why = json!({"errors": [{"eventId": single.events[0].connector_id, "reason": "too old"}]});
    let Settlement::Partial { parked, .. } = judge(&http(422, &why), &single).settlement else {
        panic!("not parked")
    };
    assert_eq!(parked[0].detail, "http 422: too old");
}

#[test]
fn enrichment_is_kept_per_event_and_strangers_are_ignored() {
    let batch = batch(2);
    let name = &batch.events[1].connector_id;
    let body = json!({"accepted": 2, "enrichment": [
        {"eventId": name, "patternId": "p-1"}, {"eventId": "evt_0000000000000000", "patternId": "p-2"},
        {"eventId": name, "patternId": "later"}, {"eventId": 7}, "noise",
    ]});
    let Settlement::Delivered { enrichment, .. } = judge(&http(200, &body), &batch).settlement
    else {
        panic!("not delivered")
    };
    let found: Vec<(EventId, Value)> = enrichment
        .into_iter()
        .map(|(id, json)| (id, serde_json::from_str(&json).unwrap()))
        .collect();
    assert_eq!(found, [(event_id(1), json!({"eventId": name, "patternId": "p-1"}))]);

    let of_the_batch = json!({"accepted": 2, "enrichment": {"crossOrgPatternMatch": true}});
    let Settlement::Delivered { enrichment, .. } =
        judge(&http(200, &of_the_batch), &batch).settlement
    else {
        panic!("not delivered")
    };
    assert_eq!(enrichment.len(), 2);
}

#[test]
fn a_batch_that_fails_for_hours_while_others_pass_is_suspected() {
    let hours = |hours: i64| Some(now().plus_ms(-hours * HOUR_MS));
    let check = |answer: &DeliveryAnswer, attempts, since, others, expected: [&str; 2]| {
        for (events, expected) in [(1, expected[0]), (2, expected[1])] {
            let batch = batch(events);
            let verdict = judge_late(answer, &batch, attempts, since, others);
            assert_eq!(fates(&verdict.settlement, &batch)[0], expected);
            if let Settlement::Partial { parked, .. } = verdict.settlement {
                assert_eq!(parked[0].reason, Code::ConnectorError);
            }
        }
    };
    let failed = http(500, &json!({}));
    let hung = DeliveryAnswer::Failed(DeliveryFailure::Timeout);
    let suspected = ["parked", "first half"];
    check(&failed, 11, hours(2), Others::Pass, suspected);
    check(&hung, 11, hours(2), Others::Pass, suspected);
    check(&failed, 10, hours(2), Others::Pass, ["again"; 2]);
    check(&failed, 11, hours(1), Others::Pass, ["again"; 2]);
    check(&failed, 500, hours(72), Others::Unknown, ["again"; 2]);
    check(&http(429, &json!({})), 500, hours(72), Others::Pass, ["again"; 2]);
    let down = DeliveryAnswer::Failed(DeliveryFailure::Connect);
    check(&down, 500, hours(72), Others::Pass, ["again"; 2]);
}

#[test]
fn a_batch_whose_stored_body_is_unreadable_is_kept() {
    let broken = NewBatch { body: b"}{".to_vec(), ..batch(2) };
    let verdict = judge(&http(422, &json!({})), &broken);
    assert_eq!(
        (fates(&verdict.settlement, &broken)[0], verdict.health),
        ("waits", Health::Refused)
    );
}

#[test]
fn the_breaker_follows_the_connectors_health() {
    let policy = DeliveryPolicy::default();
    let four = Breaker { failures: 4, open_until: None };
    assert!(Health::Failed.applied(&four, now(), &policy).is_open(now()));
    assert_eq!(Health::Answered.applied(&four, now(), &policy), Breaker::default());
    let refused = Health::Refused.applied(&Breaker::default(), now(), &policy);
    assert_eq!(refused.open_until, Some(now().plus_ms(15 * 60_000)));
}

/// Answers as a hostile, broken or merely odd connector gives them.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        (0_usize..6).prop_map(|at| Value::from(batch(6).events[at].connector_id.clone())),
    ];
    let key = prop::sample::select(vec![
        "accepted",
        "duplicates",
        "errors",
        "enrichment",
        "eventId",
        "error",
        "reason",
        "retryable",
        "data",
        "success",
        "other",
    ]);
    let value = leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop_oneof![
        4 => value.prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
        1 => Just(b"[".repeat(60_000)),
        1 => Just(br#"{"accepted":"#.to_vec()),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_back_every_event_is_in_exactly_one_place(
        status in prop_oneof![200_u16..210, 300_u16..600],
        body in bodies(),
    ) {
        let batch = batch(6);
        let answer = DeliveryAnswer::Http { status, retry_after: None, body };
        let verdict = judge(&answer, &batch);
        prop_assert_eq!(fates(&verdict.settlement, &batch).len(), 6);
        if let Settlement::Partial { remainder: Some(remainder), .. } = &verdict.settlement {
            prop_assert!(remainder.seq > batch.seq && remainder.batch_id != batch.batch_id);
        }
    }
}
