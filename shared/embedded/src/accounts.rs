//! The ledger and the counters, read in one transaction each: every number of an answer is of the same moment.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    EventId, OrgId, ProductId, Timestamp,
    ledger::{LedgerReport, OrgLedger, Whereabouts},
};
use domain::{
    books,
    counters::{Cell, Count, Dimension},
};
use ports::{PortResult, accounts::Accounts};
use rusqlite::{Connection, params};

use crate::{Store, fault::Fault, ledger::WHOLE_ORG, reference, rows, stream::declared_shards};

impl Accounts for Store {
    async fn ledger(&self, org: Option<&OrgId>, now: Timestamp) -> PortResult<LedgerReport> {
        let org = org.cloned();
        let job = move |connection: &Connection| report(connection, org.as_ref(), now);
        self.query("read the ledger", job).await
    }

    async fn whereabouts(&self, id: &EventId, org: Option<&OrgId>) -> PortResult<Vec<Whereabouts>> {
        self.find_event(id, org).await
    }

    async fn counters(
        &self,
        org: Option<&OrgId>,
        from: Timestamp,
        to: Timestamp,
    ) -> PortResult<Vec<(Cell, Count)>> {
        let org = org.cloned();
        let job = move |connection: &Connection| counters(connection, org.as_ref(), from, to);
        self.query("read counters", job).await
    }
}

/// How many different actors were seen, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueActors {
    /// The organisation's product.
    pub product: ProductId,
    /// Start of the UTC day.
    pub day: Timestamp,
    /// The product as a whole, or one variant of an experiment.
    pub dimension: Dimension,
    /// Different actors.
    pub actors: u64,
}

impl Store {
    /// Unique actors of `org` on the days that begin in `[from, to)`, by day. They are gone after
    /// [`crate::Retention::actors_ms`].
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn unique_actors(
        &self,
        org: &OrgId,
        from: Timestamp,
        to: Timestamp,
    ) -> PortResult<Vec<UniqueActors>> {
        let org = org.clone();
        let job = move |connection: &Connection| unique_actors(connection, &org, from, to);
        self.query("count unique actors", job).await
    }
}

/// Every organisation that exists or has something in the books, by name.
pub(crate) fn known_orgs(connection: &Connection) -> Result<BTreeSet<String>, Fault> {
    let created = reference::organisations(connection)?;
    let mut orgs: BTreeSet<_> = created.into_iter().map(String::from).collect();
    let mut select = connection.prepare_cached("SELECT DISTINCT org FROM ledger")?;
    for org in select.query_map([], |row| row.get(0))? {
        orgs.insert(org?);
    }
    Ok(orgs)
}

fn report(
    connection: &Connection,
    org: Option<&OrgId>,
    now: Timestamp,
) -> Result<LedgerReport, Fault> {
    let stream_lag = lag(connection)?;
    let mut names = known_orgs(connection)?;
    if let Some(org) = org {
        names.retain(|name| name == org.as_str());
    }
    let orgs = names
        .iter()
        .map(|name| row(connection, name, stream_lag))
        .collect::<Result<Vec<_>, _>>()?;
    let balanced = orgs.iter().all(|row| row.balanced);
    Ok(LedgerReport { as_of: now, stream_lag, orgs, balanced })
}

/// Records that the processor has not finished: after its checkpoints, or given up and waiting to be redriven.
fn lag(connection: &Connection) -> Result<u64, Fault> {
    let mut behind = connection.prepare_cached(
        "SELECT count(*) FROM stream WHERE shard = ?1 AND seq >
           coalesce((SELECT seq FROM checkpoints WHERE consumer = ?2 AND shard = ?1), 0)",
    )?;
    let mut lag = 0;
    for shard in 0..declared_shards(connection)? {
        lag += behind.query_row(params![shard, PROCESSOR], |row| row.get::<_, u64>(0))?;
    }
    let mut given_up = connection
        .prepare_cached("SELECT coalesce(sum(records), 0) FROM on_failure WHERE consumer = ?1")?;
    Ok(lag + given_up.query_row([PROCESSOR], |row| row.get::<_, u64>(0))?)
}

fn row(connection: &Connection, org: &str, lag: u64) -> Result<OrgLedger, Fault> {
    let mut select = connection.prepare_cached("SELECT name, value FROM ledger WHERE org = ?1")?;
    let amounts = select
        .query_map([org], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<BTreeMap<String, i64>, _>>()?;
    let pending = u64::try_from(pending(connection, org)?).unwrap_or(0);
    Ok(books::row(org, &amounts, pending, |open| books::booked_at_the_door(open, lag)))
}

/// Measured, not booked: staged, in a batch that waits, or being rescued.
fn pending(connection: &Connection, org: &str) -> Result<i64, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT (SELECT count(*) FROM staging WHERE org = ?1 AND forward = 1)
              + (SELECT coalesce(sum(size), 0) FROM batches WHERE org = ?1)
              + (SELECT count(*) FROM rescue_queue WHERE org = ?1 AND forward = 1)",
    )?;
    Ok(select.query_row([org], |row| row.get(0))?)
}

fn counters(
    connection: &Connection,
    org: Option<&OrgId>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Cell, Count)>, Fault> {
    let names = match org {
        Some(org) => BTreeSet::from([org.to_string()]),
        None => known_orgs(connection)?,
    };
    let mut select = connection.prepare_cached(
        "SELECT product, hour, dimension, events, severity FROM counters
         WHERE org = ?1 AND hour >= ?2 AND hour < ?3",
    )?;
    let mut cells = Vec::new();
    for name in names {
        let Ok(org) = OrgId::parse(name) else { continue };
        let mut found = select.query(params![org.as_str(), from.ms(), to.ms()])?;
        while let Some(row) = found.next()? {
            let product: String = row.get(0)?;
            let product = if product == WHOLE_ORG { None } else { Some(rows::product(product)?) };
            let dimension = dimension(&row.get::<_, String>(2)?)?;
            let hour = Timestamp::from_ms(row.get(1)?);
            let count = Count { events: row.get(3)?, severity: row.get(4)? };
            cells.push((Cell { org: org.clone(), product, hour, dimension }, count));
        }
    }
    cells.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(cells)
}

fn unique_actors(
    connection: &Connection,
    org: &OrgId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<UniqueActors>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT product, day, dimension, count(*) FROM actors
         WHERE org = ?1 AND day >= ?2 AND day < ?3 GROUP BY day, product, dimension",
    )?;
    let mut found = select.query(params![org.as_str(), from.ms(), to.ms()])?;
    let mut unique = Vec::new();
    while let Some(row) = found.next()? {
        unique.push(UniqueActors {
            product: rows::product(row.get(0)?)?,
            day: Timestamp::from_ms(row.get(1)?),
            dimension: dimension(&row.get::<_, String>(2)?)?,
            actors: row.get(3)?,
        });
    }
    Ok(unique)
}

fn dimension(text: &str) -> Result<Dimension, Fault> {
    Dimension::from_text(text).ok_or(Fault::Invalid("a stored dimension is not one"))
}

/// The consumer whose checkpoints tell how far counting got.
pub const PROCESSOR: &str = "processor";
