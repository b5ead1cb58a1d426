//! One table of faults, and the laws of `ck`, `clamp` and the partition key.

use contract::limits::{DAY_MS, MINUTE_MS};
use serde_json::{Value, json};

use super::*;

const ARRIVAL_MS: i64 = 1_760_000_000_000;
const USER: &str = "u1.3.00000000000000000000000000";
const SESSION: &str = "s1.3.00000000000000000000000000";
const OBJECT: &str = "o1.3.00000000000000000000000000";

fn arrival() -> Timestamp {
    Timestamp::from_ms(ARRIVAL_MS)
}

/// A full event of a type, with `changes` merged over it; a null removes a field.
fn event(kind: &str, changes: Value) -> Event {
    let mut fields = json!({
        "schemaVersion": "1.0", "eventId": "e.1", "eventType": kind, "orgId": "acme", "productId": "shop",
        "occurredAt": arrival().to_string(), "sessionId": SESSION, "actorId": USER, "idempotencyKey": OBJECT,
        "correlationId": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "traceComponent": "reasoning",
        "severity": 3, "screen": "/orders/{id}", "element": {"key": "pay", "kind": "button", "x": 3, "y": -4},
        "task": {"name": "checkout", "id": OBJECT}, "object": {"type": "claim", "id": "c-1"},
        "error": {"code": "E1", "category": "network", "latencyMs": 12}, "context": {"feature": "cart"},
        "signals": {"suggestedTaxonomy": "T2.1", "suggestedSeverity": 1, "suggestedLayer": 8, "confidence": 0.5,
            "behavioralIndicators": ["x"], "suggestedPattern": {"id": "p", "severity": 5, "suggestedLayer": 1}},
        "assignment": {"experimentId": "e", "variantId": "v", "assignedAt": arrival().to_string()},
        "source": {"service": "s", "version": "1", "region": "eu-central-1"},
    });
    for (key, value) in changes.as_object().unwrap() {
        let fields = fields.as_object_mut().unwrap();
        if value.is_null() {
            fields.remove(key);
        } else {
            fields.insert(key.clone(), value.clone());
        }
    }
    serde_json::from_value(fields).unwrap()
}

#[test]
fn an_event_within_its_bounds_goes_where_its_family_and_consent_say() {
    for (kind, consent, expected) in [
        ("friction.abandon", json!(null), Admission::Forward),
        ("friction.abandon", json!({"analytics": true, "forward": true}), Admission::Forward),
        ("friction.abandon", json!({"forward": false}), Admission::Withhold),
        ("friction.abandon", json!({"analytics": false}), Admission::Suppress),
        ("ui.click", json!(null), Admission::Count),
        ("ui.click", json!({"forward": false}), Admission::Count),
        ("ui.click", json!({"analytics": false, "forward": false}), Admission::Suppress),
        ("task.started", json!(null), Admission::Count),
        ("knowledge.user_viewed", json!(null), Admission::Count),
        ("crawl.item_failed", json!(null), Admission::Count),
        ("backend.error", json!(null), Admission::Count),
    ] {
        let event = event(kind, json!({"consent": consent}));
        assert_eq!(admit(&event, arrival()), Ok(expected), "{kind} {consent}");
    }
}

