//! A warehouse of columns, for questions that nobody thought of before.

use crate::PortResult;

/// A table of the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Events as the stream carried them.
    Events,
    /// Sessions, each revision in the place of the one before.
    Sessions,
    /// Incidents, each revision in the place of the one before.
    Incidents,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Events, Self::Sessions, Self::Incidents];

    /// The table's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events_raw",
            Self::Sessions => "fact_sessions",
            Self::Incidents => "fact_incidents",
        }
    }
}

/// What became of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// All of them are durable.
    Stored,
    /// None of them is: the warehouse cannot take what is in one of them, whenever it is asked. Its own number for why.
    Refused(u16),
}

/// Takes rows.
pub trait Warehouse: Send + Sync {
    /// Inserts rows, each one JSON object in one line: all of them or none. A row of the same key takes the place of another,
    /// or gives way to it, by what the two hold and not by which came first; so inserting any row again changes nothing.
    fn insert(
        &self,
        table: Table,
        rows: &[String],
    ) -> impl Future<Output = PortResult<Inserted>> + Send;
}

impl<W: Warehouse> Warehouse for std::sync::Arc<W> {
    fn insert(
        &self,
        table: Table,
        rows: &[String],
    ) -> impl Future<Output = PortResult<Inserted>> + Send {
        self.as_ref().insert(table, rows)
    }
}
