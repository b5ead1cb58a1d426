//! Laws of batching: nothing lost, nothing doubled, order kept, caps kept, splitting anywhere changes nothing.

use contract::{ProductId, Timestamp, connector::ConnectorBatch};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const AT_MS: i64 = 1_760_000_000_000;

fn org() -> OrgId {
    OrgId::parse("acme").unwrap()
}

fn profile() -> Profile {
    Profile::parse("athena-eu").unwrap()
}

/// A row as a door writes it; `changes` are merged over its event.
fn row(number: usize, changes: &Value) -> StagedEvent {
    let at = Timestamp::from_ms(AT_MS + i64::try_from(number).unwrap());
    let id = EventId::parse(format!("e-{number}")).unwrap();
    let mut event = json!({
        "schemaVersion": "1.0", "eventId": id, "eventType": "friction.user_override", "occurredAt": at,
        "orgId": "acme", "productId": "shop", "traceComponent": "reasoning", "recordedAt": at,
        "context": {"feature": "answers", "sessionDurationSeconds": 7.5, "orgSize": "51-200", "rating": 3},
    });
    for (key, value) in changes.as_object().unwrap() {
        event[key] = value.clone();
    }
    StagedEvent {
        org_id: org(),
        product_id: ProductId::default(),
        event_id: id,
        body: event.to_string(),
        ck: 0,
        occurred_at: at,
        staged_at: at,
        expires_at: at,
        rescues: 0,
    }
}

/// The rows of one organisation: mostly plain, some long, some that may not be forwarded.
fn rows() -> impl Strategy<Value = Vec<StagedEvent>> {
    let kind = prop_oneof![
        6 => (0_usize..40).prop_map(|indicators| {
            let indicators: Vec<String> = (0..indicators.min(16)).map(|_| "i".repeat(64)).collect();
            json!({"signals": {"behavioralIndicators": indicators}})
        }),
        1 => Just(json!({"consent": {"forward": false}})),
        1 => Just(json!({"consent": {"analytics": false}})),
        1 => Just(json!({"traceComponent": null})),
        1 => Just(json!({"eventId": "somebody-else"})),
        1 => Just(json!({"orgId": "other"})),
        1 => Just(json!({"recordedAt": 7})),
    ];
    prop::collection::vec(kind, 0..60).prop_map(|kinds| {
        kinds.iter().enumerate().map(|(number, changes)| row(number, changes)).collect()
    })
}

fn ids(batch: &NewBatch) -> Vec<EventId> {
    batch.events.iter().map(|event| event.event_id.clone()).collect()
}

/// What the connector reads in the body.
fn read(batch: &NewBatch) -> ConnectorBatch {
    serde_json::from_slice(&batch.body).unwrap()
}

