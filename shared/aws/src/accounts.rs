//! The books: what was booked, in two tables, and beside it what is measured: staged, in a batch, in the stream.
//!
//! Nothing reads all of it at one moment. What is in flight is read first, so that whatever arrives meanwhile is
//! explained; and books that seem broken are read again, because amounts that move prove nothing
//! ([`domain::books::booked_when_counted`]).

mod whereabouts;

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    EventId, OrgId, Timestamp,
    ledger::{Balance, LedgerReport, OrgLedger, Whereabouts},
};
use domain::{
    admit,
    books::{self, InFlight, UNKNOWN_ORG},
    counters::{Cell, Count},
    placement,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ports::{
    PortResult,
    accounts::Accounts,
    ledger::EventKey,
    reference::Organisations,
    stream::{Checkpoints, StreamSource},
};

use crate::{
    Cloud,
    delivery::{BATCH, partition},
    fault::port_error,
    item::{Fields, Item, key, malformed, text},
    markers::Memory,
    resources::Resource,
    rows,
};

impl Accounts for Cloud {
    async fn ledger(&self, org: Option<&OrgId>, now: Timestamp) -> PortResult<LedgerReport> {
        let records = self.records_in_flight().await?;
        let mut orgs: Vec<OrgLedger> = match org {
            Some(org) => self.row_if_any(org, records).await?.into_iter().collect(),
            None => {
                let known = self.known_orgs().await?;
                let rows: Vec<_> = known
                    .into_iter()
                    .map(|org| async move { self.row(&org, records).await })
                    .collect();
                let mut rows: Vec<_> =
                    stream::iter(rows).buffered(ORGS_AT_ONCE).try_collect().await?;
                rows.extend(self.row_of_nobody(records).await?);
                rows
            }
        };
        orgs.sort_by(|a, b| a.org.cmp(&b.org));
        let balanced = orgs.iter().all(|row| row.balanced);
        Ok(LedgerReport { as_of: now, stream_lag: records, orgs, balanced })
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
        let orgs = match org {
            Some(org) => BTreeSet::from([org.clone()]),
            None => self.known_orgs().await?,
        };
        let mut cells = Vec::new();
        for org in orgs {
            cells.extend(self.counter_cells(&org, from, to).await?);
        }
        cells.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(cells)
    }
}

/// What one organisation's books say at about one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reading {
    amounts: BTreeMap<String, i64>,
    pending: u64,
    uncounted: u64,
}

impl Reading {
    fn row(&self, org: &str, records: u64, moving: bool) -> OrgLedger {
        let in_flight = InFlight { records, uncounted: self.uncounted, moving };
        let judge = |open| books::booked_when_counted(open, in_flight);
        books::row(org, &self.amounts, self.pending, judge)
    }
}

impl Cloud {
    /// Every organisation that exists or ever had something to be delivered, counted or set aside, by name.
    async fn known_orgs(&self) -> PortResult<BTreeSet<OrgId>> {
        let mut orgs: BTreeSet<_> = Organisations::list(self).await?.into_iter().collect();
        orgs.extend(self.listed().await?);
        Ok(orgs)
    }

    /// Records that the processor has not finished: after its checkpoints, or given up and waiting to be redriven. Of a
    /// long backlog only its beginning is counted: reading it takes the processor's share of the stream.
    async fn records_in_flight(&self) -> PortResult<u64> {
        let mut records = self.records_given_up(PROCESSOR).await?;
        for shard in self.shards().await? {
            let finished = self.load(PROCESSOR, &shard).await?;
            records += self.count_after(&shard, finished, RECORDS_MAX).await?;
        }
        Ok(records)
    }

    /// An organisation that has nothing in its books and does not exist has no row.
    async fn row_if_any(&self, org: &OrgId, records: u64) -> PortResult<Option<OrgLedger>> {
        let row = self.row(org, records).await?;
        let nothing = OrgLedger {
            org: row.org.clone(),
            state: row.state,
            balanced: row.balanced,
            ..OrgLedger::default()
        };
        let exists = row != nothing || self.salt(org).await?.is_some();
        Ok(exists.then_some(row))
    }

    async fn row(&self, org: &OrgId, records: u64) -> PortResult<OrgLedger> {
        let reading = self.reading(org, records).await?;
        let row = reading.row(org.as_str(), records, false);
        if row.state != Balance::Broken {
            return Ok(row);
        }
        let again = self.reading(org, records).await?;
        Ok(again.row(org.as_str(), records, again != reading))
    }

    /// The row of records that did not tell their organisation: nothing of it is ever delivered.
    async fn row_of_nobody(&self, records: u64) -> PortResult<Option<OrgLedger>> {
        let amounts = self.booked_in_ledger(UNKNOWN_ORG).await?;
        let reading = Reading { amounts, pending: 0, uncounted: 0 };
        let row = reading.row(UNKNOWN_ORG, records, false);
        Ok((!reading.amounts.is_empty()).then_some(row))
    }

