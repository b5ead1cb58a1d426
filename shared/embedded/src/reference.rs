//! Experiments' assignments, and organisations with their salts.

use contract::{OrgId, Timestamp, event::Assignment};
use ports::{
    PortResult,
    reference::{Organisations, Reference, Subject},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Store, fault::Fault, keys, rows, writer::Tx};

impl Reference for Store {
    async fn assignments(&self, subjects: &[Subject]) -> PortResult<Vec<Option<Assignment>>> {
        let subjects = subjects.to_vec();
        let job = move |connection: &Connection| {
            subjects.iter().map(|subject| assignment(connection, subject)).collect()
        };
        self.query("read assignments", job).await
    }

    async fn assign(&self, assignments: &[(Subject, Assignment)]) -> PortResult<()> {
        let assignments = assignments.to_vec();
        let weight = assignments.len();
        let job = move |tx: &mut Tx<'_>| {
            assignments.iter().try_for_each(|(subject, assignment)| assign(tx, subject, assignment))
        };
        self.write("record assignments", weight, job).await
    }
}

impl Organisations for Store {
    async fn create(&self, org: &OrgId) -> PortResult<bool> {
        const OPERATION: &str = "create an organisation";
        let (org, now) = (org.clone(), self.now());
        let salt = keys::random().map_err(|fault| fault.into_port(OPERATION))?;
        let job = move |tx: &mut Tx<'_>| {
            let created = tx.execute(
                "INSERT INTO orgs VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![org.as_str(), salt, now.ms()],
            )?;
            Ok(created == 1)
        };
        self.write(OPERATION, 1, job).await
    }

    async fn list(&self) -> PortResult<Vec<OrgId>> {
        self.query("list organisations", organisations).await
    }
}

pub(crate) fn organisations(connection: &Connection) -> Result<Vec<OrgId>, Fault> {
    let mut select = connection.prepare_cached("SELECT org FROM orgs ORDER BY org")?;
    let mut found = select.query([])?;
    let mut orgs = Vec::new();
    while let Some(row) = found.next()? {
        orgs.push(rows::org(row.get(0)?)?);
    }
    Ok(orgs)
}

fn assignment(connection: &Connection, subject: &Subject) -> Result<Option<Assignment>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT experiment, variant, assigned_at FROM assignments
         WHERE org = ?1 AND product = ?2 AND actor = ?3",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Assignment {
            experiment_id: row.get(0)?,
            variant_id: row.get(1)?,
            assigned_at: Timestamp::from_ms(row.get(2)?),
            time_since_assignment: None,
        })
    };
    let key = params![subject.org.as_str(), subject.product.as_str(), subject.actor];
    Ok(select.query_row(key, read).optional()?)
}

fn assign(tx: &Tx<'_>, subject: &Subject, assignment: &Assignment) -> Result<(), Fault> {
    tx.execute(
        "INSERT INTO assignments VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET
           experiment = excluded.experiment, variant = excluded.variant, assigned_at = excluded.assigned_at
         WHERE excluded.assigned_at >= assigned_at",
        params![
            subject.org.as_str(),
            subject.product.as_str(),
            subject.actor,
            assignment.experiment_id,
            assignment.variant_id,
            assignment.assigned_at.ms()
        ],
    )?;
    Ok(())
}
