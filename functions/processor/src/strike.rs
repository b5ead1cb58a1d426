//! What other readers of the stream took for an event: they read it beside the processor, and cannot know that an id belongs to
//! another body. So one that is set aside for that is struck out of the log of its owner, and announced.

use contract::{Timestamp, collision::EventStruck};
use domain::admit::ck_text;
use friction::owner::{Owner, Position};
use ports::{
    PortResult,
    bus::{Announcement, AnnouncementKind},
    clock::Clock,
    sessions::StruckEvent,
};

use crate::{
    BatchError, Processor, World,
    work::{Item, Work},
};

/// What turned out to be no event.
#[derive(Debug)]
pub(crate) struct Collided {
    position: usize,
    fact: EventStruck,
    /// Whose sessions may hold it.
    logged: Option<StruckEvent>,
}

impl Collided {
    pub(crate) fn of(item: &Item) -> Self {
        let event = &item.admitted.event;
        let ck = item.admitted.ck;
        let struck = |owner| StruckEvent { owner, position: Position::of(event), ck };
        Self {
            position: item.position,
            fact: EventStruck {
                org_id: event.org_id.clone(),
                product_id: event.product_id.clone(),
                event_id: event.event_id.clone(),
                occurred_at: event.occurred_at,
                ck: ck_text(ck),
            },
            logged: Owner::of(event).map(struck),
        }
    }

    fn announcement(&self, at: Timestamp) -> Announcement {
        let EventStruck { org_id, event_id, occurred_at, ck, .. } = &self.fact;
        let kind = AnnouncementKind::EventStruck;
        Announcement {
            id: format!("{}/{org_id}/{event_id}/{occurred_at}/{ck}", kind.as_str()),
            kind,
            org: org_id.clone(),
            at,
            // Names and a time can always be written.
            detail: serde_json::to_string(&self.fact).ok(),
        }
    }
}

impl<W: World, C: Clock> Processor<W, C> {
    /// Strikes out what turned out to be no event. What cannot be struck out now is left for the next delivery.
    pub(crate) async fn strike(&self, work: &mut Work) -> Result<(), BatchError> {
        let collided = std::mem::take(&mut work.collided);
        if collided.is_empty() {
            return Ok(());
        }
        match self.strike_all(&collided).await {
            Ok(()) => Ok(()),
            Err(error) => {
                Ok(work.postpone(error, collided.iter().map(|collided| collided.position))?)
            }
        }
    }

    async fn strike_all(&self, collided: &[Collided]) -> PortResult<()> {
        let now = self.clock.now();
        let announcements: Vec<Announcement> =
            collided.iter().map(|collided| collided.announcement(now)).collect();
        self.world.publish(&announcements).await?;
        let logged: Vec<StruckEvent> =
            collided.iter().filter_map(|collided| collided.logged.clone()).collect();
        // Last, since it has owners looked at again, each time.
        self.world.strike(&logged, now).await
    }
}
