//! Invocations that were given up, with their payload.

use contract::Timestamp;
use ports::{
    PortResult,
    stream::{FailedInvocation, OnFailure},
};
use rusqlite::{Connection, params};

use crate::{
    Store,
    rows::int,
    stream::{number, shard_number},
    writer::Tx,
};

impl OnFailure for Store {
    async fn hold(&self, failed: FailedInvocation) -> PortResult<()> {
        let job = move |tx: &mut Tx<'_>| {
            let (first, last) = &failed.sequences;
            // How many records they are is noted, because the ledger waits for them and the stream forgets them.
            tx.execute(
                "INSERT INTO on_failure (consumer, shard, first, last, at, condition, payload, records)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,
                   (SELECT count(*) FROM stream WHERE shard = ?8 AND seq BETWEEN ?9 AND ?10))
                 ON CONFLICT DO NOTHING",
                params![
                    failed.consumer,
                    failed.shard,
                    first,
                    last,
                    failed.at.ms(),
                    failed.condition,
                    failed.payload,
                    shard_number(&failed.shard),
                    number(first),
                    number(last)
                ],
            )?;
            Ok(())
        };
        self.write("hold a failed invocation", 1, job).await
    }

    async fn held(&self, consumer: &str, limit: usize) -> PortResult<Vec<FailedInvocation>> {
        let consumer = consumer.to_owned();
        let job = move |connection: &Connection| {
            let mut select = connection.prepare_cached(
                "SELECT consumer, shard, first, last, at, condition, payload FROM on_failure
                 WHERE consumer = ?1 ORDER BY at, rowid LIMIT ?2",
            )?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok(FailedInvocation {
                    consumer: row.get(0)?,
                    shard: row.get(1)?,
                    sequences: (row.get(2)?, row.get(3)?),
                    at: Timestamp::from_ms(row.get(4)?),
                    condition: row.get(5)?,
                    payload: row.get(6)?,
                })
            };
            let held = select.query_map(params![consumer, int(limit)], read)?;
            Ok(held.collect::<Result<_, _>>()?)
        };
        self.query("read failed invocations", job).await
    }

    async fn forget(&self, failed: &FailedInvocation) -> PortResult<()> {
        let (consumer, shard) = (failed.consumer.clone(), failed.shard.clone());
        let (first, last) = failed.sequences.clone();
        let job = move |tx: &mut Tx<'_>| {
            tx.execute(
                "DELETE FROM on_failure WHERE consumer = ?1 AND shard = ?2 AND first = ?3 AND last = ?4",
                params![consumer, shard, first, last],
            )?;
            Ok(())
        };
        self.write("forget a failed invocation", 1, job).await
    }
}
