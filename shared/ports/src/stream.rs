//! The log that carries every event to its consumers.

use contract::Timestamp;

use crate::PortResult;

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// Chooses the shard; records of one key keep their order.
    pub partition_key: String,
    /// At most 256 KiB.
    pub data: Vec<u8>,
}

/// Appends records.
pub trait EventStream: Send + Sync {
    /// Appends `records` and answers the indices of those that were *not* appended. Not idempotent: a repeat appends
    /// again, and consumers recognise the event by its id.
    fn append(
        &self,
        records: &[StreamRecord],
    ) -> impl Future<Output = PortResult<Vec<usize>>> + Send;
}

/// A record as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRecord {
    /// Ascending within the shard; a decimal of up to 56 digits.
    pub sequence: String,
    /// The key it was appended under.
    pub partition_key: String,
    /// When the log took it.
    pub arrived_at: Timestamp,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// Reads the log, for the event source pump.
pub trait StreamSource: Send + Sync {
    /// The shards, in a stable order.
    fn shards(&self) -> impl Future<Output = PortResult<Vec<String>>> + Send;

    /// Up to `limit` records of `shard` after `sequence`, or from the oldest. Reading changes nothing.
    fn read(
        &self,
        shard: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = PortResult<Vec<SourceRecord>>> + Send;
}

/// Remembers how far a consumer got.
pub trait Checkpoints: Send + Sync {
    /// The last finished sequence number of `consumer` on `shard`.
    fn load(
        &self,
        consumer: &str,
        shard: &str,
    ) -> impl Future<Output = PortResult<Option<String>>> + Send;

    /// Everything up to `sequence` is finished. Saving the same or an older number changes nothing.
    fn save(
        &self,
        consumer: &str,
        shard: &str,
        sequence: &str,
    ) -> impl Future<Output = PortResult<()>> + Send;
}

/// An invocation that was given up: the records with their payload, as Lambda's S3 destination keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedInvocation {
    /// The consumer.
    pub consumer: String,
    /// The shard.
    pub shard: String,
    /// Sequence numbers of the first and the last record.
    pub sequences: (String, String),
    /// When it was given up.
    pub at: Timestamp,
    /// `RetryAttemptsExhausted` or `MaximumRecordAgeExceeded`.
    pub condition: String,
    /// The whole payload, as the function would be handed it again.
    pub payload: String,
}

/// Where given-up invocations go.
pub trait OnFailure: Send + Sync {
    /// Keeps an invocation. Keeping the same (consumer, shard, sequences) twice keeps it once.
    fn hold(&self, failed: FailedInvocation) -> impl Future<Output = PortResult<()>> + Send;

    /// What is held of `consumer`, oldest first, at most `limit`.
    fn held(
        &self,
        consumer: &str,
        limit: usize,
    ) -> impl Future<Output = PortResult<Vec<FailedInvocation>>> + Send;

    /// Forgets one after it was redriven. Forgetting an unknown one changes nothing.
    fn forget(&self, failed: &FailedInvocation) -> impl Future<Output = PortResult<()>> + Send;
}
