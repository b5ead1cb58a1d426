//! What one sweep of one owner commits: all of it or nothing, and only if nothing new came meanwhile.

use contract::{Timestamp, incident::Incident, session::Session};

use crate::{cells::Cells, owner::Owner};

/// How far an owner's events are worked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Grows with everything that happens to it.
    pub version: u64,
    /// Events at and after this time are not worked up; nothing: all are.
    pub dirty_from: Option<Timestamp>,
    /// When it is to be looked at; nothing: when something comes.
    pub due_at: Option<Timestamp>,
}

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSession {
    /// The session.
    pub session: Session,
    /// Counts what was said about it, from 1; 0 while it is open.
    pub revision: u32,
    /// Where it is.
    pub state: SessionState,
    /// The slot of its actor, see [`crate::owner::actor_slot`].
    pub actor_slot: u8,
}

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// It may go on. Nothing counts it yet.
    Open,
    /// It ended, and is counted.
    Closed,
    /// It turned out to be a part of another one. Nothing counts it any more.
    Superseded,
}

impl SessionState {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Superseded => "superseded",
        }
    }

    /// Reads the name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Open, Self::Closed, Self::Superseded]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

/// An incident as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredIncident {
    /// The incident.
    pub incident: Incident,
    /// It turned out not to be one: an event that came late explains it.
    pub retracted: bool,
    /// Counts what was said about it, from 1: found, retracted, found again.
    pub revision: u32,
}

/// What one sweep of one owner commits.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// Whose.
    pub owner: Owner,
    /// The version of the head that was read. Another one: nothing is written.
    pub version: u64,
    /// Sessions as they are to be stored from now on, oldest first.
    pub sessions: Vec<StoredSession>,
    /// Incidents as they are to be stored from now on.
    pub incidents: Vec<StoredIncident>,
    /// What closed sessions add and superseded ones take back.
    pub cells: Cells,
    /// What is to be announced, in order.
    pub notices: Vec<Notice>,
    /// What is left to do.
    pub dirty_from: Option<Timestamp>,
    /// When to look again.
    pub due_at: Option<Timestamp>,
}

/// What is announced when it is committed, and kept until it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `session:<id>:<revision>`, `incident:<id>:<revision>`: the same fact has the same id.
    pub id: String,
    /// `session.closed`, `session.superseded`, `incident.<rule>`, `incident.retracted`.
    pub kind: String,
    /// Whose.
    pub org: contract::OrgId,
    /// When it was said.
    pub at: Timestamp,
    /// The fact, as JSON.
    pub detail: String,
}
