//! Publishing what was written, at once or later.

use contract::OrgId;
use ports::{
    PortResult,
    bus::{AnnouncementKind, Bus},
};

use super::{ANNOUNCEMENT, Fact};
use crate::{
    Cloud,
    delivery::partition,
    fault::port_error,
    item::{Fields, Item, malformed, text},
    resources::Resource,
    transaction::deleting,
};

impl Cloud {
    /// Publishes what has just been written. It is in the table: a failure leaves it to the next holder of the lease.
    pub(crate) async fn publish_facts(&self, facts: &[Fact]) {
        if let Err(error) = self.try_publish(facts).await {
            tracing::warn!(%error, "announcements wait for the next lease: {error}");
        }
    }

    /// Publishes what was written and not published, or not deleted afterwards.
    pub(crate) async fn publish_leftovers(&self, org: &OrgId) {
        let found = self.leftovers(org).await;
        let published = match found {
            Ok(facts) => self.try_publish(&facts).await,
            Err(error) => Err(error),
        };
        if let Err(error) = published {
            tracing::warn!(%org, %error, "announcements of {org} wait for the next lease: {error}");
        }
    }

    async fn try_publish(&self, facts: &[Fact]) -> PortResult<()> {
        if facts.is_empty() {
            return Ok(());
        }
        let announcements: Vec<_> = facts.iter().flat_map(Fact::announcements).collect();
        self.publish(&announcements).await?;
        let table = self.resources().name(Resource::Delivery)?;
        let done = facts.iter().map(|fact| deleting(fact.key())).collect();
        self.write_all("announcements.delete", table, done).await
    }

    async fn leftovers(&self, org: &OrgId) -> PortResult<Vec<Fact>> {
        let mut pages = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Delivery)?)
            .consistent_read(true)
            .key_condition_expression("pk = :org AND begins_with(sk, :kind)")
            .expression_attribute_values(":org", text(partition(org)))
            .expression_attribute_values(":kind", text(ANNOUNCEMENT))
            .into_paginator()
            .items()
            .send();
        let mut facts = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| port_error("announcements.read", error))?;
            facts.push(Fact::read(org, &item)?);
        }
        Ok(facts)
    }
}

impl Fact {
    fn read(org: &OrgId, item: &Item) -> PortResult<Self> {
        let kinds: Option<Vec<_>> =
            item.texts("kinds")?.into_iter().map(AnnouncementKind::parse).collect();
        Ok(Self {
            org: org.clone(),
            about: item.text("about")?.to_owned(),
            at: item.millis("at")?,
            kinds: kinds.ok_or_else(|| malformed("kinds"))?,
        })
    }
}