proptest! {
    #[test]
    fn no_event_is_lost_or_doubled_and_order_and_caps_are_kept(
        rows in rows(),
        events in 1_usize..30,
        bytes in 2_000_usize..20_000,
    ) {
        let (org, profile, caps) = (org(), profile(), Caps { events, bytes });
        let (mut rest, mut sent, mut dropped) = (rows.as_slice(), Vec::new(), Vec::new());
        let mut number = 0;
        while !rest.is_empty() {
            let slot = Slot { org: &org, seq: sequence(number) };
            let plan = next(rest, &BTreeSet::new(), &slot, &profile, caps);
            prop_assert!(plan.taken > 0, "every plan makes progress");
            if let Some(batch) = plan.batch {
                prop_assert!(batch.events.len() <= events);
                prop_assert!(batch.body.len() <= bytes || batch.events.len() == 1);
                let body = read(&batch);
                prop_assert_eq!(body.batch_metadata.event_count, batch.events.len());
                let told: Vec<String> = body.events.into_iter().map(|event| event.event_id).collect();
                let kept: Vec<String> =
                    batch.events.iter().map(|event| event.connector_id.clone()).collect();
                prop_assert_eq!(told, kept);
                sent.extend(ids(&batch));
            }
            dropped.extend(plan.dropped);
            rest = &rest[plan.taken..];
            number += 1;
        }
        let forwarded = |row: &&StagedEvent| matches!(
            judged(row, &org, &BTreeSet::new()), Judgement::Forward(_)
        );
        let expected = |wanted: bool| -> Vec<EventId> {
            rows.iter().filter(|row| forwarded(row) == wanted).map(|row| row.event_id.clone()).collect()
        };
        prop_assert_eq!(sent, expected(true));
        prop_assert_eq!(dropped, expected(false));
    }

    #[test]
    fn splitting_anywhere_changes_no_event(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let (org, profile) = (org(), profile());
        let rows: Vec<StagedEvent> = (0..40).map(|number| row(number, &json!({}))).collect();
        let slot = Slot { org: &org, seq: sequence(3) };
        let whole = next(&rows, &BTreeSet::new(), &slot, &profile, Caps::default()).batch.unwrap();
        let mut parts = vec![whole.clone()];
        for cut in cuts {
            let at = cut.index(parts.len());
            let halves = split(&parts[at], &org, &profile).unwrap();
            if !halves.is_empty() {
                parts.splice(at..=at, halves);
            }
        }
        let seqs: Vec<&str> = parts.iter().map(|part| part.seq.as_str()).collect();
        prop_assert!(seqs.is_sorted(), "{seqs:?}");
        let events: Vec<_> = parts.iter().flat_map(|part| read(part).events).collect();
        prop_assert_eq!(events, read(&whole).events);
        let keys: BTreeSet<&str> = parts.iter().map(|part| part.batch_id.as_str()).collect();
        prop_assert_eq!(keys.len(), parts.len(), "each part has an idempotency key of its own");
    }

    #[test]
    fn a_remainder_holds_exactly_what_is_not_done(done in prop::collection::btree_set(0_usize..30, 0..30)) {
        let (org, profile) = (org(), profile());
        let rows: Vec<StagedEvent> = (0..30).map(|number| row(number, &json!({}))).collect();
        let slot = Slot { org: &org, seq: sequence(3) };
        let whole = next(&rows, &BTreeSet::new(), &slot, &profile, Caps::default()).batch.unwrap();
        let done: BTreeSet<EventId> = done.iter().map(|at| rows[*at].event_id.clone()).collect();
        let kept = remainder(&whole, Subset::Without(&done), &org, &profile).unwrap();
        let expected: Vec<EventId> =
            ids(&whole).into_iter().filter(|id| !done.contains(id)).collect();
        prop_assert_eq!(kept.as_ref().map(ids).unwrap_or_default(), expected);
        if let Some(kept) = kept {
            prop_assert_eq!(&kept.seq, "000000000003.r1");
            prop_assert_ne!(kept.batch_id, whole.batch_id);
        }
    }
}

#[test]
fn the_body_is_the_connectors_schema() {
    let signals = json!({"suggestedTaxonomy": "C1.2", "suggestedPattern": {"id": "p-7"}});
    let rows =
        [row(1, &json!({"signals": signals, "severity": 5, "eventType": "friction.abandon"}))];
    let org = org();
    let slot = Slot { org: &org, seq: sequence(12) };
    let body = |profile: &str| -> Value {
        let profile = Profile::parse(profile).unwrap();
        let plan = next(&rows, &BTreeSet::new(), &slot, &profile, profile.caps());
        serde_json::from_slice(&plan.batch.unwrap().body).unwrap()
    };
    let expected = json!({
        "events": [{
            "eventId": crate::pseudonym::connector_event_id(&org, &rows[0].event_id),
            "timestamp": "2025-10-09T08:53:20.001Z", "source": "athena-eu",
            "traceComponent": "reasoning", "eventType": "abandon", "orgId": "acme", "productId": "shop",
            "severity": 5, "context": {"feature": "answers", "sessionDuration": 7.5},
            "frictionSignals": {"suggestedTaxonomy": "C1.2"}, "metadata": {"orgSize": "51-200"},
        }],
        "batchMetadata": {
            "batchId": slot.batch_id(&rendered(&rows[..1])), "batchSeq": "000000000012", "eventCount": 1, "source": "athena-eu",
            "firstAt": "2025-10-09T08:53:20.001Z", "lastAt": "2025-10-09T08:53:20.001Z",
        },
    });
    assert_eq!(body("athena-eu"), expected);
    let event = &body("frictionmelt-2026-02")["events"][0];
    assert_eq!(event["suggestedPattern"], json!({"id": "p-7"}));
    assert_eq!(event.get("frictionSignals"), None);
}

