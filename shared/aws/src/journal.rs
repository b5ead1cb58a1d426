//! The journal: what follows from commits, until it is posted.
//!
//! An entry is what one commit left, or one amendment: incidents, and what is added to cells, in slices each of which fits
//! one transaction. Entries of a product lie in one lane, an owner's in the order of its commits. Posting takes slices in
//! that order, adds up what they add to the same cells, and writes it in one transaction with the entries' removal (or the
//! note of how far they are posted): whoever dies, and however many post a lane, each slice is posted once.

mod posting;
mod slices;

use contract::{OrgId, ProductId};
use friction::{
    cells::Cells,
    change::{StoredIncident, Sweep},
    owner::Owner,
};
use ports::PortResult;

pub(crate) use self::slices::AMOUNTS_MAX;
use self::slices::{Slice, slices};
use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, Item, item, number, text},
    resources::Resource,
    sessions::{bodies::Parcel, places},
};

/// The entry of a commit; nothing when nothing follows.
pub(crate) fn entry(sweep: &Sweep) -> PortResult<Option<(Item, Parcel)>> {
    if sweep.incidents.is_empty() && sweep.cells.is_empty() {
        return Ok(None);
    }
    let Owner { org, product, .. } = &sweep.owner;
    let (mut item, parcel) = unnamed(&sweep.incidents, &sweep.cells)?;
    item.extend(place(org, product, commit_key(&sweep.owner, sweep.version)));
    item.insert("owner".to_owned(), text(places::partition(&sweep.owner)));
    item.insert("version".to_owned(), number(sweep.version));
    Ok(Some((item, parcel)))
}

/// The entry of an amendment of one product's cells.
pub(crate) fn amendment(
    (org, product): (&OrgId, &ProductId),
    name: &str,
    cells: &Cells,
) -> PortResult<(Item, Parcel)> {
    let (mut item, parcel) = unnamed(&[], cells)?;
    let all = Owner { org: org.clone(), product: product.clone(), token: String::new() };
    // No owner's prefix and a version make such a key.
    item.extend(place(org, product, format!("{org}#{product}#~{}", hex(all.hash(&[name])))));
    Ok((item, parcel))
}

/// The sort key of what a commit left: an owner's in the order of its commits.
pub(crate) fn commit_key(owner: &Owner, version: u64) -> String {
    format!("{}{version:020}", owner_prefix(owner))
}

/// The partition of a lane's entries.
pub(crate) fn lane_partition(lane: &str) -> String {
    format!("J#{lane}")
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

fn unnamed(incidents: &[StoredIncident], cells: &Cells) -> PortResult<(Item, Parcel)> {
    let parcel = Parcel::of(slices(incidents, cells)?);
    let mut item = item([("next", number(0))]);
    parcel.describe(&mut item);
    Ok((item, parcel))
}

fn place(org: &OrgId, product: &ProductId, sk: String) -> Item {
    let lane = places::journal_lane(org, product);
    item([("pk", text(lane_partition(&lane))), ("sk", text(sk))])
}

fn owner_prefix(Owner { org, product, token }: &Owner) -> String {
    format!("{org}#{product}#{token}#")
}

impl Cloud {
    /// An owner's incidents that are committed and not posted, with the versions of their commits, oldest first.
    pub(crate) async fn waiting_incidents(
        &self,
        owner: &Owner,
    ) -> PortResult<Vec<(u64, StoredIncident)>> {
        const OPERATION: &str = "sessions.stored";
        let prefix = owner_prefix(owner);
        let lane = places::journal_lane(&owner.org, &owner.product);
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .consistent_read(true)
            .key_condition_expression("pk = :lane AND begins_with(sk, :owner)")
            .expression_attribute_values(":lane", text(lane_partition(&lane)))
            .expression_attribute_values(":owner", text(&prefix));
        let mut items = query.into_paginator().items().send();
        let mut waiting = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| port_error(OPERATION, error))?;
            // Another owner's token may begin with this one's.
            if item.text("sk")?.len() != prefix.len() + VERSION_DIGITS {
                continue;
            }
            let version: u64 = item.number("version")?;
            for piece in self.pieces(OPERATION, &item, item.number("next")?).await? {
                let slice = Slice::read(&piece)?;
                waiting.extend(slice.incidents.into_iter().map(|stored| (version, stored)));
            }
        }
        Ok(waiting)
    }
}

const VERSION_DIGITS: usize = 20;
