//! Sessions and incidents: a sweep commits in one transaction, or not at all.
//!
//! The transaction holds the head, the sessions, and up to two items more: what is to be announced, and the journal, which
//! is everything that follows: incidents, and what is added to cells. So it fits whatever a sweep says: a body that is
//! too large for it lies beside its item and was written before (see [`bodies`]). What the journal holds is posted after
//! the commit, in transactions of its own (see `crate::journal`); what is announced waits for that (see [`notices`]).

pub(crate) mod bodies;
pub(crate) mod cells;
pub(crate) mod notices;
pub(crate) mod places;
mod products;
pub(crate) mod rows;

use std::collections::BTreeMap;

use contract::{Timestamp, limits::SESSION_CUT_MS};
use friction::{
    change::{StoredIncident, StoredSession, Sweep},
    owner::Owner,
};
use ports::{
    PortResult,
    clock::{Clock as _, SystemClock},
    sessions::{Lane, Sessions, Stored, SweepOutcome},
};

pub(crate) use self::products::Summed;
use self::{bodies::Parcel, places::SESSION};
use crate::{
    Cloud,
    fault::port_error,
    heads,
    item::{Fields, Item, millis, text},
    journal,
    resources::Resource,
    transaction::{Outcome, Write},
};

impl Sessions for Cloud {
    async fn stored(&self, owner: &Owner, from: Timestamp) -> PortResult<Stored> {
        // First: what is posted meanwhile is found in its place then.
        let waiting = self.waiting_incidents(owner).await?;
        let (sessions, incidents) = futures::try_join!(
            self.sessions_since(owner, from),
            self.incidents_since(owner, from, waiting)
        )?;
        Ok(Stored { sessions, incidents })
    }

    async fn commit(&self, sweep: Sweep) -> PortResult<SweepOutcome> {
        let plan = Plan::of(self.resources().name(Resource::Sessions)?, &sweep)?;
        self.put_beside(COMMIT, &plan.parcels, SystemClock.now()).await?;
        match Self::commit(self, COMMIT, plan.writes).await? {
            Outcome::Committed => {
                self.0.armed.forget(&sweep.owner);
                Ok(SweepOutcome::Committed)
            }
            // Only the head's write is under a condition.
            Outcome::Refused(_) => {
                self.0.armed.forget(&sweep.owner);
                self.drop_beside(COMMIT, plan.parcels.iter().map(Parcel::parts)).await;
                Ok(SweepOutcome::Stale)
            }
        }
    }

    async fn post(&self, lane: Lane) -> PortResult<usize> {
        self.post_journal(lane).await
    }
}

/// What a commit writes, and what has to be there before.
struct Plan {
    writes: Vec<Write>,
    parcels: Vec<Parcel>,
}

impl Plan {
    fn of(table: &str, sweep: &Sweep) -> PortResult<Self> {
        let partition = places::partition(&sweep.owner);
        let mut writes = vec![heads::advanced(table, sweep, SystemClock.now())];
        let mut parcels = Vec::new();
        let mut put = |(item, parcel): (Item, Parcel)| {
            writes.push(Write::put(table, item));
            parcels.push(parcel);
        };
        for stored in &sweep.sessions {
            put(rows::session_item(&partition, stored)?);
        }
        if let Some(entry) = journal::entry(sweep)? {
            put(entry);
        }
        if let Some(entry) = notices::entry(sweep)? {
            put(entry);
        }
        Ok(Self { writes, parcels })
    }
}

impl Cloud {
    /// Sessions that ended at `from` or later, by beginning. None lasts longer than a cut.
    async fn sessions_since(
        &self,
        owner: &Owner,
        from: Timestamp,
    ) -> PortResult<Vec<StoredSession>> {
        let earliest = places::digits(from.plus_ms(-SESSION_CUT_MS));
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .consistent_read(true)
            .key_condition_expression("pk = :owner AND sk BETWEEN :first AND :last")
            .filter_expression("ended_at >= :from")
            .expression_attribute_values(":owner", text(places::partition(owner)))
            .expression_attribute_values(":first", text(format!("{SESSION}{earliest}")))
            .expression_attribute_values(":last", text(format!("{SESSION}~")))
            .expression_attribute_values(":from", millis(from));
        let mut items = query.into_paginator().items().send();
        let mut sessions = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| port_error(STORED, error))?;
            sessions.push(self.stored_session(STORED, &item).await?);
        }
        Ok(sessions)
    }

    /// Incidents that ended at `from` or later, by time: those that are posted, and over them those that wait for it.
    async fn incidents_since(
        &self,
        owner: &Owner,
        from: Timestamp,
        waiting: Vec<(u64, StoredIncident)>,
    ) -> PortResult<Vec<StoredIncident>> {
        let mut told: BTreeMap<String, (u64, StoredIncident)> = BTreeMap::new();
        // Where a waiting one now ends before `from`, it must hide the posted one that did not.
        for (version, stored) in waiting {
            told.insert(stored.incident.incident_id.clone(), (version, stored));
        }
        for item in self.incident_items(owner, (from, Timestamp::from_ms(i64::MAX))).await? {
            let (version, stored): (u64, _) = (item.number("version")?, rows::incident(&item)?);
            let known = told.get(&stored.incident.incident_id);
            if known.is_none_or(|(waiting, _)| *waiting < version) {
                told.insert(stored.incident.incident_id.clone(), (version, stored));
            }
        }
        let mut incidents: Vec<_> = told.into_values().map(|(_, stored)| stored).collect();
        incidents.retain(|stored| stored.incident.ended_at >= from);
        incidents.sort_by(|a, b| {
            let key = |stored: &StoredIncident| {
                (stored.incident.started_at, stored.incident.incident_id.clone())
            };
            key(a).cmp(&key(b))
        });
        Ok(incidents)
    }

    /// An owner's incidents that are posted and ended within a time, its end included.
    pub(crate) async fn incident_items(
        &self,
        owner: &Owner,
        (from, to): (Timestamp, Timestamp),
    ) -> PortResult<Vec<Item>> {
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .index_name("ended")
            .consistent_read(true)
            .key_condition_expression("pk = :owner AND ended BETWEEN :from AND :to")
            .expression_attribute_values(":owner", text(places::partition(owner)))
            .expression_attribute_values(":from", millis(from))
            .expression_attribute_values(":to", millis(to));
        let mut items = query.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = items.next().await {
            found.push(item.map_err(|error| port_error(STORED, error))?);
        }
        Ok(found)
    }
}

const COMMIT: &str = "sessions.commit";
const STORED: &str = "sessions.stored";
