//! Events of owners: each once, in the order of time.

use std::{borrow::Cow, collections::BTreeMap};

use contract::{Event, EventId, Timestamp};
use domain::admit::{ck_of, ck_text};
use friction::owner::{Owner, Position};
use ports::{
    PortResult,
    sessions::{Arming, EventLog, LoggedEvent, Strikes, StruckEvent},
};
use rusqlite::{Connection, params};

use crate::{
    Store,
    fault::Fault,
    heads,
    owners::{self, Named},
    rows::{self, int},
    writer::Tx,
};

impl EventLog for Store {
    async fn append(&self, events: &[LoggedEvent]) -> PortResult<()> {
        const OPERATION: &str = "log events";
        let weight = events.len();
        // What can be computed is computed here, so that the writer only writes.
        let events = prepare(events).map_err(|fault| fault.into_port(OPERATION))?;
        let job = move |tx: &mut Tx<'_>| append(tx, &events);
        self.write(OPERATION, weight, job).await
    }

    async fn read(
        &self,
        owner: &Owner,
        from: Timestamp,
        after: Option<&Position>,
        limit: usize,
    ) -> PortResult<Vec<Event>> {
        let (owner, after) = (owner.clone(), after.cloned());
        let job = move |connection: &Connection| read(connection, &owner, from, after, limit);
        self.query("read logged events", job).await
    }
}

impl Strikes for Store {
    async fn strike(&self, events: &[StruckEvent], now: Timestamp) -> PortResult<()> {
        let weight = events.len();
        let events = events.to_vec();
        let job = move |tx: &mut Tx<'_>| strike(tx, &events, now);
        self.write("strike events", weight, job).await
    }
}

struct Prepared {
    at: Timestamp,
    id: EventId,
    ck: String,
    body: String,
}

/// The events of each owner, encoded.
fn prepare(events: &[LoggedEvent]) -> Result<Vec<(Named, Vec<Prepared>)>, Fault> {
    let mut owners: BTreeMap<&Owner, Vec<Prepared>> = BTreeMap::new();
    for LoggedEvent { owner, event } in events {
        // Where the stream carried it says nothing about what happened.
        let event = match &event.record {
            None => Cow::Borrowed(event),
            Some(_) => Cow::Owned(Event { record: None, ..event.clone() }),
        };
        let prepared = Prepared {
            at: event.occurred_at,
            id: event.event_id.clone(),
            ck: ck_text(ck_of(&event)),
            body: serde_json::to_string(&event)?,
        };
        owners.entry(owner).or_default().push(prepared);
    }
    Ok(owners.into_iter().map(|(owner, events)| (Named::of(owner), events)).collect())
}

fn append(tx: &Tx<'_>, owners: &[(Named, Vec<Prepared>)]) -> Result<(), Fault> {
    let mut insert = tx.connection.prepare_cached(
        "INSERT INTO session_events (owner, at, id, ck, body) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?;
    for (owner, events) in owners {
        let number = owners::number_of(tx, owner)?;
        for event in events {
            let Prepared { at, id, ck, body } = event;
            insert.execute(params![number, at.ms(), id.as_str(), ck, body])?;
        }
    }
    Ok(())
}

fn strike(tx: &Tx<'_>, events: &[StruckEvent], now: Timestamp) -> Result<(), Fault> {
    let mut strike = tx.connection.prepare_cached(
        "INSERT INTO session_events (owner, at, id, ck, body) VALUES (?1, ?2, ?3, ?4, '')
         ON CONFLICT (owner, at, id, ck) DO UPDATE SET body = ''",
    )?;
    for struck in events {
        let StruckEvent { owner, position: Position { at, id }, ck } = struck;
        let owner = Named::of(owner);
        let number = owners::number_of(tx, &owner)?;
        strike.execute(params![number, at.ms(), id.as_str(), ck_text(*ck)])?;
        let Arming { dirty_from, due_at, .. } = Arming::without(struck, now);
        heads::arm(tx, &owner, dirty_from, due_at)?;
    }
    Ok(())
}

fn read(
    connection: &Connection,
    owner: &Owner,
    from: Timestamp,
    after: Option<Position>,
    limit: usize,
) -> Result<Vec<Event>, Fault> {
    let Some(number) = owners::find(connection, owner)? else { return Ok(Vec::new()) };
    // No id is empty: nothing lies at a time before its first id.
    let (at, id) = match after {
        Some(Position { at, id }) if at >= from => (at, id.to_string()),
        Some(_) | None => (from, String::new()),
    };
    let mut select = connection.prepare_cached(
        "SELECT body FROM session_events WHERE owner = ?1 AND (at, id) > (?2, ?3) AND body <> ''
         ORDER BY at, id, ck LIMIT ?4",
    )?;
    let mut found = select.query(params![number, at.ms(), id, int(limit)])?;
    let mut events = Vec::new();
    while let Some(row) = found.next()? {
        events.push(serde_json::from_str(rows::text(row, 0)?)?);
    }
    Ok(events)
}
