//! Keys, reference data, announcements, the books; time and chance, which do not fail.

use std::sync::Arc;

use contract::{
    EventId, OrgId, Timestamp,
    ledger::{LedgerReport, Whereabouts},
};
use domain::{
    counters::{Cell, Count},
    pseudonym::Pseudonymiser,
    seal::SealKey,
};

use super::{Faulty, decorate};
use crate::{
    PortResult,
    accounts::Accounts,
    bus::{Announcement, Bus},
    clock::{Clock, Entropy},
    keys::{ApiKeyRecord, ApiKeys, PseudonymKeys},
    reference::{Organisations, Reference, Subject},
};

decorate!("keys", PseudonymKeys {
    fn pseudonymiser(org: &OrgId) -> Option<Arc<Pseudonymiser>>;
    fn seal_key() -> Arc<SealKey>;
});

decorate!("api_keys", ApiKeys {
    fn find(key_id: &str) -> Option<ApiKeyRecord>;
    fn put(key: &ApiKeyRecord) -> ();
    fn list() -> Vec<ApiKeyRecord>;
});

decorate!("organisations", Organisations {
    fn create(org: &OrgId) -> bool;
    fn list() -> Vec<OrgId>;
});

impl<W: Accounts> Accounts for Faulty<W> {
    /// The ledger tells what is in flight, which takes reading the stream.
    async fn ledger(&self, org: Option<&OrgId>, now: Timestamp) -> PortResult<LedgerReport> {
        self.caught_up().await;
        self.call("accounts.ledger", || self.world.ledger(org, now)).await
    }

    async fn whereabouts(&self, id: &EventId, org: Option<&OrgId>) -> PortResult<Vec<Whereabouts>> {
        self.call("accounts.whereabouts", || self.world.whereabouts(id, org)).await
    }

    async fn counters(
        &self,
        org: Option<&OrgId>,
        from: Timestamp,
        to: Timestamp,
    ) -> PortResult<Vec<(Cell, Count)>> {
        self.call("accounts.counters", || self.world.counters(org, from, to)).await
    }
}

impl<W: Reference> Reference for Faulty<W> {
    async fn assignments(
        &self,
        subjects: &[Subject],
    ) -> PortResult<Vec<Option<contract::event::Assignment>>> {
        self.call("reference.assignments", || self.world.assignments(subjects)).await
    }

    async fn assign(
        &self,
        assignments: &[(Subject, contract::event::Assignment)],
    ) -> PortResult<()> {
        self.call_each("reference.assign", assignments, |some| async move {
            self.world.assign(&some).await
        })
        .await
    }
}

impl<W: Bus> Bus for Faulty<W> {
    async fn publish(&self, announcements: &[Announcement]) -> PortResult<()> {
        self.call_each("bus.publish", announcements, |some| async move {
            self.world.publish(&some).await
        })
        .await
    }
}

impl<W: Clock> Clock for Faulty<W> {
    fn now(&self) -> Timestamp {
        self.world.now()
    }
}

impl<W: Entropy> Entropy for Faulty<W> {
    fn bytes(&self) -> [u8; 16] {
        self.world.bytes()
    }
}
