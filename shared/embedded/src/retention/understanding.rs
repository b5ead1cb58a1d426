//! What may go of sessions: their events first, then what was made of them, and owners last.

use contract::Timestamp;
use ports::PortResult;
use rusqlite::{Connection, OptionalExtension, params};

use super::{OPERATION, Retained, STEP_ROWS, STEPS_MAX, forget_older};
use crate::{Store, fault::Fault, rows::int, writer::Tx};

impl Store {
    pub(super) async fn forget_understanding(
        &self,
        now: Timestamp,
        retained: &mut Retained,
    ) -> PortResult<()> {
        let keep = self.0.retention;
        let events_before = now.plus_ms(-keep.session_events_ms);
        let sessions_before = now.plus_ms(-keep.sessions_ms);
        let step = move |tx: &mut Tx<'_>| forget_older(tx, SESSION_EVENTS, events_before);
        retained.session_events += self.in_steps(step).await?;
        for org in self.query("list organisations with sessions", orgs).await? {
            for sql in [SESSIONS, INCIDENTS, CELLS] {
                let org = org.clone();
                let step = move |tx: &mut Tx<'_>| {
                    tx.execute(sql, params![sessions_before.ms(), int(STEP_ROWS), org])
                };
                retained.understanding += self.in_steps(step).await?;
            }
        }
        let projections = move |tx: &Tx<'_>, after: i64, until: i64| {
            let before = [events_before.ms(), sessions_before.ms()];
            tx.execute(PROJECTIONS, params![after, until, before[0], before[1]])
        };
        retained.understanding += self.walk(&PROJECTIONS_WALK, projections).await?;
        let owners =
            |tx: &Tx<'_>, after: i64, until: i64| tx.execute(OWNERS, params![after, until]);
        retained.understanding += self.walk(&OWNERS_WALK, owners).await?;
        Ok(())
    }

    /// Walks once around a table over many calls, and forgets what may go of each part of it: there is no index by age,
    /// which every event would pay for.
    async fn walk(
        &self,
        walk: &'static Walk,
        forget: impl Fn(&Tx<'_>, i64, i64) -> Result<usize, Fault> + Copy + Send + 'static,
    ) -> PortResult<usize> {
        let mut total = 0;
        for _ in 0..STEPS_MAX {
            let job = move |tx: &mut Tx<'_>| {
                let after = walked(tx.connection, walk.cursor)?;
                let mut select = tx.connection.prepare_cached(walk.next)?;
                let next = params![after, int(STEP_ROWS) - 1];
                let end: Option<i64> = select.query_row(next, |row| row.get(0)).optional()?;
                let forgotten = forget(tx, after, end.unwrap_or(i64::MAX))?;
                tx.execute(
                    "INSERT OR REPLACE INTO meta VALUES (?1, ?2)",
                    params![walk.cursor, end.unwrap_or(0)],
                )?;
                Ok((forgotten, end.is_some()))
            };
            let (forgotten, more) = self.write(OPERATION, STEP_ROWS, job).await?;
            total += forgotten;
            if !more {
                break;
            }
        }
        Ok(total)
    }
}

/// A table that is walked by number.
struct Walk {
    /// Where it is kept how far the walk got.
    cursor: &'static str,
    /// Finds where the next step ends.
    next: &'static str,
}

fn walked(connection: &Connection, cursor: &str) -> Result<i64, Fault> {
    let mut select = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    Ok(select.query_row([cursor], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// The organisations that have cells or owners, each found by one step in an index.
fn orgs(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut select = connection.prepare_cached(
        "WITH RECURSIVE
           owning(org) AS (SELECT min(org) FROM owners
             UNION ALL SELECT (SELECT min(org) FROM owners WHERE org > owning.org) FROM owning WHERE org IS NOT NULL),
           summed(org) AS (SELECT min(org) FROM cells
             UNION ALL SELECT (SELECT min(org) FROM cells WHERE org > summed.org) FROM summed WHERE org IS NOT NULL)
         SELECT org FROM owning WHERE org IS NOT NULL UNION SELECT org FROM summed WHERE org IS NOT NULL",
    )?;
    let found = select.query_map([], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

const PROJECTIONS_WALK: Walk = Walk {
    cursor: "projections_walked",
    next: "SELECT number FROM projections WHERE number > ?1 ORDER BY number LIMIT 1 OFFSET ?2",
};
const OWNERS_WALK: Walk = Walk {
    cursor: "owners_walked",
    next: "SELECT id FROM owners WHERE id > ?1 ORDER BY id LIMIT 1 OFFSET ?2",
};
/// They lie as they came: once the first ones are too young the others are, too.
const SESSION_EVENTS: &str = "DELETE FROM session_events WHERE position IN
    (SELECT position FROM (SELECT position, at FROM session_events ORDER BY position LIMIT ?2) WHERE at < ?1)";
const SESSIONS: &str = "DELETE FROM sessions WHERE rowid IN
    (SELECT rowid FROM sessions WHERE org = ?3 AND started_at < ?1 LIMIT ?2)";
const INCIDENTS: &str = "DELETE FROM incidents WHERE rowid IN
    (SELECT rowid FROM incidents WHERE org = ?3 AND started_at < ?1 LIMIT ?2)";
/// Kinds by name, so that each is found by its days.
const CELLS: &str = "DELETE FROM cells WHERE (org, kind, day, product, name) IN
    (SELECT org, kind, day, product, name FROM cells WHERE org = ?3 AND day < ?1
     AND kind IN ('overview', 'screen', 'variant', 'edge', 'task', 'pillar', 'rule') LIMIT ?2)";
const PROJECTIONS: &str = "DELETE FROM projections WHERE number > ?1 AND number <= ?2
    AND last_at < CASE kind WHEN 'preferences' THEN ?4 ELSE ?3 END";
/// Somebody who is still to be looked at stays.
const OWNERS: &str = "DELETE FROM owners WHERE id > ?1 AND id <= ?2 AND due_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM session_events e WHERE e.owner = owners.id)
    AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.owner = owners.id)
    AND NOT EXISTS (SELECT 1 FROM incidents i WHERE i.owner = owners.id)";
