//! Events the connector will not take, kept for replay.

use contract::{Code, EventId, OrgId, Timestamp};
use ports::{
    PortResult,
    bus::{Announcement, AnnouncementKind},
    delivery::{FormOutcome, Lease, NewBatch, ParkedEvent, Parking},
};
use rusqlite::{Connection, params};

use crate::{
    Store,
    books::{FORMED, PARKED},
    bus, events,
    fault::Fault,
    leases, outbox,
    rows::{self, int, ms},
    writer::Tx,
};

impl Parking for Store {
    async fn parked(
        &self,
        org: &OrgId,
        from: Timestamp,
        to: Timestamp,
    ) -> PortResult<Vec<ParkedEvent>> {
        let org = org.clone();
        let job = move |connection: &Connection| parked(connection, &org, from, to);
        self.query("read parked events", job).await
    }

    async fn unpark(
        &self,
        lease: &Lease,
        batch: NewBatch,
        now: Timestamp,
    ) -> PortResult<FormOutcome> {
        let lease = lease.clone();
        let weight = batch.events.len();
        self.write("unpark events", weight, move |tx| unpark(tx, &lease, &batch, now)).await
    }
}

/// An event to be parked.
pub(crate) struct Parked<'a> {
    pub(crate) org: &'a OrgId,
    pub(crate) id: &'a EventId,
    pub(crate) reason: Code,
    pub(crate) detail: &'a str,
    pub(crate) body: &'a [u8],
    /// The batch it was in; empty when it never was in one.
    pub(crate) seq: &'a str,
    pub(crate) formed_at: Option<Timestamp>,
}

/// Parks an event. An event is in one place, so that it is not parked already.
pub(crate) fn park(tx: &mut Tx<'_>, parked: &Parked<'_>, now: Timestamp) -> Result<(), Fault> {
    tx.execute(
        "INSERT INTO parked (org, id, parked_at, seq, formed_at, reason, detail, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            parked.org.as_str(),
            parked.id.as_str(),
            now.ms(),
            parked.seq,
            ms(parked.formed_at),
            parked.reason.as_str(),
            parked.detail,
            parked.body
        ],
    )?;
    tx.books.add(parked.org, PARKED, 1);
    Ok(())
}

/// Tells that events of `what`, a batch or an event, were parked.
pub(crate) fn announce(
    tx: &mut Tx<'_>,
    org: &OrgId,
    what: &str,
    now: Timestamp,
) -> Result<(), Fault> {
    let kind = AnnouncementKind::BatchParked;
    let id = format!("{}/{org}/{what}", kind.as_str());
    bus::announce(tx, Announcement { id, kind, org: org.clone(), at: now, detail: None })
}

fn parked(
    connection: &Connection,
    org: &OrgId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<ParkedEvent>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT id, reason, detail, body FROM parked
         WHERE org = ?1 AND parked_at >= ?2 AND parked_at < ?3 ORDER BY parked_at, rowid",
    )?;
    let mut found = select.query(params![org.as_str(), from.ms(), to.ms()])?;
    let mut parked = Vec::new();
    while let Some(row) = found.next()? {
        parked.push(ParkedEvent {
            event_id: rows::event(row.get(0)?)?,
            reason: rows::code(&row.get::<_, String>(1)?)?,
            detail: row.get(2)?,
            body: row.get(3)?,
        });
    }
    Ok(parked)
}

fn unpark(
    tx: &mut Tx<'_>,
    lease: &Lease,
    batch: &NewBatch,
    now: Timestamp,
) -> Result<FormOutcome, Fault> {
    if !leases::may_form(tx.connection, lease)? {
        return Ok(FormOutcome::Fenced);
    }
    let org = &lease.org;
    let mut gone = Vec::new();
    for event in &batch.events {
        let mut select =
            tx.connection.prepare_cached("SELECT 1 FROM parked WHERE org = ?1 AND id = ?2")?;
        if !select.exists([org.as_str(), event.event_id.as_str()])? {
            gone.push(event.event_id.clone());
        }
    }
    if !gone.is_empty() {
        return Ok(FormOutcome::Stale { gone, forwarded: Vec::new() });
    }
    for event in &batch.events {
        let id = &event.event_id;
        let new = tx.execute(
            "DELETE FROM parked WHERE org = ?1 AND id = ?2 AND formed_at IS NULL",
            [org.as_str(), id.as_str()],
        )?;
        let again = tx.execute(
            "DELETE FROM parked WHERE org = ?1 AND id = ?2",
            [org.as_str(), id.as_str()],
        )?;
        if new + again != 1 {
            return Err(Fault::Invalid("a batch holds an event twice"));
        }
        tx.books.add(org, FORMED, int(new));
        tx.books.add(org, PARKED, -1);
        events::unstage(tx, org, id, Some(int(lease.next_seq)), now)?;
    }
    outbox::insert(tx, org, batch, now, now)?;
    leases::advance(tx, lease)?;
    Ok(FormOutcome::Formed)
}

/// Stands for the number of a batch where an event was parked without ever having been in one.
pub(crate) const WITHOUT_BATCH: i64 = 0;
