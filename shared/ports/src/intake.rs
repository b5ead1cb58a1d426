//! The door's one write: a request's events, each where it belongs, and the answer that a repeat of it gets.

use contract::{EventId, OrgId, Timestamp, ingest::EventAnswer, staged::StagedEvent};

use crate::{PortResult, stream::StreamRecord};

/// One request's events.
///
/// It is one port and not a call each to staging and to the stream, because the embedded store makes all of it durable
/// in one commit; a store without such a commit writes staging, then the stream, then the idempotency answer, and
/// answers an error unless all were acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// When the door took it.
    pub at: Timestamp,
    /// The request's `Idempotency-Key`, if it had one.
    pub idempotency: Option<Idempotency>,
    /// One per event of the request, in order.
    pub entries: Vec<Entry>,
}

/// A request's claim to be the same as an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Unique per organisation and key: the caller prefixes it.
    pub key: String,
    /// SHA-256 of the request's body after decompression.
    pub body_hash: [u8; 32],
}

/// One event of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The organisation under which it is accounted for.
    pub org: OrgId,
    /// The answer it gets unless the store knows the event already.
    pub answer: EventAnswer,
    /// What to write. An event that collides with an earlier one of the request is rejected and has its body here all
    /// the same, see [`Receipt::Stored`].
    pub put: Put,
}

/// What to write for one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Put {
    /// Nothing: it was rejected, or is a duplicate within the request.
    Nothing,
    /// A staging row, forwarded later. Its change record reaches the stream by itself.
    Stage(StagedEvent),
    /// A stream record: counted, not forwarded.
    Stream {
        /// The event's identity.
        event_id: EventId,
        /// CRC-32C of its body at the door.
        ck: u32,
        /// The record.
        record: StreamRecord,
    },
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Everything is durable; the answers are the entries' own, corrected for events the store knew: `Duplicate`, or
    /// `Rejected` with `id_collision` when the known event has another body (that body travels on to quarantine).
    Stored(Vec<EventAnswer>),
    /// The same request was stored before: its answers, as they were given.
    Repeated(Vec<EventAnswer>),
    /// The idempotency key belongs to another body; nothing was written.
    Conflict,
}

/// The door's write.
pub trait Intake: Send + Sync {
    /// Makes a submission durable. Repeating it stores nothing twice: events are known by (organisation, id), requests
    /// by their idempotency key.
    fn submit(&self, submission: Submission) -> impl Future<Output = PortResult<Receipt>> + Send;
}
