//! What a failed read means, in our codes. The reader's own message may repeat the input, so it goes no further.

use contract::{Code, event_type::UNKNOWN_EVENT_TYPE};
use serde::de::IgnoredAny;
use serde_json::{Error, error::Category};

use crate::admit::Fault;

/// The fault behind a failed read of an event.
pub(super) fn of(error: &Error) -> Fault {
    let message = error.to_string();
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => {
            let number = message.starts_with("number out of range");
            Fault::new(if number { Code::InvalidNumber } else { Code::InvalidJson })
        }
        Category::Data => data(&message),
    }
}

/// The fault of bytes that do not begin an object.
pub(super) fn not_an_object(bytes: &[u8]) -> Fault {
    let is_json = serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    Fault::new(if is_json { Code::InvalidShape } else { Code::InvalidJson })
}

fn data(message: &str) -> Fault {
    if let Some(field) = REQUIRED.iter().find(|field| missing(message, field)) {
        return Fault::at(Code::MissingField, format!("/{field}"));
    }
    let found = MESSAGES.iter().find(|(begins, _, _)| message.starts_with(begins));
    match found {
        Some((_, code, Some(path))) => Fault::at(*code, *path),
        Some((_, code, None)) => Fault::new(*code),
        None => Fault::new(Code::InvalidValue),
    }
}

fn missing(message: &str, field: &str) -> bool {
    let named = message.strip_prefix("missing field `").and_then(|rest| rest.strip_prefix(field));
    named.is_some_and(|rest| rest.starts_with('`'))
}

/// Fields without which nothing is an event; no other object of the contract requires one of these names.
const REQUIRED: &[&str] = &["eventId", "eventType", "occurredAt", "orgId"];
/// How messages begin, and what they mean.
const MESSAGES: &[(&str, Code, Option<&str>)] = &[
    (UNKNOWN_EVENT_TYPE, Code::UnknownEventType, Some("/eventType")),
    ("missing field", Code::MissingField, None),
    ("unknown field", Code::UnknownField, None),
    ("duplicate field", Code::DuplicateField, None),
    ("invalid type", Code::InvalidType, None),
    ("not a valid event id", Code::InvalidEventId, Some("/eventId")),
    ("not a valid organisation id", Code::InvalidValue, Some("/orgId")),
    ("not a valid product id", Code::InvalidValue, Some("/productId")),
    ("expected an RFC 3339 time", Code::InvalidTimestamp, None),
];
