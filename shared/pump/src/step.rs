//! One invocation at a time: read, invoke, decide, make durable, and only then move on.

use std::panic::AssertUnwindSafe;

use contract::{Timestamp, kinesis::sequence_order};
use futures::FutureExt;
use ports::{
    PortResult,
    clock::Clock,
    stream::{Checkpoints, FailedInvocation, OnFailure, SourceRecord, StreamSource},
};

use crate::{
    answer::Answer,
    decide::{Condition, Next, decide},
    function::{FunctionError, StreamFunction},
    payload,
    settings::Settings,
    state::{Position, ShardState},
};

/// One consumer of a stream: `source` reads it and remembers how far it is, `function` handles it.
#[derive(Debug, Clone)]
pub struct Pump<S, F, C> {
    source: S,
    pub(crate) function: F,
    clock: C,
    pub(crate) settings: Settings,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is nothing to read.
    Idle,
    /// A batch that is not full waits so many ms for more records.
    Gathering(i64),
    /// So many records are finished; the next step may follow at once.
    Progressed(usize),
    /// So many records went to the on-failure destination.
    GaveUp(usize, Condition),
    /// Nothing is finished; the next step should follow after so many ms.
    RetryAfter(i64),
}

/// What draining a stream did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Steps taken.
    pub steps: usize,
    /// Records that the function finished.
    pub finished: usize,
    /// Records that went to the on-failure destination.
    pub given_up: usize,
    /// Every shard was read to its end; otherwise the number of steps was.
    pub idle: bool,
}

