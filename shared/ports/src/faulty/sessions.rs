//! Events of sessions, heads, sweeps and notices.

use contract::{Event, Timestamp};
use friction::{
    change::{Head, Notice, Sweep},
    owner::{Owner, Position},
};

use super::{Faulty, decorate};
use crate::{
    PortResult,
    sessions::{
        Arming, EventLog, Heads, Lane, LoggedEvent, Notices, Sessions, Stored, Strikes,
        StruckEvent, SweepOutcome,
    },
};

impl<W: EventLog> EventLog for Faulty<W> {
    async fn append(&self, events: &[LoggedEvent]) -> PortResult<()> {
        self.call_each(
            "event_log.append",
            events,
            |some| async move { self.world.append(&some).await },
        )
        .await
    }

    async fn read(
        &self,
        owner: &Owner,
        from: Timestamp,
        after: Option<&Position>,
        limit: usize,
    ) -> PortResult<Vec<Event>> {
        self.call("event_log.read", || self.world.read(owner, from, after, limit)).await
    }
}

impl<W: Strikes> Strikes for Faulty<W> {
    async fn strike(&self, events: &[StruckEvent], now: Timestamp) -> PortResult<()> {
        self.call_each("strikes.strike", events, |some| async move {
            self.world.strike(&some, now).await
        })
        .await
    }
}

impl<W: Heads> Heads for Faulty<W> {
    async fn arm(&self, armings: &[Arming]) -> PortResult<()> {
        self.call_each("heads.arm", armings, |some| async move { self.world.arm(&some).await })
            .await
    }

    async fn due(&self, lane: Lane, now: Timestamp, limit: usize) -> PortResult<Vec<Owner>> {
        self.call("heads.due", || self.world.due(lane, now, limit)).await
    }

    async fn head(&self, owner: &Owner) -> PortResult<Option<Head>> {
        self.call("heads.head", || self.world.head(owner)).await
    }
}

decorate!("sessions", Sessions {
    fn stored(owner: &Owner, from: Timestamp) -> Stored;
    fn commit(sweep: Sweep) -> SweepOutcome;
    fn post(lane: Lane) -> usize;
});

impl<W: Notices> Notices for Faulty<W> {
    async fn unsent(&self, limit: usize) -> PortResult<Vec<Notice>> {
        self.call("notices.unsent", || self.world.unsent(limit)).await
    }

    async fn send(&self, notices: &[Notice]) -> PortResult<()> {
        self.call_each("notices.send", notices, |some| async move { self.world.send(&some).await })
            .await
    }
}
