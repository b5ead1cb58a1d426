//! The one row that holds what is known about an accepted event. Whoever first makes an id known books `accepted`.

use contract::{EventId, OrgId, Timestamp, staged::StagedEvent};
use ports::ledger::{EventKey, Marker};
use rusqlite::{OptionalExtension, params};

use crate::{
    books::{ACCEPTED, ACCEPTED_FORWARD, COUNTED},
    fault::Fault,
    rows::{ms, time},
    writer::Tx,
};

/// An event on its way in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) org: &'a OrgId,
    pub(crate) id: &'a EventId,
    pub(crate) ck: u32,
    pub(crate) at: Timestamp,
    /// Is it to reach the connector?
    pub(crate) forward: bool,
    /// Of its first record.
    pub(crate) shard: u32,
    /// Of its staging row.
    pub(crate) position: Option<i64>,
}

/// What is known about an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) ck: u32,
    /// Of its first record.
    pub(crate) shard: u32,
    pub(crate) accepted_at: Timestamp,
    /// Booked as `acceptedForward`.
    pub(crate) forward: bool,
    pub(crate) ending: Ending,
    pub(crate) counted_at: Option<Timestamp>,
    pub(crate) position: Option<i64>,
    /// The number of the batch that took it, 0 when it was parked without one.
    pub(crate) batch: Option<i64>,
    pub(crate) rescues: Option<u32>,
    pub(crate) rescued_at: Option<Timestamp>,
}

/// How an event ended that is not forwarded; booked as `counted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Not yet, or it is forwarded.
    Open,
    Counted,
    Withheld,
    Suppressed,
    Quarantined,
}

impl Ending {
    fn number(self) -> i64 {
        match self {
            Self::Open => 0,
            Self::Counted => 1,
            Self::Withheld => 2,
            Self::Suppressed => 3,
            Self::Quarantined => 4,
        }
    }

    fn read(number: i64) -> Result<Self, Fault> {
        [Self::Open, Self::Counted, Self::Withheld, Self::Suppressed, Self::Quarantined]
            .into_iter()
            .find(|ending| ending.number() == number)
            .ok_or(Fault::Invalid("a stored ending is not one"))
    }
}

/// Makes an event known and books it; false when it was known.
pub(crate) fn accept(tx: &mut Tx<'_>, arrival: Arrival<'_>) -> Result<bool, Fault> {
    let inserted = tx.execute(
        "INSERT INTO events (org, id, ck, shard, accepted_at, touched_at, forward, ending, position)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, 0, ?7) ON CONFLICT DO NOTHING",
        params![
            arrival.org.as_str(),
            arrival.id.as_str(),
            arrival.ck,
            arrival.shard,
            arrival.at.ms(),
            arrival.forward,
            arrival.position
        ],
    )?;
    if inserted == 0 {
        return Ok(false);
    }
    tx.books.add(arrival.org, ACCEPTED, 1);
    if arrival.forward {
        tx.books.add(arrival.org, ACCEPTED_FORWARD, 1);
    }
    Ok(true)
}

pub(crate) fn find(
    connection: &rusqlite::Connection,
    org: &OrgId,
    id: &EventId,
) -> Result<Option<Known>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT ck, shard, accepted_at, forward, ending, counted_at, position, batch, rescues, rescued_at
         FROM events WHERE org = ?1 AND id = ?2",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let known = Known {
            ck: row.get(0)?,
            shard: row.get(1)?,
            accepted_at: Timestamp::from_ms(row.get(2)?),
            forward: row.get(3)?,
            ending: Ending::Open,
            counted_at: time(row.get(5)?),
            position: row.get(6)?,
            batch: row.get(7)?,
            rescues: row.get(8)?,
            rescued_at: time(row.get(9)?),
        };
        Ok((known, row.get::<_, i64>(4)?))
    };
    let found = select.query_row([org.as_str(), id.as_str()], read).optional()?;
    found.map(|(known, ending)| Ok(Known { ending: Ending::read(ending)?, ..known })).transpose()
}

