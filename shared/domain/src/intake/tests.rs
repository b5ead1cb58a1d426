//! One table of faults, what becomes of each field, and the laws of reading.

use contract::{
    event::Element,
    limits::{DAY_MS, MINUTE_MS},
};
use serde_json::{Map, Value, json};

use super::*;
use crate::pseudonym::OrgKey;

mod laws;

const NOW_MS: i64 = 1_760_000_000_000;

/// A door for a key bound to `orgs`; `nokey` exists but has no pseudonymisation key.
struct Setting {
    orgs: Vec<OrgId>,
    pseudonymisers: BTreeMap<OrgId, Arc<Pseudonymiser>>,
    seal_key: SealKey,
}

fn org(name: &str) -> OrgId {
    OrgId::parse(name).unwrap()
}

impl Setting {
    fn new(orgs: &[&str]) -> Self {
        let orgs: Vec<OrgId> = orgs.iter().map(|name| org(name)).collect();
        let keyed = orgs.iter().filter(|org| org.as_str() != "nokey").map(|org| {
            let key = OrgKey::from_mac([7; 32], 3);
            (org.clone(), Arc::new(Pseudonymiser::new(org.clone(), &key)))
        });
        Self { pseudonymisers: keyed.collect(), orgs, seal_key: SealKey::from_bytes([9; 32]) }
    }

    fn read(&self, raw: &str) -> Outcome {
        let door = Door {
            now: now(),
            orgs: &self.orgs,
            pseudonymisers: &self.pseudonymisers,
            seal_key: &self.seal_key,
            entropy: &|| [1; 16],
        };
        read_event(raw, &door)
    }

    fn pseudonymiser(&self) -> &Pseudonymiser {
        &self.pseudonymisers[&org("acme")]
    }
}

fn now() -> Timestamp {
    Timestamp::from_ms(NOW_MS)
}

/// An event of a type with all it requires, and `changes` merged over it; a null removes a field.
fn raw(kind: &str, changes: &Value) -> String {
    let mut event = json!({
        "schemaVersion": "1.0", "eventId": "e.1", "eventType": kind, "orgId": "acme", "occurredAt": now().to_string(),
        "traceComponent": "reasoning", "screen": "/cart", "element": {"key": "pay"}, "task": {"name": "buy"},
        "object": {"type": "claim", "id": "c-1"}, "error": {"code": "E1"},
    });
    for (name, value) in changes.as_object().unwrap() {
        let event = event.as_object_mut().unwrap();
        if value.is_null() {
            event.remove(name);
        } else {
            event.insert(name.clone(), value.clone());
        }
    }
    event.to_string()
}

#[track_caller]
fn ready(outcome: Outcome) -> Ready {
    match outcome {
        Outcome::Ready(ready) => *ready,
        other @ (Outcome::Sealed(_) | Outcome::Rejected(_)) => panic!("{other:?}"),
    }
}

#[track_caller]
fn read(kind: &str, changes: Value) -> Event {
    ready(Setting::new(&["acme"]).read(&raw(kind, &changes))).event
}