#[test]
fn each_fault_has_its_code_and_place() {
    let long = |bytes| "x".repeat(bytes);
    for (kind, changes, code, path) in [
        ("ui.click", json!({"schemaVersion": "2.0"}), "unsupported_version", "/schemaVersion"),
        ("ui.click", json!({"schemaVersion": "1"}), "unsupported_version", "/schemaVersion"),
        ("friction.abandon", json!({"traceComponent": null}), "missing_field", "/traceComponent"),
        ("ui.scroll", json!({"screen": null}), "missing_field", "/screen"),
        ("ui.click", json!({"element": null}), "missing_field", "/element"),
        ("ui.dead_click", json!({"element": null}), "missing_field", "/element"),
        ("ui.error", json!({"error": null}), "missing_field", "/error"),
        ("backend.error", json!({"error": null}), "missing_field", "/error"),
        ("task.completed", json!({"task": null}), "missing_field", "/task"),
        ("knowledge.user_viewed", json!({"object": null}), "missing_field", "/object"),
        ("ui.click", json!({"actorId": "anna@example.org"}), "raw_identifier", "/actorId"),
        ("ui.click", json!({"actorId": SESSION}), "raw_identifier", "/actorId"),
        ("ui.click", json!({"sessionId": "s-1"}), "raw_identifier", "/sessionId"),
        ("ui.click", json!({"idempotencyKey": "k"}), "raw_identifier", "/idempotencyKey"),
        ("task.started", json!({"task": {"name": "x", "id": "7"}}), "raw_identifier", "/task/id"),
        ("ui.click", json!({"screen": "/orders/4711"}), "raw_identifier", "/screen"),
        ("ui.click", json!({"route": "sms:"}), "raw_identifier", "/route"),
        (
            "ui.click",
            json!({"context": {"url": "https://x.example/a?b=c"}}),
            "raw_identifier",
            "/context/url",
        ),
        ("ui.click", json!({"severity": 6}), "out_of_range", "/severity"),
        ("ui.click", json!({"correlationId": long(129)}), "too_long", "/correlationId"),
        ("ui.click", json!({"causationId": ""}), "invalid_value", "/causationId"),
        ("ui.click", json!({"element": {"key": long(129)}}), "too_long", "/element/key"),
        (
            "ui.click",
            json!({"element": {"key": "a\u{202e}b"}}),
            "control_character",
            "/element/key",
        ),
        ("ui.click", json!({"element": {"key": "a\nb"}}), "control_character", "/element/key"),
        ("ui.click", json!({"object": {"type": "x", "id": "a b"}}), "invalid_value", "/object/id"),
        ("ui.click", json!({"error": {"code": long(65)}}), "too_long", "/error/code"),
        (
            "ui.click",
            json!({"signals": {"suggestedTaxonomy": "T21"}}),
            "invalid_value",
            "/signals/suggestedTaxonomy",
        ),
        (
            "ui.click",
            json!({"signals": {"suggestedTaxonomy": "X2.1"}}),
            "invalid_value",
            "/signals/suggestedTaxonomy",
        ),
        (
            "ui.click",
            json!({"signals": {"suggestedSeverity": 0}}),
            "out_of_range",
            "/signals/suggestedSeverity",
        ),
        (
            "ui.click",
            json!({"signals": {"suggestedLayer": 9}}),
            "out_of_range",
            "/signals/suggestedLayer",
        ),
        (
            "ui.click",
            json!({"signals": {"confidence": 1.1}}),
            "out_of_range",
            "/signals/confidence",
        ),
        (
            "ui.click",
            json!({"signals": {"behavioralIndicators": vec!["x"; 17]}}),
            "too_long",
            "/signals/behavioralIndicators",
        ),
        ("ui.click", json!({"source": {"service": ""}}), "invalid_value", "/source/service"),
        ("ui.click", json!({"context": {"undeclared": 1}}), "unknown_field", "/context"),
        (
            "ui.click",
            json!({"context": {"aiConfidence": 1.5}}),
            "out_of_range",
            "/context/aiConfidence",
        ),
        (
            "ui.click",
            json!({"context": {"aiConfidence": "1"}}),
            "invalid_type",
            "/context/aiConfidence",
        ),
        ("ui.click", json!({"context": {"feature": "a b"}}), "invalid_value", "/context/feature"),
        (
            "ui.click",
            json!({"context": {"deviceType": "Phone"}}),
            "invalid_value",
            "/context/deviceType",
        ),
        ("ui.click", json!({"context": {"visible": 1}}), "invalid_type", "/context/visible"),
        (
            "crawl.item_failed",
            json!({"context": {"crawledAt": "now"}}),
            "invalid_timestamp",
            "/context/crawledAt",
        ),
        (
            "crawl.item_failed",
            json!({"context": {"fetchError": long(257)}}),
            "too_long",
            "/context/fetchError",
        ),
        (
            "knowledge.user_viewed",
            json!({"context": {"concepts": vec!["c"; 21]}}),
            "too_long",
            "/context/concepts",
        ),
    ] {
        let fault = admit(&event(kind, changes.clone()), arrival()).unwrap_err();
        assert_eq!((fault.code.as_str(), fault.path.as_deref()), (code, Some(path)), "{changes}");
    }
}

