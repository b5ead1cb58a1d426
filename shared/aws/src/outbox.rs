//! The batches that wait, in order, and what becomes of them: one transaction each.
//!
//! It never has more than a hundred items. A settlement of `d` delivered and `p` parked events of a batch of at most 96,
//! and maybe a remainder, writes the lease's check, the batch, the ledger and the announcement; a receipt if `d > 0`; the
//! remainder if there is one; and `p` parked events. Each of the two optional items stands for at least one event that is
//! not parked, so that it is `4 + 96` at most. What the connector said about events is not among them: it stays true
//! whatever becomes of the batch, and is written before.

use std::collections::{BTreeMap, BTreeSet};

use contract::{EventId, OrgId, Timestamp, limits::MARKER_TTL_MS};
use domain::books;
use ports::{
    PortError, PortResult,
    bus::AnnouncementKind,
    delivery::{
        BatchedEvent, Lease, NewBatch, Outbox, ParkedEvent, ReadyBatch, SettleOutcome, Settlement,
    },
};

use crate::{
    Cloud,
    announcing::Fact,
    books::booking,
    delivery::{BATCH, Parked, batch_item, batch_key, partition, ready_batch},
    fault::port_error,
    item::{Item, item, key, millis, number, text, texts, ttl},
    leases,
    resources::Resource,
    transaction::{Outcome, Write, putting},
};

impl Outbox for Cloud {
    async fn head(&self, org: &OrgId) -> PortResult<Option<ReadyBatch>> {
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Delivery)?)
            .consistent_read(true)
            .key_condition_expression("pk = :org AND begins_with(sk, :kind)")
            .expression_attribute_values(":org", text(partition(org)))
            .expression_attribute_values(":kind", text(BATCH))
            .limit(1);
        let answer = query.send().await.map_err(|error| port_error("outbox.head", error))?;
        answer.items.unwrap_or_default().first().map(ready_batch).transpose()
    }

    /// A repeat of a settlement whose answer was lost finds its batch gone, or the retry as it was set.
    async fn settle(
        &self,
        lease: &Lease,
        seq: &str,
        settlement: Settlement,
        now: Timestamp,
    ) -> PortResult<SettleOutcome> {
        let Some(ready) = self.batch(&lease.org, seq).await? else {
            return Ok(SettleOutcome::Gone);
        };
        let table = self.resources().name(Resource::Delivery)?;
        let settling = Settling { table, lease, ready: &ready, now };
        let Plan { writes, enrichment, fact } = match settlement {
            Settlement::Delivered { confirmed, enrichment } => {
                settling.delivered(confirmed, enrichment)
            }
            Settlement::Retry { at, counts, error } => settling.retry(at, counts, &error),
            Settlement::Split(parts) => settling.split(&parts)?,
            Settlement::Partial { delivered, parked, remainder, enrichment } => {
                settling.partial(&delivered, &parked, remainder.as_ref(), enrichment)?
            }
        };
        self.enrich(&lease.org, &enrichment, now).await?;
        let fenced = writes.first().is_some_and(|(role, _)| *role == Role::Fence);
        let roles: Vec<_> = writes.iter().map(|(role, _)| *role).collect();
        let writes = writes.into_iter().map(|(_, write)| write).collect();
        match self.commit(OPERATION, writes).await? {
            Outcome::Committed => {}
            Outcome::Refused(positions) => {
                let is = |role| positions.iter().any(|at| roles.get(*at) == Some(&role));
                return Ok(if is(Role::Batch) || !fenced {
                    SettleOutcome::Gone
                } else {
                    SettleOutcome::Fenced
                });
            }
        }
        self.publish_facts(fact.as_slice()).await;
        Ok(SettleOutcome::Settled)
    }
}

impl Cloud {
    async fn batch(&self, org: &OrgId, seq: &str) -> PortResult<Option<ReadyBatch>> {
        let get = self
            .0
            .dynamodb
            .get_item()
            .table_name(self.resources().name(Resource::Delivery)?)
            .consistent_read(true)
            .set_key(Some(batch_key(org, seq)));
        let answer = get.send().await.map_err(|error| port_error(OPERATION, error))?;
        answer.item.as_ref().map(ready_batch).transpose()
    }

