//! Forming: rows leave staging and a numbered batch begins to exist, in one transaction.

use std::collections::BTreeSet;

use contract::{EventId, OrgId, Timestamp, change::ChangeRecord, staged::StagedEvent};
use ports::{
    PortResult,
    delivery::{FormOutcome, Forming, Lease, NewBatch},
};
use rusqlite::{Connection, params};

use crate::{
    Store,
    books::FORMED,
    events::{self, Known},
    fault::Fault,
    leases, outbox,
    rows::{self, STAGED_COLUMNS, int},
    stream::{append, change_key, shard_of},
    writer::Tx,
};

impl Forming for Store {
    async fn staged(
        &self,
        org: &OrgId,
        settled_before: Timestamp,
        limit: usize,
    ) -> PortResult<Vec<StagedEvent>> {
        let org = org.clone();
        let job = move |connection: &Connection| staged(connection, &org, settled_before, limit);
        self.query("read staging", job).await
    }

    async fn form(
        &self,
        lease: &Lease,
        batch: Option<NewBatch>,
        dropped: &[EventId],
        now: Timestamp,
    ) -> PortResult<FormOutcome> {
        let (lease, dropped, shards) = (lease.clone(), dropped.to_vec(), self.0.shards);
        let weight = batch.as_ref().map_or(0, |batch| batch.events.len()) + dropped.len();
        let job = move |tx: &mut Tx<'_>| {
            form(tx, &lease, batch.as_ref(), &dropped, Moment { now, shards })
        };
        self.write("form a batch", weight, job).await
    }
}

/// When, and over how many shards.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    pub(crate) shards: u32,
}

/// A row as it lies in staging.
struct Row {
    position: i64,
    known: Known,
    staged: StagedEvent,
}

fn staged(
    connection: &Connection,
    org: &OrgId,
    settled_before: Timestamp,
    limit: usize,
) -> Result<Vec<StagedEvent>, Fault> {
    // Two walks along the index, merged: its second column tells the rows that will only be dropped.
    let half = |forward: u8| {
        format!(
            "SELECT {STAGED_COLUMNS}, position FROM staging WHERE org = ?1 AND forward = {forward} AND staged_at < ?2"
        )
    };
    let sql = format!("{} UNION ALL {} ORDER BY position LIMIT ?3", half(0), half(1));
    let mut select = connection.prepare_cached(&sql)?;
    let mut found = select.query(params![org.as_str(), settled_before.ms(), int(limit)])?;
    let mut staged = Vec::new();
    while let Some(row) = found.next()? {
        staged.push(rows::staged(row)?);
    }
    Ok(staged)
}

fn form(
    tx: &mut Tx<'_>,
    lease: &Lease,
    batch: Option<&NewBatch>,
    dropped: &[EventId],
    moment: Moment,
) -> Result<FormOutcome, Fault> {
    if !leases::may_form(tx.connection, lease)? {
        return Ok(FormOutcome::Fenced);
    }
    let mut taken = Vec::new();
    if let Some(batch) = batch {
        match take(tx.connection, &lease.org, batch)? {
            Ok(found) => taken = found,
            Err(stale) => return Ok(stale),
        }
    }
    for row in &taken {
        let (org, id) = (&lease.org, &row.staged.event_id);
        remove(tx, row, moment)?;
        // Booked as such at the door, unless the batcher judges otherwise.
        events::turn_forward(tx, org, id, &row.known)?;
        events::unstage(tx, org, id, Some(int(lease.next_seq)), moment.now)?;
    }
    for id in dropped {
        drop_row(tx, &lease.org, id, moment)?;
    }
    if let Some(batch) = batch {
        outbox::insert(tx, &lease.org, batch, moment.now, moment.now)?;
        leases::advance(tx, lease)?;
        tx.books.add(&lease.org, FORMED, int(taken.len()));
    }
    Ok(FormOutcome::Formed)
}

/// The rows of a batch, or what is wrong with it.
fn take(
    connection: &Connection,
    org: &OrgId,
    batch: &NewBatch,
) -> Result<Result<Vec<Row>, FormOutcome>, Fault> {
    let (mut taken, mut gone, mut forwarded) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for event in &batch.events {
        let id = &event.event_id;
        if !seen.insert(id) {
            return Err(Fault::Invalid("a batch holds an event twice"));
        }
        match find_row(connection, org, id)? {
            None => gone.push(id.clone()),
            Some(row) if row.known.batch.is_some() => forwarded.push(id.clone()),
            Some(row) => taken.push(row),
        }
    }
    if gone.is_empty() && forwarded.is_empty() {
        Ok(Ok(taken))
    } else {
        Ok(Err(FormOutcome::Stale { gone, forwarded }))
    }
}

fn find_row(connection: &Connection, org: &OrgId, id: &EventId) -> Result<Option<Row>, Fault> {
    let Some(known) = events::find(connection, org, id)? else { return Ok(None) };
    let Some(position) = known.position else { return Ok(None) };
    let sql = format!("SELECT {STAGED_COLUMNS} FROM staging WHERE position = ?1");
    let mut select = connection.prepare_cached(&sql)?;
    let mut found = select.query([position])?;
    let Some(row) = found.next()? else { return Ok(None) };
    Ok(Some(Row { position, known, staged: rows::staged(row)? }))
}

/// Takes a row out of staging, which the stream tells.
fn remove(tx: &mut Tx<'_>, row: &Row, moment: Moment) -> Result<(), Fault> {
    tx.execute("DELETE FROM staging WHERE position = ?1", [row.position])?;
    let key = change_key(&row.staged.org_id, &row.staged.event_id);
    let change = serde_json::to_vec(&ChangeRecord::removal(&row.staged, moment.now))?;
    append(tx, shard_of(&key, moment.shards), &key, &change, moment.now)?;
    Ok(())
}

fn drop_row(tx: &mut Tx<'_>, org: &OrgId, id: &EventId, moment: Moment) -> Result<(), Fault> {
    let Some(row) = find_row(tx.connection, org, id)? else { return Ok(()) };
    remove(tx, &row, moment)?;
    events::unstage(tx, org, id, None, moment.now)?;
    if row.known.forward && row.known.batch.is_none() {
        events::turn_away(tx, org, id, moment.now)?;
    }
    Ok(())
}
