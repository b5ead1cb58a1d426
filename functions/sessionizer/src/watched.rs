//! Telling the bus that contexts changed which somebody listens to. Nobody waits for it and nothing fails with it: whoever is
//! not told is told within a minute.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Timestamp, projection::ContextUpdated};
use friction::owner::{Owner, Position};
use ports::{
    PortResult,
    bus::{Announcement, AnnouncementKind},
    clock::Clock,
    sessions::LoggedEvent,
};

use crate::{Sessionizer, World, report};

impl<W: World, C: Clock> Sessionizer<W, C> {
    /// Announces the owners of `events` that somebody listens to.
    pub(crate) async fn announce_changes(&self, events: &[LoggedEvent], now: Timestamp) {
        if let Err(error) = self.try_to_announce(events, now).await {
            report::untold(&error);
        }
    }

    async fn try_to_announce(&self, events: &[LoggedEvent], now: Timestamp) -> PortResult<()> {
        let watched = self.world.watched(now).await?;
        let changes = changes(events, &watched);
        let announcements: Vec<_> =
            changes.into_iter().map(|(owner, last)| announcement(owner, &last, now)).collect();
        if announcements.is_empty() {
            return Ok(());
        }
        self.world.publish(&announcements).await
    }
}

/// The last event of each owner who is watched.
fn changes<'a>(
    events: &'a [LoggedEvent],
    watched: &BTreeSet<Owner>,
) -> BTreeMap<&'a Owner, Position> {
    let mut changes: BTreeMap<&Owner, Position> = BTreeMap::new();
    for LoggedEvent { owner, event } in events.iter().filter(|e| watched.contains(&e.owner)) {
        let position = Position::of(event);
        let last = changes.entry(owner).or_insert_with(|| position.clone());
        *last = position.max(last.clone());
    }
    changes
}

/// The same events make the same announcement.
fn announcement(owner: &Owner, last: &Position, at: Timestamp) -> Announcement {
    let kind = AnnouncementKind::ContextUpdated;
    let hash = owner.hash(&[&last.at.ms().to_string(), last.id.as_str()]);
    let Owner { org, product, token } = owner;
    let detail = ContextUpdated { product_id: product.clone(), token: token.clone() };
    Announcement {
        id: format!("{}/{org}/{:032x}", kind.as_str(), u128::from_be_bytes(hash)),
        kind,
        org: org.clone(),
        at,
        detail: serde_json::to_string(&detail).ok(),
    }
}