impl<S, F, C> Pump<S, F, C>
where
    S: StreamSource + Checkpoints + OnFailure,
    F: StreamFunction,
    C: Clock,
{
    /// A consumer of `source`.
    #[must_use]
    pub fn new(source: S, function: F, clock: C, settings: Settings) -> Self {
        Self { source, function, clock, settings }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The shards of the stream.
    pub async fn shards(&self) -> PortResult<Vec<String>> {
        self.source.shards().await
    }

    /// Reads and invokes once, without ever sleeping. `state` changes only after everything it implies is durable, so a
    /// step that fails or is dropped half-way is simply taken again.
    pub async fn step(&self, shard: &str, state: &mut ShardState) -> PortResult<Step> {
        self.step_within(shard, state, self.settings.window_ms).await
    }

    /// Steps through all shards in turn until none has anything to read, waiting for nothing: batches need not be
    /// full, and what failed is retried at once. Ends after a million steps in any case.
    pub async fn drain(&self) -> PortResult<Drained> {
        let mut drained = Drained::default();
        let mut shards: Vec<_> =
            self.shards().await?.into_iter().map(|shard| (shard, ShardState::default())).collect();
        while drained.steps < DRAIN_STEPS_MAX && !drained.idle {
            drained.idle = true;
            for (shard, state) in &mut shards {
                drained.steps += 1;
                match self.step_within(shard, state, 0).await? {
                    Step::Idle => continue,
                    Step::Progressed(records) => drained.finished += records,
                    Step::GaveUp(records, _) => drained.given_up += records,
                    Step::Gathering(_) | Step::RetryAfter(_) => {}
                }
                drained.idle = false;
            }
        }
        Ok(drained)
    }

    async fn step_within(
        &self,
        shard: &str,
        state: &mut ShardState,
        window_ms: i64,
    ) -> PortResult<Step> {
        if *state.position() == Position::Unknown {
            *state = ShardState::at(self.source.load(&self.settings.consumer, shard).await?);
        }
        let records = self.read(shard, state).await?;
        let now = self.clock.now();
        let Some(first) = records.first() else {
            if state.boundary().is_none() {
                return Ok(Step::Idle);
            }
            *state = state.without_part();
            return Ok(Step::Progressed(0));
        };
        let gathers = state.boundary().is_none() && records.len() < self.settings.batch_size;
        let waited_ms = now.since_ms(first.arrived_at);
        if gathers && (0..window_ms).contains(&waited_ms) {
            return Ok(Step::Gathering(window_ms - waited_ms));
        }
        let batch = Batch::of(shard, records, &self.settings, now);
        let next = self.invoke(&batch, state).await;
        self.settle(&batch, next, state, now).await
    }

    /// The records of the next batch: those of the part under way, or whatever there is.
    async fn read(&self, shard: &str, state: &ShardState) -> PortResult<Vec<SourceRecord>> {
        let after = match state.position() {
            Position::After(sequence) => Some(sequence.as_str()),
            Position::Start | Position::Unknown => None,
        };
        let mut records = self.source.read(shard, after, self.settings.batch_size.max(1)).await?;
        if let Some(last) = state.boundary() {
            records.retain(|record| sequence_order(&record.sequence, last).is_le());
        }
        Ok(records)
    }

    async fn invoke(&self, batch: &Batch<'_>, state: &ShardState) -> Next {
        if batch.age == Age::Expired {
            return Next::GiveUp(Condition::MaximumRecordAgeExceeded);
        }
        let answer =
            match AssertUnwindSafe(self.function.invoke(&batch.payload)).catch_unwind().await {
                Ok(Ok(answer)) => Answer::read(&batch.sequences, &answer),
                Ok(Err(error @ FunctionError::NotRun(_))) => {
                    self.warn(batch, &error.to_string());
                    Answer::NotRun
                }
                Ok(Err(error @ FunctionError::Failed(_))) => {
                    self.warn(batch, &error.to_string());
                    Answer::Failed
                }
                Err(_) => {
                    self.warn(batch, "the function panicked");
                    Answer::Failed
                }
            };
        decide(state.attempt(batch.sequences.len()), answer, &self.settings)
    }

    async fn settle(
        &self,
        batch: &Batch<'_>,
        next: Next,
        state: &mut ShardState,
        now: Timestamp,
    ) -> PortResult<Step> {
        let consumer = &self.settings.consumer;
        if let Next::GiveUp(condition) = next {
            self.warn(batch, condition.as_str());
            self.source.hold(batch.failed(consumer, condition, now)).await?;
        }
        let moved = state.moved(&batch.sequences, next);
        if let Position::After(finished) = moved.position()
            && moved.position() != state.position()
        {
            self.source.save(consumer, batch.shard, finished).await?;
            self.measure(batch, now);
        }
        *state = moved;
        Ok(match next {
            Next::Acknowledge => Step::Progressed(batch.sequences.len()),
            Next::AcknowledgeBefore(index) => Step::Progressed(index),
            Next::GiveUp(condition) => Step::GaveUp(batch.sequences.len(), condition),
            Next::Split(_) => Step::RetryAfter(0),
            Next::Retry | Next::Wait => {
                Step::RetryAfter(self.settings.backoff_ms(state.failures()))
            }
        })
    }

    fn warn(&self, batch: &Batch<'_>, what: &str) {
        tracing::warn!(
            pump.consumer = %self.settings.consumer,
            pump.shard = %batch.shard,
            pump.records = batch.sequences.len(),
            "a batch was not finished: {what}"
        );
    }

    fn measure(&self, batch: &Batch<'_>, now: Timestamp) {
        tracing::info!(
            target: "metrics",
            iterator_age_ms = now.since_ms(batch.first_at).max(0),
            pumped_records = batch.sequences.len(),
            stage = %self.settings.consumer,
        );
    }
}

/// The records of one invocation.
struct Batch<'a> {
    shard: &'a str,
    sequences: Vec<String>,
    payload: String,
    first_at: Timestamp,
    age: Age,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Expired,
}

impl<'a> Batch<'a> {
    /// As many of `records` as fit one payload and are either all too old or all young enough.
    fn of(
        shard: &'a str,
        mut records: Vec<SourceRecord>,
        settings: &Settings,
        now: Timestamp,
    ) -> Self {
        let expired = |record: &SourceRecord| {
            settings.max_age_ms.is_some_and(|max| now.since_ms(record.arrived_at) > max)
        };
        let age = if records.first().is_some_and(expired) { Age::Expired } else { Age::Fresh };
        let same = records.iter().take_while(|record| expired(record) == (age == Age::Expired));
        records.truncate(same.count());
        let (payload, taken) = payload::wrap(shard, &records, settings);
        records.truncate(taken);
        let first_at = records.first().map_or(now, |record| record.arrived_at);
        let sequences = records.into_iter().map(|record| record.sequence).collect();
        Self { shard, sequences, payload, first_at, age }
    }

    fn failed(&self, consumer: &str, condition: Condition, at: Timestamp) -> FailedInvocation {
        let end = |sequence: Option<&String>| sequence.cloned().unwrap_or_default();
        FailedInvocation {
            consumer: consumer.to_owned(),
            shard: self.shard.to_owned(),
            sequences: (end(self.sequences.first()), end(self.sequences.last())),
            at,
            condition: condition.as_str().to_owned(),
            payload: self.payload.clone(),
        }
    }
}

const DRAIN_STEPS_MAX: usize = 1_000_000;
