//! The handler's entry for raw payloads: what an event source mapping sends, and what its on-failure destination kept.

use contract::kinesis::{PartialBatchAnswer, Record, RecordBatch};
use ports::clock::Clock;
use serde::Deserialize;
use tracing::Instrument as _;

use crate::{BatchError, Invocation, Processor, World};

/// A payload that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// It is not the payload of an event source mapping. The place is told, what stands there is not.
    #[error("not an event source mapping's payload: line {line}, column {column}")]
    Unreadable {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The batch failed.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

impl<W: World, C: Clock> Processor<W, C> {
    /// Handles a raw payload and answers as JSON.
    ///
    /// # Errors
    /// The whole batch comes again.
    pub async fn handle_payload(
        &self,
        payload: &str,
        invocation: &Invocation,
    ) -> Result<String, PayloadError> {
        let batch: RecordBatch = serde_json::from_str(payload)?;
        let answer = self.handle(&batch, invocation).instrument(span(&batch)).await?;
        Ok(serde_json::to_string(&answer)?)
    }

    /// Handles an invocation that was given up: the document that the on-failure destination keeps, with the payload as
    /// a string. Poison is quarantined whatever its share, so that a truly bad batch ends here. Repeating it changes
    /// nothing.
    ///
    /// # Errors
    /// The document comes again.
    pub async fn redrive(&self, document: &str) -> Result<PartialBatchAnswer, PayloadError> {
        let kept: GivenUp = serde_json::from_str(document)?;
        let batch: RecordBatch = serde_json::from_str(&kept.payload)?;
        let invocation = Invocation { deadline: None, force_quarantine: true };
        Ok(self.handle(&batch, &invocation).instrument(span(&batch)).await?)
    }
}

/// Every line that a batch logs says which records it is about.
fn span(batch: &RecordBatch) -> tracing::Span {
    let sequence =
        |record: Option<&Record>| record.map_or("", |record| record.sequence.as_str()).to_owned();
    tracing::info_span!(
        "batch",
        batch.shard = batch.shard,
        batch.first = sequence(batch.records.first()),
        batch.last = sequence(batch.records.last()),
    )
}

/// The part of the on-failure document that is used; the rest says when and why it was given up.
#[derive(Deserialize)]
struct GivenUp {
    payload: String,
}

impl From<serde_json::Error> for PayloadError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable { line: error.line(), column: error.column() }
    }
}
