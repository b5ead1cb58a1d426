//! RFC 9457 problem details: the body of every refusal.

use serde::{Deserialize, Serialize};

use crate::Code;

/// Why a request was refused. Never repeats the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// `urn:tribometer:problem:<code>`.
    #[serde(rename = "type")]
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^urn:tribometer:problem:[a-z0-9_]+$"))
    )]
    pub kind: String,
    /// One sentence a person can act on.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub title: String,
    /// The HTTP status.
    #[cfg_attr(feature = "schema", schemars(range(min = 400, max = 599)))]
    pub status: u16,
    /// The stable code.
    pub code: Code,
    /// The request's id in the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub request_id: Option<String>,
    /// Seconds to wait before the next try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Ids of events that were not stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::EventId>"))]
    pub not_stored: Vec<String>,
    /// The per-event results, when every event was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<crate::ingest::EventAnswer>,
}

impl Problem {
    /// A problem with the type derived from its code.
    #[must_use]
    pub fn new(status: u16, code: Code, title: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:tribometer:problem:{code}"),
            title: title.into(),
            status,
            code,
            request_id: None,
            retry_after: None,
            not_stored: Vec::new(),
            events: Vec::new(),
        }
    }
}
