//! The sessionizer: keeps every event of a session in order, and says what sessions were, where they hurt and how much.
//!
//! ```text
//! records ─► triage ─► append to the owner's log ─► arm its head ─► announce what is listened to ─► answer
//! sweep   ─► due heads ─► head, what is stored, events ─► decide ─► commit under the head's version ─► announce
//! ```
//!
//! Taking a batch is appending and arming: repeating either changes nothing that counts, so a batch that fails comes again.
//! A sweep decides everything anew from what is stored and commits it whole or not at all: two sweepers, a sweeper that was
//! away for hours and one that dies anywhere say the same in the end, each thing once.
//!
//! # Layout
//!
//! - [`Sessionizer`]: the handler of the stream
//! - `sweep`, `look`: what runs every minute, for all owners and for one
//! - `keep`: what a sweep keeps beside sessions
//! - `compact`: what runs once a day
//! - `watched`: what those hear of who listen to a session's context
//! - `report`: logs and metrics
//! - `call`, `config`, `lambda` (feature `lambda`): the entry point
//! - `standalone` (feature `sqlite`): over the embedded store, in a process that lives on
#![warn(missing_docs)]

#[cfg(feature = "lambda")]
pub mod call;
mod compact;
#[cfg(feature = "lambda")]
pub mod config;
mod keep;
#[cfg(feature = "lambda")]
pub mod lambda;
mod look;
mod report;
#[cfg(feature = "sqlite")]
pub mod standalone;
mod sweep;
mod watched;

use std::collections::BTreeMap;

use contract::{
    Event, Timestamp,
    kinesis::{PartialBatchAnswer, Record, RecordBatch},
};
use domain::{
    admit::Admission,
    answer,
    triage::{self, Class},
};
use friction::{owner::Owner, policy::SessionPolicy};
use ports::{
    PortError,
    bus::Bus,
    clock::Clock,
    projections::Projections,
    rules::RuleBook,
    sessions::{Arming, EventLog, Heads, LoggedEvent, Notices, Sessions, Sums},
    watches::Watched,
};

pub use compact::CompactReport;
pub use sweep::SweepReport;

use crate::report::Taken;

/// Everything the sessionizer needs of the world.
pub trait World:
    EventLog + Heads + Sessions + Notices + Sums + Projections + RuleBook + Watched + Bus
{
}

impl<W> World for W where
    W: EventLog + Heads + Sessions + Notices + Sums + Projections + RuleBook + Watched + Bus
{
}

/// The handler of the event stream, and the sweeper.
#[derive(Debug)]
pub struct Sessionizer<W, C> {
    world: W,
    clock: C,
    policy: SessionPolicy,
}

/// A payload that was not answered: all of it comes again.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// It is not the payload of an event source mapping.
    #[error("not an event source mapping's payload: line {line}, column {column}")]
    Unreadable {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The world needs somebody to act.
    #[error(transparent)]
    World(#[from] PortError),
}

impl<W: World, C: Clock> Sessionizer<W, C> {
    /// A sessionizer over `world`.
    pub fn new(world: W, clock: C, policy: SessionPolicy) -> Self {
        Self { world, clock, policy }
    }

    /// Handles a raw payload and answers as JSON.
    ///
    /// # Errors
    /// The whole batch comes again.
    pub async fn handle_payload(&self, payload: &str) -> Result<String, BatchError> {
        let batch: RecordBatch = serde_json::from_str(payload).map_err(|error| {
            BatchError::Unreadable { line: error.line(), column: error.column() }
        })?;
        let answer = self.handle(&batch).await?;
        // An answer is a list of numbers.
        Ok(serde_json::to_string(&answer).unwrap_or_default())
    }

    /// Takes one batch: the answer is empty, or resumes at its first record.
    ///
    /// # Errors
    /// The world needs somebody to act; the whole batch comes again.
    pub async fn handle(&self, batch: &RecordBatch) -> Result<PartialBatchAnswer, BatchError> {
        let now = self.clock.now();
        let mut taken = Taken { records: batch.records.len(), ..Taken::default() };
        let events: Vec<LoggedEvent> = batch
            .records
            .iter()
            .filter_map(|record| self.logged(batch, record, now, &mut taken))
            .collect();
        taken.events = events.len();
        let outcome = self.take(&events, now).await;
        match outcome {
            Ok(owners) => {
                taken.owners = owners;
                report::taken(&taken, self.clock.now().since_ms(now));
                Ok(PartialBatchAnswer::done())
            }
            Err(error) if error.transient => {
                report::postponed(&error, batch.records.len());
                Ok(answer::answer(answer::lowest(&batch.records)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes events that arrive now, as a replay does. Taking them again changes nothing.
    ///
    /// # Errors
    /// The log or a head cannot be written; what was written may be written again.
    pub async fn take_events(&self, events: Vec<Event>) -> Result<usize, PortError> {
        let logged: Vec<LoggedEvent> = events.into_iter().filter_map(logged_event).collect();
        self.take(&logged, self.clock.now()).await?;
        Ok(logged.len())
    }

    fn logged(
        &self,
        batch: &RecordBatch,
        record: &Record,
        now: Timestamp,
        taken: &mut Taken,
    ) -> Option<LoggedEvent> {
        // What is unreadable, sealed or of the staging table's own life is the processor's: it sets it aside or puts it back.
        let Class::Event(admitted) = triage::triage(batch, record).at(record.arrived_at, now)
        else {
            taken.others += 1;
            return None;
        };
        if admitted.admission == Admission::Suppress {
            taken.others += 1;
            return None;
        }
        if self.policy.is_late(admitted.event.occurred_at, record.arrived_at) {
            taken.late += 1;
            return None;
        }
        let logged = logged_event(admitted.event);
        taken.ownerless += usize::from(logged.is_none());
        logged
    }

    /// Appends, then arms: whoever is armed has events.
    async fn take(&self, events: &[LoggedEvent], now: Timestamp) -> Result<usize, PortError> {
        if events.is_empty() {
            return Ok(0);
        }
        self.world.append(events).await?;
        let armings = self.armings(events, now);
        self.world.arm(&armings).await?;
        self.announce_changes(events, now).await;
        Ok(armings.len())
    }

    fn armings(&self, events: &[LoggedEvent], now: Timestamp) -> Vec<Arming> {
        let mut armings: BTreeMap<&Owner, Arming> = BTreeMap::new();
        for LoggedEvent { owner, event } in events {
            let at = event.occurred_at;
            let due_at = self.policy.look_at(event, now);
            let arming = armings.entry(owner).or_insert_with(|| Arming {
                owner: owner.clone(),
                dirty_from: at,
                due_at,
            });
            arming.dirty_from = arming.dirty_from.min(at);
            arming.due_at = arming.due_at.min(due_at);
        }
        armings.into_values().collect()
    }
}

/// The event with its owner, if it has one.
fn logged_event(event: Event) -> Option<LoggedEvent> {
    let owner = Owner::of(&event)?;
    Some(LoggedEvent { owner, event })
}