    /// Writes down what the connector said about events. Of two answers about one the later stands.
    async fn enrich(
        &self,
        org: &OrgId,
        enrichment: &[(EventId, String)],
        now: Timestamp,
    ) -> PortResult<()> {
        if enrichment.is_empty() {
            return Ok(());
        }
        let latest: BTreeMap<_, _> = enrichment.iter().map(|(id, json)| (id, json)).collect();
        let answer = |(id, json): (&EventId, &String)| {
            let mut item = item([
                ("answer", text(json)),
                ("at", millis(now)),
                ("ttl", ttl(now.plus_ms(MARKER_TTL_MS))),
            ]);
            item.extend(key(partition(org), format!("R#{id}")));
            putting(item)
        };
        let table = self.resources().name(Resource::Delivery)?;
        self.write_all("outbox.enrich", table, latest.into_iter().map(answer).collect()).await
    }
}

/// What it means when a write's condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Fence,
    Batch,
    Other,
}

/// Everything that one settlement writes.
#[derive(Default)]
struct Plan {
    writes: Vec<(Role, Write)>,
    enrichment: Vec<(EventId, String)>,
    fact: Option<Fact>,
}

impl Plan {
    fn add(&mut self, writes: impl IntoIterator<Item = Write>) {
        self.writes.extend(writes.into_iter().map(|write| (Role::Other, write)));
    }
}

/// One settlement of one batch.
struct Settling<'a> {
    table: &'a str,
    lease: &'a Lease,
    ready: &'a ReadyBatch,
    now: Timestamp,
}

