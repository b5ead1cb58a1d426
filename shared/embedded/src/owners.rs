//! Owners: a number for each, under which everything of theirs lies together.

use friction::owner::Owner;
use ports::sessions::Lane;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{fault::Fault, rows, writer::Tx};

/// An owner with everything about it that can be computed before it is the writer's turn.
pub(crate) struct Named {
    pub(crate) owner: Owner,
    lane: u8,
}

impl Named {
    pub(crate) fn of(owner: &Owner) -> Self {
        Self { owner: owner.clone(), lane: lane(owner) }
    }
}

/// The number of an owner; one that is new gets one, and has no head.
pub(crate) fn number_of(tx: &Tx<'_>, named: &Named) -> Result<i64, Fault> {
    if let Some(number) = find(tx.connection, &named.owner)? {
        return Ok(number);
    }
    let Owner { org, product, token } = &named.owner;
    tx.execute(
        "INSERT INTO owners (org, product, token, lane, version) VALUES (?1, ?2, ?3, ?4, 0)",
        rusqlite::params![org.as_str(), product.as_str(), token, named.lane],
    )?;
    Ok(tx.connection.last_insert_rowid())
}

/// The number of an owner, if it has one.
pub(crate) fn find(connection: &Connection, owner: &Owner) -> Result<Option<i64>, Fault> {
    let mut select = connection
        .prepare_cached("SELECT id FROM owners WHERE org = ?1 AND product = ?2 AND token = ?3")?;
    let Owner { org, product, token } = owner;
    let key = [org.as_str(), product.as_str(), token];
    Ok(select.query_row(key, |row| row.get(0)).optional()?)
}

/// An owner from three columns: organisation, product, token.
pub(crate) fn read(row: &Row<'_>, first: usize) -> Result<Owner, Fault> {
    Ok(Owner {
        org: rows::org(row.get(first)?)?,
        product: rows::product(row.get(first + 1)?)?,
        token: row.get(first + 2)?,
    })
}

/// One of as many lanes as there can be, for good; fewer lanes are made by putting some of them together.
fn lane(owner: &Owner) -> u8 {
    let [first, ..] = owner.hash(&[]);
    first % Lane::MAX
}
