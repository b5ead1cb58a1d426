//! Announcements that must not be lost: written with the fact, published after it, deleted when the bus took them.

#[cfg(feature = "eventbridge")]
mod publishing;

use contract::{OrgId, Timestamp};
use ports::bus::{Announcement, AnnouncementKind};

use crate::{
    delivery::partition,
    item::{Item, item, key, millis, text, texts},
    transaction::Write,
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

    /// Where it lies: named by the first of its announcements, which no other fact has.
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
            detail: None,
        })
    }
}

const ANNOUNCEMENT: &str = "O#";
