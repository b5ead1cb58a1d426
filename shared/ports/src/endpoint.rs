//! The external connector, as something to POST one batch to.

use contract::OrgId;

/// One request, ready to be put on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryAnswer {
    /// An HTTP answer.
    Http {
        /// The status.
        status: u16,
        /// The `Retry-After` header as it came.
        retry_after: Option<String>,
        /// At most 64 KiB of the body.
        body: Vec<u8>,
    },
    /// No answer: whether the connector took the batch is not known.
    Failed(DeliveryFailure),
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryFailure {
    /// No connection.
    Connect,
    /// Connected, but no complete answer in time.
    Timeout,
    /// The certificate or the protocol was refused.
    Tls,
    /// The address is not allowed.
    Refused,
    /// The connection broke, or the answer was not HTTP.
    Broken,
}

/// The connector. It is not part of `PortResult`: that it fails is the normal case and a value.
pub trait Endpoint: Send + Sync {
    /// Posts one batch. Idempotent by contract: the connector knows a batch by its `Idempotency-Key`.
    fn post(&self, request: DeliveryRequest) -> impl Future<Output = DeliveryAnswer> + Send;
}
