//! The batches that wait, in order, and what becomes of them.

use std::collections::BTreeSet;

use contract::{EventId, OrgId, Timestamp};
use ports::{
    PortResult,
    bus::{Announcement, AnnouncementKind},
    delivery::{
        BatchedEvent, Lease, NewBatch, Outbox, ParkedEvent, ReadyBatch, SettleOutcome, Settlement,
    },
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Store,
    books::{DELIVERED, UNCONFIRMED},
    bus,
    fault::Fault,
    leases,
    parking::{self, Parked},
    rows::{batched_from_text, batched_to_text, int, time},
    writer::Tx,
};

impl Outbox for Store {
    async fn head(&self, org: &OrgId) -> PortResult<Option<ReadyBatch>> {
        let org = org.clone();
        self.query("read the head batch", move |connection| find(connection, &org, None)).await
    }

    async fn settle(
        &self,
        lease: &Lease,
        seq: &str,
        settlement: Settlement,
        now: Timestamp,
    ) -> PortResult<SettleOutcome> {
        let (lease, seq) = (lease.clone(), seq.to_owned());
        let job = move |tx: &mut Tx<'_>| settle(tx, &lease, &seq, settlement, now);
        self.write("settle a batch", 1, job).await
    }
}

/// Adds a batch. `formed_at` is older than `now` when it comes from another one.
pub(crate) fn insert(
    tx: &Tx<'_>,
    org: &OrgId,
    batch: &NewBatch,
    formed_at: Timestamp,
    now: Timestamp,
) -> Result<(), Fault> {
    tx.execute(
        "INSERT INTO batches (org, seq, batch_id, size, events, body, formed_at, attempts, next_attempt_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8)",
        params![
            org.as_str(),
            batch.seq,
            batch.batch_id,
            int(batch.events.len()),
            batched_to_text(&batch.events)?,
            batch.body,
            formed_at.ms(),
            now.ms()
        ],
    )?;
    Ok(())
}

/// The batch `seq` of an organisation, or its first one.
fn find(
    connection: &Connection,
    org: &OrgId,
    seq: Option<&str>,
) -> Result<Option<ReadyBatch>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT seq, batch_id, body, attempts, formed_at, next_attempt_at, failing_since, events
         FROM batches WHERE org = ?1 AND (?2 IS NULL OR seq = ?2) ORDER BY seq LIMIT 1",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let batch = NewBatch {
            seq: row.get(0)?,
            batch_id: row.get(1)?,
            body: row.get(2)?,
            events: Vec::new(),
        };
        let ready = ReadyBatch {
            batch,
            attempts: row.get(3)?,
            formed_at: Timestamp::from_ms(row.get(4)?),
            next_attempt_at: Timestamp::from_ms(row.get(5)?),
            failing_since: time(row.get(6)?),
        };
        Ok((ready, row.get::<_, String>(7)?))
    };
    let found = select.query_row(params![org.as_str(), seq], read).optional()?;
    let Some((mut ready, events)) = found else { return Ok(None) };
    ready.batch.events = batched_from_text(&events)?;
    Ok(Some(ready))
}

fn settle(
    tx: &mut Tx<'_>,
    lease: &Lease,
    seq: &str,
    settlement: Settlement,
    now: Timestamp,
) -> Result<SettleOutcome, Fault> {
    let Some(ready) = find(tx.connection, &lease.org, Some(seq))? else {
        return Ok(SettleOutcome::Gone);
    };
    let needs_fence = !matches!(settlement, Settlement::Delivered { .. });
    if needs_fence && !leases::is_held(tx.connection, lease)? {
        return Ok(SettleOutcome::Fenced);
    }
    let org = &lease.org;
    match settlement {
        Settlement::Delivered { confirmed, enrichment } => {
            let ids: Vec<_> = ready.batch.events.iter().map(|event| &event.event_id).collect();
            let status = if confirmed { "delivered" } else { "unconfirmed" };
            if !confirmed {
                tx.books.add(org, UNCONFIRMED, int(ids.len()));
            }
            deliver(tx, org, &ready, &ids, status, now)?;
            enrich(tx, org, &enrichment, now)?;
            replace(tx, org, &ready, &[], now)?;
        }
        Settlement::Retry { at, counts, error } => retry(tx, org, seq, (at, counts, &error), now)?,
        Settlement::Split(parts) => {
            let ids = parts.iter().flat_map(|part| part.events.iter().map(|e| &e.event_id));
            same_events(&ready.batch.events, ids)?;
            replace(tx, org, &ready, &parts, now)?;
        }
        Settlement::Partial { delivered, parked, remainder, enrichment } => {
            let rest = remainder.iter().flat_map(|rest| rest.events.iter().map(|e| &e.event_id));
            let ids =
                delivered.iter().chain(parked.iter().map(|event| &event.event_id)).chain(rest);
            same_events(&ready.batch.events, ids)?;
            let ids: Vec<_> = delivered.iter().collect();
            if !ids.is_empty() {
                deliver(tx, org, &ready, &ids, "partial", now)?;
            }
            park(tx, org, &ready, &parked, now)?;
            enrich(tx, org, &enrichment, now)?;
            replace(tx, org, &ready, remainder.as_slice(), now)?;
        }
    }
    Ok(SettleOutcome::Settled)
}

