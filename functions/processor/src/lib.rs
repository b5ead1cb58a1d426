//! The processor: takes batches of the event stream, counts every event exactly once, keeps it, and sets aside what it
//! cannot read.
//!
//! ```text
//! records ─► triage ─► enrich ─► count once ─► archive ─► answer: nothing, or where to resume
//!               │                   │ same id, other body
//!               └─► quarantine ◄────┴─► struck out elsewhere      rows that TTL took ─► back into staging
//! ```
//!
//! The answer is a function of what became durable: a record is acknowledged only after its event is counted and
//! archived, or it lies in quarantine. Bad data never fails a batch; a world that may recover makes the answer name the
//! lowest unfinished record; a world that needs somebody to act, or a batch of which half is unreadable, fails it whole.
//!
//! # Layout
//!
//! - [`Processor`]: the handler; [`json`]: its entry for raw payloads and redriven ones
//! - `work`: what a batch holds on its way; `enrichment`, `aside`, `count`, `strike`, `keep`: the stages; `chunks`: what is
//!   counted in one transaction; `isolate`: a panic costs one record
//! - [`budget`]: when to stop; [`gzip`]: compression; `report`: logs and metrics
//! - [`config`]: settings of the Lambda entry point
#![warn(missing_docs)]

mod aside;
pub mod budget;
mod chunks;
pub mod config;
mod count;
mod enrichment;
pub mod gzip;
mod isolate;
pub mod json;
mod keep;
#[cfg(feature = "lambda")]
pub mod lambda;
mod report;
mod strike;
mod work;

use std::sync::{Mutex, PoisonError};

use contract::{
    Event, Timestamp,
    event::Assignment,
    kinesis::{PartialBatchAnswer, Record, RecordBatch},
};
use domain::{
    answer, enrich,
    triage::{self, Class, Poison},
};
use ports::{
    PortError,
    archive::{Archive, Quarantine},
    bus::Bus,
    clock::Clock,
    keys::PseudonymKeys,
    ledger::Ledger,
    reference::Reference,
    sessions::Strikes,
    staging::Staging,
};

use crate::{budget::Budget, isolate::isolated, keep::Scratch, work::Work};

/// Everything the processor needs of the world.
pub trait World:
    Ledger + Archive + Quarantine + Strikes + Reference + Staging + Bus + PseudonymKeys
{
}

impl<W> World for W where
    W: Ledger + Archive + Quarantine + Strikes + Reference + Staging + Bus + PseudonymKeys
{
}

/// The handler of the event stream.
#[derive(Debug)]
pub struct Processor<W, C> {
    world: W,
    clock: C,
    decisions: Decisions,
    /// Buffers of the last batch, so that a warm function does not map them anew. Invocations that overlap find it
    /// empty and use their own.
    scratch: Mutex<Option<Scratch>>,
}

/// How the platform runs one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Invocation {
    /// When the platform ends the invocation; without it there is no hurry.
    pub deadline: Option<Timestamp>,
    /// Quarantine poison whatever its share: set by a redrive, so that a truly bad batch still ends.
    pub force_quarantine: bool,
}

/// A batch that fails as a whole: nothing is acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// So many records are unreadable that the reader is suspected. Nothing was quarantined.
    #[error("{poison} of {records} records are poison: this looks like a bad deploy")]
    Systemic {
        /// Records that would have been set aside.
        poison: usize,
        /// Records of the batch.
        records: usize,
    },
    /// The world needs somebody to act.
    #[error(transparent)]
    World(#[from] PortError),
}

impl BatchError {
    /// A stable name, for alarms.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Systemic { .. } => "systemic_poison",
            Self::World(_) => "permanent_failure",
        }
    }
}

#[cfg(feature = "lambda")]
impl From<BatchError> for lambda_runtime::Diagnostic {
    fn from(error: BatchError) -> Self {
        Self { error_type: error.code().to_owned(), error_message: error.to_string() }
    }
}

impl<W: World, C: Clock> Processor<W, C> {
    /// A processor over `world`.
    pub fn new(world: W, clock: C) -> Self {
        Self { world, clock, decisions: Decisions::default(), scratch: Mutex::new(None) }
    }

