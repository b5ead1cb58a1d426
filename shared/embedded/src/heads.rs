//! Heads: who is to be looked at, and when.

use contract::Timestamp;
use friction::{
    change::{Head, Sweep},
    owner::Owner,
};
use ports::{
    PortResult,
    sessions::{Arming, Heads, Lane},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Store,
    fault::Fault,
    owners::{self, Named},
    rows::{int, ms, time},
    writer::Tx,
};

impl Heads for Store {
    async fn arm(&self, armings: &[Arming]) -> PortResult<()> {
        let armings: Vec<_> = armings
            .iter()
            .map(|arming| (Named::of(&arming.owner), arming.dirty_from, arming.due_at))
            .collect();
        let weight = armings.len();
        let job = move |tx: &mut Tx<'_>| {
            armings.iter().try_for_each(|(owner, from, due)| arm(tx, owner, *from, *due))
        };
        self.write("arm heads", weight, job).await
    }

    async fn due(&self, lane: Lane, now: Timestamp, limit: usize) -> PortResult<Vec<Owner>> {
        let job = move |connection: &Connection| due(connection, lane, now, limit);
        self.query("read who is due", job).await
    }

    async fn head(&self, owner: &Owner) -> PortResult<Option<Head>> {
        let owner = owner.clone();
        self.query("read a head", move |connection| head(connection, &owner)).await
    }
}

/// Moves the head on from the version that a sweep read; answers its owner's number, or nothing when it has moved.
pub(crate) fn advance(tx: &Tx<'_>, sweep: &Sweep) -> Result<Option<i64>, Fault> {
    let Some(number) = owners::find(tx.connection, &sweep.owner)? else { return Ok(None) };
    let advanced = tx.execute(
        "UPDATE owners SET version = version + 1, dirty_from = ?3, due_at = ?4
         WHERE id = ?1 AND version = ?2 AND version > 0",
        params![number, int(sweep.version), ms(sweep.dirty_from), ms(sweep.due_at)],
    )?;
    Ok((advanced == 1).then_some(number))
}

/// Arms a head, and makes it if there is none.
pub(crate) fn arm(
    tx: &Tx<'_>,
    owner: &Named,
    dirty_from: Timestamp,
    due_at: Timestamp,
) -> Result<(), Fault> {
    tx.execute(
        "UPDATE owners SET version = version + 1,
           dirty_from = min(coalesce(dirty_from, ?2), ?2), due_at = min(coalesce(due_at, ?3), ?3)
         WHERE id = ?1",
        params![owners::number_of(tx, owner)?, dirty_from.ms(), due_at.ms()],
    )?;
    Ok(())
}

fn due(
    connection: &Connection,
    lane: Lane,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Owner>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT org, product, token FROM owners
         WHERE due_at IS NOT NULL AND due_at <= ?1 AND lane % ?2 = ?3
         ORDER BY due_at LIMIT ?4",
    )?;
    let mut found = select.query(params![now.ms(), lane.of, lane.index, int(limit)])?;
    let mut owners = Vec::new();
    while let Some(row) = found.next()? {
        owners.push(owners::read(row, 0)?);
    }
    Ok(owners)
}

fn head(connection: &Connection, owner: &Owner) -> Result<Option<Head>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT version, dirty_from, due_at FROM owners
         WHERE org = ?1 AND product = ?2 AND token = ?3 AND version > 0",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Head { version: row.get(0)?, dirty_from: time(row.get(1)?), due_at: time(row.get(2)?) })
    };
    let key = [owner.org.as_str(), owner.product.as_str(), &owner.token];
    Ok(select.query_row(key, read).optional()?)
}
