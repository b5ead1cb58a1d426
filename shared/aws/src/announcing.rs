//! Announcements that must not be lost: written with the fact, published after it, deleted when the bus took them.

use contract::{OrgId, Timestamp};
use ports::{
    PortResult,
    bus::{Announcement, AnnouncementKind, Bus},
};

use crate::{
    Cloud,
    delivery::partition,
    fault::port_error,
    item::{Fields, Item, item, key, malformed, millis, text, texts},
    resources::Resource,
    transaction::{Write, deleting},
};

/// What one transaction announces, as one item.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    org: OrgId,
    /// A batch's number, or an event's id.
    about: String,
    at: Timestamp,
    kinds: Vec<AnnouncementKind>,
}

impl Fact {
    /// Nothing when there is no kind.
    pub(crate) fn new(
        org: &OrgId,
        about: &str,
        at: Timestamp,
        kinds: &[AnnouncementKind],
    ) -> Option<Self> {
        let kinds = kinds.to_vec();
        let fact = Self { org: org.clone(), about: about.to_owned(), at, kinds };
        (!fact.kinds.is_empty()).then_some(fact)
    }

    /// To be written with what it announces.
    pub(crate) fn write(&self, table: &str) -> Write {
        let kinds = self.kinds.iter().map(|kind| kind.as_str());
        let mut item =
            item([("about", text(&self.about)), ("at", millis(self.at)), ("kinds", texts(kinds))]);
        item.extend(self.key());
        Write::put(table, item)
    }

    fn read(org: &OrgId, item: &Item) -> PortResult<Self> {
        let kind = |name: &str| KINDS.into_iter().find(|kind| kind.as_str() == name);
        let kinds: Option<Vec<_>> = item.texts("kinds")?.into_iter().map(kind).collect();
        Ok(Self {
            org: org.clone(),
            about: item.text("about")?.to_owned(),
            at: item.millis("at")?,
            kinds: kinds.ok_or_else(|| malformed("kinds"))?,
        })
    }

    /// Named by the first of its announcements, which no other fact has.
    fn key(&self) -> Item {
        let first = self.announcements().next().map(|told| told.id).unwrap_or_default();
        key(partition(&self.org), format!("{ANNOUNCEMENT}{first}"))
    }

    fn announcements(&self) -> impl Iterator<Item = Announcement> {
        self.kinds.iter().map(|kind| Announcement {
            id: format!("{}/{}/{}", kind.as_str(), self.org, self.about),
            kind: *kind,
            org: self.org.clone(),
            at: self.at,
        })
    }
}

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

const ANNOUNCEMENT: &str = "O#";
const KINDS: [AnnouncementKind; 3] =
    [AnnouncementKind::OrgUrgent, AnnouncementKind::BatchDelivered, AnnouncementKind::BatchParked];
