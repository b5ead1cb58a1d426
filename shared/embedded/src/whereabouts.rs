//! One event's way, from what every table knows of it; last the archive, whose objects are searched.

use std::{io::Read, path::Path};

use contract::{
    Event, EventId, OrgId, Timestamp,
    ledger::{Station, Whereabouts},
    limits::HOUR_MS,
};
use flate2::read::MultiGzDecoder;
use ports::PortResult;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Store, accounts, archive,
    events::{self, Ending, Known},
    fault::Fault,
    rows,
};

impl Store {
    pub(crate) async fn find_event(
        &self,
        id: &EventId,
        org: Option<&OrgId>,
    ) -> PortResult<Vec<Whereabouts>> {
        const OPERATION: &str = "find an event";
        let (id, org) = (id.clone(), org.cloned());
        let key = id.clone();
        let only = org.clone();
        let job = move |connection: &Connection| traces(connection, &key, only.as_ref());
        let mut traces = self.query(OPERATION, job).await?;
        if traces.is_empty() {
            traces.extend(Trace::of_the_archive(&id));
        }
        let root = self.archive_root();
        let search = move || {
            let mut found = Vec::new();
            for trace in traces {
                found.extend(trace.search(&root, &id, org.as_ref())?);
            }
            Ok(found)
        };
        self.on_disk(OPERATION, search).await
    }
}

/// What the tables know, and where in the archive to look.
struct Trace {
    org: Option<OrgId>,
    state: &'static str,
    stations: Vec<Station>,
    hours: Vec<Timestamp>,
}

fn traces(
    connection: &Connection,
    id: &EventId,
    only: Option<&OrgId>,
) -> Result<Vec<Trace>, Fault> {
    let mut found = Vec::new();
    for name in accounts::known_orgs(connection)? {
        let Ok(org) = OrgId::parse(name) else { continue };
        if only.is_none_or(|only| *only == org) {
            found.extend(Reader { connection, org: &org, id }.trace()?);
        }
    }
    Ok(found)
}

/// Reads the tables for one event of one organisation.
struct Reader<'a> {
    connection: &'a Connection,
    org: &'a OrgId,
    id: &'a EventId,
}

impl Reader<'_> {
    fn trace(&self) -> Result<Option<Trace>, Fault> {
        let known = events::find(self.connection, self.org, self.id)?;
        let mut stations = Vec::new();
        let mut hours = Vec::new();
        let mut state = None;
        if let Some(known) = &known {
            state = Some(ended(known));
            stations.push(station(known.accepted_at, "accepted", ""));
            hours.push(known.accepted_at.hour());
            self.staged(known, &mut stations)?;
            if let Some(at) = known.counted_at {
                let name =
                    if known.ending == Ending::Suppressed { "suppressed" } else { "counted" };
                stations.push(station(at, name, ""));
                hours.push(at.hour());
            }
            if known.forward {
                state = Some("pending");
            }
        }
        for (at, reason, record) in self.quarantined()? {
            stations.push(station(at, "quarantined", &format!("{reason} {record}")));
            state = state.or(Some("quarantined"));
        }
        let batch = known.and_then(|known| known.batch);
        if let Some(at) = self.delivery(batch, &mut stations)? {
            state = Some(at);
        }
        let Some(state) = state else { return Ok(None) };
        // Stable: stations of one moment stay in the order in which they are passed.
        stations.sort_by_key(|station| station.at);
        hours.dedup();
        Ok(Some(Trace { org: Some(self.org.clone()), state, stations, hours }))
    }

    fn staged(&self, known: &Known, stations: &mut Vec<Station>) -> Result<(), Fault> {
        if known.forward || known.position.is_some() {
            stations.push(station(known.accepted_at, "staged", ""));
        }
        if let Some(at) = known.rescued_at {
            let times = known.rescues.unwrap_or(0).to_string();
            stations.push(station(at, "rescued", &times));
        }
        let mut select = self
            .connection
            .prepare_cached("SELECT expired_at FROM rescue_queue WHERE org = ?1 AND id = ?2")?;
        let expired = select.query_row(self.key(), |row| row.get(0)).optional()?;
        stations.extend(rows::time(expired).map(|at| station(at, "expired", "")));
        Ok(())
    }

    fn quarantined(&self) -> Result<Vec<(Timestamp, String, String)>, Fault> {
        let mut select = self.connection.prepare_cached(
            "SELECT held_at, reason, shard || ':' || seq FROM quarantine WHERE id = ?2 AND org = ?1",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok((Timestamp::from_ms(row.get(0)?), row.get(1)?, row.get(2)?))
        };
        Ok(select.query_map(self.key(), read)?.collect::<Result<_, _>>()?)
    }

    /// Batch, receipt and parking: a split or a remainder begins with the number of the batch it came from.
    fn delivery(
        &self,
        batch: Option<i64>,
        stations: &mut Vec<Station>,
    ) -> Result<Option<&'static str>, Fault> {
        if let Some(batch) = batch {
            let (from, to) = (format!("{batch:012}"), format!("{:012}", batch.saturating_add(1)));
            let params = params![self.org.as_str(), from, to];
            let mut select = self.connection.prepare_cached(
                "SELECT seq, formed_at, delivered_at, status, events FROM receipts
                   WHERE org = ?1 AND seq >= ?2 AND seq < ?3
                 UNION ALL SELECT seq, formed_at, NULL, 'batched', events FROM batches
                   WHERE org = ?1 AND seq >= ?2 AND seq < ?3",
            )?;
            let mut found = select.query(params)?;
            while let Some(row) = found.next()? {
                let events: String = row.get(4)?;
                if !events.contains(&format!("\"{}\"", self.id)) {
                    continue;
                }
                let seq: String = row.get(0)?;
                stations.push(station(Timestamp::from_ms(row.get(1)?), "formed", &seq));
                let Some(at) = rows::time(row.get(2)?) else { return Ok(Some("batched")) };
                let status: String = row.get(3)?;
                let unconfirmed = if status == "unconfirmed" { " unconfirmed" } else { "" };
                stations.push(station(at, "delivered", &format!("{seq}{unconfirmed}")));
                self.enriched(stations)?;
                return Ok(Some("delivered"));
            }
        }
        self.parked(stations)
    }

    fn parked(&self, stations: &mut Vec<Station>) -> Result<Option<&'static str>, Fault> {
        let mut select = self.connection.prepare_cached(
            "SELECT parked_at, reason, seq, formed_at FROM parked WHERE org = ?1 AND id = ?2",
        )?;
        let mut found = select.query(self.key())?;
        let Some(row) = found.next()? else { return Ok(None) };
        let seq: String = row.get(2)?;
        stations.extend(rows::time(row.get(3)?).map(|at| station(at, "formed", &seq)));
        let reason: String = row.get(1)?;
        stations.push(station(Timestamp::from_ms(row.get(0)?), "parked", &reason));
        Ok(Some("parked"))
    }

    fn enriched(&self, stations: &mut Vec<Station>) -> Result<(), Fault> {
        let mut select = self
            .connection
            .prepare_cached("SELECT at, json FROM enrichments WHERE org = ?1 AND id = ?2")?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok((Timestamp::from_ms(row.get(0)?), row.get::<_, String>(1)?))
        };
        let found = select.query_row(self.key(), read).optional()?;
        stations.extend(found.map(|(at, json)| station(at, "enriched", &json)));
        Ok(())
    }

    fn key(&self) -> [&str; 2] {
        [self.org.as_str(), self.id.as_str()]
    }
}