#[test]
fn each_fault_has_its_code_and_place() {
    let long = |bytes| "x".repeat(bytes);
    let at = |ms: i64| now().plus_ms(ms).to_string();
    let v7 = |ms: i64| event_id::v7(now().plus_ms(ms), [3; 16]).to_string();
    let keys =
        |count: usize| (0..count).map(|n| (format!("k{n}"), json!(n))).collect::<Map<_, _>>();
    for (changes, code, path) in [
        (json!({"x": 1}), "unknown_field", None),
        (json!({"__proto__": {}}), "unknown_field", None),
        (json!({"timestamp": at(0)}), "unknown_field", None),
        (json!({"element": {"key": "a", "label": "b"}}), "unknown_field", Some("/element")),
        (json!({"source": {"service": "s", "host": "h"}}), "unknown_field", Some("/source")),
        (json!({"schemaVersion": 1}), "invalid_type", Some("/schemaVersion")),
        (json!({"schemaVersion": "2.0"}), "unsupported_version", Some("/schemaVersion")),
        (json!({"schemaVersion": "x"}), "unsupported_version", Some("/schemaVersion")),
        (json!({"eventId": ""}), "invalid_event_id", Some("/eventId")),
        (json!({"eventId": long(65)}), "invalid_event_id", Some("/eventId")),
        (json!({"eventId": "a b"}), "invalid_event_id", Some("/eventId")),
        (json!({"eventId": 7}), "invalid_type", Some("/eventId")),
        (json!({"eventId": v7(6 * MINUTE_MS)}), "event_id_time", Some("/eventId")),
        (json!({"eventId": v7(-29 * DAY_MS - 1)}), "event_id_time", Some("/eventId")),
        (json!({"eventType": null}), "missing_field", Some("/eventType")),
        (json!({"eventType": 3}), "invalid_type", Some("/eventType")),
        (json!({"occurredAt": null}), "missing_field", Some("/occurredAt")),
        (json!({"occurredAt": "2026-02-12T01:00:00"}), "invalid_timestamp", Some("/occurredAt")),
        (json!({"occurredAt": "yesterday"}), "invalid_timestamp", Some("/occurredAt")),
        (json!({"occurredAt": NOW_MS}), "invalid_type", Some("/occurredAt")),
        (json!({"orgId": "other"}), "foreign_org", Some("/orgId")),
        (json!({"orgId": "a.b"}), "invalid_value", Some("/orgId")),
        (json!({"productId": "a b"}), "invalid_value", Some("/productId")),
        (json!({"actorId": 42}), "invalid_type", Some("/actorId")),
        (json!({"actorId": long(257)}), "too_long", Some("/actorId")),
        (json!({"sessionId": "a\u{202e}b"}), "control_character", Some("/sessionId")),
        (json!({"traceComponent": null}), "missing_field", Some("/traceComponent")),
        (json!({"traceComponent": "Reasoning"}), "invalid_value", Some("/traceComponent")),
        (json!({"severity": 6}), "out_of_range", Some("/severity")),
        (json!({"severity": 300}), "out_of_range", Some("/severity")),
        (json!({"severity": 1.5}), "invalid_type", Some("/severity")),
        (json!({"correlationId": "a\r\nb"}), "control_character", Some("/correlationId")),
        (json!({"element": []}), "invalid_type", Some("/element")),
        (json!({"element": {"kind": "b"}}), "missing_field", Some("/element/key")),
        (json!({"element": {"key": "\u{1b}[31m"}}), "control_character", Some("/element/key")),
        (json!({"element": {"key": "a", "x": 3e9}}), "out_of_range", Some("/element/x")),
        (json!({"task": {"name": long(65)}}), "too_long", Some("/task/name")),
        (json!({"object": {"type": "t", "id": long(129)}}), "too_long", Some("/object/id")),
        (
            json!({"error": {"code": "e", "latencyMs": -1}}),
            "out_of_range",
            Some("/error/latencyMs"),
        ),
        (json!({"consent": {"analytics": "no"}}), "invalid_type", Some("/consent/analytics")),
        (json!({"consent": {"marketing": true}}), "unknown_field", Some("/consent")),
        (json!({"context": []}), "invalid_type", Some("/context")),
        (json!({"context": keys(33)}), "too_many_keys", Some("/context")),
        (json!({"context": {"aiConfidence": 2}}), "out_of_range", Some("/context/aiConfidence")),
        (json!({"context": {"rating": 1.5}}), "invalid_type", Some("/context/rating")),
        (json!({"context": {"feature": "a b"}}), "invalid_value", Some("/context/feature")),
        (
            json!({"context": {"explanationLevel": "guru"}}),
            "invalid_value",
            Some("/context/explanationLevel"),
        ),
        (
            json!({"context": {"complianceFlags": ["ok", 1]}}),
            "invalid_type",
            Some("/context/complianceFlags"),
        ),
        (
            json!({"signals": {"suggestedTaxonomy": "Z1.1"}}),
            "invalid_value",
            Some("/signals/suggestedTaxonomy"),
        ),
        (
            json!({"signals": {"suggestedPattern": {"id": "p", "extra": 1}}}),
            "unknown_field",
            Some("/signals/suggestedPattern"),
        ),
        (
            json!({"assignment": {"experimentId": "e", "variantId": "v"}}),
            "missing_field",
            Some("/assignment/assignedAt"),
        ),
        (json!({"route": long(20_000)}), "event_too_large", None),
        (
            json!({"context": {"feature": {"a": {"b": {"c": {"d": {}}}}}}}),
            "too_deep",
            Some("/context/feature"),
        ),
    ] {
        let Outcome::Rejected(rejected) =
            Setting::new(&["acme"]).read(&raw("friction.abandon", &changes))
        else {
            panic!("{changes} was taken")
        };
        let fault = (rejected.fault.code.as_str(), rejected.fault.path.as_deref());
        assert_eq!(fault, (code, path), "{changes}");
    }
}