    async fn reading(&self, org: &OrgId, records: u64) -> PortResult<Reading> {
        let mut amounts = self.booked_in_ledger(org.as_str()).await?;
        for (name, amount) in self.booked(org).await? {
            *amounts.entry(name).or_default() += amount;
        }
        let staged = self.forwarding_rows(org).await?;
        // A row that was forwarded before only waits to be dropped.
        let forwarded = self.find_marks(Memory::Forwarded, &staged).await?;
        let waiting = staged.into_iter().zip(forwarded).filter(|(_, before)| before.is_none());
        let waiting: Vec<EventKey> = waiting.map(|(key, _)| key).collect();
        let pending = size(waiting.len()) + self.batched(org).await?;
        let open = books::open(&amounts, pending).forward;
        let is_explained = open >= 0 || open.unsigned_abs() <= records;
        let uncounted = if is_explained {
            0
        } else {
            let counted = self.find_marks(Memory::Counted, &waiting).await?;
            size(counted.iter().filter(|counted| counted.is_none()).count())
        };
        Ok(Reading { amounts, pending, uncounted })
    }

    /// The amounts that were booked by whoever delivers, refuses and sets aside.
    async fn booked_in_ledger(&self, org: &str) -> PortResult<BTreeMap<String, i64>> {
        let get = self.0.dynamodb.get_item().consistent_read(true);
        let get = get.table_name(self.resources().name(Resource::Delivery)?);
        let answer = get.set_key(Some(key(format!("D#{org}"), "LEDGER"))).send().await;
        let answer = answer.map_err(|error| port_error(OPERATION, error))?;
        let amounts = answer.item.unwrap_or_default().into_iter();
        let amounts = amounts.filter(|(name, _)| name != "pk" && name != "sk");
        amounts
            .map(|(name, amount)| {
                let amount = amount.as_n().ok().and_then(|amount| amount.parse().ok());
                Ok((name, amount.ok_or_else(|| malformed("an amount"))?))
            })
            .collect()
    }

    /// The staged events that are to reach the connector.
    async fn forwarding_rows(&self, org: &OrgId) -> PortResult<Vec<EventKey>> {
        let partitions: Vec<_> = placement::staging_partitions(org)
            .map(|partition| async move {
                let table = self.resources().name(Resource::Staging)?;
                let query = self.0.dynamodb.query().table_name(table).consistent_read(true);
                let query = query.key_condition_expression("pk = :partition");
                let query = query.expression_attribute_values(":partition", text(partition));
                let mut pages = query.into_paginator().items().send();
                let mut keys = Vec::new();
                while let Some(item) = pages.next().await {
                    let item = item.map_err(|error| port_error(OPERATION, error))?;
                    let row = rows::row(&item).filter(admit::forwards);
                    keys.extend(row.map(|row| EventKey { org: row.org_id, id: row.event_id }));
                }
                PortResult::Ok(keys)
            })
            .collect();
        stream::iter(partitions).buffer_unordered(PARTITIONS_AT_ONCE).try_concat().await
    }

    /// How many events are in batches that wait.
    async fn batched(&self, org: &OrgId) -> PortResult<u64> {
        let mut events = 0;
        for batch in self.delivery_items(OPERATION, org, BATCH, "size").await? {
            events += batch.number::<u64>("size")?;
        }
        Ok(events)
    }

    /// These attributes of the items in an organisation's delivery whose sort key begins with `prefix`.
    async fn delivery_items(
        &self,
        operation: &'static str,
        org: &OrgId,
        prefix: &str,
        attributes: &str,
    ) -> PortResult<Vec<Item>> {
        let mut pages = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Delivery)?)
            .consistent_read(true)
            .key_condition_expression("pk = :org AND begins_with(sk, :prefix)")
            .expression_attribute_values(":org", text(partition(org)))
            .expression_attribute_values(":prefix", text(prefix))
            .set_projection_expression(Some(names(attributes)))
            .set_expression_attribute_names(Some(placeholders(attributes)))
            .into_paginator()
            .items()
            .send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(|error| port_error(operation, error))?);
        }
        Ok(items)
    }
}

/// Attributes as an expression names them: some names are words of DynamoDB's own.
fn names(attributes: &str) -> String {
    let names: Vec<_> = attributes.split(' ').map(|name| format!("#{name}")).collect();
    names.join(", ")
}

fn placeholders(attributes: &str) -> std::collections::HashMap<String, String> {
    attributes.split(' ').map(|name| (format!("#{name}"), name.to_owned())).collect()
}

fn size(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The consumer whose checkpoints tell how far counting got.
const PROCESSOR: &str = "processor";
const OPERATION: &str = "accounts.ledger";
/// Most records that are counted of each shard.
const RECORDS_MAX: u64 = 10_000;
const ORGS_AT_ONCE: usize = 4;
const PARTITIONS_AT_ONCE: usize = 8;
