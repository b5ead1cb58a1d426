//! Leases: one holder per organisation, told apart by a fence that only grows.

use contract::{OrgId, Timestamp};
use domain::breaker::Breaker;
use ports::{
    PortResult,
    delivery::{Lease, Leases},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Store,
    fault::Fault,
    rows::{int, ms, time},
    writer::Tx,
};

impl Leases for Store {
    async fn acquire(
        &self,
        org: &OrgId,
        now: Timestamp,
        until: Timestamp,
    ) -> PortResult<Option<Lease>> {
        let org = org.clone();
        let job = move |tx: &mut Tx<'_>| acquire(tx, org, now, until);
        self.write("acquire a lease", 1, job).await
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> PortResult<bool> {
        let (org, fence) = (lease.org.clone(), int(lease.fence));
        let job = move |tx: &mut Tx<'_>| {
            let renewed = tx.execute(
                "UPDATE heads SET lease_until = ?3
                 WHERE org = ?1 AND fence = ?2 AND lease_until IS NOT NULL",
                params![org.as_str(), fence, until.ms()],
            )?;
            Ok(renewed == 1)
        };
        self.write("renew a lease", 1, job).await
    }

    async fn release(&self, lease: &Lease, breaker: Breaker) -> PortResult<()> {
        let (org, fence) = (lease.org.clone(), int(lease.fence));
        let job = move |tx: &mut Tx<'_>| {
            tx.execute(
                "UPDATE heads SET lease_until = NULL, breaker_failures = ?3, breaker_open_until = ?4
                 WHERE org = ?1 AND fence = ?2 AND lease_until IS NOT NULL",
                params![org.as_str(), fence, breaker.failures, ms(breaker.open_until)],
            )?;
            Ok(())
        };
        self.write("release a lease", 1, job).await
    }
}

impl Store {
    /// Ends every lease. For a process that knows that it is the only server here: whoever held them is gone, and an
    /// organisation should not stand still until they run out. A holder that lives all the same is fenced by the next one.
    ///
    /// # Errors
    /// The store does not take writes now.
    pub async fn end_leases(&self) -> PortResult<usize> {
        let job = |tx: &mut Tx<'_>| {
            tx.execute("UPDATE heads SET lease_until = NULL WHERE lease_until IS NOT NULL", [])
        };
        self.write("end leases", 1, job).await
    }
}

/// True while nobody else was granted the lease and it was not given back.
pub(crate) fn is_held(connection: &Connection, lease: &Lease) -> Result<bool, Fault> {
    Ok(next_seq(connection, lease)?.is_some())
}

/// True while the lease is held and its holder knows the number of the next batch.
pub(crate) fn may_form(connection: &Connection, lease: &Lease) -> Result<bool, Fault> {
    Ok(next_seq(connection, lease)? == Some(int(lease.next_seq)))
}

/// The head moves on to the next number.
pub(crate) fn advance(tx: &Tx<'_>, lease: &Lease) -> Result<(), Fault> {
    tx.execute("UPDATE heads SET next_seq = next_seq + 1 WHERE org = ?1", [lease.org.as_str()])?;
    Ok(())
}

fn next_seq(connection: &Connection, lease: &Lease) -> Result<Option<i64>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT next_seq FROM heads WHERE org = ?1 AND fence = ?2 AND lease_until IS NOT NULL",
    )?;
    let found = select.query_row(params![lease.org.as_str(), int(lease.fence)], |row| row.get(0));
    Ok(found.optional()?)
}

fn acquire(
    tx: &mut Tx<'_>,
    org: OrgId,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Lease>, Fault> {
    tx.execute(
        "INSERT INTO heads VALUES (?1, 1, 0, NULL, 0, NULL) ON CONFLICT DO NOTHING",
        [org.as_str()],
    )?;
    let mut grant = tx.connection.prepare_cached(
        "UPDATE heads SET fence = fence + 1, lease_until = ?3
         WHERE org = ?1 AND (lease_until IS NULL OR lease_until <= ?2)
         RETURNING fence, next_seq, breaker_failures, breaker_open_until",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Lease {
            org: org.clone(),
            fence: row.get(0)?,
            until,
            next_seq: row.get(1)?,
            breaker: Breaker { failures: row.get(2)?, open_until: time(row.get(3)?) },
        })
    };
    Ok(grant.query_row(params![org.as_str(), now.ms(), until.ms()], read).optional()?)
}
