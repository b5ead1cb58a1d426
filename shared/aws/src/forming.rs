//! Forming: rows leave staging and a numbered batch begins to exist, in one transaction with what remembers them.

use std::collections::BTreeSet;

use contract::{EventId, OrgId, Timestamp, staged::StagedEvent};
use domain::{books, placement};
use futures::{StreamExt, TryStreamExt, stream};
use ports::{
    PortError, PortResult,
    delivery::{FormOutcome, Forming, Lease, NewBatch},
};

use crate::{
    Cloud,
    books::booking,
    delivery::batch_item,
    fault::port_error,
    forwarded::{Leaving, Left},
    item::{millis, text},
    leases,
    resources::Resource,
    rows,
    transaction::{Outcome, Write},
};

impl Forming for Cloud {
    /// Rows lie in the order of their ids, in several partitions. Of a short backlog this reads everything; of a long one
    /// the first of each partition, which are the oldest where ids tell the time. What it answers is in staging order,
    /// and fits one transaction.
    async fn staged(
        &self,
        org: &OrgId,
        settled_before: Timestamp,
        limit: usize,
    ) -> PortResult<Vec<StagedEvent>> {
        let enough = limit.div_ceil(PARTITIONS).saturating_mul(2).saturating_add(SPARE_ROWS);
        let partitions = placement::staging_partitions(org).map(|partition| {
            let cloud = self.clone();
            async move { cloud.staged_in(partition, settled_before, enough).await }
        });
        let read = stream::iter(partitions).buffer_unordered(PARTITIONS);
        let mut rows: Vec<StagedEvent> = read.try_concat().await?;
        rows.sort_unstable_by(|a, b| (a.staged_at, &a.event_id).cmp(&(b.staged_at, &b.event_id)));
        rows.truncate(limit);
        let ids: Vec<_> = rows.iter().map(|row| row.event_id.clone()).collect();
        rows.truncate(self.leaving_at_once(org, &ids, OWN_WRITES).await?);
        Ok(rows)
    }

    async fn form(
        &self,
        lease: &Lease,
        batch: Option<NewBatch>,
        dropped: &[EventId],
        now: Timestamp,
    ) -> PortResult<FormOutcome> {
        let taken: Vec<_> = batch
            .iter()
            .flat_map(|batch| batch.events.iter().map(|event| &event.event_id))
            .collect();
        let dropped: BTreeSet<_> = dropped.iter().collect();
        let ids: BTreeSet<_> = taken.iter().copied().collect();
        if ids.len() != taken.len() || !ids.is_disjoint(&dropped) {
            return Err(PortError::permanent(OPERATION, "an event is to leave staging twice"));
        }
        match batch {
            Some(batch) => self.form_batch(lease, &batch, &dropped, now).await,
            None => self.drop_rows(lease, &dropped).await,
        }
    }
}

impl Cloud {
    async fn staged_in(
        &self,
        partition: String,
        settled_before: Timestamp,
        enough: usize,
    ) -> PortResult<Vec<StagedEvent>> {
        let mut pages = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Staging)?)
            .consistent_read(true)
            .key_condition_expression("pk = :partition")
            .filter_expression("stagedAt < :settledBefore")
            .expression_attribute_values(":partition", text(partition))
            .expression_attribute_values(":settledBefore", millis(settled_before))
            .limit(i32::try_from(enough).unwrap_or(i32::MAX))
            .into_paginator()
            .send();
        let mut rows = Vec::new();
        while rows.len() < enough
            && let Some(page) = pages.next().await
        {
            let items = page.map_err(|error| port_error("forming.staged", error))?.items;
            let items = items.unwrap_or_default();
            let found = items.len();
            let before = rows.len();
            rows.extend(items.iter().filter_map(rows::row));
            let unreadable = found - (rows.len() - before);
            if unreadable > 0 {
                // Nobody of ours wrote them; the processor sets their change records aside, TTL removes them.
                tracing::error!(rows = unreadable, "{unreadable} rows of staging cannot be read");
            }
        }
        Ok(rows)
    }

    async fn form_batch(
        &self,
        lease: &Lease,
        batch: &NewBatch,
        dropped: &BTreeSet<&EventId>,
        now: Timestamp,
    ) -> PortResult<FormOutcome> {
        let (org, table) = (&lease.org, self.resources().name(Resource::Delivery)?);
        let staging = self.resources().name(Resource::Staging)?;
        let ids: Vec<_> = batch.events.iter().map(|event| event.event_id.clone()).collect();
        let formed = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        let mut own = vec![
            leases::advanced(table, lease),
            Write::put(table, batch_item(org, batch, now, now)?).when("attribute_not_exists(sk)"),
            booking(table, org, &[(books::FORMED, formed)]),
        ];
        let first_row = own.len();
        let row = |id: &EventId| Write::delete(staging, rows::key(org, id));
        own.extend(ids.iter().map(|id| row(id).when("attribute_exists(sk)")));
        own.extend(dropped.iter().map(|id| row(id)));
        let leaving = Leaving { org, ids: &ids, number: number(lease), at: now };
        let stale = |gone, forwarded| Ok(FormOutcome::Stale { gone, forwarded });
        match self.commit_leaving(OPERATION, &own, leaving).await? {
            Left::Committed => Ok(FormOutcome::Formed),
            Left::Before(before) => stale(Vec::new(), before.into_iter().collect()),
            // A place was sealed since the rows were read: whoever reads again knows it, and reads fewer.
            Left::TooMuch => stale(Vec::new(), Vec::new()),
            Left::Refused(positions) if positions.iter().any(|at| *at < first_row) => {
                Ok(FormOutcome::Fenced)
            }
            Left::Refused(positions) => {
                let gone = |at: usize| ids.get(at.checked_sub(first_row)?).cloned();
                stale(positions.into_iter().filter_map(gone).collect(), Vec::new())
            }
        }
    }

    async fn drop_rows(
        &self,
        lease: &Lease,
        dropped: &BTreeSet<&EventId>,
    ) -> PortResult<FormOutcome> {
        let table = self.resources().name(Resource::Delivery)?;
        let staging = self.resources().name(Resource::Staging)?;
        let rows = dropped.iter().map(|id| Write::delete(staging, rows::key(&lease.org, id)));
        let writes = [leases::held(table, lease)].into_iter().chain(rows).collect();
        Ok(match self.commit(OPERATION, writes).await? {
            Outcome::Committed => FormOutcome::Formed,
            Outcome::Refused(_) => FormOutcome::Fenced,
        })
    }
}

/// The number of the next batch, as far as four bytes hold it: it only tells people where to look.
fn number(lease: &Lease) -> u32 {
    u32::try_from(lease.next_seq).unwrap_or(u32::MAX)
}

const OPERATION: &str = "forming.form";
/// The head, the batch, the ledger.
const OWN_WRITES: usize = 3;
const PARTITIONS: usize = 8;
/// Ids are spread evenly over the partitions, but not exactly.
const SPARE_ROWS: usize = 8;
