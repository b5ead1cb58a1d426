//! Bodies of items: texts, compressed where it pays, and parcels, which lie beside their item when they are too large for it.
//!
//! What lies beside an item is written before it, under a name that nobody else has: an item that is not written leaves
//! parts that nobody looks for and that expire.

use std::io::{Read as _, Write as _};

use aws_sdk_dynamodb::types::AttributeValue;
use contract::{Timestamp, limits::DAY_MS};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use ports::{PortError, PortResult};

use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, Item, bytes, key, malformed, number, text, ttl},
    resources::Resource,
    transaction::{deleting, putting},
};

/// A text as an attribute.
pub(crate) fn packed_text(raw: &str) -> PortResult<AttributeValue> {
    if raw.len() < PLAIN_BYTES_MAX {
        return Ok(text(raw));
    }
    Ok(bytes(gzip(raw.as_bytes())?))
}

/// Undoes [`packed_text`].
pub(crate) fn unpacked_text(item: &Item, name: &'static str) -> PortResult<String> {
    match item.field(name) {
        Some(AttributeValue::S(raw)) => Ok(raw.clone()),
        Some(AttributeValue::B(packed)) => {
            String::from_utf8(gunzip(packed.as_ref())?).map_err(|_| malformed(name))
        }
        Some(_) | None => Err(malformed(name)),
    }
}

pub(crate) fn gzip(raw: &[u8]) -> PortResult<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(raw).and_then(|()| encoder.finish());
    packed.map_err(|error| PortError::permanent("item.pack", error))
}

pub(crate) fn gunzip(packed: &[u8]) -> PortResult<Vec<u8>> {
    let mut raw = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut raw).map_err(|_| malformed("body"))?;
    Ok(raw)
}

/// Pieces of bytes that belong to one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parcel {
    pieces: Vec<Vec<u8>>,
    /// The partition of the pieces; nothing while the only one is a part of the item.
    beside: Option<String>,
}

impl Parcel {
    /// Pieces, each of which fits an item.
    pub(crate) fn of(pieces: Vec<Vec<u8>>) -> Self {
        let is_small = matches!(pieces.as_slice(), [only] if only.len() <= WITHIN_BYTES_MAX);
        let beside = (!is_small).then(|| format!("P#{:032x}", fastrand::u128(..)));
        Self { pieces, beside }
    }

    /// One body, compressed, in as many pieces as it takes.
    pub(crate) fn whole(raw: &[u8]) -> PortResult<Self> {
        Ok(Self::of(gzip(raw)?.chunks(PIECE_BYTES_MAX).map(<[u8]>::to_vec).collect()))
    }

    /// Puts into the item what is needed to find the pieces.
    pub(crate) fn describe(&self, item: &mut Item) {
        match (&self.beside, self.pieces.first()) {
            (None, Some(only)) => item.insert("body".to_owned(), bytes(only.clone())),
            (beside, _) => {
                item.insert("parts".to_owned(), text(beside.clone().unwrap_or_default()));
                item.insert("pieces".to_owned(), number(self.pieces.len()))
            }
        };
    }
}

/// Where the pieces of an item lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    place: Option<String>,
    /// How many there are.
    pub(crate) count: usize,
}

impl Parts {
    /// Reads what [`Parcel::describe`] wrote.
    pub(crate) fn of(item: &Item) -> PortResult<Self> {
        match item.text_if("parts")? {
            Some(place) => {
                Ok(Self { place: Some(place.to_owned()), count: item.number("pieces")? })
            }
            None => Ok(Self { place: None, count: 1 }),
        }
    }
}

impl Cloud {
    /// Writes the pieces that lie beside their items; to be done before the items are.
    pub(crate) async fn put_beside(
        &self,
        operation: &'static str,
        parcels: impl IntoIterator<Item = &Parcel>,
        now: Timestamp,
    ) -> PortResult<()> {
        let mut puts = Vec::new();
        for Parcel { pieces, beside } in parcels {
            let Some(place) = beside else { continue };
            puts.extend(pieces.iter().enumerate().map(|(at, piece)| {
                let mut item = part_key(place, at);
                item.insert("body".to_owned(), bytes(piece.clone()));
                item.insert("ttl".to_owned(), ttl(now.plus_ms(PARTS_TTL_MS)));
                putting(item)
            }));
        }
        self.write_all(operation, self.resources().name(Resource::Sessions)?, puts).await
    }

