//! What the insights are read from.

use contract::{OrgId, ProductId, Timestamp, session::SessionId};
use friction::{
    cells::{Cell, CellKey, CellKind, Cells},
    change::{StoredIncident, StoredSession},
    owner::Owner,
};
use ports::{
    PortResult,
    sessions::{Amendments, IncidentQuery, SessionQuery, Span, Sums, Understanding},
};
use rusqlite::{Connection, params};

use crate::{
    Store, cells,
    fault::Fault,
    owners,
    rows::int,
    sessions::{INCIDENT_COLUMNS, SESSION_COLUMNS, incident, session},
    writer::Tx,
};

impl Sums for Store {
    async fn cells(&self, span: &Span, kind: CellKind) -> PortResult<Vec<(CellKey, Cell)>> {
        let span = span.clone();
        self.query("read cells", move |connection| cells::within(connection, &span, kind)).await
    }

    async fn totals(&self, span: &Span, kind: CellKind) -> PortResult<Vec<(CellKey, Cell)>> {
        let span = span.clone();
        self.query("read totals", move |connection| cells::totals(connection, &span, kind)).await
    }

    async fn products_of(&self, org: &OrgId) -> PortResult<Vec<ProductId>> {
        let org = org.clone();
        self.query("list products", move |connection| cells::products_of(connection, &org)).await
    }
}

impl Amendments for Store {
    async fn products(&self, day: Timestamp) -> PortResult<Vec<(OrgId, ProductId)>> {
        self.query("list products", move |connection| cells::products(connection, day)).await
    }

    async fn amend(&self, name: &str, change: &Cells) -> PortResult<bool> {
        let (name, change, now) = (name.to_owned(), change.clone(), self.now());
        let weight = change.len() + 1;
        let job = move |tx: &mut Tx<'_>| cells::amend(tx, &name, &change, now);
        self.write("amend cells", weight, job).await
    }
}

impl Understanding for Store {
    async fn sessions(&self, query: &SessionQuery) -> PortResult<Vec<StoredSession>> {
        let query = query.clone();
        self.query("find sessions", move |connection| sessions(connection, &query)).await
    }

    async fn incidents(&self, query: &IncidentQuery) -> PortResult<Vec<StoredIncident>> {
        let query = query.clone();
        self.query("find incidents", move |connection| incidents(connection, &query)).await
    }

    async fn session(
        &self,
        org: &OrgId,
        id: &SessionId,
    ) -> PortResult<Option<(Owner, StoredSession)>> {
        let (org, id) = (org.clone(), id.clone());
        self.query("find a session", move |connection| one(connection, &org, &id)).await
    }
}

fn sessions(connection: &Connection, query: &SessionQuery) -> Result<Vec<StoredSession>, Fault> {
    let SessionQuery { span, state, after, limit } = query;
    let mut select = connection.prepare_cached(&format!(
        "SELECT {SESSION_COLUMNS} FROM sessions
         WHERE org = ?1 AND started_at >= ?2 AND (started_at, id) < (?3, ?4)
           AND (?5 IS NULL OR product = ?5) AND (?6 IS NULL OR state = ?6) AND state <> 'superseded'
         ORDER BY started_at DESC, id DESC LIMIT ?7"
    ))?;
    let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
    let (at, id) = end(span, after);
    let mut found = select.query(params![
        span.org.as_str(),
        span.from.ms(),
        at.ms(),
        id,
        span.product.as_ref().map(|product| product.as_str()),
        state.map(|state| state.as_str()),
        int(*limit)
    ])?;
    let mut sessions = Vec::new();
    while let Some(row) = found.next()? {
        sessions.push(session(row)?);
    }
    Ok(sessions)
}

fn incidents(connection: &Connection, query: &IncidentQuery) -> Result<Vec<StoredIncident>, Fault> {
    let IncidentQuery { span, rule, session, after, limit } = query;
    // Incidents of one session are found by it; otherwise a session is not asked for.
    let of_session = if session.is_some() { "session = ?7" } else { "?7 IS NULL" };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {INCIDENT_COLUMNS} FROM incidents
         WHERE org = ?1 AND started_at >= ?2 AND (started_at, id) < (?3, ?4)
           AND (?5 IS NULL OR product = ?5) AND (?6 IS NULL OR rule = ?6) AND {of_session}
           AND retracted = 0
         ORDER BY started_at DESC, id DESC LIMIT ?8"
    ))?;
    let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
    let (at, id) = end(span, after);
    let mut found = select.query(params![
        span.org.as_str(),
        span.from.ms(),
        at.ms(),
        id,
        span.product.as_ref().map(|product| product.as_str()),
        rule.map(|rule| rule.as_str()),
        session.as_ref().map(|session| session.as_str()),
        int(*limit)
    ])?;
    let mut incidents = Vec::new();
    while let Some(row) = found.next()? {
        incidents.push(incident(row)?);
    }
    Ok(incidents)
}

/// Everything that is asked for comes before this: where the last page ended, or the end of the span.
fn end<'a>(span: &Span, after: Option<(Timestamp, &'a str)>) -> (Timestamp, &'a str) {
    // No id is empty: nothing of the span's end itself comes before it.
    let of_span = (span.to, "");
    after.map_or(of_span, |after| after.min(of_span))
}

fn one(
    connection: &Connection,
    org: &OrgId,
    id: &SessionId,
) -> Result<Option<(Owner, StoredSession)>, Fault> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {SESSION_COLUMNS}, owners.org, owners.product, owners.token
         FROM sessions JOIN owners ON owners.id = sessions.owner
         WHERE sessions.org = ?1 AND sessions.id = ?2"
    ))?;
    let mut found = select.query([org.as_str(), id.as_str()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    Ok(Some((owners::read(row, 4)?, session(row)?)))
}
