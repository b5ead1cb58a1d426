//! Records that were set aside: sealed bytes and the reason in one row.

use contract::{OrgId, Timestamp};
use ports::{
    PortResult,
    archive::{Quarantine, Quarantined},
    intake::Put,
};
use rusqlite::{Connection, Row, params};

use crate::{
    Store,
    books::QUARANTINED,
    events::{self, Ending},
    fault::Fault,
    intake::Ready,
    rows,
    writer::Tx,
};

impl Quarantine for Store {
    async fn hold(&self, records: &[Quarantined]) -> PortResult<()> {
        let (records, now) = (records.to_vec(), self.now());
        let weight = records.len();
        let job =
            move |tx: &mut Tx<'_>| records.iter().try_for_each(|record| hold(tx, record, now));
        self.write("hold in quarantine", weight, job).await
    }

    async fn held(
        &self,
        org: Option<&OrgId>,
        from: Timestamp,
        to: Timestamp,
    ) -> PortResult<Vec<Quarantined>> {
        let org = org.cloned();
        let job = move |connection: &Connection| held(connection, org.as_ref(), from, to);
        self.query("read quarantine", job).await
    }

    async fn release(&self, record: &Quarantined, put: Put) -> PortResult<bool> {
        let (record, now, shards) = (record.clone(), self.now(), self.0.shards);
        let put = Ready::of(put, now, shards);
        let job = move |tx: &mut Tx<'_>| release(tx, &record, &put, now);
        self.write("release from quarantine", 1, job).await
    }
}

fn hold(tx: &mut Tx<'_>, record: &Quarantined, now: Timestamp) -> Result<(), Fault> {
    let org = record.org.as_ref();
    let held = tx.execute(
        "INSERT INTO quarantine (shard, seq, arrived_at, reason, path, org, id, terminal, held_at, sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        params![
            record.shard,
            record.sequence,
            record.arrived_at.ms(),
            record.reason.as_str(),
            record.path,
            org.map(OrgId::as_str),
            record.event_id.as_ref().map(|id| id.as_str()),
            record.terminal,
            now.ms(),
            record.sealed
        ],
    )?;
    if held == 0 {
        return Ok(());
    }
    tx.books.add_code(org, QUARANTINED, record.reason, 1);
    if let (true, Some(org), Some(id)) = (record.terminal, org, &record.event_id)
        && let Some(known) = events::find(tx.connection, org, id)?
    {
        // A record that came through no door was never accepted, so that nothing of it ends here.
        events::end(tx, org, id, &known, Ending::Quarantined, record.arrived_at)?;
    }
    Ok(())
}

fn release(
    tx: &mut Tx<'_>,
    record: &Quarantined,
    put: &Ready,
    now: Timestamp,
) -> Result<bool, Fault> {
    let released = tx.execute(
        "DELETE FROM quarantine WHERE shard = ?1 AND seq = ?2",
        [&record.shard, &record.sequence],
    )?;
    if released == 0 {
        return Ok(false);
    }
    tx.books.add_code(record.org.as_ref(), QUARANTINED, record.reason, -1);
    if let Some(arrival) = put.arrival(tx, record.org.as_ref(), now) {
        let known = events::find(tx.connection, arrival.org, arrival.id)?;
        if known.is_some_and(|known| known.ending == Ending::Quarantined) {
            events::reopen(tx, arrival)?;
            put.write(tx, now)?;
        } else {
            // It never was accepted, or another event of this id was: what a door would make of it is right.
            put.take(tx, arrival)?;
        }
    }
    Ok(true)
}

fn held(
    connection: &Connection,
    org: Option<&OrgId>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Quarantined>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT shard, seq, arrived_at, reason, path, org, id, terminal, sealed FROM quarantine
         WHERE org IS ?1 AND arrived_at >= ?2 AND arrived_at < ?3 ORDER BY arrived_at, rowid",
    )?;
    let mut found = select.query(params![org.map(OrgId::as_str), from.ms(), to.ms()])?;
    let mut held = Vec::new();
    while let Some(row) = found.next()? {
        held.push(read(row)?);
    }
    Ok(held)
}

fn read(row: &Row<'_>) -> Result<Quarantined, Fault> {
    Ok(Quarantined {
        shard: row.get(0)?,
        sequence: row.get(1)?,
        arrived_at: Timestamp::from_ms(row.get(2)?),
        reason: rows::code(&row.get::<_, String>(3)?)?,
        path: row.get(4)?,
        org: row.get::<_, Option<String>>(5)?.map(rows::org).transpose()?,
        event_id: row.get::<_, Option<String>>(6)?.map(rows::event).transpose()?,
        terminal: row.get(7)?,
        sealed: row.get(8)?,
    })
}
