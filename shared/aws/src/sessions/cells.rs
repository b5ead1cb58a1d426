//! Cells: one item each, to whose numbers is added. A kind's cells of a product lie together, day after day, so that a span
//! of days is one reading.

use std::collections::BTreeMap;

use contract::{OrgId, ProductId, Timestamp, limits::DAY_MS};
use friction::{
    cells::{Cell, CellKey, CellKind, Cells},
    owner::Owner,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ports::{
    PortResult,
    clock::{Clock as _, SystemClock},
    sessions::{Amendments, Span, Sums},
};

use super::{bodies::Parcel, places, rows::SESSIONS_TTL_MS};
use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, Item, key, malformed, millis, number, text, ttl},
    journal,
    resources::Resource,
    transaction::{Outcome, Write},
};

impl Sums for Cloud {
    async fn cells(&self, span: &Span, kind: CellKind) -> PortResult<Vec<(CellKey, Cell)>> {
        let products = match &span.product {
            Some(product) => vec![product.clone()],
            None => self.listed_products(&span.org).await?,
        };
        let parts = parts(span, SystemClock.now());
        let wanted: Vec<_> = products
            .iter()
            .flat_map(|product| {
                parts.iter().map(|part| self.cells_of(&span.org, product, kind, *part))
            })
            .collect();
        let found: Vec<Vec<(CellKey, Cell)>> =
            stream::iter(wanted).buffer_unordered(QUERIES_AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn products_of(&self, org: &OrgId) -> PortResult<Vec<ProductId>> {
        let mut products = self.listed_products(org).await?;
        products.sort_unstable();
        Ok(products)
    }
}

impl Amendments for Cloud {
    async fn products(&self, day: Timestamp) -> PortResult<Vec<(OrgId, ProductId)>> {
        self.products_on(day).await
    }

    async fn amend(&self, name: &str, change: &Cells) -> PortResult<bool> {
        let now = SystemClock.now();
        let mut marker = key(format!("A#{name}"), "0");
        marker.insert("at".to_owned(), millis(now));
        marker.insert("ttl".to_owned(), ttl(now.plus_ms(AMENDMENTS_MS)));
        let table = self.resources().name(Resource::Sessions)?;
        // Whatever is past its time may still be there for a while.
        let marker = Write::put(table, marker)
            .when("attribute_not_exists(sk) OR #at < :forgotten")
            .name("#at", "at")
            .value(":forgotten", millis(now.plus_ms(-AMENDMENTS_MS)));
        let mut writes = vec![marker];
        let mut parcels: Vec<Parcel> = Vec::new();
        for (product, cells) in by_product(change) {
            let (item, parcel) = journal::amendment(product, name, &cells)?;
            writes.push(Write::put(table, item));
            parcels.push(parcel);
        }
        self.put_beside(AMEND, &parcels, now).await?;
        match self.commit(AMEND, writes).await? {
            Outcome::Committed => Ok(true),
            Outcome::Refused(_) => {
                self.drop_beside(AMEND, parcels.iter().map(Parcel::parts)).await;
                Ok(false)
            }
        }
    }
}

/// Adds to a cell.
pub(crate) fn addition(table: &str, cell_key: &CellKey, cell: &Cell) -> Write {
    let CellKey { day, name, .. } = cell_key;
    let sums = cell.sums.iter().map(|(name, value)| (format!("{SUM}{name}"), *value));
    let actors = cell.actors.iter().map(|(slot, value)| (format!("{ACTOR}{slot}"), *value));
    let amounts: Vec<(String, i64)> = sums.chain(actors).collect();
    let mut set = vec!["#ttl = :ttl"];
    let sort = sort_key(cell_key);
    if is_long(name) {
        set.push("#name = :name");
    }
    if cell.note.is_some() {
        set.push("note = if_not_exists(note, :note)");
    }
    let add: Vec<_> = (0..amounts.len()).map(|at| format!("#{at} :{at}")).collect();
    let mut expression = format!("SET {}", set.join(", "));
    if !add.is_empty() {
        expression.push_str(" ADD ");
        expression.push_str(&add.join(","));
    }
    let key = key(partition(&cell_key.org, &cell_key.product, cell_key.kind), &sort);
    let mut write = Write::update(table, key, expression)
        .name("#ttl", "ttl")
        .value(":ttl", ttl(day.plus_ms(SESSIONS_TTL_MS)));
    if is_long(name) {
        write = write.name("#name", "name").value(":name", text(name));
    }
    if let Some(note) = &cell.note {
        write = write.value(":note", text(note));
    }
    for (at, (name, value)) in amounts.into_iter().enumerate() {
        write = write.name(&format!("#{at}"), name).value(&format!(":{at}"), number(value));
    }
    write
}

impl Cloud {
    /// The cells of a product whose day is within `from` and `to`, exclusive.
    async fn cells_of(
        &self,
        org: &OrgId,
        product: &ProductId,
        kind: CellKind,
        (from, to): (Timestamp, Timestamp),
    ) -> PortResult<Vec<(CellKey, Cell)>> {
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .consistent_read(true)
            .key_condition_expression("pk = :cells AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":cells", text(partition(org, product, kind)))
            .expression_attribute_values(":from", text(places::digits(from)))
            // No cell lies at a day before its first name.
            .expression_attribute_values(":to", text(places::digits(to)));
        let mut items = query.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| port_error("sums.cells", error))?;
            let (day, name, cell) = read(&item)?;
            if !cell.is_empty() {
                let (org, product) = (org.clone(), product.clone());
                found.push((CellKey { org, product, day, kind, name }, cell));
            }
        }
        Ok(found)
    }
}

/// Parts of the span that are read side by side; none is longer than cells are kept.
fn parts(span: &Span, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let kept = now.plus_ms(-SESSIONS_TTL_MS - 2 * DAY_MS);
    let (from, to) = (span.from.max(kept), span.to);
    if from >= to {
        return Vec::new();
    }
    let days = to.since_ms(from).div_euclid(DAY_MS) + 1;
    let step = (days.div_euclid(PARTS_MAX) + 1).max(PART_DAYS) * DAY_MS;
    let mut parts = Vec::new();
    let mut at = from;
    while at < to {
        let end = at.plus_ms(step).min(to);
        parts.push((at, end));
        at = end;
    }
    parts
}

fn by_product(change: &Cells) -> BTreeMap<(&OrgId, &ProductId), Cells> {
    let mut products: BTreeMap<_, Cells> = BTreeMap::new();
    for (key, cell) in change {
        let cells = products.entry((&key.org, &key.product)).or_default();
        cells.insert(key.clone(), cell.clone());
    }
    products
}

fn partition(org: &OrgId, product: &ProductId, kind: CellKind) -> String {
    format!("C#{org}#{product}#{}", kind.as_str())
}

/// By day, then by name; by its hash where a name is longer than a key may be.
fn sort_key(CellKey { org, product, day, name, .. }: &CellKey) -> String {
    let day = places::digits(*day);
    if !is_long(name) {
        return format!("{day}#{name}");
    }
    let all = Owner { org: org.clone(), product: product.clone(), token: String::new() };
    format!("{day}~{}", journal::hex(all.hash(&[name])))
}

fn is_long(name: &str) -> bool {
    name.len() > NAME_BYTES_MAX
}

fn read(item: &Item) -> PortResult<(Timestamp, String, Cell)> {
    let sort = item.text("sk")?;
    let (day, rest) = sort.split_at_checked(DAY_DIGITS).ok_or_else(|| malformed("sk"))?;
    let day = day.parse().map(Timestamp::from_ms).map_err(|_| malformed("sk"))?;
    let name = match (item.text_if("name")?, rest.strip_prefix('#')) {
        (Some(name), _) | (None, Some(name)) => name.to_owned(),
        (None, None) => return Err(malformed("sk")),
    };
    let mut cell = Cell { note: item.text_if("note")?.map(str::to_owned), ..Cell::default() };
    for (attribute, value) in item {
        let amount = || {
            let value = value.as_n().ok().and_then(|value| value.parse::<i64>().ok());
            value.ok_or_else(|| malformed("a sum"))
        };
        if let Some(sum) = attribute.strip_prefix(SUM) {
            cell.add(sum, amount()?);
        } else if let Some(slot) = attribute.strip_prefix(ACTOR) {
            let sessions = amount()?;
            if sessions != 0 {
                cell.actors.insert(slot.parse().map_err(|_| malformed("a slot"))?, sessions);
            }
        }
    }
    Ok((day, name, cell))
}

/// What the names of sums begin with.
const SUM: &str = "s:";
/// What the slots of actors begin with.
const ACTOR: &str = "a:";
const DAY_DIGITS: usize = 13;
/// A sort key takes 1,024 bytes.
const NAME_BYTES_MAX: usize = 1_000;
const AMEND: &str = "amendments.amend";
/// How long the name of an amendment is known.
const AMENDMENTS_MS: i64 = 9 * DAY_MS;
const QUERIES_AT_ONCE: usize = 16;
/// A span is read in at most so many parts,
const PARTS_MAX: i64 = 8;
/// each of at least so many days.
const PART_DAYS: i64 = 7;