impl Settling<'_> {
    fn delivered(&self, confirmed: bool, enrichment: Vec<(EventId, String)>) -> Plan {
        let ids: Vec<_> = self.ready.batch.events.iter().map(|event| &event.event_id).collect();
        let count = count(ids.len());
        let status = if confirmed { "delivered" } else { "unconfirmed" };
        let mut amounts = vec![(books::DELIVERED, count)];
        amounts.extend((!confirmed).then_some((books::UNCONFIRMED, count)));
        let mut plan = Plan { writes: vec![self.removal()], enrichment, fact: None };
        plan.add([self.receipt(&ids, status), booking(self.table, &self.lease.org, &amounts)]);
        self.announce(&mut plan, &[AnnouncementKind::BatchDelivered]);
        plan
    }

    fn retry(&self, at: Timestamp, counts: bool, error: &str) -> Plan {
        let attempts = self.ready.attempts.saturating_add(u32::from(counts));
        let since = self.ready.failing_since.or(counts.then_some(self.now));
        let set = "SET nextAttemptAt = :at, attempts = :attempts, #error = :error";
        let key = batch_key(&self.lease.org, &self.ready.batch.seq);
        let update = match since {
            Some(since) => Write::update(self.table, key, format!("{set}, failingSince = :since"))
                .value(":since", millis(since)),
            None => Write::update(self.table, key, set),
        };
        // A batch that was settled meanwhile must not come to life again.
        let update = update
            .when("attempts = :before")
            .name("#error", "error")
            .value(":at", millis(at))
            .value(":attempts", number(attempts))
            .value(":error", text(error))
            .value(":before", number(self.ready.attempts));
        Plan { writes: vec![self.fence(), (Role::Batch, update)], ..Plan::default() }
    }

    fn split(&self, parts: &[NewBatch]) -> PortResult<Plan> {
        self.names_its_events(parts.iter().flat_map(event_ids))?;
        let mut plan = Plan { writes: vec![self.fence(), self.removal()], ..Plan::default() };
        for part in parts {
            plan.add([self.replacement(part)?]);
        }
        Ok(plan)
    }

    fn partial(
        &self,
        delivered: &[EventId],
        parked: &[ParkedEvent],
        remainder: Option<&NewBatch>,
        enrichment: Vec<(EventId, String)>,
    ) -> PortResult<Plan> {
        let rest = remainder.into_iter().flat_map(event_ids);
        let refused = parked.iter().map(|event| &event.event_id);
        self.names_its_events(delivered.iter().chain(refused).chain(rest))?;
        let mut plan = Plan { writes: vec![self.fence(), self.removal()], enrichment, fact: None };
        let (mut amounts, mut kinds) = (Vec::new(), Vec::new());
        if !delivered.is_empty() {
            amounts.push((books::DELIVERED, count(delivered.len())));
            kinds.push(AnnouncementKind::BatchDelivered);
            plan.add([self.receipt(&delivered.iter().collect::<Vec<_>>(), "partial")]);
        }
        if !parked.is_empty() {
            amounts.push((books::PARKED, count(parked.len())));
            kinds.push(AnnouncementKind::BatchParked);
            plan.add(parked.iter().enumerate().map(|(place, event)| self.park(place, event)));
        }
        if let Some(remainder) = remainder {
            plan.add([self.replacement(remainder)?]);
        }
        if !amounts.is_empty() {
            plan.add([booking(self.table, &self.lease.org, &amounts)]);
        }
        self.announce(&mut plan, &kinds);
        Ok(plan)
    }

    fn fence(&self) -> (Role, Write) {
        (Role::Fence, leases::held(self.table, self.lease))
    }

    fn removal(&self) -> (Role, Write) {
        let key = batch_key(&self.lease.org, &self.ready.batch.seq);
        (Role::Batch, Write::delete(self.table, key).when("attribute_exists(sk)"))
    }

    /// Another batch takes the place of this one.
    fn replacement(&self, batch: &NewBatch) -> PortResult<Write> {
        let item = batch_item(&self.lease.org, batch, self.ready.formed_at, self.now)?;
        Ok(Write::put(self.table, item))
    }

    fn receipt(&self, ids: &[&EventId], status: &str) -> Write {
        let mut ids: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
        ids.sort_unstable();
        let batch = &self.ready.batch;
        let mut receipt: Item = item([
            ("batchId", text(&batch.batch_id)),
            ("status", text(status)),
            ("formedAt", millis(self.ready.formed_at)),
            ("deliveredAt", millis(self.now)),
            ("ids", texts(ids)),
            ("ttl", ttl(self.now.plus_ms(MARKER_TTL_MS))),
        ]);
        receipt.extend(key(partition(&self.lease.org), format!("X#{}", batch.seq)));
        Write::put(self.table, receipt)
    }

    fn park(&self, place: usize, event: &ParkedEvent) -> Write {
        let parked = Parked {
            org: &self.lease.org,
            id: &event.event_id,
            reason: event.reason,
            detail: &event.detail,
            body: &event.body,
            seq: &self.ready.batch.seq,
            formed_at: Some(self.ready.formed_at),
            place,
        };
        parked.write(self.table, self.now)
    }

    fn announce(&self, plan: &mut Plan, kinds: &[AnnouncementKind]) {
        plan.fact = Fact::new(&self.lease.org, &self.ready.batch.seq, self.now, kinds);
        let write = plan.fact.as_ref().map(|fact| fact.write(self.table));
        plan.add(write);
    }

    /// What a settlement names must be what the batch holds, or an event would be lost or doubled.
    fn names_its_events<'a>(&self, named: impl Iterator<Item = &'a EventId>) -> PortResult<()> {
        let held = self.ready.batch.events.iter().map(|event: &BatchedEvent| &event.event_id);
        let mut open: BTreeSet<_> = held.collect();
        for id in named {
            if !open.remove(id) {
                let told = "a settlement names an event twice or one of another batch";
                return Err(PortError::permanent(OPERATION, told));
            }
        }
        if open.is_empty() {
            Ok(())
        } else {
            Err(PortError::permanent(OPERATION, "a settlement leaves an event of its batch out"))
        }
    }
}

fn event_ids(batch: &NewBatch) -> impl Iterator<Item = &EventId> {
    batch.events.iter().map(|event| &event.event_id)
}

fn count(events: usize) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}

const OPERATION: &str = "outbox.settle";