    /// Removes pieces that nobody needs any more. Those that stay expire.
    pub(crate) async fn drop_beside(
        &self,
        operation: &'static str,
        parts: impl IntoIterator<Item = Parts>,
    ) {
        let mut deletes = Vec::new();
        for Parts { place, count } in parts {
            let Some(place) = place else { continue };
            deletes.extend((0..count).map(|at| deleting(part_key(&place, at))));
        }
        let removed = match self.resources().name(Resource::Sessions) {
            Ok(table) => self.write_all(operation, table, deletes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::warn!(%error, "left parts to expire: {error}");
        }
    }

    /// The pieces of an item from the one with number `from` on. Fewer than there were: the item is gone meanwhile.
    pub(crate) async fn pieces(
        &self,
        operation: &'static str,
        item: &Item,
        from: usize,
    ) -> PortResult<Vec<Vec<u8>>> {
        let Some(place) = Parts::of(item)?.place else {
            let only = item.bytes("body")?.to_vec();
            return Ok(if from == 0 { vec![only] } else { Vec::new() });
        };
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .consistent_read(true)
            .key_condition_expression("pk = :place AND sk >= :from")
            .expression_attribute_values(":place", text(place))
            .expression_attribute_values(":from", text(part_number(from)));
        let mut pages = query.into_paginator().items().send();
        let mut pieces = Vec::new();
        while let Some(part) = pages.next().await {
            let part = part.map_err(|error| port_error(operation, error))?;
            pieces.push(part.bytes("body")?.to_vec());
        }
        Ok(pieces)
    }

    /// One piece of an item; nothing when it is gone meanwhile.
    pub(crate) async fn piece(
        &self,
        operation: &'static str,
        item: &Item,
        number: usize,
    ) -> PortResult<Option<Vec<u8>>> {
        let Some(place) = Parts::of(item)?.place else {
            return Ok(self.pieces(operation, item, number).await?.pop());
        };
        let get = self.0.dynamodb.get_item().consistent_read(true);
        let get = get.table_name(self.resources().name(Resource::Sessions)?);
        let answer = get.set_key(Some(part_key(&place, number))).send().await;
        let answer = answer.map_err(|error| port_error(operation, error))?;
        answer.item.map(|part| Ok(part.bytes("body")?.to_vec())).transpose()
    }

    /// The body of an item, all of it.
    pub(crate) async fn body(&self, operation: &'static str, item: &Item) -> PortResult<Vec<u8>> {
        gunzip(&self.pieces(operation, item, 0).await?.concat())
    }
}

impl Parcel {
    /// Where its pieces lie.
    pub(crate) fn parts(&self) -> Parts {
        Parts { place: self.beside.clone(), count: self.pieces.len() }
    }
}

fn part_key(place: &str, number: usize) -> Item {
    key(place, part_number(number))
}

fn part_number(number: usize) -> String {
    format!("{number:06}")
}

/// Below this compressing saves less than a write unit.
const PLAIN_BYTES_MAX: usize = 800;
/// Larger pieces lie beside their item: a transaction takes 4 MB, and a commit has up to 47 of these.
const WITHIN_BYTES_MAX: usize = 40_000;
/// An item takes 400 KB.
pub(crate) const PIECE_BYTES_MAX: usize = 350_000;
/// As long as the longest-lived item that has any.
const PARTS_TTL_MS: i64 = 401 * DAY_MS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_it_was_written_short_or_long() {
        for raw in [String::new(), "{\"ä\":1}".to_owned(), "säume ".repeat(4_000)] {
            let item = Item::from([("body".to_owned(), packed_text(&raw).unwrap())]);
            assert_eq!(unpacked_text(&item, "body").unwrap(), raw);
        }
        let item = Item::from([("body".to_owned(), number(1))]);
        assert!(unpacked_text(&item, "body").is_err() && unpacked_text(&item, "no").is_err());
    }

    #[test]
    fn what_is_small_is_a_part_of_its_item_and_what_is_not_lies_beside_it() {
        let mut item = Item::new();
        Parcel::whole(b"{}").unwrap().describe(&mut item);
        assert_eq!(Parts::of(&item).unwrap(), Parts { place: None, count: 1 });
        assert_eq!(gunzip(item.bytes("body").unwrap()).unwrap(), b"{}");
        for pieces in [vec![vec![0; WITHIN_BYTES_MAX + 1]], vec![vec![1], vec![2]], Vec::new()] {
            let (mut item, parcel) = (Item::new(), Parcel::of(pieces.clone()));
            parcel.describe(&mut item);
            let parts = Parts::of(&item).unwrap();
            assert_eq!((parts.count, &parts), (pieces.len(), &parcel.parts()));
            assert!(parts.place.is_some() && !item.contains_key("body"));
        }
    }
}
