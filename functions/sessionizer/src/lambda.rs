//! One invocation of the Lambda entry point: a batch of the stream, a tick, a compaction, or what was given up once more.

use std::time::Duration;

use contract::{
    Timestamp,
    kinesis::{PartialBatchAnswer, RecordBatch},
};
use ports::{
    PortError, PortResult,
    clock::Clock,
    sessions::{Amendments, Lane},
    stream::OnFailure,
};
use pump::{FunctionError, Redriven, StreamFunction};
use serde_json::{Value, json};

use crate::{
    BatchError, Sessionizer, SweepReport, World,
    call::{Call, InvalidCall},
    config::Config,
    report,
};

/// The name under which what was given up is found.
pub const CONSUMER: &str = "sessionizer";

/// An invocation that failed.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// It asks for nothing that is known here.
    #[error(transparent)]
    Call(#[from] InvalidCall),
    /// A batch that comes again.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The world does not answer, or needs somebody to act.
    #[error(transparent)]
    World(#[from] PortError),
}

impl<W: World + Amendments + OnFailure, C: Clock> Sessionizer<W, C> {
    /// Does what `payload` asks for, and has answered before `deadline`.
    ///
    /// # Errors
    /// See [`InvokeError`]. What was done stays; whoever asks again loses nothing.
    pub async fn invoke(
        &self,
        payload: &str,
        deadline: Option<Timestamp>,
        config: &Config,
    ) -> Result<Value, InvokeError> {
        match Call::of(payload)? {
            Call::Batch => self.take_batch(payload, deadline, config.backoff).await,
            Call::Sweep(lane) => Ok(swept(self.tick(lane, deadline).await?)),
            Call::Compact => {
                let report = self.compact(self.until(deadline, None)).await?;
                Ok(json!({"compacted": report.amended, "left": report.failed}))
            }
            Call::Redrive => {
                let Redriven { finished, left } = self.redrive_held().await?;
                report::redriven(finished, left);
                Ok(json!({"finished": finished, "left": left}))
            }
        }
    }

    /// Sweeps one lane, or all of them side by side, and says how long the longest overdue has waited when it ends.
    async fn tick(
        &self,
        lane: Option<Lane>,
        deadline: Option<Timestamp>,
    ) -> PortResult<SweepReport> {
        let until = self.until(deadline, Some(SWEEP_MS));
        let lanes: Vec<Lane> = match lane {
            Some(lane) => vec![lane],
            None => (0..LANES).map(|index| Lane { index, of: LANES }).collect(),
        };
        let report = self.sweep_lanes(&lanes, until).await;
        self.tell_backlog().await;
        report
    }

    /// Feeds what Lambda gave up through the same handler.
    ///
    /// # Errors
    /// What is held cannot be read or forgotten.
    pub async fn redrive_held(&self) -> PortResult<Redriven> {
        pump::redrive(&self.world, &Again(self), CONSUMER).await
    }

    async fn take_batch(
        &self,
        payload: &str,
        deadline: Option<Timestamp>,
        backoff: Duration,
    ) -> Result<Value, InvokeError> {
        let batch: RecordBatch = serde_json::from_str(payload).map_err(|error| {
            BatchError::Unreadable { line: error.line(), column: error.column() }
        })?;
        let result = self.handle(&batch).await;
        if result.as_ref().map_or(true, |answer| *answer != PartialBatchAnswer::done()) {
            let now = self.clock.now();
            tokio::time::sleep(pump::pause(backoff, deadline.map(|end| end.since_ms(now)))).await;
        }
        // An answer is a list of numbers.
        Ok(serde_json::to_value(result?).unwrap_or_default())
    }

    /// How long the longest overdue has waited: what is left when a sweep ends is its backlog.
    async fn tell_backlog(&self) {
        let now = self.clock.now();
        let oldest = async {
            let due = self.world.due(EVERYBODY, now, 1).await?;
            let Some(owner) = due.first() else { return Ok(None) };
            Ok::<_, PortError>(self.world.head(owner).await?.and_then(|head| head.due_at))
        };
        match oldest.await {
            // Whoever was looked at meanwhile is due in the future, or not at all.
            Ok(due_at) => {
                report::backlog(due_at.map_or(0, |due_at| now.since_ms(due_at).max(0)));
            }
            Err(error) => {
                tracing::warn!(port.operation = error.operation, %error, "nobody knows who is due: {error}");
            }
        }
    }

    /// When work has to end: in time for the answer, and after `longest` ms where that is sooner.
    fn until(&self, deadline: Option<Timestamp>, longest: Option<i64>) -> Option<Timestamp> {
        let longest = longest.map(|ms| self.clock.now().plus_ms(ms));
        let answer = deadline.map(|deadline| deadline.plus_ms(-ANSWER_MS));
        [longest, answer].into_iter().flatten().min()
    }
}

/// The handler, for what was given up: it fails as it did until what was missing is there.
struct Again<'a, W, C>(&'a Sessionizer<W, C>);

impl<W: World, C: Clock> StreamFunction for Again<'_, W, C> {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        self.0.handle_payload(payload).await.map_err(FunctionError::failed)
    }
}

fn swept(report: SweepReport) -> Value {
    let SweepReport { owners, closed, stale, failed, .. } = report;
    json!({"owners": owners, "closed": closed, "stale": stale, "failed": failed})
}

const EVERYBODY: Lane = Lane { index: 0, of: 1 };
/// Side by side: a sweep waits for its store most of the time.
const LANES: u32 = 4;
/// A tick ends before the next one: who is left then is the next one's.
const SWEEP_MS: i64 = 50_000;
const ANSWER_MS: i64 = 10_000;
