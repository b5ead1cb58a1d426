//! `POST /v1/events/batch`: the answer, per event.

use serde::{Deserialize, Serialize};

use crate::Code;

/// The answer to a batch of events. `accepted + duplicates + rejected` is the number of events in the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IngestAnswer {
    /// Events that are durable now and were not before; those set aside in quarantine are among them.
    pub accepted: usize,
    /// Events that were durable already.
    pub duplicates: usize,
    /// Events that were not taken.
    pub rejected: usize,
    /// One answer per event, in the request's order.
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::REQUEST_EVENTS_MAX)))]
    pub events: Vec<EventAnswer>,
}

/// What became of one event of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventAnswer {
    /// Its place in the request, from 0.
    #[cfg_attr(feature = "schema", schemars(range(max = crate::limits::REQUEST_EVENTS_MAX - 1)))]
    pub index: usize,
    /// Its id, unless it was rejected without a readable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::EventId>"))]
    pub event_id: Option<String>,
    /// What became of it.
    pub status: EventStatus,
    /// Why it was rejected or quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// JSON pointer to the fault within the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::RAW_ID_BYTES_MAX), regex(pattern = "^(/[^/]+)+$")))]
    pub path: Option<String>,
}

/// What became of one event of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EventStatus {
    /// Durable.
    Accepted,
    /// Durable, but set aside: see the code.
    Quarantined,
    /// Was durable already.
    Duplicate,
    /// Not taken.
    Rejected,
}

impl IngestAnswer {
    /// Counts the answers.
    #[must_use]
    pub fn of(events: Vec<EventAnswer>) -> Self {
        let count = |status| events.iter().filter(|answer| answer.status == status).count();
        Self {
            accepted: count(EventStatus::Accepted) + count(EventStatus::Quarantined),
            duplicates: count(EventStatus::Duplicate),
            rejected: count(EventStatus::Rejected),
            events,
        }
    }
}
