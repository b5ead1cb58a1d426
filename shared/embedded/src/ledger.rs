//! Markers and counters: an event's marker and all it adds commit together or not at all.

use std::collections::{BTreeMap, BTreeSet};

use domain::counters::{Deltas, Dictionary, DictionaryKey};
use ports::{
    PortResult,
    ledger::{Booking, CommitOutcome, CountedChunk, EventKey, Ledger, Marker},
};
use rusqlite::{Connection, params};

use crate::{
    Store,
    books::SUPPRESSED,
    events::{self, Arrival, Ending},
    fault::Fault,
    rows::int,
    stream::{change_key, shard_of},
    writer::Tx,
};

impl Ledger for Store {
    async fn known(&self, keys: &[EventKey]) -> PortResult<Vec<Option<u32>>> {
        let keys = keys.to_vec();
        let job = move |connection: &Connection| {
            keys.iter()
                .map(|key| {
                    let known = events::find(connection, &key.org, &key.id)?;
                    Ok(known.filter(|known| known.counted_at.is_some()).map(|known| known.ck))
                })
                .collect()
        };
        self.query("read markers", job).await
    }

    async fn dictionaries(
        &self,
        keys: &[DictionaryKey],
    ) -> PortResult<BTreeMap<DictionaryKey, Dictionary>> {
        let keys = keys.to_vec();
        let job = move |connection: &Connection| {
            keys.into_iter().map(|key| Ok((key.clone(), dictionary(connection, &key)?))).collect()
        };
        self.query("read dictionaries", job).await
    }

    async fn commit(&self, chunk: CountedChunk) -> PortResult<CommitOutcome> {
        let (weight, shards) = (chunk.markers.len(), self.0.shards);
        let job = move |tx: &mut Tx<'_>| commit(tx, &chunk, shards);
        self.write("commit a chunk", weight, job).await
    }
}

fn commit(tx: &mut Tx<'_>, chunk: &CountedChunk, shards: u32) -> Result<CommitOutcome, Fault> {
    for (key, size) in &chunk.dictionary_sizes {
        if dictionary(tx.connection, key)?.len() != *size {
            return Ok(CommitOutcome::Stale);
        }
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::with_capacity(chunk.markers.len());
    for marker in &chunk.markers {
        let known = events::find(tx.connection, &marker.key.org, &marker.key.id)?;
        let counted = known.is_some_and(|known| known.counted_at.is_some());
        if counted || !seen.insert(&marker.key) {
            return Ok(CommitOutcome::Stale);
        }
        found.push(known);
    }
    for (marker, known) in chunk.markers.iter().zip(found) {
        mark(tx, marker, known, shards)?;
    }
    add(tx, &chunk.deltas)?;
    Ok(CommitOutcome::Committed)
}

/// Leaves the marker and books what it says. An event that came through no door is accepted here.
fn mark(
    tx: &mut Tx<'_>,
    marker: &Marker,
    known: Option<events::Known>,
    shards: u32,
) -> Result<(), Fault> {
    let EventKey { org, id } = &marker.key;
    let at = marker.arrived_at;
    let known = match known {
        Some(known) => known,
        None => {
            let shard = shard_of(&change_key(org, id), shards);
            let (ck, forward, position) = (marker.ck, false, None);
            events::accept(tx, Arrival { org, id, ck, at, forward, shard, position })?;
            events::find(tx.connection, org, id)?
                .ok_or(Fault::Invalid("an accepted event has no row"))?
        }
    };
    events::mark(tx, marker)?;
    let ending = match marker.booking {
        // Booked as such at the door. One that no staging row carries ends here all the same.
        Booking::Forwarded | Booking::Counted => Ending::Counted,
        Booking::Withheld => Ending::Withheld,
        Booking::Suppressed => Ending::Suppressed,
    };
    let ends_here = events::end(tx, org, id, &known, ending, at)?;
    if ends_here && matches!(ending, Ending::Withheld | Ending::Suppressed) {
        tx.books.add(org, SUPPRESSED, 1);
    }
    Ok(())
}

fn add(tx: &Tx<'_>, deltas: &Deltas) -> Result<(), Fault> {
    for (cell, count) in &deltas.counts {
        tx.execute(
            "INSERT INTO counters (org, product, hour, dimension, events, severity)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET events = events + excluded.events, severity = severity + excluded.severity",
            params![
                cell.org.as_str(),
                cell.product.as_ref().map_or(WHOLE_ORG, |product| product.as_str()),
                cell.hour.ms(),
                cell.dimension.to_text(),
                int(count.events),
                int(count.severity)
            ],
        )?;
    }
    for seen in &deltas.actors {
        tx.execute(
            "INSERT INTO actors (org, product, day, dimension, actor) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
            params![
                seen.org.as_str(),
                seen.product.as_str(),
                seen.day.ms(),
                seen.dimension.to_text(),
                seen.actor
            ],
        )?;
    }
    for (key, names) in &deltas.names {
        for name in names {
            tx.execute(
                "INSERT INTO dictionary (org, product, day, name) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO NOTHING",
                params![key.org.as_str(), key.product.as_str(), key.day.ms(), name],
            )?;
        }
    }
    Ok(())
}

fn dictionary(connection: &Connection, key: &DictionaryKey) -> Result<Dictionary, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT name FROM dictionary WHERE org = ?1 AND product = ?2 AND day = ?3",
    )?;
    let names = select
        .query_map(params![key.org.as_str(), key.product.as_str(), key.day.ms()], |row| {
            row.get(0)
        })?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// The product of cells that speak of the whole organisation.
pub(crate) const WHOLE_ORG: &str = "";
