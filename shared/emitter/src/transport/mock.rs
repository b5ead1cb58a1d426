//! A staging table in memory, for the tests of hosts: it keeps each row once, and misbehaves when it is told to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::{Code, staged::StagedEvent};

use super::{RowFate, Transport, TransportError};

/// A staging table in memory. Clones share it: keep one, give the other to the emitter.
#[derive(Debug, Clone, Default)]
pub struct Mock(Arc<Mutex<Table>>);

/// How the mock treats one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// It stores the rows.
    #[default]
    Store,
    /// It stores the first rows and leaves the others unprocessed.
    StoreFirst(usize),
    /// It stores the rows, but the answer is lost.
    StoreThenFail,
    /// It fails.
    Fail(TransportError),
    /// It refuses every row for good.
    Refuse(Code),
    /// It never answers.
    Hang,
    /// It panics.
    Panic,
}

#[derive(Debug, Default)]
struct Table {
    rows: Vec<StagedEvent>,
    calls: Vec<usize>,
    next: VecDeque<Behaviour>,
    usual: Behaviour,
}

impl Mock {
    /// An empty table that behaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A table whose every call goes like this.
    #[must_use]
    pub fn that(usual: Behaviour) -> Self {
        let mock = Self::default();
        mock.usually(usual);
        mock
    }

    /// From now on every call goes like this.
    pub fn usually(&self, behaviour: Behaviour) {
        self.table().usual = behaviour;
    }

    /// The next calls go like these, in order; then as usual.
    pub fn next(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.table().next.extend(behaviours);
    }

    /// The stored rows, in the order in which they were stored.
    #[must_use]
    pub fn rows(&self) -> Vec<StagedEvent> {
        self.table().rows.clone()
    }

    /// The number of rows of each call so far, successful or not.
    #[must_use]
    pub fn calls(&self) -> Vec<usize> {
        self.table().calls.clone()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Mock {
    #[expect(clippy::panic, reason = "a mock that panics on demand")]
    async fn send(&self, rows: &[StagedEvent]) -> Result<Vec<RowFate>, TransportError> {
        let behaviour = {
            let mut table = self.table();
            table.calls.push(rows.len());
            table.next.pop_front().unwrap_or(table.usual)
        };
        match behaviour {
            Behaviour::Store => Ok(self.table().store(rows)),
            Behaviour::StoreFirst(count) => {
                let (first, _) = rows.split_at(count.min(rows.len()));
                Ok(self.table().store(first))
            }
            Behaviour::StoreThenFail => {
                self.table().store(rows);
                Err(TransportError::Unavailable { why: "the answer was lost" })
            }
            Behaviour::Fail(error) => Err(error),
            Behaviour::Refuse(code) => Ok(vec![RowFate::Refused(code); rows.len()]),
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Panic => panic!("the mock was told to panic"),
        }
    }
}

impl Table {
    fn store(&mut self, rows: &[StagedEvent]) -> Vec<RowFate> {
        rows.iter()
            .map(|row| {
                let known = self
                    .rows
                    .iter()
                    .find(|known| known.event_id == row.event_id && known.org_id == row.org_id);
                match known {
                    Some(known) if known.ck == row.ck => RowFate::Known,
                    Some(_) => RowFate::Refused(Code::IdCollision),
                    None => {
                        self.rows.push(row.clone());
                        RowFate::Stored
                    }
                }
            })
            .collect()
    }
}
