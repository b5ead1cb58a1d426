//! Delivery: what the connector's answer means for a batch, for its organisation's breaker, and for the next attempt.

mod answer;
mod policy;
mod retry_after;
#[cfg(test)]
mod tests;
mod verdict;

use std::fmt;

use contract::{Code, EventId, Timestamp};

pub use self::{
    answer::{Confirmation, Dialect},
    policy::DeliveryPolicy,
    retry_after::retry_after_ms,
    verdict::{Attempt, Health, Others, Pace, Verdict, verdict},
};
use crate::batching::NewBatch;

/// What came back.
#[derive(Clone, PartialEq, Eq)]
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

impl fmt::Debug for DeliveryAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { status, retry_after, body } => f
                .debug_struct("Http")
                .field("status", status)
                .field("has_retry_after", &retry_after.is_some())
                .field("body_bytes", &body.len())
                .finish(),
            Self::Failed(failure) => f.debug_tuple("Failed").field(failure).finish(),
        }
    }
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

impl DeliveryFailure {
    /// The failure as one word for logs and the batch's last error.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect_failed",
            Self::Timeout => "timeout",
            Self::Tls => "tls_error",
            Self::Refused => "address_refused",
            Self::Broken => "connection_broken",
        }
    }
}

/// What is to become of the head batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// The connector has all of it.
    Delivered {
        /// It said so per event, or for the batch as a whole.
        confirmed: bool,
        /// What it found out, as JSON per event.
        enrichment: Vec<(EventId, String)>,
    },
    /// Try again later; the attempt is counted unless it was the organisation's configuration.
    Retry {
        /// Not before.
        at: Timestamp,
        /// Does it count as an attempt?
        counts: bool,
        /// What happened, without any text of the connector's.
        error: String,
    },
    /// Replace it by these, in order.
    Split(Vec<NewBatch>),
    /// Part of it is done.
    Partial {
        /// The connector has these.
        delivered: Vec<EventId>,
        /// It will never take these.
        parked: Vec<ParkedEvent>,
        /// Everything else, to be tried again at once.
        remainder: Option<NewBatch>,
        /// What it found out, as JSON per event.
        enrichment: Vec<(EventId, String)>,
    },
}

/// An event the connector will not take.
#[derive(Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// The event.
    pub event_id: EventId,
    /// Why, in our words.
    pub reason: Code,
    /// Why, in the connector's: cleaned and cut.
    pub detail: String,
    /// The rendered event, as it would be sent again.
    pub body: Vec<u8>,
}

impl fmt::Debug for ParkedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParkedEvent")
            .field("event_id", &self.event_id)
            .field("reason", &self.reason)
            .field("detail", &self.detail)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
