//! The directory: which organisations may have work, found without a scan.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, PoisonError},
};

use contract::OrgId;
use domain::placement;
use futures::{StreamExt, TryStreamExt, stream};
use ports::PortResult;

use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, key, text},
    resources::Resource,
    transaction::patiently,
};

/// The organisations that this process has written into the directory.
#[derive(Debug, Default)]
pub(crate) struct Listed(Mutex<HashSet<OrgId>>);

impl Listed {
    fn holds(&self, org: &OrgId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(org)
    }

    fn add(&self, org: OrgId) {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgetting costs one write each.
        if listed.len() >= LISTED_MAX {
            listed.clear();
        }
        listed.insert(org);
    }
}

impl Cloud {
    /// Writes organisations into the directory, each once per process; to be done before the first of their rows.
    pub(crate) async fn list(&self, orgs: BTreeSet<&OrgId>) -> PortResult<()> {
        let new: Vec<OrgId> =
            orgs.into_iter().filter(|org| !self.0.listed.holds(org)).cloned().collect();
        stream::iter(new)
            .map(|org| async move { self.list_one(org).await })
            .buffer_unordered(PUTS_AT_ONCE)
            .try_collect()
            .await
    }

    async fn list_one(&self, org: OrgId) -> PortResult<()> {
        let table = self.resources().name(Resource::Delivery)?;
        let item = key(placement::directory(&org), org.as_str());
        let put = self.0.dynamodb.put_item().table_name(table).set_item(Some(item));
        let put = patiently(|| put.clone().send()).await;
        put.map_err(|error| port_error("directory.list", error))?;
        self.0.listed.add(org);
        Ok(())
    }

    /// Every organisation that was ever written into the directory.
    pub(crate) async fn listed(&self) -> PortResult<Vec<OrgId>> {
        let partitions = placement::directory_partitions().map(|partition| {
            let cloud = self.clone();
            async move { cloud.listed_in(partition).await }
        });
        let found = stream::iter(partitions).buffer_unordered(PARTITIONS_AT_ONCE);
        found.try_concat().await
    }

    async fn listed_in(&self, partition: String) -> PortResult<Vec<OrgId>> {
        let mut pages = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Delivery)?)
            .consistent_read(true)
            .key_condition_expression("pk = :partition")
            .expression_attribute_values(":partition", text(partition))
            .into_paginator()
            .items()
            .send();
        let mut orgs = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| port_error("directory.listed", error))?;
            match item.parsed("sk") {
                Ok(org) => orgs.push(org),
                // Nobody of ours wrote it, and the others must not wait for it.
                Err(error) => tracing::error!(%error, "an entry of the directory cannot be read"),
            }
        }
        Ok(orgs)
    }
}

const LISTED_MAX: usize = 10_000;
const PARTITIONS_AT_ONCE: usize = 8;
const PUTS_AT_ONCE: usize = 32;