    /// The world it works on.
    #[cfg(feature = "lambda")]
    pub(crate) fn world(&self) -> &W {
        &self.world
    }

    #[cfg(feature = "lambda")]
    pub(crate) fn clock(&self) -> &C {
        &self.clock
    }

    /// Handles one batch. The answer is empty, or names the lowest record that is not finished: it and everything after
    /// it comes again, and repeating what was finished changes nothing.
    ///
    /// # Errors
    /// See [`BatchError`]; the whole batch comes again.
    pub async fn handle(
        &self,
        batch: &RecordBatch,
        invocation: &Invocation,
    ) -> Result<PartialBatchAnswer, BatchError> {
        let started = self.clock.now();
        let result = self.run(batch, invocation, started).await;
        if let Err(error) = &result {
            report::failed(error, batch.records.len());
        }
        let (work, cut) = result?;
        report::finished(&work, cut, self.clock.now().since_ms(started));
        Ok(answer::answer(cut))
    }

    async fn run<'a>(
        &self,
        batch: &'a RecordBatch,
        invocation: &Invocation,
        started: Timestamp,
    ) -> Result<(Work, Option<&'a Record>), BatchError> {
        let classes = self.triage(batch, started);
        if !invocation.force_quarantine && triage::is_systemic(&classes) {
            let poison = classes.iter().filter(|class| matches!(class, Class::Poison(_))).count();
            return Err(BatchError::Systemic { poison, records: classes.len() });
        }
        let mut work = Work::sorted(classes);
        let mut budget = Budget::new(invocation.deadline);

        self.enrich(&mut work).await;
        self.set_aside(batch, &mut work).await?;
        self.rescue(&mut work).await?;
        self.count(batch, &mut work, &mut budget).await?;
        // Those whose id belongs to another body.
        self.strike(&mut work).await?;
        self.set_aside(batch, &mut work).await?;
        self.announce(batch, &mut work).await;

        let cut = answer::cut(&batch.records, work.unfinished());
        let cut = if self.keep(batch, &mut work, cut).await? {
            cut
        } else {
            // Counted but not kept: the batch comes again as a whole and writes the same objects.
            answer::lowest(&batch.records)
        };
        Ok((work, cut))
    }

    fn triage(&self, batch: &RecordBatch, now: Timestamp) -> Vec<Class> {
        let read = |record: &Record| {
            let class =
                isolated(|| (self.decisions.triage)(batch, record).at(record.arrived_at, now));
            class.unwrap_or_else(|fault| {
                let outlined = isolated(|| Poison::outlined(batch.bytes(record), fault.clone()));
                Class::Poison(outlined.unwrap_or_else(Poison::new))
            })
        };
        batch.records.iter().map(read).collect()
    }

    /// Puts rows back that TTL took before any batch did.
    async fn rescue(&self, work: &mut Work) -> Result<(), BatchError> {
        if work.rescues.is_empty() {
            return Ok(());
        }
        let (positions, rows): (Vec<usize>, Vec<_>) = work.rescues.drain(..).unzip();
        match self.world.rescue(&rows).await {
            Ok(()) => work.tally.rescued += rows.len(),
            Err(error) => work.postpone(error, positions)?,
        }
        Ok(())
    }

    fn take_scratch(&self) -> Scratch {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        scratch.take().unwrap_or_default()
    }

    fn return_scratch(&self, used: Scratch) {
        *self.scratch.lock().unwrap_or_else(PoisonError::into_inner) = Some(used);
    }
}

/// What is decided about one record alone; a value so that tests can make it panic or mistaken.
#[derive(Debug, Clone, Copy)]
struct Decisions {
    triage: fn(&RecordBatch, &Record) -> Class,
    enrich: fn(&mut Event, Option<&Assignment>),
}

impl Default for Decisions {
    fn default() -> Self {
        Self { triage: triage::triage, enrich: enrich::enrich }
    }
}

#[cfg(test)]
mod tests;
