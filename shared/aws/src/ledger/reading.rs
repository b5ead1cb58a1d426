//! Reading what was counted and booked: all lanes of an organisation, added up.

use std::{collections::BTreeMap, time::Duration};

use contract::{OrgId, ProductId, Timestamp};
use domain::counters::{Cell, Count, Dimension};
use futures::{StreamExt, TryStreamExt, stream};
use ports::{PortError, PortResult};

use super::{
    cells::{self, Amount, What},
    hours,
    names::{self, Names},
};
use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, Item, malformed, text},
    jitter,
    reads::READS_AT_ONCE,
    resources::Resource,
};

/// An hour's item.
struct HourItem {
    product: Option<ProductId>,
    hour: Timestamp,
    item: Item,
}

impl Cloud {
    /// The counters of `org` whose hour lies in `[from, to)`: of its products, and of the whole.
    pub(crate) async fn counter_cells(
        &self,
        org: &OrgId,
        from: Timestamp,
        to: Timestamp,
    ) -> PortResult<Vec<(Cell, Count)>> {
        if from >= to {
            return Ok(Vec::new());
        }
        for attempt in 1..=TRIES_MAX {
            let between = (hours::hour_prefix(from), hours::hour_prefix(to));
            let hours = self.hours(org, &between, &[]).await?;
            // After the hours: what they name was written before them or with them.
            let names = self.names_between(org, from, to).await?;
            if let Some(cells) = cells(org, &hours, &names)? {
                return Ok(cells.into_iter().collect());
            }
            // A transaction shows its items one by one, within moments.
            tokio::time::sleep(jitter::full(attempt, PAUSE_FIRST, PAUSE_MAX)).await;
        }
        Err(PortError::transient("ledger.counters", "a name that is counted is in no dictionary"))
    }

    /// What the ledger booked for `org` with the first markers of its events, by name.
    pub(crate) async fn booked(&self, org: &OrgId) -> PortResult<BTreeMap<String, i64>> {
        let all = (hours::hour_prefix(Timestamp::from_ms(0)), "H~".to_owned());
        let mut booked: BTreeMap<String, i64> = BTreeMap::new();
        for HourItem { item, .. } in self.hours(org, &all, &BOOKED).await? {
            for name in BOOKED {
                *booked.entry(name.to_owned()).or_default() += item.number_if(name)?.unwrap_or(0);
            }
        }
        Ok(booked)
    }

    /// The hours' items of all lanes, of all attributes or of these alone.
    async fn hours(
        &self,
        org: &OrgId,
        between: &(String, String),
        attributes: &[&str],
    ) -> PortResult<Vec<HourItem>> {
        let lanes = (0..hours::LANES).map(|lane| hours::lane_partition(org, lane));
        let items: Vec<Vec<Item>> = stream::iter(lanes)
            .map(|partition| self.counters_between(partition, between, attributes))
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await?;
        items.into_iter().flatten().map(HourItem::read).collect()
    }

    async fn names_between(
        &self,
        org: &OrgId,
        from: Timestamp,
        to: Timestamp,
    ) -> PortResult<BTreeMap<(Timestamp, ProductId), Names>> {
        let between = (names::day_prefix(from.day()), names::day_prefix(to));
        let items = self.counters_between(hours::organisation(org), &between, &[]).await?;
        let read = |item: &Item| {
            let (day, product) = sorted_by(item)?;
            Ok(((day, product.ok_or_else(|| malformed(SORT))?), Names::read(item)?))
        };
        items.iter().map(read).collect()
    }

    /// The items of a partition of the counters whose sort key lies between two texts.
    async fn counters_between(
        &self,
        partition: String,
        (from, to): &(String, String),
        attributes: &[&str],
    ) -> PortResult<Vec<Item>> {
        let mut query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Counters)?)
            .consistent_read(true)
            .key_condition_expression(
                "partition_key = :partition AND sort_key BETWEEN :from AND :to",
            )
            .expression_attribute_values(":partition", text(partition))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to));
        if !attributes.is_empty() {
            query = query.projection_expression([&[SORT], attributes].concat().join(","));
        }
        let (mut items, mut after) = (Vec::new(), None);
        loop {
            let page = query.clone().set_exclusive_start_key(after).send().await;
            let page = page.map_err(|error| port_error("ledger.counters", error))?;
            items.extend(page.items.unwrap_or_default());
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(items);
            }
        }
    }
}

impl HourItem {
    fn read(item: Item) -> PortResult<Self> {
        let (hour, product) = sorted_by(&item)?;
        Ok(Self { product, hour, item })
    }
}

/// The time and the product of a sort key; no product where nothing but bookings is.
fn sorted_by(item: &Item) -> PortResult<(Timestamp, Option<ProductId>)> {
    let mut parts = item.text(SORT)?.split('#').skip(1);
    let at = parts.next().and_then(|at| at.parse().ok()).map(Timestamp::from_ms);
    let product = match parts.next() {
        Some(hours::NO_PRODUCT) => Some(None),
        Some(product) => product.parse().ok().map(Some),
        None => None,
    };
    at.zip(product).ok_or_else(|| malformed(SORT))
}

/// The cells of an organisation's hours; nothing while a name is not there yet.
fn cells(
    org: &OrgId,
    hours: &[HourItem],
    names: &BTreeMap<(Timestamp, ProductId), Names>,
) -> PortResult<Option<BTreeMap<Cell, Count>>> {
    let mut cells: BTreeMap<Cell, Count> = BTreeMap::new();
    for HourItem { product, hour, item } in hours {
        let Some(product) = product else { continue };
        let names = names.get(&(hour.day(), product.clone()));
        for (attribute, value) in item {
            let Some(told) = cells::told(attribute) else { continue };
            let dimension = match told.what {
                What::Plain(dimension) => dimension,
                What::Named(place) => {
                    let Some(name) = names.and_then(|names| names.name(place)) else {
                        return Ok(None);
                    };
                    Dimension::from_text(name).ok_or_else(|| malformed("names"))?
                }
            };
            let amount: u64 = value
                .as_n()
                .ok()
                .and_then(|amount| amount.parse().ok())
                .ok_or_else(|| malformed("an hour's amount"))?;
            let mut add = |product: Option<ProductId>, dimension: Dimension| {
                let cell = Cell { org: org.clone(), product, hour: *hour, dimension };
                let count = cells.entry(cell).or_default();
                match told.amount {
                    Amount::Events => count.events += amount,
                    Amount::Severity => count.severity += amount,
                }
            };
            if dimension == Dimension::All {
                add(None, Dimension::All);
            }
            add(Some(product.clone()), dimension);
        }
    }
    Ok(Some(cells))
}

const SORT: &str = "sort_key";
const BOOKED: [&str; 4] =
    [hours::ACCEPTED, hours::ACCEPTED_FORWARD, hours::COUNTED, hours::SUPPRESSED];
const TRIES_MAX: u32 = 5;
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(200);
