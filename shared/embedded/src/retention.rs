//! What may go: everything has its time, and goes in small steps that leave room for writers in between.

mod understanding;

use contract::{
    Timestamp,
    limits::{DAY_MS, MARKER_TTL_MS, QUARANTINE_TTL_MS},
};
use ports::PortResult;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Store, accounts, fault::Fault, rows::int, writer::Tx};

/// How long things are kept, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Stream records that every consumer has finished.
    pub stream_ms: i64,
    /// What is known about an event that has come to its end; delivery receipts and enrichment.
    pub events_ms: i64,
    /// Quarantined records.
    pub quarantine_ms: i64,
    /// Actors seen, by whom unique actors are counted; by the day of their events.
    pub actors_ms: i64,
    /// Announcements.
    pub announcements_ms: i64,
    /// Events of sessions, from when they happened or, if they came late, from when they came; contexts of sessions, from
    /// their last event.
    pub session_events_ms: i64,
    /// Sessions and incidents, by their beginning; cells, by their day; preferences, from the last event.
    pub sessions_ms: i64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            stream_ms: 7 * DAY_MS,
            events_ms: MARKER_TTL_MS,
            quarantine_ms: QUARANTINE_TTL_MS,
            actors_ms: 400 * DAY_MS,
            announcements_ms: 7 * DAY_MS,
            session_events_ms: MARKER_TTL_MS,
            sessions_ms: 400 * DAY_MS,
        }
    }
}

/// How many rows went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retained {
    /// Stream records.
    pub stream: usize,
    /// Events.
    pub events: usize,
    /// Quarantined records.
    pub quarantine: usize,
    /// Events of sessions.
    pub session_events: usize,
    /// Sessions, incidents, cells, projections, and owners of whom nothing is left.
    pub understanding: usize,
    /// Receipts, enrichment, idempotency answers, announcements, actors seen and names counted by name.
    pub others: usize,
}

impl Store {
    /// Removes what is past its time, a bounded number of steps a call; call it every few minutes.
    ///
    /// # Errors
    /// The store cannot be written. What went before the error stays gone.
    pub async fn retain(&self, now: Timestamp) -> PortResult<Retained> {
        let keep = self.0.retention;
        let mut retained = Retained::default();
        let stream_before = now.plus_ms(-keep.stream_ms);
        for (shard, finished) in self.query("read what is finished", finished).await? {
            let step = move |tx: &mut Tx<'_>| forget_stream(tx, shard, finished, stream_before);
            retained.stream += self.in_steps(step).await?;
        }
        let events_before = now.plus_ms(-keep.events_ms);
        for _ in 0..STEPS_MAX {
            let job = move |tx: &mut Tx<'_>| forget_events(tx, events_before);
            let (forgotten, more) = self.write(OPERATION, STEP_ROWS, job).await?;
            retained.events += forgotten;
            if !more {
                break;
            }
        }
        let quarantine_before = now.plus_ms(-keep.quarantine_ms);
        let step = move |tx: &mut Tx<'_>| forget_older(tx, QUARANTINE, quarantine_before);
        retained.quarantine += self.in_steps(step).await?;
        let announcements_before = now.plus_ms(-keep.announcements_ms);
        // A day's names are needed until the latest event of that day may have come.
        let days = [(ACTORS, now.plus_ms(-keep.actors_ms)), (NAMES, events_before)];
        for org in self.query("list organisations", accounts::known_orgs).await? {
            for (sql, before) in days {
                let org = org.clone();
                let step = move |tx: &mut Tx<'_>| {
                    tx.execute(sql, params![before.ms(), int(STEP_ROWS), org])
                };
                retained.others += self.in_steps(step).await?;
            }
        }
        for (sql, before) in [
            (RECEIPTS, events_before),
            (ENRICHMENTS, events_before),
            (IDEMPOTENCY, now),
            (ANNOUNCEMENTS, announcements_before),
        ] {
            let step = move |tx: &mut Tx<'_>| forget_older(tx, sql, before);
            retained.others += self.in_steps(step).await?;
        }
        self.forget_understanding(now, &mut retained).await?;
        Ok(retained)
    }

    /// Repeats a step until it finds less than it may take.
    async fn in_steps(
        &self,
        step: impl Fn(&mut Tx<'_>) -> Result<usize, Fault> + Clone + Send + 'static,
    ) -> PortResult<usize> {
        let mut total = 0;
        for _ in 0..STEPS_MAX {
            let removed = self.write(OPERATION, STEP_ROWS, step.clone()).await?;
            total += removed;
            if removed < STEP_ROWS {
                break;
            }
        }
        Ok(total)
    }
}