/// An accepted event ends here, not forwarded: booked as `counted`, once. An event on its way to the connector keeps
/// its way, and one that was counted stays so; true when the ending is its own now.
pub(crate) fn end(
    tx: &mut Tx<'_>,
    org: &OrgId,
    id: &EventId,
    known: &Known,
    ending: Ending,
    now: Timestamp,
) -> Result<bool, Fault> {
    match known.ending {
        Ending::Open if !known.forward => tx.books.add(org, COUNTED, 1),
        // Replay counts what was set aside, and what was set aside is booked already.
        Ending::Quarantined if ending != Ending::Quarantined => {}
        Ending::Open
        | Ending::Counted
        | Ending::Withheld
        | Ending::Suppressed
        | Ending::Quarantined => return Ok(false),
    }
    tx.execute(
        "UPDATE events SET ending = ?3, touched_at = ?4 WHERE org = ?1 AND id = ?2",
        params![org.as_str(), id.as_str(), ending.number(), now.ms()],
    )?;
    Ok(true)
}

/// An event is to reach the connector after all: replay sends it there although it had ended, or it was unknown.
pub(crate) fn turn_forward(
    tx: &mut Tx<'_>,
    org: &OrgId,
    id: &EventId,
    known: &Known,
) -> Result<(), Fault> {
    if known.forward {
        return Ok(());
    }
    tx.books.add(org, ACCEPTED_FORWARD, 1);
    if known.ending != Ending::Open {
        tx.books.add(org, COUNTED, -1);
    }
    tx.execute(
        "UPDATE events SET forward = 1, ending = 0 WHERE org = ?1 AND id = ?2",
        [org.as_str(), id.as_str()],
    )?;
    Ok(())
}

/// A quarantined event is let go: it is as if a door took it now for the first time, except that it was accepted.
pub(crate) fn reopen(tx: &mut Tx<'_>, arrival: Arrival<'_>) -> Result<(), Fault> {
    tx.books.add(arrival.org, COUNTED, -1);
    if arrival.forward {
        tx.books.add(arrival.org, ACCEPTED_FORWARD, 1);
    }
    tx.execute(
        "UPDATE events SET ck = ?3, shard = ?4, touched_at = ?5, forward = ?6, ending = 0, position = ?7
         WHERE org = ?1 AND id = ?2",
        params![
            arrival.org.as_str(),
            arrival.id.as_str(),
            arrival.ck,
            arrival.shard,
            arrival.at.ms(),
            arrival.forward,
            arrival.position
        ],
    )?;
    Ok(())
}

/// The batcher dropped an event that had been booked as on its way to the connector: it ends here.
pub(crate) fn turn_away(
    tx: &mut Tx<'_>,
    org: &OrgId,
    id: &EventId,
    now: Timestamp,
) -> Result<(), Fault> {
    tx.books.add(org, ACCEPTED_FORWARD, -1);
    tx.books.add(org, COUNTED, 1);
    tx.execute(
        "UPDATE events SET forward = 0, ending = ?3, touched_at = ?4 WHERE org = ?1 AND id = ?2",
        params![org.as_str(), id.as_str(), Ending::Counted.number(), now.ms()],
    )?;
    Ok(())
}

/// The event left staging, for batch `batch` if for one.
pub(crate) fn unstage(
    tx: &Tx<'_>,
    org: &OrgId,
    id: &EventId,
    batch: Option<i64>,
    now: Timestamp,
) -> Result<(), Fault> {
    tx.execute(
        "UPDATE events SET position = NULL, batch = coalesce(?3, batch), touched_at = ?4
         WHERE org = ?1 AND id = ?2",
        params![org.as_str(), id.as_str(), batch, now.ms()],
    )?;
    Ok(())
}

/// The event was put back into staging at `position`.
pub(crate) fn restage(
    tx: &Tx<'_>,
    row: &StagedEvent,
    position: Option<i64>,
    now: Timestamp,
) -> Result<(), Fault> {
    tx.execute(
        "UPDATE events SET position = ?3, rescues = ?4, rescued_at = ?5, touched_at = ?5
         WHERE org = ?1 AND id = ?2",
        params![row.org_id.as_str(), row.event_id.as_str(), position, row.rescues, now.ms()],
    )?;
    Ok(())
}

/// Leaves the marker that the event was counted. The body that is counted owns the id from here on: when the record of
/// the body that a door took first was given up, that one is the collision if it comes again.
pub(crate) fn mark(tx: &Tx<'_>, marker: &Marker) -> Result<(), Fault> {
    let EventKey { org, id } = &marker.key;
    tx.execute(
        "UPDATE events SET counted_at = ?3, ck = ?4, touched_at = max(touched_at, ?3) WHERE org = ?1 AND id = ?2",
        params![org.as_str(), id.as_str(), ms(Some(marker.arrived_at)), marker.ck],
    )?;
    Ok(())
}
