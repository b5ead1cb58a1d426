//! The ledger, the archive and the quarantine.

use std::collections::BTreeMap;

use contract::{OrgId, Timestamp};
use domain::counters::{Dictionary, DictionaryKey};

use super::{Faulty, decorate};
use crate::{
    PortResult,
    archive::{Archive, Quarantine, Quarantined},
    intake::Put,
    ledger::{CommitOutcome, CountedChunk, EventKey, Ledger},
};

decorate!("ledger", Ledger {
    fn known(keys: &[EventKey]) -> Vec<Option<u32>>;
    fn dictionaries(keys: &[DictionaryKey]) -> BTreeMap<DictionaryKey, Dictionary>;
    fn commit(chunk: CountedChunk) -> CommitOutcome;
});

decorate!("archive", Archive {
    fn write(key: &str, bytes: &[u8]) -> ();
    fn read(key: &str) -> Option<Vec<u8>>;
    fn list(prefix: &str) -> Vec<String>;
});

impl<W: Quarantine> Quarantine for Faulty<W> {
    async fn hold(&self, records: &[Quarantined]) -> PortResult<()> {
        self.call_each(
            "quarantine.hold",
            records,
            |some| async move { self.world.hold(&some).await },
        )
        .await
    }

    async fn held(
        &self,
        org: Option<&OrgId>,
        from: Timestamp,
        to: Timestamp,
    ) -> PortResult<Vec<Quarantined>> {
        self.call("quarantine.held", || self.world.held(org, from, to)).await
    }

    async fn release(&self, record: &Quarantined, put: Put) -> PortResult<bool> {
        self.call("quarantine.release", || self.world.release(record, put)).await
    }
}
