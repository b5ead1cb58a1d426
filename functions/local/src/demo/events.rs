//! Events as hosts send them: valid ones of every type, and everything that goes wrong with them.

use contract::{
    EventType, Family, Timestamp,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS},
};
use serde_json::{Value, json};

use super::personas::{Person, pick};

/// A valid event of `kind`, with identifiers in every slot where a host might put one.
pub(crate) fn event(
    rng: &mut fastrand::Rng,
    org: &str,
    person: &Person,
    kind: EventType,
    at: Timestamp,
) -> Value {
    let id = format!("{:016x}{:016x}", rng.u64(..), rng.u64(..));
    let mut event = json!({
        "schemaVersion": "1.0",
        "eventId": id,
        "eventType": kind.as_str(),
        "occurredAt": at.to_string(),
        "orgId": org,
        "productId": pick(PRODUCTS, rng.usize(..)),
        "actorId": person.address,
        "sessionId": person.session,
        "source": { "service": "workbench", "version": "4.2.0", "region": "eu-central-1" },
    });
    let context = json!({
        "feature": pick(FEATURES, rng.usize(..)),
        "deviceType": pick(&["desktop", "mobile", "tablet"], rng.usize(..)),
        // Nobody declared this key: it is dropped with what it holds.
        "customerMail": person.address,
    });
    set(&mut event, "context", context);
    detail(rng, &mut event, person, kind);
    event
}

fn detail(rng: &mut fastrand::Rng, event: &mut Value, person: &Person, kind: EventType) {
    match kind.family() {
        Family::Friction => friction(rng, event, kind),
        Family::Ui => ui(rng, event, person, kind),
        Family::Task => {
            set(event, "task", json!({ "name": pick(TASKS, rng.usize(..)), "id": person.session }));
        }
        Family::Knowledge => {
            let kind = pick(&["document", "claim", "source"], rng.usize(..));
            set(
                event,
                "object",
                json!({ "type": kind, "id": format!("{kind}-{}", rng.u32(..500)) }),
            );
        }
        Family::Crawl => {
            context(event, "platform", json!(pick(&["tiktok", "youtube"], rng.usize(..))));
            context(event, "jobId", json!(format!("job-{}", rng.u32(..40))));
            if kind == EventType::CrawlItemFailed {
                context(event, "fetchStatus", json!("error"));
                context(
                    event,
                    "errorCode",
                    json!(pick(&["RATE_LIMITED", "CONTENT_REMOVED"], rng.usize(..))),
                );
                context(
                    event,
                    "fetchError",
                    json!(format!("blocked for {} ({})", person.address, person.phone)),
                );
            }
        }
        Family::Backend => {
            context(
                event,
                "operation",
                json!(pick(&["summarise", "search", "export"], rng.usize(..))),
            );
            if kind == EventType::BackendError {
                set(
                    event,
                    "error",
                    json!({ "code": "UPSTREAM_502", "latencyMs": rng.u32(20..9_000) }),
                );
            }
        }
    }
}

fn friction(rng: &mut fastrand::Rng, event: &mut Value, kind: EventType) {
    if let Some(pillar) = kind.usual_pillar() {
        set(event, "traceComponent", json!(pillar.as_str()));
    }
    let confidence = f64::from(rng.u32(..100)) / 100.0;
    context(event, "aiConfidence", json!(confidence));
    context(event, "sessionDurationSeconds", json!(rng.u32(5..3_000)));
    let action = if rng.bool() { "positive" } else { "negative" };
    context(event, "userAction", json!(action));
    context(
        event,
        "explanationLevel",
        json!(pick(&["beginner", "intermediate", "expert"], rng.usize(..))),
    );
    context(event, "complianceFlags", json!(["retention", "export"]));
    if rng.u32(..4) == 0 {
        set(
            event,
            "signals",
            json!({ "suggestedTaxonomy": "T2.1", "suggestedSeverity": 3, "confidence": confidence }),
        );
    }
}

