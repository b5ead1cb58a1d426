//! One invocation of the Lambda entry points: a batch from the stream, or what was given up and is tried once more.

use std::cmp::Ordering;

use contract::{
    Timestamp,
    kinesis::{PartialBatchAnswer, RecordBatch, sequence_order},
};
use ports::{
    clock::Clock,
    stream::{Checkpoints, OnFailure},
};
use pump::{FunctionError, Redriven, StreamFunction};

use crate::{BatchError, Invocation, Processor, World, config::Config};

/// The name under which progress is kept, and under which the ledger looks for it.
pub const CONSUMER: &str = "processor";

impl<W: World + Checkpoints, C: Clock> Processor<W, C> {
    /// Handles a batch as Lambda hands it over. How far it got is kept beside Lambda's own checkpoint, which nobody can
    /// read: the ledger needs it to tell what is still in flight. After a failure it waits before it answers.
    ///
    /// # Errors
    /// As [`Processor::handle`].
    pub async fn invoke(
        &self,
        batch: &RecordBatch,
        deadline: Option<Timestamp>,
        config: Config,
    ) -> Result<PartialBatchAnswer, BatchError> {
        let invocation = Invocation { deadline, force_quarantine: false };
        let result = self.handle(batch, &invocation).await;
        if let Ok(answer) = &result
            && let Some(sequence) = finished(batch, answer)
            && let Err(error) = self.world().save(CONSUMER, &batch.shard, sequence).await
        {
            // The ledger will show more in flight than there is, until the next batch.
            tracing::warn!(port.operation = error.operation, %error, "progress is not kept: {error}");
        }
        if result.as_ref().map_or(true, |answer| *answer != PartialBatchAnswer::done()) {
            let now = self.clock().now();
            tokio::time::sleep(pump::pause(config.backoff, deadline.map(|end| end.since_ms(now))))
                .await;
        }
        result
    }
}

impl<W: World + OnFailure, C: Clock> Processor<W, C> {
    /// Feeds what Lambda gave up through the same handler, which now sets aside whatever it cannot handle.
    ///
    /// # Errors
    /// What is held cannot be read or forgotten.
    pub async fn redrive_held(&self) -> ports::PortResult<Redriven> {
        pump::redrive(self.world(), &Forced(self), CONSUMER).await
    }
}

/// The handler without mercy for poison.
struct Forced<'a, W, C>(&'a Processor<W, C>);

impl<W: World, C: Clock> StreamFunction for Forced<'_, W, C> {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        let invocation = Invocation { deadline: None, force_quarantine: true };
        self.0.handle_payload(payload, &invocation).await.map_err(FunctionError::failed)
    }
}

/// The last record that is finished: every one before the lowest that is not.
fn finished<'a>(batch: &'a RecordBatch, answer: &PartialBatchAnswer) -> Option<&'a str> {
    let cut = answer.batch_item_failures.first().map(|failure| failure.item_identifier.as_str());
    let before =
        |sequence: &&str| cut.is_none_or(|cut| sequence_order(sequence, cut) == Ordering::Less);
    let sequences = batch.records.iter().map(|record| record.sequence.as_str());
    sequences.filter(before).max_by(|a, b| sequence_order(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(sequences: &[&str]) -> RecordBatch {
        let records: Vec<_> = sequences
            .iter()
            .map(|sequence| {
                format!(
                    r#"{{"eventID":"shardId-000000000000:{sequence}","kinesis":{{"sequenceNumber":"{sequence}","data":"e30=","approximateArrivalTimestamp":1763668800.1}}}}"#
                )
            })
            .collect();
        serde_json::from_str(&format!(r#"{{"Records":[{}]}}"#, records.join(","))).unwrap()
    }

    #[test]
    fn what_is_finished_ends_before_the_lowest_failure() {
        let batch = batch(&["9", "10", "11"]);
        assert_eq!(finished(&batch, &PartialBatchAnswer::done()), Some("11"));
        let resume = |index: usize| PartialBatchAnswer::resume_at(&batch.records[index]);
        assert_eq!(finished(&batch, &resume(2)), Some("10"));
        assert_eq!(finished(&batch, &resume(0)), None);
    }
}