/// What a settlement names must be what the batch holds, or an event would be lost or doubled.
fn same_events<'a>(
    held: &[BatchedEvent],
    named: impl Iterator<Item = &'a EventId>,
) -> Result<(), Fault> {
    let mut open: BTreeSet<_> = held.iter().map(|event| &event.event_id).collect();
    for id in named {
        if !open.remove(id) {
            return Err(Fault::Invalid(
                "a settlement names an event twice or one of another batch",
            ));
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(Fault::Invalid("a settlement leaves an event of its batch out"))
    }
}

fn deliver(
    tx: &mut Tx<'_>,
    org: &OrgId,
    ready: &ReadyBatch,
    ids: &[&EventId],
    status: &str,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut ids: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
    ids.sort_unstable();
    let batch = &ready.batch;
    tx.execute(
        "INSERT OR REPLACE INTO receipts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            org.as_str(),
            batch.seq,
            batch.batch_id,
            status,
            ready.formed_at.ms(),
            now.ms(),
            serde_json::to_string(&ids)?
        ],
    )?;
    tx.books.add(org, DELIVERED, int(ids.len()));
    let kind = AnnouncementKind::BatchDelivered;
    let id = format!("{}/{org}/{}", kind.as_str(), batch.seq);
    bus::announce(tx, Announcement { id, kind, org: org.clone(), at: now, detail: None })
}

fn park(
    tx: &mut Tx<'_>,
    org: &OrgId,
    ready: &ReadyBatch,
    parked: &[ParkedEvent],
    now: Timestamp,
) -> Result<(), Fault> {
    for event in parked {
        let parked = Parked {
            org,
            id: &event.event_id,
            reason: event.reason,
            detail: &event.detail,
            body: &event.body,
            seq: &ready.batch.seq,
            formed_at: Some(ready.formed_at),
        };
        parking::park(tx, &parked, now)?;
    }
    if !parked.is_empty() {
        parking::announce(tx, org, &ready.batch.seq, now)?;
    }
    Ok(())
}

fn retry(
    tx: &Tx<'_>,
    org: &OrgId,
    seq: &str,
    (at, counts, error): (Timestamp, bool, &str),
    now: Timestamp,
) -> Result<(), Fault> {
    tx.execute(
        "UPDATE batches SET next_attempt_at = ?3, error = ?4, attempts = attempts + ?5,
           failing_since = coalesce(failing_since, iif(?5, ?6, NULL))
         WHERE org = ?1 AND seq = ?2",
        params![org.as_str(), seq, at.ms(), error, counts, now.ms()],
    )?;
    Ok(())
}

fn enrich(
    tx: &Tx<'_>,
    org: &OrgId,
    enrichment: &[(EventId, String)],
    now: Timestamp,
) -> Result<(), Fault> {
    for (id, json) in enrichment {
        tx.execute(
            "INSERT OR REPLACE INTO enrichments VALUES (?1, ?2, ?3, ?4)",
            params![org.as_str(), id.as_str(), now.ms(), json],
        )?;
    }
    Ok(())
}

/// The batch is no more; `parts` take its place in the order.
fn replace(
    tx: &Tx<'_>,
    org: &OrgId,
    ready: &ReadyBatch,
    parts: &[NewBatch],
    now: Timestamp,
) -> Result<(), Fault> {
    let seq = ready.batch.seq.as_str();
    tx.execute("DELETE FROM batches WHERE org = ?1 AND seq = ?2", [org.as_str(), seq])?;
    parts.iter().try_for_each(|part| insert(tx, org, part, ready.formed_at, now))
}
