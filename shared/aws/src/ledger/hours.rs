//! What a chunk adds to the hours: one item for each organisation, product and hour, written by one lane.

use std::collections::BTreeMap;

use contract::{OrgId, ProductId, Timestamp};
use domain::counters::{Cell, DictionaryKey, Dimension};
use ports::{
    PortResult,
    ledger::{Booking, CountedChunk, Marker},
};

use super::{cells, names::Books};
use crate::{
    item::{Item, item, number, text},
    transaction::Write,
};

/// One update of an hour's item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addition {
    partition: String,
    sort: String,
    /// What is added, by attribute.
    amounts: Vec<(String, u64)>,
}

/// An hour of a product; of none where nothing but bookings belongs to it.
type Hour<'a> = (&'a OrgId, Timestamp, Option<&'a ProductId>);

/// Everything that `chunk` adds. The cells of whole organisations are sums over their products and are not written.
pub(super) fn additions(
    chunk: &CountedChunk,
    books: &Books,
    lane: u8,
) -> PortResult<Vec<Addition>> {
    let mut hours: BTreeMap<Hour<'_>, BTreeMap<String, u64>> = BTreeMap::new();
    for (cell, count) in &chunk.deltas.counts {
        let Some(product) = &cell.product else { continue };
        let names = dictionary_of(cell).and_then(|key| books.get(&key));
        let place = |name: &str| names.and_then(|names| names.place(name));
        let events = cells::attribute(&cell.dimension, place)?;
        let hour = hours.entry((&cell.org, cell.hour, Some(product))).or_default();
        *hour.entry(cells::severity(&events)).or_default() += count.severity;
        *hour.entry(events).or_default() += count.events;
    }
    for (org, (arrived_at, booked)) in booked(&chunk.markers) {
        let first = hours.range((org, Timestamp::from_ms(i64::MIN), None)..).next();
        let first = first.map(|(hour, _)| *hour).filter(|(of, ..)| *of == org);
        let hour = hours.entry(first.unwrap_or((org, arrived_at.hour(), None))).or_default();
        hour.extend(booked.into_iter().map(|(name, amount)| (name.to_owned(), amount)));
    }
    let additions = hours.into_iter().flat_map(|(hour, amounts)| split(hour, amounts, lane));
    Ok(additions.collect())
}

/// The dictionary that a cell's name is in; nothing for a cell without a name.
pub(super) fn dictionary_of(cell: &Cell) -> Option<DictionaryKey> {
    let product = cell.product.clone()?;
    match cell.dimension {
        Dimension::Screen(_) | Dimension::Variant(..) => {
            Some(DictionaryKey { org: cell.org.clone(), product, day: cell.hour.day() })
        }
        Dimension::All | Dimension::Type(_) | Dimension::Pillar(_) => None,
    }
}

impl Addition {
    /// The write.
    pub(super) fn write(&self, table: &str) -> Write {
        let pairs = self.amounts.iter().enumerate().map(|(at, (name, _))| format!("{name} :{at}"));
        let expression = format!("ADD {}", pairs.collect::<Vec<_>>().join(","));
        let key = counters_key(&self.partition, &self.sort);
        self.amounts
            .iter()
            .enumerate()
            .fold(Write::update(table, key, expression), |write, (at, (_, amount))| {
                write.value(&format!(":{at}"), number(amount))
            })
    }

    /// Bytes of the write, about.
    pub(super) fn bytes(&self) -> usize {
        let names = self.amounts.iter().map(|(name, _)| name.len() + AMOUNT_BYTES);
        self.partition.len() + self.sort.len() + names.sum::<usize>()
    }
}

/// What the ledger books, by organisation, with the first arrival.
fn booked(markers: &[Marker]) -> BTreeMap<&OrgId, (Timestamp, BTreeMap<&'static str, u64>)> {
    let mut booked: BTreeMap<_, (Timestamp, BTreeMap<_, u64>)> = BTreeMap::new();
    for marker in markers {
        let new = || (marker.arrived_at, BTreeMap::new());
        let (first, amounts) = booked.entry(&marker.key.org).or_insert_with(new);
        *first = marker.arrived_at.min(*first);
        let names: &[&str] = match marker.booking {
            Booking::Forwarded => &[ACCEPTED, ACCEPTED_FORWARD],
            Booking::Counted => &[ACCEPTED, COUNTED],
            Booking::Withheld | Booking::Suppressed => &[ACCEPTED, COUNTED, SUPPRESSED],
        };
        for name in names {
            *amounts.entry(*name).or_default() += 1;
        }
    }
    booked
}

/// One update takes so many attributes; the rest goes into items beside it, which are read with it.
fn split(
    (org, hour, product): Hour<'_>,
    amounts: BTreeMap<String, u64>,
    lane: u8,
) -> Vec<Addition> {
    let amounts: Vec<(String, u64)> =
        amounts.into_iter().filter(|(_, amount)| *amount > 0).collect();
    let product = product.map_or(NO_PRODUCT, |product| product.as_str());
    let sort = format!("{}#{product}", hour_prefix(hour));
    let parts = amounts.chunks(AMOUNTS_MAX).enumerate();
    let addition = |(part, amounts): (usize, &[(String, u64)])| Addition {
        partition: lane_partition(org, lane),
        sort: if part == 0 { sort.clone() } else { format!("{sort}#{part}") },
        amounts: amounts.to_vec(),
    };
    parts.map(addition).collect()
}

/// The partition of an organisation's dictionaries.
pub(super) fn organisation(org: &OrgId) -> String {
    format!("C#{org}")
}

/// The partition of what one lane counts for an organisation.
pub(super) fn lane_partition(org: &OrgId, lane: u8) -> String {
    format!("C#{org}#{lane}")
}

/// The sort key of an hour's items, up to the product.
pub(super) fn hour_prefix(hour: Timestamp) -> String {
    format!("H#{}", day_text(hour))
}

/// A time in 13 digits, in whose order it is.
pub(super) fn day_text(at: Timestamp) -> String {
    format!("{:013}", at.ms().clamp(0, DIGITS_13))
}

/// The key of an item of the counters.
pub(super) fn counters_key(partition: impl Into<String>, sort: impl Into<String>) -> Item {
    item([("partition_key", text(partition)), ("sort_key", text(sort))])
}

/// Lanes, so that processors that run side by side do not write to one item.
pub(super) const LANES: u8 = 8;
pub(super) const ACCEPTED: &str = "accepted";
pub(super) const ACCEPTED_FORWARD: &str = "acceptedForward";
pub(super) const COUNTED: &str = "counted";
pub(super) const SUPPRESSED: &str = "suppressed";
/// In the place of a product that has no such name.
pub(super) const NO_PRODUCT: &str = "~";
/// An expression takes 4 KB and 300 operators; an amount takes up to 11 bytes, booking ones once 25.
const AMOUNTS_MAX: usize = 250;
const AMOUNT_BYTES: usize = 24;
const DIGITS_13: i64 = 9_999_999_999_999;
