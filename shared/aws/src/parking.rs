//! Parked events: one item each under its id, and nothing else points to it.
//!
//! A batch of 96 events may be refused as a whole, so that a second item per event would not fit a transaction. Parked
//! events are few, each of them raised an alarm, and a person reads them: listing reads all of an organisation's and
//! keeps those of the time asked for.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Code, EventId, OrgId, Timestamp};
use domain::books;
use ports::{
    PortError, PortResult,
    delivery::{FormOutcome, Lease, NewBatch, ParkedEvent, Parking},
};

pub(crate) use crate::delivery::parked_key;
use crate::{
    Cloud,
    books::booking,
    delivery::{PARKED, batch_item, partition},
    fault::port_error,
    item::{Fields, Item, malformed, millis, text},
    leases,
    resources::Resource,
    transaction::{Outcome, Write},
};

impl Parking for Cloud {
    async fn parked(
        &self,
        org: &OrgId,
        from: Timestamp,
        to: Timestamp,
    ) -> PortResult<Vec<ParkedEvent>> {
        let mut pages = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Delivery)?)
            .consistent_read(true)
            .key_condition_expression("pk = :org AND begins_with(sk, :kind)")
            .filter_expression("parkedAt >= :from AND parkedAt < :to")
            .expression_attribute_values(":org", text(partition(org)))
            .expression_attribute_values(":kind", text(PARKED))
            .expression_attribute_values(":from", millis(from))
            .expression_attribute_values(":to", millis(to))
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| port_error("parking.parked", error))?;
            let place: u32 = item.number("place")?;
            let order = (item.millis("parkedAt")?, item.text("seq")?.to_owned(), place);
            found.push((order, parked_event(&item)?));
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found.into_iter().map(|(_, event)| event).collect())
    }

    async fn unpark(
        &self,
        lease: &Lease,
        batch: NewBatch,
        now: Timestamp,
    ) -> PortResult<FormOutcome> {
        const OPERATION: &str = "parking.unpark";
        let org = &lease.org;
        let ids: BTreeSet<_> = batch.events.iter().map(|event| &event.event_id).collect();
        if ids.len() != batch.events.len() {
            return Err(PortError::permanent(OPERATION, "a batch holds an event twice"));
        }
        let found = self.parked_under(org, &ids).await?;
        let gone: Vec<_> = ids.iter().filter(|id| !found.contains_key(**id)).collect();
        if !gone.is_empty() {
            let gone = gone.into_iter().map(|id| (*id).clone()).collect();
            return Ok(FormOutcome::Stale { gone, forwarded: Vec::new() });
        }
        let table = self.resources().name(Resource::Delivery)?;
        let parked = -i64::try_from(ids.len()).unwrap_or(i64::MAX);
        let formed = found.values().filter(|kept| kept.formed_at.is_none()).count();
        let formed = i64::try_from(formed).unwrap_or(i64::MAX);
        let mut writes = vec![
            leases::advanced(table, lease),
            Write::put(table, batch_item(org, &batch, now, now)?).when("attribute_not_exists(sk)"),
            booking(table, org, &[(books::PARKED, parked), (books::FORMED, formed)]),
        ];
        let own = writes.len();
        writes.extend(found.iter().map(|(id, kept)| {
            Write::delete(table, parked_key(org, id))
                .when("parkedAt = :parkedAt")
                .value(":parkedAt", millis(kept.parked_at))
        }));
        Ok(match self.commit(OPERATION, writes).await? {
            Outcome::Committed => FormOutcome::Formed,
            Outcome::Refused(positions) if positions.contains(&0) => FormOutcome::Fenced,
            Outcome::Refused(positions) => FormOutcome::Stale {
                gone: positions
                    .into_iter()
                    .filter_map(|position| found.keys().nth(position.checked_sub(own)?).cloned())
                    .collect(),
                forwarded: Vec::new(),
            },
        })
    }
}

/// What unparking has to know of a parked event.
struct Kept {
    parked_at: Timestamp,
    formed_at: Option<Timestamp>,
}

impl Cloud {
    async fn parked_under(
        &self,
        org: &OrgId,
        ids: &BTreeSet<&EventId>,
    ) -> PortResult<BTreeMap<EventId, Kept>> {
        let keys = ids.iter().map(|id| parked_key(org, id)).collect();
        let items = self.get_all("parking.unpark", Resource::Delivery, keys).await?;
        items.iter().map(kept).collect()
    }
}

fn kept(item: &Item) -> PortResult<(EventId, Kept)> {
    let kept = Kept { parked_at: item.millis("parkedAt")?, formed_at: item.millis_if("formedAt")? };
    Ok((event_id(item)?, kept))
}

fn parked_event(item: &Item) -> PortResult<ParkedEvent> {
    Ok(ParkedEvent {
        event_id: event_id(item)?,
        reason: Code::parse(item.text("reason")?).ok_or_else(|| malformed("reason"))?,
        detail: item.text("detail")?.to_owned(),
        body: item.bytes("body")?.to_vec(),
    })
}

fn event_id(item: &Item) -> PortResult<EventId> {
    let id = item.text("sk")?.strip_prefix(PARKED).and_then(|id| EventId::parse(id).ok());
    id.ok_or_else(|| malformed("sk"))
}
