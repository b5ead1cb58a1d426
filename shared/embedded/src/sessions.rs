//! Sessions and incidents: a sweep commits in one transaction, or not at all.

use contract::{Timestamp, incident::Incident, session::Session};
use friction::{
    change::{Notice, SessionState, StoredIncident, StoredSession, Sweep},
    owner::Owner,
};
use ports::{
    PortResult,
    bus::{Announcement, AnnouncementKind},
    sessions::{Lane, Notices, Sessions, Stored, SweepOutcome},
};
use rusqlite::{Connection, Row, params};

use crate::{
    Store, bus, cells,
    fault::Fault,
    heads, owners,
    rows::{self, int},
    writer::Tx,
};

impl Sessions for Store {
    async fn stored(&self, owner: &Owner, from: Timestamp) -> PortResult<Stored> {
        let owner = owner.clone();
        let job = move |connection: &Connection| stored(connection, &owner, from);
        self.query("read sessions", job).await
    }

    async fn commit(&self, sweep: Sweep) -> PortResult<SweepOutcome> {
        const OPERATION: &str = "commit a sweep";
        let weight = sweep.sessions.len() + sweep.incidents.len() + sweep.cells.len();
        let encoded = Encoded::of(&sweep).map_err(|fault| fault.into_port(OPERATION))?;
        let job = move |tx: &mut Tx<'_>| commit(tx, &sweep, &encoded);
        self.write(OPERATION, weight, job).await
    }

    /// A commit posts what it commits.
    async fn post(&self, _: Lane) -> PortResult<usize> {
        Ok(0)
    }
}

impl Notices for Store {
    async fn unsent(&self, limit: usize) -> PortResult<Vec<Notice>> {
        let job = move |connection: &Connection| unsent(connection, limit);
        self.query("read notices", job).await
    }

    async fn send(&self, notices: &[Notice]) -> PortResult<()> {
        let (weight, notices) = (notices.len(), notices.to_vec());
        let job =
            move |tx: &mut Tx<'_>| notices.into_iter().try_for_each(|notice| send(tx, notice));
        self.write("send notices", weight, job).await
    }
}

/// The columns that [`session`] reads, in its order.
pub(crate) const SESSION_COLUMNS: &str = "body, revision, state, actor_slot";
/// The columns that [`incident`] reads, in its order.
pub(crate) const INCIDENT_COLUMNS: &str = "body, retracted, revision";

/// A session from [`SESSION_COLUMNS`].
pub(crate) fn session(row: &Row<'_>) -> Result<StoredSession, Fault> {
    let state = SessionState::parse(rows::text(row, 2)?);
    Ok(StoredSession {
        session: serde_json::from_str(rows::text(row, 0)?)?,
        revision: row.get(1)?,
        state: state.ok_or(Fault::Invalid("a stored session is in no known state"))?,
        actor_slot: row.get(3)?,
    })
}

/// An incident from [`INCIDENT_COLUMNS`].
pub(crate) fn incident(row: &Row<'_>) -> Result<StoredIncident, Fault> {
    Ok(StoredIncident {
        incident: serde_json::from_str(rows::text(row, 0)?)?,
        retracted: row.get(1)?,
        revision: row.get(2)?,
    })
}

/// The bodies of a sweep's sessions and incidents, in its order.
struct Encoded {
    sessions: Vec<String>,
    incidents: Vec<String>,
}

impl Encoded {
    fn of(sweep: &Sweep) -> Result<Self, Fault> {
        // A notice that nobody could send would be in the way of all others.
        let unknown = |notice: &Notice| AnnouncementKind::parse(&notice.kind).is_none();
        if sweep.notices.iter().any(unknown) {
            return Err(Fault::Invalid("a notice is of no known kind"));
        }
        let session = |stored: &StoredSession| serde_json::to_string(&stored.session);
        let incident = |stored: &StoredIncident| serde_json::to_string(&stored.incident);
        Ok(Self {
            sessions: sweep.sessions.iter().map(session).collect::<Result<_, _>>()?,
            incidents: sweep.incidents.iter().map(incident).collect::<Result<_, _>>()?,
        })
    }
}

