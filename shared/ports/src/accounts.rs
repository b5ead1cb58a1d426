//! Reading the books: the ledger, one event's way, the counters.

use contract::{
    EventId, OrgId, Timestamp,
    ledger::{LedgerReport, Whereabouts},
};
use domain::counters::{Cell, Count};

use crate::PortResult;

/// The books. Reading changes nothing.
pub trait Accounts: Send + Sync {
    /// The ledger of `org`, or of all.
    fn ledger(
        &self,
        org: Option<&OrgId>,
        now: Timestamp,
    ) -> impl Future<Output = PortResult<LedgerReport>> + Send;

    /// Where an event is, in each organisation that knows the id (or in `org` alone).
    fn whereabouts(
        &self,
        id: &EventId,
        org: Option<&OrgId>,
    ) -> impl Future<Output = PortResult<Vec<Whereabouts>>> + Send;

    /// The counters of `org`, or of all, whose hour lies in `[from, to)`, by cell.
    fn counters(
        &self,
        org: Option<&OrgId>,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Future<Output = PortResult<Vec<(Cell, Count)>>> + Send;
}
