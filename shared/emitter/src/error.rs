//! What can go wrong, for hosts that want to know: `emit` itself never fails.

use contract::{Code, EventId};

use crate::{keys::KeyError, settings::SettingsError, transport::TransportError};

/// Why an emitter does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// There is no key, and there is no default one.
    #[error("no pseudonymisation key: {0}")]
    Key(#[from] KeyError),
    /// The key source answered for another organisation.
    #[error("the key source answered for another organisation")]
    ForeignKey,
    /// A setting is outside its bounds.
    #[error("unusable settings: {0}")]
    Settings(#[from] SettingsError),
    /// No event of this host would be admitted: its service, version or region is not a short name.
    #[error("no event would be admitted: {code} at {path}")]
    NotAdmitted {
        /// The code every event would be refused with.
        code: Code,
        /// Which field is at fault.
        path: String,
    },
}

/// Why an event was not stored at once. No variant repeats anything of the event but its id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// It is lost because of what it is.
    #[error("the event is refused: {code}")]
    Refused {
        /// The id it would have had.
        event_id: EventId,
        /// Why.
        code: Code,
        /// JSON pointer to the fault.
        path: Option<String>,
    },
    /// It waits in the ring; the next `emit` or `flush` sends it under the same id.
    #[error("the event waits in memory: {why}")]
    Held {
        /// Its id.
        event_id: EventId,
        /// What stood in the way.
        why: HeldBack,
    },
    /// It is lost because the ring is full of younger events.
    #[error("the event is dropped: the ring is full and {why}")]
    Dropped {
        /// The id it had.
        event_id: EventId,
        /// What stood in the way.
        why: HeldBack,
    },
}

impl EmitError {
    /// The id of the event, whatever became of it.
    #[must_use]
    pub fn event_id(&self) -> &EventId {
        match self {
            Self::Refused { event_id, .. }
            | Self::Held { event_id, .. }
            | Self::Dropped { event_id, .. } => event_id,
        }
    }

    pub(crate) fn into_event_id(self) -> EventId {
        match self {
            Self::Refused { event_id, .. }
            | Self::Held { event_id, .. }
            | Self::Dropped { event_id, .. } => event_id,
        }
    }
}

/// What stood between an event and the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeldBack {
    /// The budget ended first.
    #[error("the transport did not answer in time")]
    TimedOut,
    /// The transport failed.
    #[error("{0}")]
    Failed(#[from] TransportError),
    /// The transport took none or only a part of the rows.
    #[error("the transport did not take it yet")]
    Unprocessed,
    /// The transport failed a moment ago and is left alone, so that it costs its host nothing.
    #[error("the transport is left alone after failures")]
    Resting,
    /// The transport panicked.
    #[error("the transport panicked")]
    Panicked,
}
