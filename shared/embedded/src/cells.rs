//! Cells: read, added to, and written again; one that ends up empty goes.

use std::collections::BTreeSet;

use contract::{OrgId, ProductId, Timestamp, limits::DAY_MS};
use friction::cells::{Cell, CellKey, CellKind, Cells, Totals};
use ports::sessions::Span;
use rusqlite::{Connection, OptionalExtension, params};
use serde::de::DeserializeSeed as _;

use crate::{fault::Fault, rows, writer::Tx};

/// Adds to what is there.
pub(crate) fn add(tx: &Tx<'_>, cells: &Cells) -> Result<(), Fault> {
    cells.iter().try_for_each(|(key, added)| add_one(tx, key, added))
}

/// Adds `change`, unless something of that name was added before.
pub(crate) fn amend(
    tx: &Tx<'_>,
    name: &str,
    change: &Cells,
    now: Timestamp,
) -> Result<bool, Fault> {
    let forgotten = now.plus_ms(-AMENDMENTS_MS);
    tx.execute("DELETE FROM amendments WHERE at < ?1", [forgotten.ms()])?;
    let is_new = tx.execute(
        "INSERT INTO amendments (name, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        params![name, now.ms()],
    )? == 1;
    if is_new {
        add(tx, change)?;
    }
    Ok(is_new)
}

/// The products with cells of `day`, in order.
pub(crate) fn products(
    connection: &Connection,
    day: Timestamp,
) -> Result<Vec<(OrgId, ProductId)>, Fault> {
    let mut select = connection.prepare_cached(
        "WITH RECURSIVE summed(org) AS (SELECT min(org) FROM cells
           UNION ALL SELECT (SELECT min(org) FROM cells WHERE org > summed.org) FROM summed WHERE org IS NOT NULL)
         SELECT DISTINCT org, product FROM summed JOIN cells USING (org)
         WHERE kind = ?1 AND day = ?2 ORDER BY org, product",
    )?;
    let mut products = BTreeSet::new();
    for kind in CellKind::ALL {
        let mut found = select.query(params![kind.as_str(), day.ms()])?;
        while let Some(row) = found.next()? {
            products.insert((rows::org(row.get(0)?)?, rows::product(row.get(1)?)?));
        }
    }
    Ok(products.into_iter().collect())
}

/// The products of an organisation with sessions that are counted, in order: those have a cell in the overview of their day.
pub(crate) fn products_of(connection: &Connection, org: &OrgId) -> Result<Vec<ProductId>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT DISTINCT product FROM cells WHERE org = ?1 AND kind = ?2 ORDER BY product",
    )?;
    let mut found = select.query(params![org.as_str(), CellKind::Overview.as_str()])?;
    let mut products = Vec::new();
    while let Some(row) = found.next()? {
        products.push(rows::product(row.get(0)?)?);
    }
    Ok(products)
}

/// The cells of a kind whose day begins within the span.
pub(crate) fn within(
    connection: &Connection,
    span: &Span,
    kind: CellKind,
) -> Result<Vec<(CellKey, Cell)>, Fault> {
    let mut cells = Vec::new();
    each_within(connection, span, kind, |found| {
        cells.push((found.key(), serde_json::from_str(found.body)?));
        Ok(())
    })?;
    Ok(cells)
}

/// The same, added up by name.
pub(crate) fn totals(
    connection: &Connection,
    span: &Span,
    kind: CellKind,
) -> Result<Vec<(CellKey, Cell)>, Fault> {
    let mut totals = Totals::default();
    each_within(connection, span, kind, |found| {
        if let Some(adding) = totals.to(found.name, || found.key()) {
            let mut body = serde_json::Deserializer::from_str(found.body);
            adding.deserialize(&mut body)?;
            body.end()?;
        }
        Ok(())
    })?;
    Ok(totals.cells())
}

/// A cell as it is stored.
struct Found<'a> {
    org: &'a OrgId,
    product: &'a ProductId,
    day: Timestamp,
    kind: CellKind,
    name: &'a str,
    body: &'a str,
}

impl Found<'_> {
    fn key(&self) -> CellKey {
        let (org, product) = (self.org.clone(), self.product.clone());
        CellKey { org, product, day: self.day, kind: self.kind, name: self.name.to_owned() }
    }
}

fn each_within(
    connection: &Connection,
    span: &Span,
    kind: CellKind,
    mut take: impl FnMut(Found<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut select = connection.prepare_cached(
        "SELECT day, product, name, body FROM cells
         WHERE org = ?1 AND kind = ?2 AND day >= ?3 AND day < ?4 AND (?5 IS NULL OR product = ?5)
         ORDER BY day, product, name",
    )?;
    let product = span.product.as_ref().map(|product| product.as_str());
    let asked = params![span.org.as_str(), kind.as_str(), span.from.ms(), span.to.ms(), product];
    let mut found = select.query(asked)?;
    let mut product = ProductId::default();
    while let Some(row) = found.next()? {
        let text = rows::text(row, 1)?;
        // They come by the thousand with one product after the other.
        if product.as_str() != text {
            product = rows::product(text.to_owned())?;
        }
        take(Found {
            org: &span.org,
            product: &product,
            day: Timestamp::from_ms(row.get(0)?),
            kind,
            name: rows::text(row, 2)?,
            body: rows::text(row, 3)?,
        })?;
    }
    Ok(())
}

fn add_one(tx: &Tx<'_>, key: &CellKey, added: &Cell) -> Result<(), Fault> {
    let mut cell = find(tx.connection, key)?.unwrap_or_default();
    cell += added;
    let CellKey { org, product, day, kind, name } = key;
    if cell.is_empty() {
        tx.execute(
            "DELETE FROM cells
             WHERE org = ?1 AND kind = ?2 AND day = ?3 AND product = ?4 AND name = ?5",
            params![org.as_str(), kind.as_str(), day.ms(), product.as_str(), name],
        )?;
        return Ok(());
    }
    let body = serde_json::to_string(&cell)?;
    tx.execute(
        "INSERT OR REPLACE INTO cells (org, kind, day, product, name, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![org.as_str(), kind.as_str(), day.ms(), product.as_str(), name, body],
    )?;
    Ok(())
}

fn find(connection: &Connection, key: &CellKey) -> Result<Option<Cell>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT body FROM cells
         WHERE org = ?1 AND kind = ?2 AND day = ?3 AND product = ?4 AND name = ?5",
    )?;
    let CellKey { org, product, day, kind, name } = key;
    let key = params![org.as_str(), kind.as_str(), day.ms(), product.as_str(), name];
    let body: Option<String> = select.query_row(key, |row| row.get(0)).optional()?;
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}

/// How long the name of an amendment is known.
const AMENDMENTS_MS: i64 = 9 * DAY_MS;
