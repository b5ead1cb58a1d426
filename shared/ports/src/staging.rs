//! The staging table: events on their way to the connector, until a batch takes them over.

use contract::{OrgId, staged::StagedEvent};

use crate::PortResult;

/// What became of one staged event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staged {
    /// It is durable now.
    New,
    /// It was known, with the same body.
    Known,
    /// Its id is known with another body: the first won, this one travels on to quarantine.
    Collision,
}

/// Puts events into staging.
pub trait Staging: Send + Sync {
    /// Stages events, each once by (organisation, id): a repeat answers `Known`.
    fn stage(&self, rows: &[StagedEvent]) -> impl Future<Output = PortResult<Vec<Staged>>> + Send;

    /// Puts back events that TTL removed before any batch took them over; each row carries its new `expires_at` and
    /// `rescues`. A row that is staged, batched or settled already is left as it is. A row past the last rescue is
    /// parked instead (`rescues_exhausted`).
    fn rescue(&self, rows: &[StagedEvent]) -> impl Future<Output = PortResult<()>> + Send;

    /// Organisations that may have something staged, batched or due, in no particular order.
    fn organisations(&self) -> impl Future<Output = PortResult<Vec<OrgId>>> + Send;
}
