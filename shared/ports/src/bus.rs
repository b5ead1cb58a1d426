//! Announcements to whoever listens.

use contract::{OrgId, Timestamp};

use crate::PortResult;

/// An announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Deterministic: the same fact has the same id.
    pub id: String,
    /// `org.urgent`, `batch.delivered`, `batch.parked`.
    pub kind: AnnouncementKind,
    /// The organisation.
    pub org: OrgId,
    /// When.
    pub at: Timestamp,
}

/// What is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnnouncementKind {
    /// An event of this organisation does not wait for the tick.
    OrgUrgent,
    /// A batch reached the connector.
    BatchDelivered,
    /// Events were parked.
    BatchParked,
}

impl AnnouncementKind {
    /// The detail type on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrgUrgent => "org.urgent",
            Self::BatchDelivered => "batch.delivered",
            Self::BatchParked => "batch.parked",
        }
    }
}

/// Announces.
pub trait Bus: Send + Sync {
    /// Announces. At least once: listeners recognise a repeat by its id.
    fn publish(
        &self,
        announcements: &[Announcement],
    ) -> impl Future<Output = PortResult<()>> + Send;
}
