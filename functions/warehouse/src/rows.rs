//! What an event, a session and an incident are as rows: values in, lines of JSON out, the same for the same value.
//!
//! Names of fields are names of columns. Every row of a table has all of them, so that one row tells the columns of all.

mod event;
mod incident;
mod session;

use contract::{OrgId, Timestamp};
use ports::warehouse::Table;
use serde::Serialize;

pub use self::{
    event::{event, struck},
    incident::incident,
    session::session,
};

/// A row for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it belongs.
    pub table: Table,
    /// Whose it is.
    pub org: OrgId,
    /// One JSON object in one line.
    pub json: String,
}

fn row(table: Table, org: &OrgId, columns: &impl Serialize) -> Row {
    // Structs of texts, numbers and lists can always be written.
    let json = serde_json::to_string(columns).unwrap_or_default();
    Row { table, org: org.clone(), json }
}

/// The UTC day of a time, as the warehouse writes it.
fn day(at: Timestamp) -> String {
    let mut text = at.to_string();
    text.truncate(DATE_BYTES);
    text
}

const DATE_BYTES: usize = "2026-01-01".len();
