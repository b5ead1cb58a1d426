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

    /// How much of the stream `consumer` has not finished, and of the announcements it has not heard.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn backlog(&self, consumer: &str) -> PortResult<Backlog> {
        let heard = self.heard(consumer).await?;
        let consumer = consumer.to_owned();
        let job = move |connection: &Connection| {
            let mut select = connection.prepare_cached(
                "SELECT count(*), min(arrived_at) FROM stream
                 LEFT JOIN checkpoints ON checkpoints.consumer = ?1 AND checkpoints.shard = stream.shard
                 WHERE stream.seq > coalesce(checkpoints.seq, 0)",
            )?;
            let (records, oldest): (u64, Option<i64>) =
                select.query_row([consumer], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut select = connection.prepare_cached(
                "SELECT count(*), min(at) FROM announcements WHERE position > ?1",
            )?;
            let (announcements, said): (u64, Option<i64>) =
                select.query_row([int(heard)], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let oldest = oldest.into_iter().chain(said).min().map(Timestamp::from_ms);
            Ok(Backlog { records, announcements, oldest })
        };
        self.query("read a backlog", job).await
    }

    /// True once `consumer` finished a record or heard anything, also nothing ([`Self::hear`] of 0), and until it is forgotten.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn knows_consumer(&self, consumer: &str) -> PortResult<bool> {
        let consumer = consumer.to_owned();
        let job = move |connection: &Connection| {
            let mut select = connection.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM checkpoints WHERE consumer = ?1)
                     OR EXISTS (SELECT 1 FROM meta WHERE name = 'heard:' || ?1)",
            )?;
            Ok(select.query_row([consumer], |row| row.get(0))?)
        };
        self.query("look for a consumer", job).await
    }

    /// Forgets how far `consumer` is: the stream is not kept for it any longer, and should it come back it begins with the
    /// oldest record and the oldest announcement that are still there. False when it was not known.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn forget_consumer(&self, consumer: &str) -> PortResult<bool> {
        let consumer = consumer.to_owned();
        let job = move |tx: &mut Tx<'_>| {
            let checkpoints =
                tx.execute("DELETE FROM checkpoints WHERE consumer = ?1", [&consumer])?;
            let heard = tx.execute("DELETE FROM meta WHERE name = 'heard:' || ?1", [&consumer])?;
            Ok(checkpoints + heard > 0)
        };
        self.write("forget a consumer", 1, job).await
    }
}

/// What a consumer has not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Records of the stream.
    pub records: u64,
    /// Announcements.
    pub announcements: u64,
    /// When the oldest of either came.
    pub oldest: Option<Timestamp>,
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
