//! Leases, forming, the outbox, parking, and the connector itself.

use std::sync::Arc;

use contract::{EventId, OrgId, Timestamp, staged::StagedEvent};
use domain::{breaker::Breaker, profile::Credentials};

use super::{Fault, Faulty, decorate};
use crate::{
    delivery::{
        FormOutcome, Forming, Lease, Leases, NewBatch, Outbox, ParkedEvent, Parking, ReadyBatch,
        SettleOutcome, Settlement,
    },
    endpoint::{
        ConnectorSecrets, DeliveryAnswer, DeliveryFailure, DeliveryRequest, Endpoint, Freshness,
    },
};

decorate!("leases", Leases {
    fn acquire(org: &OrgId, now: Timestamp, until: Timestamp) -> Option<Lease>;
    fn renew(lease: &Lease, until: Timestamp) -> bool;
    fn release(lease: &Lease, breaker: Breaker) -> ();
});

decorate!("forming", Forming {
    fn staged(org: &OrgId, settled_before: Timestamp, limit: usize) -> Vec<StagedEvent>;
    fn form(
        lease: &Lease,
        batch: Option<NewBatch>,
        dropped: &[EventId],
        now: Timestamp
    ) -> FormOutcome;
});

decorate!("outbox", Outbox {
    fn head(org: &OrgId) -> Option<ReadyBatch>;
    fn settle(lease: &Lease, seq: &str, settlement: Settlement, now: Timestamp) -> SettleOutcome;
});

decorate!("parking", Parking {
    fn parked(org: &OrgId, from: Timestamp, to: Timestamp) -> Vec<ParkedEvent>;
    fn unpark(lease: &Lease, batch: NewBatch, now: Timestamp) -> FormOutcome;
});

impl<W: Endpoint> Endpoint for Faulty<W> {
    /// Before its effect the connection fails; after it, the answer does not come in time.
    async fn post(&self, request: DeliveryRequest) -> DeliveryAnswer {
        match self.plan.next("endpoint.post") {
            Fault::Pass => self.run(|| self.world.post(request)).await,
            Fault::Before => {
                self.rest().await;
                DeliveryAnswer::Failed(DeliveryFailure::Connect)
            }
            Fault::Permanent => {
                self.rest().await;
                DeliveryAnswer::Failed(DeliveryFailure::Refused)
            }
            Fault::After | Fault::Partial => {
                self.run(|| self.world.post(request)).await;
                DeliveryAnswer::Failed(DeliveryFailure::Timeout)
            }
        }
    }
}

decorate!("secrets", ConnectorSecrets {
    fn credentials(org: &OrgId, freshness: Freshness) -> Arc<Credentials>;
});
