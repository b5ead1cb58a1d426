//! What projectors made of events so far.

use contract::{OrgId, Timestamp, session::SessionId};
use friction::owner::{Owner, Position};
use ports::{
    PortResult,
    projections::{Projected, Projection, Projections, SaveOutcome},
};
use rusqlite::{Connection, Row, params};

use crate::{
    Store,
    fault::Fault,
    owners,
    rows::{self, int},
    writer::Tx,
};

impl Projections for Store {
    async fn load(&self, projected: &Projected) -> PortResult<Option<Projection>> {
        let projected = projected.clone();
        self.query("load a projection", move |connection| load(connection, &projected)).await
    }

    async fn save(&self, projected: &Projected, projection: Projection) -> PortResult<SaveOutcome> {
        let projected = projected.clone();
        let job = move |tx: &mut Tx<'_>| save(tx, &projected, &projection);
        self.write("save a projection", 1, job).await
    }

    async fn context(
        &self,
        org: &OrgId,
        session: &SessionId,
    ) -> PortResult<Option<(Owner, Projection)>> {
        let (org, session) = (org.clone(), session.clone());
        self.query("find a context", move |connection| context(connection, &org, &session)).await
    }
}

/// The key's columns: organisation, product, kind, token.
fn key(projected: &Projected) -> [&str; 4] {
    match projected {
        Projected::Context(Owner { org, product, token }) => {
            [org.as_str(), product.as_str(), CONTEXT, token]
        }
        Projected::Persons(Owner { org, product, token }) => {
            [org.as_str(), product.as_str(), PERSONS, token]
        }
        Projected::Preferences(subject) => {
            [subject.org.as_str(), subject.product.as_str(), PREFERENCES, &subject.actor]
        }
    }
}

fn load(connection: &Connection, projected: &Projected) -> Result<Option<Projection>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT version, session, last_at, last_id, state FROM projections
         WHERE org = ?1 AND product = ?2 AND kind = ?3 AND token = ?4",
    )?;
    let mut found = select.query(key(projected))?;
    found.next()?.map(projection).transpose()
}

fn save(tx: &Tx<'_>, projected: &Projected, projection: &Projection) -> Result<SaveOutcome, Fault> {
    let [org, product, kind, token] = key(projected);
    let Projection { version, session, last, state } = projection;
    let sql = if *version == 0 {
        "INSERT INTO projections
           (org, product, kind, token, version, session, last_at, last_id, state)
         VALUES (?1, ?2, ?3, ?4, ?5 + 1, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE projections
         SET version = version + 1, session = ?6, last_at = ?7, last_id = ?8, state = ?9
         WHERE org = ?1 AND product = ?2 AND kind = ?3 AND token = ?4 AND version = ?5"
    };
    let saved = tx.execute(
        sql,
        params![
            org,
            product,
            kind,
            token,
            int(*version),
            session.as_ref().map(SessionId::as_str),
            last.at.ms(),
            last.id.as_str(),
            state
        ],
    )?;
    Ok(if saved == 1 { SaveOutcome::Saved } else { SaveOutcome::Stale })
}

fn context(
    connection: &Connection,
    org: &OrgId,
    session: &SessionId,
) -> Result<Option<(Owner, Projection)>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT version, session, last_at, last_id, state, org, product, token FROM projections
         WHERE org = ?1 AND session = ?2 AND kind = ?3",
    )?;
    let mut found = select.query([org.as_str(), session.as_str(), CONTEXT])?;
    let Some(row) = found.next()? else { return Ok(None) };
    Ok(Some((owners::read(row, 5)?, projection(row)?)))
}

fn projection(row: &Row<'_>) -> Result<Projection, Fault> {
    let session = row.get::<_, Option<String>>(1)?.map(SessionId::try_from).transpose();
    Ok(Projection {
        version: row.get(0)?,
        session: session.map_err(|_| Fault::Invalid("a stored session id is not one"))?,
        last: Position { at: Timestamp::from_ms(row.get(2)?), id: rows::event(row.get(3)?)? },
        state: row.get(4)?,
    })
}

const CONTEXT: &str = "context";
const PREFERENCES: &str = "preferences";
const PERSONS: &str = "persons";
