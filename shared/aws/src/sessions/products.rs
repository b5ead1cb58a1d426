//! The directory of products: which have cells, by organisation and by day.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Mutex, PoisonError},
};

use contract::{OrgId, ProductId, Timestamp, limits::DAY_MS};
use ports::{
    PortResult,
    clock::{Clock as _, SystemClock},
};

use super::places;
use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, Item, key, malformed, text, ttl},
    resources::Resource,
    transaction::putting,
};

/// The products and days that this process has written into the directory.
#[derive(Debug, Default)]
pub(crate) struct Summed(Mutex<HashSet<(OrgId, ProductId, Timestamp)>>);

impl Cloud {
    /// Writes products into the directory, each once per process and day; to be done before their cells.
    pub(crate) async fn list_products(
        &self,
        products: BTreeSet<(OrgId, ProductId, Timestamp)>,
    ) -> PortResult<()> {
        let new: Vec<_> = {
            let summed = self.0.summed.0.lock().unwrap_or_else(PoisonError::into_inner);
            products.into_iter().filter(|product| !summed.contains(product)).collect()
        };
        let now = SystemClock.now();
        let mut rows = BTreeMap::new();
        for (org, product, day) in &new {
            rows.insert((by_org(org), product.to_string()), now.max(*day));
            rows.insert((by_day(*day), format!("{org}#{product}")), *day);
        }
        let puts = rows.into_iter().map(|((pk, sk), at)| {
            let mut item = key(pk, sk);
            item.insert("ttl".to_owned(), ttl(at.plus_ms(LISTED_TTL_MS)));
            putting(item)
        });
        let table = self.resources().name(Resource::Sessions)?;
        self.write_all("products.list", table, puts.collect()).await?;
        let mut summed = self.0.summed.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgetting costs two writes each.
        if summed.len() + new.len() > LISTED_MAX {
            summed.clear();
        }
        summed.extend(new);
        Ok(())
    }

    /// The products of an organisation that have cells.
    pub(crate) async fn listed_products(&self, org: &OrgId) -> PortResult<Vec<ProductId>> {
        self.listed_under(by_org(org)).await?.iter().map(|item| item.parsed("sk")).collect()
    }

    /// The products that have cells of a day, in order.
    pub(crate) async fn products_on(&self, day: Timestamp) -> PortResult<Vec<(OrgId, ProductId)>> {
        let product = |item: &Item| {
            let (org, product) = item.text("sk")?.split_once('#').ok_or_else(|| malformed("sk"))?;
            let (org, product) = (org.parse(), product.parse());
            org.ok().zip(product.ok()).ok_or_else(|| malformed("sk"))
        };
        let listed = self.listed_under(by_day(day)).await?;
        let mut products: Vec<_> = listed.iter().map(product).collect::<PortResult<_>>()?;
        // `a-b` comes before `a#` in the table, and behind `a` among organisations.
        products.sort_unstable();
        Ok(products)
    }

    async fn listed_under(&self, partition: String) -> PortResult<Vec<Item>> {
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .consistent_read(true)
            .key_condition_expression("pk = :listed")
            .expression_attribute_values(":listed", text(partition));
        let mut items = query.into_paginator().items().send();
        let mut listed = Vec::new();
        while let Some(item) = items.next().await {
            listed.push(item.map_err(|error| port_error("products.listed", error))?);
        }
        Ok(listed)
    }
}

fn by_org(org: &OrgId) -> String {
    format!("D#{org}")
}

/// No organisation's name has a dot.
fn by_day(day: Timestamp) -> String {
    format!("D#day.{}", places::digits(day))
}

const LISTED_MAX: usize = 10_000;
/// A day longer than the cells.
const LISTED_TTL_MS: i64 = 401 * DAY_MS;