#[test]
fn fields_can_be_renamed_left_out_and_coarsened_by_configuration() {
    let mut profile = profile();
    profile.renamed = [("timestamp", "at"), ("severity", "level")]
        .map(|(ours, theirs)| (ours.to_owned(), theirs.to_owned()))
        .into();
    profile.omitted = ["productId".to_owned()].into();
    profile.time_step_ms = 60_000;
    let org = org();
    let slot = Slot { org: &org, seq: sequence(1) };
    let rows: Vec<StagedEvent> = (0..3).map(|number| row(number, &json!({}))).collect();
    let batch = next(&rows, &BTreeSet::new(), &slot, &profile, profile.caps()).batch.unwrap();
    let body: Value = serde_json::from_slice(&batch.body).unwrap();
    let event = &body["events"][2];
    assert_eq!((&event["at"], &event["level"]), (&json!("2025-10-09T08:53:00.000Z"), &json!(3)));
    assert_eq!((event.get("productId"), event.get("timestamp")), (None, None));
    let halves = split(&batch, &org, &profile).unwrap();
    let metadata: Value = serde_json::from_slice(&halves[1].body).unwrap();
    assert_eq!(metadata["batchMetadata"]["firstAt"], "2025-10-09T08:53:00.000Z");
}

#[test]
fn a_batch_formed_again_has_the_same_bytes_and_the_same_key() {
    let (org, profile) = (org(), profile());
    let rows: Vec<StagedEvent> = (0..5).map(|number| row(number, &json!({}))).collect();
    let form = |seq| {
        let slot = Slot { org: &org, seq: sequence(seq) };
        next(&rows, &BTreeSet::new(), &slot, &profile, Caps::default()).batch.unwrap()
    };
    assert_eq!(form(4), form(4));
    assert_ne!(form(4).batch_id, form(5).batch_id);
    let other = OrgId::parse("other").unwrap();
    let of = |org, rows| Slot { org, seq: sequence(4) }.batch_id(&rendered(rows));
    assert_eq!(of(&org, &rows), form(4).batch_id);
    assert_ne!(of(&other, &rows), form(4).batch_id);
    assert_ne!(
        of(&org, &rows[..4]),
        form(4).batch_id,
        "a restored installation counts on with other events"
    );
}

fn rendered(rows: &[StagedEvent]) -> Vec<RenderedEvent> {
    let profile = Profile::parse("athena-eu").unwrap();
    let render =
        |row: &StagedEvent| profile.render_event(&serde_json::from_str(&row.body).unwrap());
    rows.iter().filter_map(render).collect()
}

#[test]
fn a_row_that_was_forwarded_before_is_dropped() {
    let (org, profile) = (org(), profile());
    let rows: Vec<StagedEvent> = (0..3).map(|number| row(number, &json!({}))).collect();
    let forwarded = BTreeSet::from([rows[1].event_id.clone()]);
    let slot = Slot { org: &org, seq: sequence(1) };
    let plan = next(&rows, &forwarded, &slot, &profile, Caps::default());
    assert_eq!(ids(&plan.batch.unwrap()), [rows[0].event_id.clone(), rows[2].event_id.clone()]);
    assert_eq!((plan.dropped, plan.taken), (vec![rows[1].event_id.clone()], 3));
}

#[test]
fn the_largest_admitted_events_fit_a_batch_each() {
    let indicators: Vec<String> = (0..16).map(|_| "i".repeat(64)).collect();
    let flags: Vec<String> = (0..16).map(|_| "f".repeat(64)).collect();
    let text = "\u{1f600}".repeat(64);
    let large = json!({
        "signals": {"behavioralIndicators": indicators, "suggestedPattern": {"id": "p", "description": text}},
        "context": {"complianceFlags": flags, "feature": "f".repeat(64)},
    });
    let rows: Vec<StagedEvent> = (0..96).map(|number| row(number, &large)).collect();
    let (org, profile) = (org(), profile());
    let slot = Slot { org: &org, seq: sequence(1) };
    let batch = next(&rows, &BTreeSet::new(), &slot, &profile, Caps::default()).batch.unwrap();
    assert!(batch.body.len() <= BATCH_BYTES_MAX && batch.events.len() > 1);
}

#[test]
fn a_body_that_holds_other_events_is_not_taken_apart() {
    let (org, profile) = (org(), profile());
    let rows: Vec<StagedEvent> = (0..3).map(|number| row(number, &json!({}))).collect();
    let slot = Slot { org: &org, seq: sequence(1) };
    let whole = next(&rows, &BTreeSet::new(), &slot, &profile, Caps::default()).batch.unwrap();
    for body in ["", "[]", "{}", r#"{"events":[{}]}"#, r#"{"events":7}"#] {
        let batch = NewBatch { body: body.into(), ..whole.clone() };
        assert_eq!(split(&batch, &org, &profile), Err(UnreadableBatch), "{body}");
    }
    let renamed = String::from_utf8(whole.body.clone()).unwrap().replacen("events", "items", 1);
    let older = NewBatch { body: renamed.into_bytes(), ..whole };
    assert_eq!(split(&older, &org, &profile).unwrap().len(), 2, "an older envelope still splits");
}