/// For each shard the newest record that every consumer has finished; nothing while nobody consumes.
fn finished(connection: &Connection) -> Result<Vec<(i64, i64)>, Fault> {
    // A consumer without a checkpoint on a shard has finished nothing of it.
    let mut select = connection.prepare_cached(
        "WITH consumers(consumer) AS (SELECT DISTINCT consumer FROM checkpoints),
              shards(shard) AS (SELECT DISTINCT shard FROM checkpoints)
         SELECT shards.shard, min(coalesce(checkpoints.seq, 0)) FROM consumers, shards
         LEFT JOIN checkpoints ON checkpoints.consumer = consumers.consumer AND checkpoints.shard = shards.shard
         GROUP BY shards.shard",
    )?;
    let found = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn forget_stream(
    tx: &Tx<'_>,
    shard: i64,
    finished: i64,
    before: Timestamp,
) -> Result<usize, Fault> {
    // The oldest records of the shard; the first that is too young to go ends the step.
    tx.execute(
        "DELETE FROM stream WHERE seq IN (
           SELECT seq FROM (SELECT seq, arrived_at FROM stream WHERE shard = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?4)
           WHERE arrived_at < ?3)",
        params![shard, finished, before.ms(), int(STEP_ROWS)],
    )
}

/// Walks once around the table over many calls: there is no index by age, which every event would pay for.
fn forget_events(tx: &Tx<'_>, before: Timestamp) -> Result<(usize, bool), Fault> {
    let cursor = cursor(tx.connection)?;
    let mut select = tx.connection.prepare_cached(
        "SELECT org, id FROM events WHERE (org, id) > (?1, ?2) ORDER BY org, id LIMIT 1 OFFSET ?3",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let end = select.query_row(params![cursor.0, cursor.1, int(STEP_ROWS)], read).optional()?;
    let until = end.clone().unwrap_or((LAST_KEY.to_owned(), String::new()));
    // An event that is still on its way is known until it has arrived.
    let forgotten = tx.execute(
        "DELETE FROM events
         WHERE (org, id) > (?1, ?2) AND (org, id) <= (?3, ?4) AND touched_at < ?5 AND position IS NULL
           AND NOT EXISTS (SELECT 1 FROM rescue_queue q WHERE q.org = events.org AND q.id = events.id)
           AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.org = events.org AND p.id = events.id)
           AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.org = events.org AND events.batch IS NOT NULL
             AND b.seq >= printf('%012d', events.batch) AND b.seq < printf('%012d', events.batch + 1))",
        params![cursor.0, cursor.1, until.0, until.1, before.ms()],
    )?;
    let next = end.clone().unwrap_or_default();
    tx.execute("DELETE FROM cursor", [])?;
    tx.execute("INSERT INTO cursor VALUES (?1, ?2)", [next.0, next.1])?;
    Ok((forgotten, end.is_some()))
}

fn cursor(connection: &Connection) -> Result<(String, String), Fault> {
    let mut select = connection.prepare_cached("SELECT org, id FROM cursor")?;
    let found = select.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.unwrap_or_default())
}

fn forget_older(tx: &Tx<'_>, sql: &str, before: Timestamp) -> Result<usize, Fault> {
    tx.execute(sql, params![before.ms(), int(STEP_ROWS)])
}

const OPERATION: &str = "forget what is past its time";
const STEP_ROWS: usize = 500;
/// Of each kind and call.
const STEPS_MAX: usize = 200;
/// After every organisation: no id has such a character.
const LAST_KEY: &str = "~";
const QUARANTINE: &str = "DELETE FROM quarantine WHERE rowid IN
    (SELECT rowid FROM quarantine WHERE arrived_at < ?1 LIMIT ?2)";
const RECEIPTS: &str = "DELETE FROM receipts WHERE (org, seq) IN
    (SELECT org, seq FROM receipts WHERE delivered_at < ?1 LIMIT ?2)";
const ENRICHMENTS: &str = "DELETE FROM enrichments WHERE (org, id) IN
    (SELECT org, id FROM enrichments WHERE at < ?1 LIMIT ?2)";
const IDEMPOTENCY: &str = "DELETE FROM idempotency WHERE key IN
    (SELECT key FROM idempotency WHERE expires_at < ?1 LIMIT ?2)";
const ANNOUNCEMENTS: &str = "DELETE FROM announcements WHERE position IN
    (SELECT position FROM (SELECT position, at FROM announcements ORDER BY position LIMIT ?2) WHERE at < ?1)";
const ACTORS: &str = "DELETE FROM actors WHERE (org, day, product, dimension, actor) IN
    (SELECT org, day, product, dimension, actor FROM actors WHERE org = ?3 AND day < ?1 LIMIT ?2)";
const NAMES: &str = "DELETE FROM dictionary WHERE (org, day, product, name) IN
    (SELECT org, day, product, name FROM dictionary WHERE org = ?3 AND day < ?1 LIMIT ?2)";
