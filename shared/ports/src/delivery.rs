//! From staging to the connector: lease an organisation, form numbered batches, settle what the connector answered.

use contract::{EventId, OrgId, Timestamp, staged::StagedEvent};
use domain::breaker::Breaker;
pub use domain::{
    batching::{BatchedEvent, NewBatch},
    delivery::{ParkedEvent, Settlement},
};

use crate::PortResult;

/// The right to work on one organisation until it expires or somebody takes it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The organisation.
    pub org: OrgId,
    /// Grows with every lease: writes under an older fence are refused.
    pub fence: u64,
    /// When others may take over.
    pub until: Timestamp,
    /// The number of the next batch.
    pub next_seq: u64,
    /// The breaker as the last holder left it.
    pub breaker: Breaker,
}

/// One holder per organisation.
pub trait Leases: Send + Sync {
    /// Takes the lease if nobody holds it at `now`. Each grant raises the fence.
    fn acquire(
        &self,
        org: &OrgId,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = PortResult<Option<Lease>>> + Send;

    /// Extends the lease; false when it was lost.
    fn renew(
        &self,
        lease: &Lease,
        until: Timestamp,
    ) -> impl Future<Output = PortResult<bool>> + Send;

    /// Gives the lease back and leaves the breaker for the next holder. Does nothing when it was lost.
    fn release(
        &self,
        lease: &Lease,
        breaker: Breaker,
    ) -> impl Future<Output = PortResult<()>> + Send;
}

/// What became of forming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormOutcome {
    /// The batch exists and its rows are gone from staging.
    Formed,
    /// Nothing was written: these rows are gone from staging, these were forwarded before. Read again.
    Stale {
        /// Taken by TTL or by another holder.
        gone: Vec<EventId>,
        /// To be dropped instead of formed.
        forwarded: Vec<EventId>,
    },
    /// Nothing was written: the lease was lost.
    Fenced,
}

/// Moves events out of staging into batches.
pub trait Forming: Send + Sync {
    /// Up to `limit` staged rows of `org` that were staged before `settled_before`, in staging order. Rows past their
    /// TTL that still exist are among them.
    fn staged(
        &self,
        org: &OrgId,
        settled_before: Timestamp,
        limit: usize,
    ) -> impl Future<Output = PortResult<Vec<StagedEvent>>> + Send;

    /// In one transaction under the fence: the batch is made, the head moves on to `lease.next_seq + 1`, its rows and
    /// the rows in `dropped` leave staging, its events are remembered as forwarded. `batch` is nothing when there is
    /// only something to drop.
    fn form(
        &self,
        lease: &Lease,
        batch: Option<NewBatch>,
        dropped: &[EventId],
        now: Timestamp,
    ) -> impl Future<Output = PortResult<FormOutcome>> + Send;
}

/// A batch that waits for the connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyBatch {
    /// As it was made.
    pub batch: NewBatch,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was formed.
    pub formed_at: Timestamp,
    /// Not to be sent before.
    pub next_attempt_at: Timestamp,
    /// When the connector first failed on it.
    pub failing_since: Option<Timestamp>,
}

/// What became of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleOutcome {
    /// It is durable.
    Settled,
    /// The batch is gone: somebody settled it before.
    Gone,
    /// The lease was lost and the settlement needs it (`Retry`, `Split`, `Partial`).
    Fenced,
}

/// The batches that wait, in order.
pub trait Outbox: Send + Sync {
    /// The first batch of `org` that is not settled.
    fn head(&self, org: &OrgId) -> impl Future<Output = PortResult<Option<ReadyBatch>>> + Send;

    /// Settles a batch in one transaction with the ledger. `Delivered` needs no fence: it stays true. Settling twice
    /// answers `Gone` and changes nothing.
    fn settle(
        &self,
        lease: &Lease,
        seq: &str,
        settlement: Settlement,
        now: Timestamp,
    ) -> impl Future<Output = PortResult<SettleOutcome>> + Send;
}

/// Parked events, for replay.
pub trait Parking: Send + Sync {
    /// Events of `org` parked in `[from, to)`, oldest first.
    fn parked(
        &self,
        org: &OrgId,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Future<Output = PortResult<Vec<ParkedEvent>>> + Send;

    /// Puts parked events into a new batch at the end of the organisation's order, under the fence. Events that are no
    /// longer parked make it answer `Stale`.
    fn unpark(
        &self,
        lease: &Lease,
        batch: NewBatch,
        now: Timestamp,
    ) -> impl Future<Output = PortResult<FormOutcome>> + Send;
}
