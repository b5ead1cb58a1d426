//! Events for tests.

use contract::{Event, Timestamp};
use serde_json::json;

/// A click by one owner of acme.
pub(crate) fn event(id: &str, at_ms: i64) -> Event {
    of_type("ui.click", id, at_ms)
}

/// An event of a type by one owner of acme.
pub(crate) fn of_type(event_type: &str, id: &str, at_ms: i64) -> Event {
    serde_json::from_value(json!({
        "schemaVersion": "1.0",
        "eventId": id,
        "eventType": event_type,
        "occurredAt": Timestamp::from_ms(at_ms),
        "orgId": "acme",
        "productId": "app",
        "sessionId": "s1.1.00000000000000000000000000",
    }))
    .unwrap()
}
