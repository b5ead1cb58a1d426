//! Events as a stream carries them: screens, clicks, tasks, errors and overrides.

use contract::{Timestamp, limits::SECOND_MS};
use serde_json::json;

/// Event `n` of `session`, which happens at `at`; a product has ten areas of so many screens.
pub(crate) fn event(session: i64, (n, screens): (i64, i64), at: i64) -> serde_json::Value {
    // Numbers in a path would be ids, which no event carries behind the door.
    let screen =
        format!("/area-{}/page-{}", letters(session % 10), letters((session + n / 5) % screens));
    let mut event = json!({
        "schemaVersion": "1.0", "eventId": format!("e.{session}.{n}"), "occurredAt": Timestamp::from_ms(at),
        "orgId": "acme", "productId": "app", "actorId": format!("u1.1.{:025}0", session % 5_000),
        "sessionId": format!("s1.1.{session:025}0"), "screen": screen, "ck": "00000000",
        "source": {"service": "web", "version": "1", "region": "eu-central-1"},
    });
    let more = match (n, (session + n) % 17) {
        (0, _) => {
            json!({"eventType": "task.started", "task": {"name": task(session)}})
        }
        (40, _) => {
            json!({"eventType": "task.completed", "task": {"name": task(session)}})
        }
        (_, 3) => json!({"eventType": "ui.error", "error": {"code": "E_TIMEOUT"}}),
        (_, 5) => {
            json!({"eventType": "friction.user_override", "traceComponent": "reasoning", "severity": 3})
        }
        (_, 7 | 8) => json!({"eventType": "ui.navigation"}),
        _ => {
            json!({"eventType": "ui.click", "element": {"key": format!("button-{}", n % 7), "kind": "button"}})
        }
    };
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn task(session: i64) -> &'static str {
    match session % 4 {
        0 => "export",
        1 => "invite",
        2 => "checkout",
        _ => "search",
    }
}

/// A number as letters.
fn letters(number: i64) -> String {
    number.to_string().bytes().map(|digit| char::from(digit + b'a' - b'0')).collect()
}

/// Between the events of a session.
pub(crate) const GAP_MS: i64 = 4 * SECOND_MS;
/// 2026-01-01T00:00:00Z.
pub(crate) const START_MS: i64 = 1_767_225_600_000;
