//! Sessions, incidents and events themselves, in pages.

use serde::{Deserialize, Serialize};

use super::{asked::Asked, unusual::Unusual};
use crate::{
    Event, Timestamp,
    incident::Incident,
    session::{Session, SessionId},
};

/// Sessions, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionPage {
    /// What was asked.
    #[serde(flatten)]
    pub asked: Asked,
    /// The sessions.
    pub sessions: Vec<SessionView>,
    /// Where the next page begins; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A session, and how far it got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionView {
    /// Where it is.
    pub state: SessionState,
    /// Counts what was said about it, from 1; 0 while it is open.
    pub revision: u32,
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// How unusual its way was. Absent in lists, without flows, and where fewer than five actors say what is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusual: Option<Unusual>,
}

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SessionState {
    /// It may go on. No sum counts it yet.
    Open,
    /// It ended, and is counted.
    Closed,
    /// It turned out to be a part of another one. No sum counts it any more.
    Superseded,
}

/// Incidents, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IncidentPage {
    /// What was asked.
    #[serde(flatten)]
    pub asked: Asked,
    /// The incidents.
    pub incidents: Vec<Incident>,
    /// Where the next page begins; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A session's events as they are kept, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventPage {
    /// The session.
    pub session_id: SessionId,
    /// Where it is. More events may come to one that is open.
    pub state: SessionState,
    /// When it was read.
    pub as_of: Timestamp,
    /// The events, by time and then by id.
    pub events: Vec<Event>,
    /// Where the next page begins; absent when these are all there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