#[test]
fn times_are_judged_against_the_door_when_there_was_one() {
    let at = |ms: i64| json!({"occurredAt": arrival().plus_ms(ms).to_string()});
    let judge = |changes, now: i64| {
        admit(&event("ui.click", changes), arrival().plus_ms(now)).map_err(|fault| fault.code)
    };
    assert_eq!(judge(at(-30 * DAY_MS), 0), Ok(Admission::Count));
    assert_eq!(judge(at(-30 * DAY_MS - 1), 0), Err(Code::Late));
    assert_eq!(judge(at(5 * MINUTE_MS), 0), Ok(Admission::Count));
    assert_eq!(judge(at(5 * MINUTE_MS + 1), 0), Err(Code::OutOfRange));
    let recorded = json!({"recordedAt": arrival().to_string()});
    assert_eq!(judge(recorded, 100 * DAY_MS), Ok(Admission::Count));
    let late_and_wrong =
        json!({"occurredAt": arrival().plus_ms(-31 * DAY_MS).to_string(), "severity": 9});
    assert_eq!(judge(late_and_wrong, 0), Err(Code::OutOfRange));
}

#[test]
fn a_version_seven_uuid_must_be_of_the_last_thirty_days() {
    let judge = |age_ms: i64| {
        let ms = ARRIVAL_MS - age_ms;
        let id = format!("{:08x}-{:04x}-7abc-8def-0123456789ab", ms >> 16, ms & 0xffff);
        admit(&event("ui.click", json!({"eventId": id})), arrival()).map_err(|fault| fault.code)
    };
    assert_eq!(judge(30 * DAY_MS), Ok(Admission::Count));
    assert_eq!(judge(30 * DAY_MS + 1), Err(Code::EventIdTime));
    assert_eq!(judge(-5 * MINUTE_MS), Ok(Admission::Count));
    assert_eq!(judge(-5 * MINUTE_MS - 1), Err(Code::EventIdTime));
}

#[test]
fn a_suppressed_event_needs_nothing_but_its_id_and_type() {
    let bare = event(
        "ui.click",
        json!({"element": null, "screen": null, "consent": {"analytics": false}}),
    );
    assert_eq!(admit(&bare, arrival()), Ok(Admission::Suppress));
}

#[test]
fn ck_ignores_what_doors_and_streams_add() {
    let sent = event("ui.click", json!({}));
    let mut stored = sent.clone();
    stored.recorded_at = Some(arrival());
    stored.time_adjusted = true;
    stored.ck = Some(ck_text(ck(&sent)));
    assert_eq!(ck(&stored), ck(&sent));
    assert_eq!(ck_of(&stored), ck(&sent));
    assert_ne!(ck(&event("ui.click", json!({"severity": 2}))), ck(&sent));
    stored.ck = Some("0000002a".to_owned());
    assert_eq!(ck_of(&stored), 42);
}

#[test]
fn clamping_moves_only_what_is_too_far_ahead() {
    for (ahead_ms, expected_ms, adjusted) in
        [(-1, -1, false), (5 * MINUTE_MS, 5 * MINUTE_MS, false), (DAY_MS, 5 * MINUTE_MS, true)]
    {
        let at = arrival().plus_ms(ahead_ms).to_string();
        let mut event = event("ui.click", json!({"occurredAt": at}));
        clamp(&mut event, arrival());
        assert_eq!(event.occurred_at, arrival().plus_ms(expected_ms));
        assert_eq!(event.time_adjusted, adjusted);
        assert_eq!(admit(&event, arrival()), Ok(Admission::Count));
    }
}

#[test]
fn a_shard_is_chosen_by_the_actor_else_the_session_else_the_event() {
    let key = |changes| partition_key(&event("ui.click", changes));
    assert_eq!(key(json!({"eventId": "a", "sessionId": null})), key(json!({"eventId": "b"})));
    assert_ne!(key(json!({"actorId": null})), key(json!({})));
    assert_eq!(key(json!({"actorId": null, "eventId": "b"})), key(json!({"actorId": null})));
    let bare = json!({"actorId": null, "sessionId": null, "eventId": "b"});
    assert_ne!(key(bare.clone()), key(json!({"actorId": null, "sessionId": null})));
    assert_eq!(key(bare).len(), 32);
}

#[test]
fn a_row_under_another_id_or_organisation_reaches_no_connector() {
    let event = event("friction.challenge", json!({}));
    let row = StagedEvent {
        org_id: event.org_id.clone(),
        event_id: event.event_id.clone(),
        product_id: event.product_id.clone(),
        ck: 0,
        occurred_at: arrival(),
        staged_at: arrival(),
        expires_at: arrival(),
        rescues: 0,
        body: serde_json::to_string(&event).unwrap(),
    };
    assert!(forwards(&row));
    assert!(!forwards(&StagedEvent { org_id: "globex".parse().unwrap(), ..row.clone() }));
    assert!(!forwards(&StagedEvent { event_id: "e.2".parse().unwrap(), ..row }));
}
