//! What DynamoDB's TTL does to the staging table: rows past their time go, and the stream tells.

use contract::{Timestamp, change::ChangeRecord, staged::StagedEvent};
use ports::PortResult;
use rusqlite::{Connection, params};

use crate::{
    Store, events,
    fault::Fault,
    rows::{self, STAGED_COLUMNS, int},
    stream::{append, change_key, shard_of},
    writer::Tx,
};

impl Store {
    /// Removes staging rows past their `expires_at`, at most 500 a call, appends the change records that TTL would
    /// make, and remembers the events until [`ports::staging::Staging::rescue`] puts them back. Answers how many.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn expire(&self, now: Timestamp) -> PortResult<usize> {
        const OPERATION: &str = "expire staged events";
        // Most calls find nothing and need no transaction.
        if self.query(OPERATION, move |connection| expired(connection, now, 1)).await?.is_empty() {
            return Ok(0);
        }
        let shards = self.0.shards;
        self.write(OPERATION, ROWS_MAX, move |tx| expire(tx, now, shards)).await
    }
}

struct Expired {
    position: i64,
    forward: bool,
    row: StagedEvent,
}

fn expire(tx: &mut Tx<'_>, now: Timestamp, shards: u32) -> Result<usize, Fault> {
    let expired = expired(tx.connection, now, ROWS_MAX)?;
    for Expired { position, forward, row } in &expired {
        let (org, id) = (&row.org_id, &row.event_id);
        tx.execute("DELETE FROM staging WHERE position = ?1", [position])?;
        events::unstage(tx, org, id, None, now)?;
        tx.execute(
            "INSERT OR REPLACE INTO rescue_queue VALUES (?1, ?2, ?3, ?4)",
            params![org.as_str(), id.as_str(), forward, now.ms()],
        )?;
        let key = change_key(org, id);
        let change = serde_json::to_vec(&ChangeRecord::ttl_removal(row, now))?;
        append(tx, shard_of(&key, shards), &key, &change, now)?;
    }
    Ok(expired.len())
}

/// Rows are staged in the order of their ends, or nearly so: looking at the oldest finds them without an index that
/// every staged event would pay for.
fn expired(connection: &Connection, now: Timestamp, limit: usize) -> Result<Vec<Expired>, Fault> {
    let sql = format!(
        "SELECT {STAGED_COLUMNS}, position, forward FROM staging WHERE position IN
           (SELECT position FROM (SELECT position, expires_at FROM staging ORDER BY position LIMIT {ROWS_LOOKED_AT})
            WHERE expires_at <= ?1 LIMIT ?2)
         ORDER BY position"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let mut found = select.query(params![now.ms(), int(limit)])?;
    let mut expired = Vec::new();
    while let Some(row) = found.next()? {
        let (position, forward) = (row.get(9)?, row.get(10)?);
        expired.push(Expired { position, forward, row: rows::staged(row)? });
    }
    Ok(expired)
}

const ROWS_MAX: usize = 500;
const ROWS_LOOKED_AT: usize = 5_000;
