//! The external connector, as something to POST one batch to.

use std::{fmt, sync::Arc};

use contract::OrgId;
pub use domain::delivery::{DeliveryAnswer, DeliveryFailure};
use domain::profile::Credentials;

use crate::PortResult;

/// One request, ready to be put on the wire. It carries the credential, so `Debug` shows no header's value.
#[derive(Clone, PartialEq, Eq)]
pub struct DeliveryRequest {
    /// The organisation whose connector it is.
    pub org: OrgId,
    /// Appended to the connector's base URL.
    pub path: String,
    /// Every header, signatures included.
    pub headers: Vec<(String, String)>,
    /// The same bytes on every attempt.
    pub body: Vec<u8>,
}

impl fmt::Debug for DeliveryRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("DeliveryRequest")
            .field("org", &self.org)
            .field("path", &self.path)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// The connector. It is not part of `PortResult`: that it fails is the normal case and a value.
pub trait Endpoint: Send + Sync {
    /// Posts one batch. Idempotent by contract: the connector knows a batch by its `Idempotency-Key`.
    fn post(&self, request: DeliveryRequest) -> impl Future<Output = DeliveryAnswer> + Send;
}

/// How old credentials may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Up to five minutes: enough while they work.
    Recent,
    /// Read now: the connector refused the ones at hand.
    Now,
}

/// The connector's key and the secrets that sign.
pub trait ConnectorSecrets: Send + Sync {
    /// The credentials for `org`. During a rotation both signing secrets are in them. Reading changes nothing.
    fn credentials(
        &self,
        org: &OrgId,
        freshness: Freshness,
    ) -> impl Future<Output = PortResult<Arc<Credentials>>> + Send;
}