#[test]
fn what_is_no_event_is_rejected() {
    let setting = Setting::new(&["acme"]);
    for (text, code) in [
        ("", Code::InvalidJson),
        ("7", Code::InvalidShape),
        ("[]", Code::InvalidShape),
        (r#"{"eventId":"a","eventId":"b"}"#, Code::DuplicateField),
        (r#"{"eventId":"a","severity":1e999}"#, Code::InvalidNumber),
        (r#"{"eventId":"\ud800"}"#, Code::InvalidJson),
        ("{}", Code::MissingField),
    ] {
        let Outcome::Rejected(rejected) = setting.read(text) else { panic!("{text} was taken") };
        assert_eq!(rejected.fault.code, code, "{text}");
    }
}

#[test]
fn identifiers_become_tokens_and_tokens_stay() {
    let setting = Setting::new(&["acme"]);
    let event = read(
        "task.started",
        json!({
            "actorId": " Anna@Example.org ", "sessionId": "sess-1", "idempotencyKey": "k-1",
            "task": {"name": "buy", "id": "run 7"}, "object": {"type": "order", "id": "Anna's order"},
            "correlationId": "anna@example.org",
        }),
    );
    let token = |kind, raw| Some(setting.pseudonymiser().token(kind, raw).into_string());
    assert_eq!(event.actor_id, token(Kind::User, "anna@example.org"));
    assert_eq!(event.session_id, token(Kind::Session, "sess-1"));
    assert_eq!(event.idempotency_key, token(Kind::Object, "k-1"));
    assert_eq!(event.task.unwrap().id, token(Kind::Object, "run 7"));
    assert_eq!(Some(event.object.unwrap().id), token(Kind::Object, "Anna's order"));
    assert_eq!(event.correlation_id, token(Kind::Object, "anna@example.org"));
    let again = read("ui.click", json!({"actorId": event.actor_id, "sessionId": event.session_id}));
    assert_eq!((again.actor_id, again.session_id), (event.actor_id, event.session_id));
    let blank = read("ui.click", json!({"actorId": " ", "sessionId": ""}));
    assert_eq!((blank.actor_id, blank.session_id), (None, None));
}

#[test]
fn join_keys_and_plain_names_are_kept_as_they_are() {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let event =
        read("knowledge.user_viewed", json!({"correlationId": trace, "causationId": "e.0"}));
    assert_eq!(event.correlation_id.as_deref(), Some(trace));
    assert_eq!(event.causation_id.as_deref(), Some("e.0"));
    assert_eq!(event.object.unwrap().id, "c-1");
}

#[test]
fn short_texts_that_identify_become_placeholders_and_versions_are_no_addresses() {
    let setting = Setting::new(&["acme"]);
    let changes = json!({
        "element": {"key": "mail anna@example.org", "x": 10.6, "y": -3},
        "context": {"appName": "10.1.2.3", "appVersion": "10.1.2.3", "feature": ""},
        "source": {"service": "shop", "version": "1.2.3.4"},
    });
    let read = ready(setting.read(&raw("ui.click", &changes)));
    assert_eq!(
        read.event.element,
        Some(Element { key: "[EMAIL]".to_owned(), kind: None, x: Some(11), y: Some(-3) })
    );
    assert_eq!(
        Value::from(read.event.context),
        json!({"appName": "[IP]", "appVersion": "10.1.2.3"})
    );
    assert_eq!(read.event.source.unwrap().version.as_deref(), Some("1.2.3.4"));
    assert_eq!(read.scrubbed, 2);
}

#[test]
fn free_text_is_scrubbed_and_still_fits() {
    let text = format!("{} a@b.eu", "x".repeat(249));
    let event = read("crawl.item_failed", json!({"context": {"fetchError": text}}));
    let kept = event.context["fetchError"].as_str().unwrap();
    assert_eq!(kept.len(), 256);
    assert!(!kept.contains("a@b"), "{kept}");
}

#[test]
fn places_become_templates() {
    let event = read(
        "ui.navigation",
        json!({
            "screen": "https://shop.example/orders/4711?mail=anna@example.org", "route": "?x=1",
            "context": {"url": "https://shop.example/a/4711#top", "referrer": ""},
        }),
    );
    assert_eq!(event.screen.as_deref(), Some("/orders/{id}"));
    assert_eq!(event.route, None);
    assert_eq!(Value::from(event.context), json!({"url": "/a/{id}"}));
    let odd = read("ui.navigation", json!({"screen": "/kunden/anna\u{ff20}example.org/akte"}));
    assert_eq!(odd.screen.as_deref(), Some("/kunden/{id}/akte"));
}

#[test]
fn undeclared_context_keys_are_dropped_and_counted() {
    let changes = json!({"context": {"feature": "cart", "email": "anna@example.org", "constructor": {}, "locale": null}});
    let read = ready(Setting::new(&["acme"]).read(&raw("ui.click", &changes)));
    assert_eq!(Value::from(read.event.context), json!({"feature": "cart"}));
    assert_eq!(read.dropped_keys, 2);
}

#[test]
fn an_id_is_the_clients_else_that_of_its_key_else_new() {
    let id = |changes| read("ui.click", changes).event_id;
    let upper = event_id::v7(now(), [0xab; 16]).to_string().to_ascii_uppercase();
    assert_eq!(id(json!({"eventId": upper})).as_str(), upper.to_ascii_lowercase());
    let derived = id(json!({"eventId": null, "idempotencyKey": "k-1"}));
    let token = Setting::new(&["acme"]).pseudonymiser().token(Kind::Object, "k-1");
    assert_eq!(derived, event_id::derived(&org("acme"), &token));
    assert_eq!(id(json!({"eventId": "mine", "idempotencyKey": "k-1"})).as_str(), "mine");
    assert_eq!(id(json!({"eventId": null})), event_id::v7(now(), [1; 16]));
}

#[test]
fn the_organisation_comes_from_the_key() {
    let read = |orgs: &[&str], named: Value| match Setting::new(orgs)
        .read(&raw("ui.click", &json!({"orgId": named})))
    {
        Outcome::Ready(ready) => Ok(ready.event.org_id.to_string()),
        Outcome::Rejected(rejected) => Err(rejected.fault.code),
        Outcome::Sealed(_) => panic!("sealed"),
    };
    assert_eq!(read(&["acme"], Value::Null), Ok("acme".to_owned()));
    assert_eq!(read(&["acme", "bolt"], Value::Null), Err(Code::MissingField));
    assert_eq!(read(&["acme", "bolt"], json!("bolt")), Ok("bolt".to_owned()));
    assert_eq!(read(&["acme"], json!("bolt")), Err(Code::ForeignOrg));
    assert_eq!(read(&[], Value::Null), Err(Code::MissingField));
    assert_eq!(read(&["nokey"], Value::Null), Err(Code::NoKey));
}

#[test]
fn without_consent_only_the_head_is_left() {
    let changes = json!({
        "consent": {"analytics": false}, "actorId": "anna", "sessionId": "s", "context": {"feature": "x"},
        "correlationId": "c", "idempotencyKey": "k", "unknown": 1,
    });
    let read = ready(Setting::new(&["acme"]).read(&raw("friction.abandon", &changes)));
    assert_eq!(read.course, Course::Admitted(Admission::Suppress));
    assert_eq!(
        serde_json::to_value(&read.event).unwrap(),
        json!({
            "schemaVersion": "1.0", "eventId": "e.1", "eventType": "friction.abandon",
            "occurredAt": now().to_string(), "orgId": "acme", "productId": "default", "traceComponent": "reasoning",
            "consent": {"analytics": false, "forward": true}, "recordedAt": now().to_string(),
            "ck": admit::ck_text(read.ck),
        })
    );
    let unknown = json!({"consent": {"analytics": false}});
    let Outcome::Rejected(rejected) = Setting::new(&["acme"]).read(&raw("no.such", &unknown))
    else {
        panic!("kept without consent")
    };
    assert_eq!(rejected.fault.code, Code::UnknownEventType);
}

#[test]
fn an_unknown_type_is_sealed_as_it_came() {
    let setting = Setting::new(&["acme"]);
    let text = raw("friction.long_session", &json!({"actorId": "anna@example.org"}));
    let Outcome::Sealed(record) = setting.read(&text) else { panic!("not sealed") };
    assert_eq!((record.reason, record.event_id.as_str()), (Code::UnknownEventType, "e.1"));
    assert_eq!(setting.seal_key.open("acme/e.1", &record.sealed.0), Some(text.into_bytes()));
    assert!(!serde_json::to_string(&record).unwrap().contains("anna"));
}

#[test]
fn a_late_event_goes_on_and_an_early_one_is_clamped_after_its_checksum() {
    let setting = Setting::new(&["acme"]);
    let at = |ms: i64| raw("ui.click", &json!({"occurredAt": now().plus_ms(ms).to_string()}));
    assert_eq!(ready(setting.read(&at(-30 * DAY_MS - 1))).course, Course::Late);
    let early = ready(setting.read(&at(DAY_MS)));
    assert_eq!(early.event.occurred_at, now().plus_ms(5 * MINUTE_MS));
    assert!(early.event.time_adjusted);
    let sent = Event { occurred_at: now().plus_ms(DAY_MS), ..early.event.clone() };
    assert_eq!(early.ck, admit::ck(&sent));
    assert_ne!(early.ck, admit::ck(&early.event));
}

#[test]
fn the_origins_spellings_are_those_of_the_version_before() {
    let old = json!({
        "eventId": "evt_0123456789abcdef", "timestamp": now().to_string(), "source": "athena-eu",
        "traceComponent": "reasoning", "eventType": "user_override", "orgId": "acme", "userId": "anna",
        "frictionSignals": {"suggestedTaxonomy": "R1.2"}, "context": {"sessionDuration": 45, "feature": "chat"},
    });
    let new = json!({
        "schemaVersion": "1.0", "eventId": "evt_0123456789abcdef", "occurredAt": now().to_string(),
        "source": {"service": "athena-eu"}, "traceComponent": "reasoning", "eventType": "friction.user_override",
        "orgId": "acme", "actorId": "anna", "signals": {"suggestedTaxonomy": "R1.2"},
        "context": {"sessionDurationSeconds": 45, "feature": "chat"},
    });
    let setting = Setting::new(&["acme"]);
    let read = |event: &Value| setting.read(&event.to_string());
    assert_eq!(ready(read(&old)), ready(read(&new)));
    let mut at_ms = old.clone();
    at_ms["schemaVersion"] = json!("0.9");
    at_ms.as_object_mut().unwrap().remove("timestamp");
    at_ms["ts"] = json!(NOW_MS);
    assert_eq!(ready(read(&at_ms)), ready(read(&new)));
    let mut twice = old;
    twice["occurredAt"] = json!(now().to_string());
    let Outcome::Rejected(rejected) = read(&twice) else { panic!("taken") };
    assert_eq!(rejected.fault, Fault::at(Code::DuplicateField, "/occurredAt"));
}

#[test]
fn what_doors_write_may_be_sent_again_and_is_written_anew() {
    let first = ready(Setting::new(&["acme"]).read(&raw("ui.click", &json!({"actorId": "anna"}))));
    let mut archived = serde_json::to_value(&first.event).unwrap();
    archived["record"] = json!({"shard": "s", "sequence": "1", "arrivedAt": now().to_string()});
    archived["recordedAt"] = json!("2020-01-01T00:00:00Z");
    archived["timeAdjusted"] = json!(true);
    archived["ck"] = json!("00000000");
    assert_eq!(ready(Setting::new(&["acme"]).read(&archived.to_string())), first);
}

#[test]
fn a_repeat_within_a_request_is_a_duplicate_or_a_collision() {
    let setting = Setting::new(&["acme", "bolt"]);
    let texts = [
        raw("ui.click", &json!({})),
        raw("ui.click", &json!({"severity": 2})),
        raw("ui.click", &json!({})),
        raw("ui.click", &json!({"orgId": "bolt"})),
        raw("ui.click", &json!({"eventId": "a b"})),
        raw("no.such", &json!({"eventId": "e.2"})),
        raw("no.such", &json!({"eventId": "e.2"})),
        raw("ui.click", &json!({"eventId": "e.3", "occurredAt": "1999-01-01T00:00:00Z"})),
    ];
    let verdicts = plan(texts.iter().map(|text| setting.read(text)).collect());
    let told: Vec<String> = verdicts
        .iter()
        .map(|verdict| {
            let answer = &verdict.answer;
            let code = answer.code.map_or("", Code::as_str);
            format!("{} {:?} {code} {}", answer.index, answer.status, verdict.kept != Kept::Nothing)
        })
        .collect();
    assert_eq!(
        told,
        [
            "0 Accepted  true",
            "1 Rejected id_collision true",
            "2 Duplicate  false",
            "3 Accepted  true",
            "4 Rejected invalid_event_id false",
            "5 Quarantined unknown_event_type true",
            "6 Duplicate  false",
            "7 Quarantined late true",
        ]
    );
}

#[test]
fn the_largest_event_that_is_admitted_fits() {
    let text = |bytes: usize| "\"".repeat(bytes);
    for kind in EventType::ALL {
        let mut context = Map::new();
        let keys = [contract::context::COMMON, contract::context::family(kind.family())];
        for key in keys.into_iter().flatten() {
            use contract::context::Holds;
            let value = match key.holds {
                Holds::Name(bytes) => json!("n".repeat(bytes)),
                Holds::Names(count, bytes) => json!(vec!["n".repeat(bytes); count]),
                Holds::Text(bytes) => json!(text(bytes)),
                Holds::Url => json!(text(256)),
                Holds::Number(..)
                | Holds::Integer(..)
                | Holds::Boolean
                | Holds::Word(_)
                | Holds::Identifier
                | Holds::Time => json!("x".repeat(40)),
            };
            context.insert(key.name.to_owned(), value);
        }
        let event = json!({
            "ids": vec!["x".repeat(64); 3], "tokens": vec!["x".repeat(50); 4], "joins": [text(128), text(128)],
            "screen": text(256), "route": text(256), "element": {"key": text(128), "kind": text(64), "x": -2147483648_i64, "y": -2147483648_i64},
            "task": text(64), "object": [text(64), "x".repeat(128)], "error": [text(64), text(64), 2592000000_u64],
            "signals": {"behavioralIndicators": vec![text(64); 16], "suggestedPattern": [text(64), text(64), text(256)]},
            "assignment": [text(64), text(64), "x".repeat(40)], "source": [text(64), text(64), text(64)],
            "context": context, "rest": "x".repeat(1000),
        });
        assert!(
            admit::fits(event.to_string().len()).is_ok(),
            "{kind}: {} bytes",
            event.to_string().len()
        );
    }
}
