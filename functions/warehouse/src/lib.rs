//! The warehouse's sink: events from the stream, sessions and incidents from the bus, as rows of columns.
//!
//! ```text
//! stream records ─► triage ─► rows of events ──────────────────────┐
//! announcements ──► closed, superseded, found, retracted, struck ──┴─► insert ─► answer
//! ```
//!
//! Every row has a key under which a repeat takes the place of its like, and of two that differ the same one stays whichever
//! came first. So a batch that fails comes again as it is, alone or in other company, and nothing is counted twice. A row that the
//! warehouse refuses for what it holds is set aside in the archive, and costs nobody but itself.
//!
//! # Layout
//!
//! - [`Sink`]: the handler of both sources
//! - [`mod@rows`]: what an event, a session and an incident are as rows
//! - [`schema`]: the tables
//! - `queue`: announcements as a queue hands them over
//! - `insert`: inserting, and finding what is refused
//! - `report`: logs and metrics
//! - `config`, `lambda` (feature `lambda`): the entry point
//! - `standalone` (feature `sqlite`): behind the embedded store, in a process that lives on
#![warn(missing_docs)]

#[cfg(feature = "lambda")]
pub mod config;
mod insert;
#[cfg(feature = "lambda")]
pub mod lambda;
mod queue;
mod report;
pub mod rows;
pub mod schema;
#[cfg(feature = "sqlite")]
pub mod standalone;

use contract::{
    Timestamp,
    kinesis::{PartialBatchAnswer, Record, RecordBatch},
};
use domain::{
    admit::Admission,
    answer,
    triage::{self, Class},
};
use ports::{
    PortResult,
    archive::Archive,
    clock::Clock,
    warehouse::{Table, Warehouse},
};
use serde::Deserialize;

pub use crate::insert::Filled;
use crate::{
    queue::{Fact, Message, QueueAnswer, Queued},
    report::Taken,
    rows::Row,
};

/// The handler of the event stream and of the bus: `warehouse` takes the rows, `archive` what it refuses.
#[derive(Debug)]
pub struct Sink<W, A, C> {
    warehouse: W,
    archive: A,
    clock: C,
}

/// A payload that was not answered: all of it comes again.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It is not the payload of an event source mapping. The place is told, what stands there is not.
    #[error("not an event source mapping's payload: line {line}, column {column}")]
    Unreadable {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
}

/// An answer, and what it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What the event source mapping is told.
    pub answer: String,
    /// What it comes to.
    pub outcome: Outcome,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All that can be read is in, or set aside.
    Done,
    /// All of it comes again.
    Postponed,
}

impl<W: Warehouse, A: Archive, C: Clock> Sink<W, A, C> {
    /// A sink into `warehouse`.
    pub fn new(warehouse: W, archive: A, clock: C) -> Self {
        Self { warehouse, archive, clock }
    }

    /// Handles a payload of either source.
    ///
    /// # Errors
    /// It is of neither; it comes again.
    pub async fn handle(&self, payload: &str) -> Result<Answered, SinkError> {
        let outline: Outline<'_> = serde_json::from_str(payload)?;
        let is_queue = outline.records.first().is_some_and(|first| first.source == Some(QUEUE));
        if is_queue { self.handle_bus(payload).await } else { self.handle_stream(payload).await }
    }

    /// Takes a batch of the stream: the answer is empty, or resumes at its first record.
    ///
    /// # Errors
    /// It is not the payload of a stream; it comes again.
    pub async fn handle_stream(&self, payload: &str) -> Result<Answered, SinkError> {
        let batch: RecordBatch = serde_json::from_str(payload)?;
        let began = self.clock.now();
        let mut taken =
            Taken { source: "stream", records: batch.records.len(), ..Taken::default() };
        let row = |record: &Record| self.event_row(&batch, record, began, &mut taken);
        let rows: Vec<Row> = batch.records.iter().filter_map(row).collect();
        let filled = self.fill(rows, &mut taken, began).await;
        let answer = match filled {
            Outcome::Done => PartialBatchAnswer::done(),
            Outcome::Postponed => answer::answer(answer::lowest(&batch.records)),
        };
        // An answer is a list of numbers.
        let answer = serde_json::to_string(&answer).unwrap_or_default();
        Ok(Answered { answer, outcome: filled })
    }

    /// Takes announcements that a queue hands over: the answer names all of them, or those that cannot be read.
    ///
    /// # Errors
    /// It is not the payload of a queue; it comes again.
    pub async fn handle_bus(&self, payload: &str) -> Result<Answered, SinkError> {
        let queued: Queued = serde_json::from_str(payload)?;
        let began = self.clock.now();
        let mut taken = Taken { source: "bus", records: queued.records.len(), ..Taken::default() };
        let mut rows = Vec::new();
        let mut unreadable = Vec::new();
        for message in &queued.records {
            match Fact::of(&message.body) {
                Ok(Fact::Session(stored)) => rows.push(rows::session(&stored)),
                Ok(Fact::Incident(stored)) => rows.push(rows::incident(&stored)),
                Ok(Fact::Struck(struck)) => rows.push(rows::struck(&struck)),
                Ok(Fact::Other) => taken.ignored += 1,
                Err(error) => {
                    report::unreadable(&error);
                    unreadable.push(message);
                }
            }
        }
        let outcome = self.fill(rows, &mut taken, began).await;
        let again: Vec<&Message> = match outcome {
            Outcome::Done => unreadable,
            Outcome::Postponed => queued.records.iter().collect(),
        };
        Ok(Answered { answer: QueueAnswer::of(&again), outcome })
    }

    /// Inserts rows as a batch does, those of what is stored elsewhere among them: doing it again changes nothing.
    ///
    /// # Errors
    /// The warehouse or the archive cannot be reached; some of the rows may be in.
    pub async fn insert(&self, rows: Vec<Row>) -> PortResult<Filled> {
        let mut filled = Filled::default();
        for table in Table::ALL {
            let own = rows.iter().filter(|row| row.table == table).collect();
            filled += insert::insert(&self.warehouse, &self.archive, table, own).await?;
        }
        Ok(filled)
    }

    async fn fill(&self, rows: Vec<Row>, taken: &mut Taken, began: Timestamp) -> Outcome {
        match self.insert(rows).await {
            Ok(filled) => {
                taken.filled = filled;
                report::taken(taken, self.clock.now().since_ms(began));
                Outcome::Done
            }
            Err(error) => {
                report::postponed(&error, taken);
                Outcome::Postponed
            }
        }
    }

    fn event_row(
        &self,
        batch: &RecordBatch,
        record: &Record,
        now: Timestamp,
        taken: &mut Taken,
    ) -> Option<Row> {
        // What is unreadable, sealed or of the staging table's own life is the processor's: it sets it aside or puts it back.
        match triage::triage(batch, record).at(record.arrived_at, now) {
            Class::Event(admitted) if admitted.admission != Admission::Suppress => {
                Some(rows::event(&admitted.event))
            }
            Class::Event(_)
            | Class::Sealed(_)
            | Class::Rescue(_)
            | Class::Ignored(_)
            | Class::Poison(_) => {
                taken.ignored += 1;
                None
            }
        }
    }
}

impl From<serde_json::Error> for SinkError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable { line: error.line(), column: error.column() }
    }
}

/// Enough of a payload to tell its source.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<OutlineRecord<'a>>,
}

#[derive(Deserialize)]
struct OutlineRecord<'a> {
    #[serde(rename = "eventSource", default, borrow)]
    source: Option<&'a str>,
}

const QUEUE: &str = "aws:sqs";
