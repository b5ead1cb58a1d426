//! The mock without a socket, on any clock: for simulations of days.

use std::sync::Arc;

use contract::OrgId;
use domain::{
    delivery::{DeliveryAnswer, DeliveryFailure},
    profile::Credentials,
};
use ports::{
    PortResult,
    clock::Clock,
    endpoint::{ConnectorSecrets, DeliveryRequest, Endpoint, Freshness},
};

use super::{Received, Receiver, Reply};
use crate::secrets::Secrets;

/// An endpoint that hands every request to the mock directly. A request that the mock never answers times out at once:
/// simulated time belongs to whoever owns the clock.
#[derive(Debug, Clone)]
pub struct InProcess<C> {
    /// The mock.
    pub receiver: Receiver,
    /// The sender's credentials.
    pub secrets: Secrets,
    /// The mock's clock.
    pub clock: C,
}

impl<C: Clock> Endpoint for InProcess<C> {
    async fn post(&self, request: DeliveryRequest) -> DeliveryAnswer {
        let DeliveryRequest { path, headers, body, .. } = request;
        match self.receiver.receive(&Received { path, headers, body }, self.clock.now()) {
            Reply::Http { status, retry_after, body } => {
                DeliveryAnswer::Http { status, retry_after, body }
            }
            Reply::Hang => DeliveryAnswer::Failed(DeliveryFailure::Timeout),
            Reply::Cut => DeliveryAnswer::Failed(DeliveryFailure::Broken),
        }
    }
}

impl<C: Clock> ConnectorSecrets for InProcess<C> {
    async fn credentials(&self, org: &OrgId, freshness: Freshness) -> PortResult<Arc<Credentials>> {
        self.secrets.credentials(org, freshness).await
    }
}
