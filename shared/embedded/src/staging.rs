//! Staging: a row, its change record and its id in one transaction.

use contract::{
    Code, OrgId, Timestamp, change::ChangeRecord, limits::RESCUES_MAX, staged::StagedEvent,
};
use domain::admit::forwards;
use ports::{
    PortResult,
    staging::{Staged, Staging},
};
use rusqlite::{Connection, params};

use crate::{
    Store,
    books::DUPLICATES,
    events::{self, Arrival},
    fault::Fault,
    intake::{Ready, Taken},
    parking::{self, Parked},
    rows,
    stream::{append, change_key, shard_of},
    writer::Tx,
};

impl Staging for Store {
    async fn stage(&self, rows: &[StagedEvent]) -> PortResult<Vec<Staged>> {
        let (at, weight, rows) = (self.now(), rows.len(), self.prepare(rows));
        let job = move |tx: &mut Tx<'_>| {
            rows.into_iter().map(|row| stage(tx, row, at)).collect::<Result<Vec<_>, _>>()
        };
        self.write_new("stage events", weight, job).await
    }

    async fn rescue(&self, rows: &[StagedEvent]) -> PortResult<()> {
        let (at, weight, rows) = (self.now(), rows.len(), self.prepare(rows));
        let job = move |tx: &mut Tx<'_>| rows.iter().try_for_each(|row| rescue(tx, row, at));
        self.write("rescue events", weight, job).await
    }

    async fn organisations(&self) -> PortResult<Vec<OrgId>> {
        self.query("list organisations with work", organisations).await
    }
}

impl Store {
    fn prepare(&self, rows: &[StagedEvent]) -> Vec<Prepared> {
        let at = self.now();
        rows.iter().map(|row| Prepared::of(row.clone(), at, self.0.shards)).collect()
    }
}

/// A row with everything about it that can be computed before it is the writer's turn.
pub(crate) struct Prepared {
    row: StagedEvent,
    forward: bool,
    partition_key: String,
    shard: u32,
    /// Its change record, encoded; nothing when it cannot be, which the writer answers.
    change: Result<Vec<u8>, serde_json::Error>,
}

impl Prepared {
    pub(crate) fn of(row: StagedEvent, at: Timestamp, shards: u32) -> Self {
        let partition_key = change_key(&row.org_id, &row.event_id);
        Self {
            forward: forwards(&row),
            shard: shard_of(&partition_key, shards),
            change: serde_json::to_vec(&ChangeRecord::insert(&row, at)),
            partition_key,
            row,
        }
    }

    pub(crate) fn arrival(&self, tx: &Tx<'_>, at: Timestamp) -> Arrival<'_> {
        Arrival {
            org: &self.row.org_id,
            id: &self.row.event_id,
            ck: self.row.ck,
            at,
            forward: self.forward,
            shard: self.shard,
            position: Some(tx.next_sequence()),
        }
    }

    /// Is it to reach the connector?
    pub(crate) fn forward(&self) -> bool {
        self.forward
    }

    /// The event as a plain record, and the key it would travel under.
    pub(crate) fn plain(&self) -> (&str, &[u8]) {
        (&self.partition_key, self.row.body.as_bytes())
    }

    /// Writes the row and its change record; its position is the record's sequence number.
    pub(crate) fn insert(
        &self,
        tx: &mut Tx<'_>,
        forward: bool,
        at: Timestamp,
    ) -> Result<i64, Fault> {
        let row = &self.row;
        let change = self.change.as_deref();
        let change = change.map_err(|_| Fault::Invalid("a change record does not encode"))?;
        let position = append(tx, self.shard, &self.partition_key, change, at)?;
        tx.execute(
            "INSERT INTO staging (position, org, forward, id, product, ck, occurred_at, staged_at, expires_at, rescues, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                position,
                row.org_id.as_str(),
                forward,
                row.event_id.as_str(),
                row.product_id.as_str(),
                row.ck,
                row.occurred_at.ms(),
                row.staged_at.ms(),
                row.expires_at.ms(),
                row.rescues,
                row.body
            ],
        )?;
        Ok(position)
    }
}

fn stage(tx: &mut Tx<'_>, prepared: Prepared, at: Timestamp) -> Result<Staged, Fault> {
    let put = Ready::Stage(Box::new(prepared));
    let Some(arrival) = put.arrival(tx, None, at) else { return Ok(Staged::Known) };
    Ok(match put.take(tx, arrival)? {
        Taken::New => Staged::New,
        Taken::Known => {
            tx.books.add(arrival.org, DUPLICATES, 1);
            Staged::Known
        }
        Taken::Collision => Staged::Collision,
    })
}

fn rescue(tx: &mut Tx<'_>, prepared: &Prepared, at: Timestamp) -> Result<(), Fault> {
    let row = &prepared.row;
    let (org, id) = (&row.org_id, &row.event_id);
    tx.execute("DELETE FROM rescue_queue WHERE org = ?1 AND id = ?2", [org.as_str(), id.as_str()])?;
    let known = match events::find(tx.connection, org, id)? {
        Some(known) if known.position.is_some() || known.batch.is_some() => return Ok(()),
        Some(known) => known,
        None => {
            events::accept(tx, Arrival { position: None, ..prepared.arrival(tx, at) })?;
            events::find(tx.connection, org, id)?
                .ok_or(Fault::Invalid("an accepted event has no row"))?
        }
    };
    let forward = known.forward || prepared.forward;
    if forward {
        events::turn_forward(tx, org, id, &known)?;
    }
    if row.rescues <= RESCUES_MAX {
        let position = prepared.insert(tx, forward, at)?;
        return events::restage(tx, row, Some(position), at);
    }
    // What was never to be forwarded is not parked either: it was counted long ago.
    if forward { give_up(tx, row, at) } else { Ok(()) }
}

/// Parks an event that was put back too often.
fn give_up(tx: &mut Tx<'_>, row: &StagedEvent, at: Timestamp) -> Result<(), Fault> {
    let (org, id) = (&row.org_id, &row.event_id);
    let parked = Parked {
        org,
        id,
        reason: Code::RescuesExhausted,
        detail: "",
        body: row.body.as_bytes(),
        seq: "",
        formed_at: None,
    };
    parking::park(tx, &parked, at)?;
    parking::announce(tx, org, id.as_str(), at)?;
    events::unstage(tx, org, id, Some(parking::WITHOUT_BATCH), at)
}

/// The organisations that have rows in staging or batches, each found by one step in an index.
fn organisations(connection: &Connection) -> Result<Vec<OrgId>, Fault> {
    let mut select = connection.prepare_cached(
        "WITH RECURSIVE
           staged(org) AS (SELECT min(org) FROM staging
             UNION ALL SELECT (SELECT min(org) FROM staging WHERE org > staged.org) FROM staged WHERE org IS NOT NULL),
           batched(org) AS (SELECT min(org) FROM batches
             UNION ALL SELECT (SELECT min(org) FROM batches WHERE org > batched.org) FROM batched WHERE org IS NOT NULL)
         SELECT org FROM staged WHERE org IS NOT NULL UNION SELECT org FROM batched WHERE org IS NOT NULL",
    )?;
    let mut found = select.query([])?;
    let mut orgs = Vec::new();
    while let Some(row) = found.next()? {
        orgs.push(rows::org(row.get(0)?)?);
    }
    Ok(orgs)
}
