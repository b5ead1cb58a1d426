//! Announcements as a queue behind the bus hands them over, and its partial-batch answer.

use contract::{collision::EventStruck, incident::Incident, session::Session};
use friction::change::{SessionState, StoredIncident, StoredSession};
use ports::bus::AnnouncementKind;
use serde::{Deserialize, Serialize};

/// The messages of one invocation.
#[derive(Debug, Deserialize)]
pub(crate) struct Queued {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<Message>,
}

/// One message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) message_id: String,
    /// An event of the bus, as JSON.
    pub(crate) body: String,
}

/// What an announcement says.
#[derive(Debug)]
pub(crate) enum Fact {
    /// A session was closed, or is no session any more.
    Session(Box<StoredSession>),
    /// An incident was found, or is none any more.
    Incident(Box<StoredIncident>),
    /// What came as an event is none.
    Struck(Box<EventStruck>),
    /// Nothing for the warehouse.
    Other,
}

/// An announcement that cannot be read. It says where, never what.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// Not the JSON that is expected.
    #[error("line {line}, column {column}")]
    Json { line: usize, column: usize },
    /// It speaks of a session and has none.
    #[error("no session in it")]
    Nothing,
}

impl Fact {
    /// Reads an event of the bus.
    pub(crate) fn of(body: &str) -> Result<Self, Unread> {
        let Event { detail_type, detail } = serde_json::from_str(body)?;
        let Some(kind) = AnnouncementKind::parse(&detail_type) else { return Ok(Self::Other) };
        let Some(fact) = detail.detail else { return Ok(Self::Other) };
        match kind {
            AnnouncementKind::SessionClosed | AnnouncementKind::SessionSuperseded => {
                session(serde_json::from_str(fact.get())?)
            }
            AnnouncementKind::Incident(_) | AnnouncementKind::IncidentRetracted => {
                let IncidentFact { revision, incident } = serde_json::from_str(fact.get())?;
                let retracted = kind == AnnouncementKind::IncidentRetracted;
                Ok(Self::Incident(Box::new(StoredIncident { incident, retracted, revision })))
            }
            AnnouncementKind::EventStruck => {
                Ok(Self::Struck(Box::new(serde_json::from_str(fact.get())?)))
            }
            AnnouncementKind::OrgUrgent
            | AnnouncementKind::BatchDelivered
            | AnnouncementKind::BatchParked
            | AnnouncementKind::ContextUpdated => Ok(Self::Other),
        }
    }
}

/// A session that is no session any more is told by what it was.
fn session(fact: SessionFact) -> Result<Fact, Unread> {
    let SessionFact { revision, session, before, actor_slot } = fact;
    let (session, state) = match (session, before) {
        (Some(session), _) => (session, SessionState::Closed),
        (None, Some(before)) => (before, SessionState::Superseded),
        (None, None) => return Err(Unread::Nothing),
    };
    Ok(Fact::Session(Box::new(StoredSession { session, revision, state, actor_slot })))
}

impl From<serde_json::Error> for Unread {
    fn from(error: serde_json::Error) -> Self {
        Self::Json { line: error.line(), column: error.column() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Event {
    detail_type: String,
    detail: Detail,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    detail: Option<Box<serde_json::value::RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionFact {
    revision: u32,
    session: Option<Session>,
    before: Option<Session>,
    actor_slot: u8,
}

#[derive(Deserialize)]
struct IncidentFact {
    revision: u32,
    incident: Incident,
}

/// The answer of a function behind a queue: the messages that come again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueueAnswer<'a> {
    batch_item_failures: Vec<Failure<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    item_identifier: &'a str,
}

impl<'a> QueueAnswer<'a> {
    /// The answer as JSON.
    pub(crate) fn of(again: &[&'a Message]) -> String {
        let failures = again.iter().map(|message| Failure { item_identifier: &message.message_id });
        let answer = QueueAnswer { batch_item_failures: failures.collect() };
        // A list of texts can always be written.
        serde_json::to_string(&answer).unwrap_or_default()
    }
}