fn ui(rng: &mut fastrand::Rng, event: &mut Value, person: &Person, kind: EventType) {
    let screen = match rng.u32(..6) {
        0 => format!("/kunden/{}/akte", person.address),
        1 => {
            format!("https://app.example/auftrag/{}?mail={}#oben", rng.u32(1_000..), person.address)
        }
        _ => pick(SCREENS, rng.usize(..)).to_owned(),
    };
    set(event, "screen", json!(screen));
    if [EventType::UiClick, EventType::UiDeadClick].contains(&kind) {
        let key = pick(ELEMENTS, rng.usize(..));
        let (x, y) = (rng.u32(..1_900), rng.u32(..1_000));
        set(event, "element", json!({ "key": key, "kind": "button", "x": x, "y": y }));
    } else if kind == EventType::UiError {
        set(event, "error", json!({ "code": "FORM_INVALID" }));
    } else {
        let url = format!("https://app.example/suche?wer={}", person.address);
        context(event, "url", json!(url));
    }
}

/// What is wrong with an event that a door must refuse.
pub(crate) fn malformed(rng: &mut fastrand::Rng, mut event: Value) -> Value {
    match rng.u32(..7) {
        0 => remove(&mut event, "occurredAt"),
        1 => set(&mut event, "occurredAt", json!("last tuesday")),
        2 => set(&mut event, "severity", json!(9)),
        3 => set(&mut event, "eventId", json!("no spaces allowed")),
        4 => set(&mut event, "schemaVersion", json!("7.0")),
        5 => set(&mut event, "unheardOf", json!(true)),
        _ => return json!(["not", "an", "event"]),
    }
    event
}

/// An event whose type nobody declared.
pub(crate) fn unknown_type(mut event: Value) -> Value {
    set(&mut event, "eventType", json!("ui.telepathy"));
    event
}

/// An event that comes more than thirty days after it happened.
pub(crate) fn late(mut event: Value, now: Timestamp) -> Value {
    set(&mut event, "occurredAt", json!(now.plus_ms(-31 * DAY_MS).to_string()));
    event
}

/// An event of a clock that runs ahead.
pub(crate) fn ahead(mut event: Value, now: Timestamp) -> Value {
    set(&mut event, "occurredAt", json!(now.plus_ms(HOUR_MS).to_string()));
    event
}

/// The same id with another body.
pub(crate) fn collision(mut event: Value) -> Value {
    context(&mut event, "feature", json!("quite-another-feature"));
    event
}

/// An event whose person did not agree to one of the purposes.
pub(crate) fn without_consent(mut event: Value, purpose: &str) -> Value {
    set(&mut event, "consent", json!({ purpose: false }));
    event
}

/// When the event number `n` of `total` happened: over the two days before `now`, out of order by up to ten minutes.
pub(crate) fn moment(rng: &mut fastrand::Rng, now: Timestamp, n: u64, total: u64) -> Timestamp {
    let span = u64::try_from(2 * DAY_MS).unwrap_or(1);
    let back = span - span * n / total.max(1);
    let jitter = rng.i64(0..10 * MINUTE_MS);
    now.plus_ms(-i64::try_from(back).unwrap_or(0) - jitter)
}

fn set(event: &mut Value, field: &str, value: Value) {
    if let Some(fields) = event.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

fn remove(event: &mut Value, field: &str) {
    if let Some(fields) = event.as_object_mut() {
        fields.remove(field);
    }
}

fn context(event: &mut Value, key: &str, value: Value) {
    if let Some(context) = event.get_mut("context") {
        set(context, key, value);
    }
}

const PRODUCTS: &[&str] = &["workbench", "portal"];
const FEATURES: &[&str] = &["summary", "search", "drafting", "classification", "translation"];
const TASKS: &[&str] = &["file-claim", "answer-mail", "review-contract"];
const SCREENS: &[&str] =
    &["/start", "/suche", "/akten/{id}", "/vertrag/entwurf", "/einstellungen", "/hilfe"];
const ELEMENTS: &[&str] = &["save", "submit", "next", "open-menu", "regenerate", "copy-answer"];
