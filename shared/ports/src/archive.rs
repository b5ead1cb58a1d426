//! What is kept for good, and what is set aside.

use contract::{Code, EventId, OrgId, Timestamp};

use crate::{PortResult, intake::Put};

/// Objects under keys.
pub trait Archive: Send + Sync {
    /// Writes an object under a deterministic key. Writing the same key again replaces the same bytes.
    fn write(&self, key: &str, bytes: &[u8]) -> impl Future<Output = PortResult<()>> + Send;

    /// The object under `key`.
    fn read(&self, key: &str) -> impl Future<Output = PortResult<Option<Vec<u8>>>> + Send;

    /// The keys that begin with `prefix`, ascending.
    fn list(&self, prefix: &str) -> impl Future<Output = PortResult<Vec<String>>> + Send;
}

/// A record that was set aside. The bytes are sealed before they come here; all else carries no identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where the stream carried it: with `sequence` its identity.
    pub shard: String,
    /// Its sequence number.
    pub sequence: String,
    /// When the stream took it.
    pub arrived_at: Timestamp,
    /// Why it was set aside.
    pub reason: Code,
    /// A JSON pointer to the fault, where there is one.
    pub path: Option<String>,
    /// The organisation, where the record still told it.
    pub org: Option<OrgId>,
    /// The event's id, where the record still told it.
    pub event_id: Option<EventId>,
    /// True when the event had been accepted under that id and ends here.
    pub terminal: bool,
    /// The raw bytes under the quarantine key.
    pub sealed: Vec<u8>,
}

/// Records that were set aside.
pub trait Quarantine: Send + Sync {
    /// Sets records aside. Setting the same (shard, sequence) aside again changes nothing.
    fn hold(&self, records: &[Quarantined]) -> impl Future<Output = PortResult<()>> + Send;

    /// The records of `org` that arrived in `[from, to)`, oldest first; those without a readable organisation when
    /// `org` is nothing.
    fn held(
        &self,
        org: Option<&OrgId>,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Future<Output = PortResult<Vec<Quarantined>>> + Send;

    /// In one transaction: the record is no longer set aside, and its event goes the way that `put` says, as if a door
    /// took it now for the first time. If the event had been accepted and ended here (`terminal`), its booking as
    /// `counted` is taken back, and a staged one is booked as `acceptedForward`: whoever counts or delivers it books it
    /// anew. Releasing a record that is not held answers false and changes nothing.
    fn release(
        &self,
        record: &Quarantined,
        put: Put,
    ) -> impl Future<Output = PortResult<bool>> + Send;
}
