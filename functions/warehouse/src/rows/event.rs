//! An event as a row of `events_raw`.

use contract::{Event, Family, Timestamp, collision::EventStruck, limits::DAY_MS};
use domain::admit::{ck_of, ck_text};
use ports::warehouse::Table;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Row, day, row};

/// The row of an event as the stream carried it: pseudonyms and declared values, nothing else is in it.
#[must_use]
pub fn event(event: &Event) -> Row {
    let body = serde_json::to_string(event).unwrap_or_default();
    let context = |key: &str| event.context.get(key);
    let text = |key| context(key).and_then(Value::as_str).unwrap_or_default();
    let (element, error) = (event.element.as_ref(), event.error.as_ref());
    let (object, assignment) = (event.object.as_ref(), event.assignment.as_ref());
    let columns = EventColumns {
        org_id: event.org_id.as_str(),
        product_id: event.product_id.as_str(),
        day: day(event.occurred_at),
        event_id: event.event_id.as_str(),
        ck: ck_text(ck_of(event)),
        precedence: precedence(event.occurred_at, &body),
        is_struck: 0,
        event_type: event.event_type.as_str(),
        family: family(event.event_type.family()),
        occurred_at: event.occurred_at,
        recorded_at: event.recorded_at.unwrap_or(event.occurred_at),
        session_token: event.session_id.as_deref().unwrap_or_default(),
        actor_token: event.actor_id.as_deref().unwrap_or_default(),
        pillar: event.trace_component.map_or("", |pillar| pillar.as_str()),
        severity: event.effective_severity(),
        screen: event.screen.as_deref().unwrap_or_default(),
        route: event.route.as_deref().unwrap_or_default(),
        element_key: element.map_or("", |element| &element.key),
        element_kind: element.and_then(|element| element.kind.as_deref()).unwrap_or_default(),
        element_x: element.and_then(|element| element.x),
        element_y: element.and_then(|element| element.y),
        task: event.task.as_ref().map_or("", |task| &task.name),
        object_type: object.map_or("", |object| &object.kind),
        object_id: object.map_or("", |object| &object.id),
        error_code: error.map_or("", |error| &error.code),
        error_category: error.and_then(|error| error.category.as_deref()).unwrap_or_default(),
        latency_ms: error.and_then(|error| error.latency_ms),
        feature: text("feature"),
        user_action: text("userAction"),
        ai_confidence: context("aiConfidence").and_then(Value::as_f64),
        experiment: assignment.map_or("", |assignment| &assignment.experiment_id),
        variant: assignment.map_or("", |assignment| &assignment.variant_id),
        service: event.source.as_ref().map_or("", |source| &source.service),
        correlation_id: event.correlation_id.as_deref().unwrap_or_default(),
        forward: event.agreed().forward,
        time_adjusted: event.time_adjusted,
        body: &body,
    };
    row(Table::Events, &event.org_id, &columns)
}

/// The row that takes the place of an event which is none, whether that comes before or after it: a reader does not see it.
#[must_use]
pub fn struck(struck: &EventStruck) -> Row {
    let columns = EventColumns {
        org_id: struck.org_id.as_str(),
        product_id: struck.product_id.as_str(),
        day: day(struck.occurred_at),
        event_id: struck.event_id.as_str(),
        ck: struck.ck.clone(),
        precedence: u64::MAX,
        is_struck: 1,
        occurred_at: struck.occurred_at,
        recorded_at: struck.occurred_at,
        ..EventColumns::default()
    };
    row(Table::Events, &struck.org_id, &columns)
}

#[derive(Serialize, Default)]
struct EventColumns<'a> {
    org_id: &'a str,
    product_id: &'a str,
    day: String,
    event_id: &'a str,
    ck: String,
    precedence: u64,
    is_struck: u8,
    event_type: &'a str,
    family: &'a str,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
    session_token: &'a str,
    actor_token: &'a str,
    pillar: &'a str,
    severity: u8,
    screen: &'a str,
    route: &'a str,
    element_key: &'a str,
    element_kind: &'a str,
    element_x: Option<i32>,
    element_y: Option<i32>,
    task: &'a str,
    object_type: &'a str,
    object_id: &'a str,
    error_code: &'a str,
    error_category: &'a str,
    latency_ms: Option<u64>,
    feature: &'a str,
    user_action: &'a str,
    ai_confidence: Option<f64>,
    experiment: &'a str,
    variant: &'a str,
    service: &'a str,
    correlation_id: &'a str,
    forward: bool,
    time_adjusted: bool,
    body: &'a str,
}

/// Which of two rows of one event stays, where its time was moved because its producer's clock is ahead: the earlier one, as it
/// is among the events of a session; of two at the same time always the same one.
fn precedence(at: Timestamp, body: &str) -> u64 {
    let left_ms = u64::try_from(DAY_MS - at.since_ms(at.day())).unwrap_or_default();
    let hash = Sha256::digest(body.as_bytes()).first_chunk().copied().map(u64::from_be_bytes);
    // A day has fewer than 2^27 ms.
    left_ms << HASH_BITS | hash.unwrap_or_default() >> (u64::BITS - HASH_BITS)
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Friction => "friction",
        Family::Ui => "ui",
        Family::Task => "task",
        Family::Knowledge => "knowledge",
        Family::Crawl => "crawl",
        Family::Backend => "backend",
    }
}

const HASH_BITS: u32 = 37;