impl Trace {
    /// Nothing is known any more: the id's own time tells where an old event may lie.
    fn of_the_archive(id: &EventId) -> Option<Self> {
        let hour = Timestamp::from_ms(id.uuid_v7_ms()?).hour();
        let hours = vec![hour, hour.plus_ms(HOUR_MS)];
        Some(Self { org: None, state: "counted", stations: Vec::new(), hours })
    }

    /// Looks into the archive; nothing when neither it nor the tables know the event.
    fn search(
        mut self,
        root: &Path,
        id: &EventId,
        only: Option<&OrgId>,
    ) -> Result<Option<Whereabouts>, Fault> {
        for hour in &self.hours {
            for key in archive::list(root, &domain::archive::hour_prefix(*hour))? {
                let wanted = self.org.as_ref().or(only);
                let Some(bytes) = archive::read(root, &key)? else { continue };
                if let Some(event) = find_in(&bytes, id, wanted) {
                    let at = event.record.map_or(*hour, |record| record.arrived_at);
                    self.stations.push(station(at, "archived", &key));
                    self.org.get_or_insert(event.org_id);
                }
            }
        }
        let Some(org) = self.org else { return Ok(None) };
        self.stations.sort_by_key(|station| station.at);
        Ok(Some(Whereabouts {
            event_id: id.to_string(),
            org: org.to_string(),
            state: self.state.to_owned(),
            stations: self.stations,
        }))
    }
}

/// How an event stands as far as its own row tells.
fn ended(known: &Known) -> &'static str {
    match known.ending {
        Ending::Counted | Ending::Withheld => "counted",
        Ending::Suppressed => "suppressed",
        Ending::Quarantined => "quarantined",
        Ending::Open => "accepted",
    }
}

/// The event in an object. An object that does not inflate holds nothing.
fn find_in(bytes: &[u8], id: &EventId, org: Option<&OrgId>) -> Option<Event> {
    let mut lines = Vec::new();
    let limit = contract::limits::ARCHIVE_BYTES_MAX.saturating_mul(4);
    MultiGzDecoder::new(bytes)
        .take(u64::try_from(limit).unwrap_or(u64::MAX))
        .read_to_end(&mut lines)
        .ok()?;
    domain::archive::find(&lines, id, org)
}

fn station(at: Timestamp, name: &str, detail: &str) -> Station {
    Station { at, station: name.to_owned(), detail: detail.to_owned() }
}
