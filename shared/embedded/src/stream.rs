//! The stream: one table, whose row ids are the sequence numbers; a shard is a column.

use contract::{OrgId, Timestamp};
use ports::{
    PortResult,
    stream::{Checkpoints, EventStream, SourceRecord, StreamRecord, StreamSource},
};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::watch;

use crate::{Store, fault::Fault, rows::int, writer::Tx};

impl EventStream for Store {
    async fn append(&self, records: &[StreamRecord]) -> PortResult<Vec<usize>> {
        let (at, shards) = (self.now(), self.0.shards);
        let (records, weight) = (records.to_vec(), records.len());
        let job = move |tx: &mut Tx<'_>| {
            for record in &records {
                append(
                    tx,
                    shard_of(&record.partition_key, shards),
                    &record.partition_key,
                    &record.data,
                    at,
                )?;
            }
            Ok(Vec::new())
        };
        self.write_new("append to the stream", weight, job).await
    }
}

impl StreamSource for Store {
    async fn shards(&self) -> PortResult<Vec<String>> {
        let count = self.query("list shards", declared_shards).await?;
        Ok((0..count).map(shard_name).collect())
    }

    async fn read(
        &self,
        shard: &str,
        after: Option<&str>,
        limit: usize,
    ) -> PortResult<Vec<SourceRecord>> {
        let (shard, after) = (shard_number(shard), after.map_or(0, number));
        let job = move |connection: &Connection| {
            let mut select = connection.prepare_cached(
                "SELECT seq, partition_key, arrived_at, data FROM stream
                 WHERE shard = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
            )?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok(SourceRecord {
                    sequence: row.get::<_, i64>(0)?.to_string(),
                    partition_key: row.get(1)?,
                    arrived_at: Timestamp::from_ms(row.get(2)?),
                    data: row.get(3)?,
                })
            };
            let records = select.query_map(params![shard, after, int(limit)], read)?;
            Ok(records.collect::<Result<_, _>>()?)
        };
        self.query("read the stream", job).await
    }
}

impl Checkpoints for Store {
    async fn load(&self, consumer: &str, shard: &str) -> PortResult<Option<String>> {
        let (consumer, shard) = (consumer.to_owned(), shard_number(shard));
        let job = move |connection: &Connection| {
            let mut select = connection
                .prepare_cached("SELECT seq FROM checkpoints WHERE consumer = ?1 AND shard = ?2")?;
            let found = select.query_row(params![consumer, shard], |row| row.get::<_, i64>(0));
            Ok(found.optional()?.map(|seq| seq.to_string()))
        };
        self.query("load a checkpoint", job).await
    }

    async fn save(&self, consumer: &str, shard: &str, sequence: &str) -> PortResult<()> {
        let (consumer, shard, seq) = (consumer.to_owned(), shard_number(shard), number(sequence));
        let job = move |tx: &mut Tx<'_>| {
            tx.execute(
                "INSERT INTO checkpoints VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)",
                params![consumer, shard, seq],
            )?;
            Ok(())
        };
        self.write("save a checkpoint", 1, job).await
    }
}

impl Store {
    /// Tells the newest sequence number of the stream whenever this process appended; 0 before the first time. Another
    /// process on the same file is not noticed: look now and then.
    #[must_use]
    pub fn appended(&self) -> watch::Receiver<u64> {
        self.0.appended.clone()
    }
}

/// Appends a record and answers its sequence number.
pub(crate) fn append(
    tx: &mut Tx<'_>,
    shard: u32,
    partition_key: &str,
    data: &[u8],
    at: Timestamp,
) -> Result<i64, Fault> {
    let seq = tx.take_sequence();
    tx.execute(
        "INSERT INTO stream (seq, shard, arrived_at, partition_key, data) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![seq, shard, at.ms(), partition_key, data],
    )?;
    Ok(seq)
}

/// The shard that a partition key chooses (FNV-1a).
pub(crate) fn shard_of(partition_key: &str, shards: u32) -> u32 {
    let hash = partition_key
        .bytes()
        .fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    u32::try_from((hash ^ (hash >> 32)) % u64::from(shards.max(1))).unwrap_or(0)
}

/// A staging row's changes stay in order: they share a key.
pub(crate) fn change_key(org: &OrgId, id: &contract::EventId) -> String {
    format!("{org}#{id}")
}

pub(crate) fn shard_name(shard: u32) -> String {
    format!("{SHARD_PREFIX}{shard:012}")
}

/// A shard that is not one of ours has no records and no checkpoint.
pub(crate) fn shard_number(name: &str) -> i64 {
    name.strip_prefix(SHARD_PREFIX).and_then(|digits| digits.parse().ok()).unwrap_or(-1)
}

/// Sequence numbers that are not ours order before or after all of ours.
pub(crate) fn number(sequence: &str) -> i64 {
    sequence.parse().unwrap_or(if sequence.len() > SEQUENCE_DIGITS { i64::MAX } else { 0 })
}

/// Sees to it that there are at least `shards` shards and answers how many there are: every handle on the file has to
/// place a key alike.
pub(crate) fn declare_shards(connection: &Connection, shards: u32) -> rusqlite::Result<u32> {
    let mut select = connection.prepare("SELECT value FROM meta WHERE name = 'shards'")?;
    let declared: Option<u32> = select.query_row([], |row| row.get(0)).optional()?;
    if let Some(declared) = declared.filter(|declared| *declared >= shards) {
        return Ok(declared);
    }
    let mut declare = connection.prepare(
        "INSERT INTO meta VALUES ('shards', ?1)
         ON CONFLICT DO UPDATE SET value = max(value, excluded.value) RETURNING value",
    )?;
    declare.query_row([shards.max(1)], |row| row.get(0))
}

pub(crate) fn declared_shards(connection: &Connection) -> Result<u32, Fault> {
    let mut select = connection.prepare_cached("SELECT value FROM meta WHERE name = 'shards'")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

const SHARD_PREFIX: &str = "shardId-";
const SEQUENCE_DIGITS: usize = 19;
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