fn stored(connection: &Connection, owner: &Owner, from: Timestamp) -> Result<Stored, Fault> {
    let mut stored = Stored::default();
    let Some(number) = owners::find(connection, owner)? else { return Ok(stored) };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {SESSION_COLUMNS} FROM sessions WHERE owner = ?1 AND ended_at >= ?2
         ORDER BY started_at, id"
    ))?;
    let mut found = select.query([number, from.ms()])?;
    while let Some(row) = found.next()? {
        stored.sessions.push(session(row)?);
    }
    let mut select = connection.prepare_cached(&format!(
        "SELECT {INCIDENT_COLUMNS} FROM incidents WHERE owner = ?1 AND ended_at >= ?2
         ORDER BY started_at, id"
    ))?;
    let mut found = select.query([number, from.ms()])?;
    while let Some(row) = found.next()? {
        stored.incidents.push(incident(row)?);
    }
    Ok(stored)
}

fn commit(tx: &Tx<'_>, sweep: &Sweep, encoded: &Encoded) -> Result<SweepOutcome, Fault> {
    let Some(owner) = heads::advance(tx, sweep)? else { return Ok(SweepOutcome::Stale) };
    for (stored, body) in sweep.sessions.iter().zip(&encoded.sessions) {
        put_session(tx, owner, stored, body)?;
    }
    for (stored, body) in sweep.incidents.iter().zip(&encoded.incidents) {
        put_incident(tx, owner, stored, body)?;
    }
    cells::add(tx, &sweep.cells)?;
    sweep.notices.iter().try_for_each(|notice| put_notice(tx, notice))?;
    Ok(SweepOutcome::Committed)
}

fn put_session(tx: &Tx<'_>, owner: i64, stored: &StoredSession, body: &str) -> Result<(), Fault> {
    let StoredSession { session, revision, state, actor_slot } = stored;
    let Session { session_id, org_id, product_id, started_at, ended_at, .. } = session;
    tx.execute(
        "INSERT INTO sessions
           (org, id, owner, product, started_at, ended_at, state, revision, actor_slot, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT DO UPDATE SET
           ended_at = excluded.ended_at, state = excluded.state, revision = excluded.revision,
           actor_slot = excluded.actor_slot, body = excluded.body",
        params![
            org_id.as_str(),
            session_id.as_str(),
            owner,
            product_id.as_str(),
            started_at.ms(),
            ended_at.ms(),
            state.as_str(),
            revision,
            actor_slot,
            body
        ],
    )?;
    Ok(())
}

fn put_incident(tx: &Tx<'_>, owner: i64, stored: &StoredIncident, body: &str) -> Result<(), Fault> {
    let StoredIncident { incident, retracted, revision } = stored;
    let Incident { incident_id, org_id, product_id, session_id, rule, .. } = incident;
    tx.execute(
        "INSERT INTO incidents
           (org, id, owner, product, session, rule, started_at, ended_at, retracted, revision, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT DO UPDATE SET
           session = excluded.session, started_at = excluded.started_at, ended_at = excluded.ended_at,
           retracted = excluded.retracted, revision = excluded.revision, body = excluded.body",
        params![
            org_id.as_str(),
            incident_id,
            owner,
            product_id.as_str(),
            session_id.as_str(),
            rule.as_str(),
            incident.started_at.ms(),
            incident.ended_at.ms(),
            retracted,
            revision,
            body
        ],
    )?;
    Ok(())
}

fn put_notice(tx: &Tx<'_>, notice: &Notice) -> Result<(), Fault> {
    let Notice { id, kind, org, at, detail } = notice;
    tx.execute(
        "INSERT INTO notices (id, kind, org, at, detail) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
        params![id, kind, org.as_str(), at.ms(), detail],
    )?;
    Ok(())
}

fn unsent(connection: &Connection, limit: usize) -> Result<Vec<Notice>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT id, kind, org, at, detail FROM notices ORDER BY position LIMIT ?1",
    )?;
    let mut found = select.query([int(limit)])?;
    let mut notices = Vec::new();
    while let Some(row) = found.next()? {
        notices.push(Notice {
            id: row.get(0)?,
            kind: row.get(1)?,
            org: rows::org(row.get(2)?)?,
            at: Timestamp::from_ms(row.get(3)?),
            detail: row.get(4)?,
        });
    }
    Ok(notices)
}

/// Announces with the commit that forgets.
fn send(tx: &mut Tx<'_>, notice: Notice) -> Result<(), Fault> {
    let Notice { id, kind, org, at, detail } = notice;
    let kind = AnnouncementKind::parse(&kind);
    let kind = kind.ok_or(Fault::Invalid("a notice is of no known kind"))?;
    tx.execute("DELETE FROM notices WHERE id = ?1", [&id])?;
    bus::announce(tx, Announcement { id, kind, org, at, detail: Some(detail) })
}
