//! Staging: one conditional put per event, whose row is the memory of its id; rows that TTL took put back or parked.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure,
};
use contract::{
    Code, Event, EventId, OrgId,
    limits::{EVENT_BYTES_MAX, RESCUES_MAX},
    staged::StagedEvent,
};
use domain::{
    admit::{self, Admission},
    books,
};
use futures::{StreamExt, TryStreamExt, stream};
use ports::{
    PortError, PortResult,
    bus::AnnouncementKind,
    clock::{Clock, SystemClock},
    staging::{Staged, Staging},
    stream::{EventStream, StreamRecord},
};

use crate::{
    Cloud,
    announcing::Fact,
    books::booking,
    delivery::Parked,
    fault::port_error,
    forwarded::{Leaving, Left, WITHOUT_BATCH},
    item::Fields,
    resources::Resource,
    rows,
    transaction::{Write, patiently},
};

impl Staging for Cloud {
    async fn stage(&self, rows: &[StagedEvent]) -> PortResult<Vec<Staged>> {
        let staged = self.put_rows(rows).await?;
        let collided = rows.iter().zip(&staged).filter(|(_, staged)| **staged == Staged::Collision);
        let travelling: Vec<_> = collided.map(|(row, _)| plain(row)).collect();
        self.append_all("staging.stage", &travelling).await?;
        let known = rows.iter().zip(&staged).filter(|(_, staged)| **staged == Staged::Known);
        let known = known.map(|(row, _)| (row.org_id.clone(), books::DUPLICATES.to_owned()));
        self.observe(known).await;
        Ok(staged)
    }

    async fn rescue(&self, rows: &[StagedEvent]) -> PortResult<()> {
        self.list(rows.iter().map(|row| &row.org_id).collect()).await?;
        let mut by_org: BTreeMap<&OrgId, Vec<EventId>> = BTreeMap::new();
        for row in rows {
            by_org.entry(&row.org_id).or_default().push(row.event_id.clone());
        }
        let mut taken = BTreeSet::new();
        for (org, ids) in by_org {
            let forwarded = self.forwarded(org, &ids).await?;
            taken.extend(forwarded.into_iter().map(|id| (org.clone(), id)));
        }
        let left =
            |row: &&StagedEvent| !taken.contains(&(row.org_id.clone(), row.event_id.clone()));
        let rescues: Vec<_> = rows
            .iter()
            .filter(left)
            .cloned()
            .map(|row| {
                let cloud = self.clone();
                async move { cloud.rescue_row(row).await }
            })
            .collect();
        stream::iter(rescues).buffer_unordered(PUTS_AT_ONCE).try_collect().await
    }

    async fn organisations(&self) -> PortResult<Vec<OrgId>> {
        self.listed().await
    }
}

impl Cloud {
    /// Puts rows, and the organisations they belong to into the directory before. Of rows under one id the first is put
    /// first, so that it wins.
    pub(crate) async fn put_rows(&self, rows: &[StagedEvent]) -> PortResult<Vec<Staged>> {
        if rows.iter().any(|row| row.body.len() > ROW_BODY_BYTES_MAX) {
            return Err(PortError::permanent(
                "staging.stage",
                "an event larger than any door takes",
            ));
        }
        self.list(rows.iter().map(|row| &row.org_id).collect()).await?;
        let mut staged = vec![Staged::Known; rows.len()];
        let mut seen = BTreeSet::new();
        let (first, later): (Vec<_>, Vec<_>) =
            rows.iter().enumerate().partition(|(_, row)| seen.insert((&row.org_id, &row.event_id)));
        let puts: Vec<_> = first
            .into_iter()
            .map(|(at, row)| {
                let (cloud, row) = (self.clone(), row.clone());
                async move { cloud.put_row(&row).await.map(|answer| (at, answer)) }
            })
            .collect();
        let mut answered: Vec<_> =
            stream::iter(puts).buffer_unordered(PUTS_AT_ONCE).try_collect().await?;
        for (at, row) in later {
            answered.push((at, self.put_row(row).await?));
        }
        for (at, answer) in answered {
            if let Some(place) = staged.get_mut(at) {
                *place = answer;
            }
        }
        Ok(staged)
    }

    async fn put_row(&self, row: &StagedEvent) -> PortResult<Staged> {
        let put = self
            .0
            .dynamodb
            .put_item()
            .table_name(self.resources().name(Resource::Staging)?)
            .set_item(Some(rows::item(row)))
            .condition_expression(ABSENT)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = patiently(|| put.clone().send()).await else { return Ok(Staged::New) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                let ck = refused.item().map(|row| row.number::<u32>("ck")).transpose()?;
                Ok(if ck == Some(row.ck) { Staged::Known } else { Staged::Collision })
            }
            Some(_) | None => Err(port_error("staging.stage", error)),
        }
    }

    /// Appends records; anything less than all of them is a failure that may pass.
    pub(crate) async fn append_all(
        &self,
        operation: &'static str,
        records: &[StreamRecord],
    ) -> PortResult<()> {
        if records.is_empty() {
            return Ok(());
        }
        match self.append(records).await?.len() {
            0 => Ok(()),
            left => Err(PortError::transient(operation, format!("{left} records not appended"))),
        }
    }

    /// Puts a row back that is neither batched nor settled. One that is so in the meantime is dropped when it is formed.
    async fn rescue_row(&self, row: StagedEvent) -> PortResult<()> {
        if row.rescues <= RESCUES_MAX {
            return self.put_row(&row).await.map(|_| ());
        }
        // What was never to be forwarded is not parked either: it was counted long ago.
        if forwards(&row) { self.give_up(&row).await } else { Ok(()) }
    }

    /// Parks a row that was put back too often, unless it is staged, batched or settled. The announcement is published
    /// by the next holder of the lease.
    async fn give_up(&self, row: &StagedEvent) -> PortResult<()> {
        const OPERATION: &str = "staging.rescue";
        let delivery = self.resources().name(Resource::Delivery)?;
        let (org, id, at) = (&row.org_id, &row.event_id, SystemClock.now());
        let parked = Parked {
            org,
            id,
            reason: Code::RescuesExhausted,
            detail: "",
            body: row.body.as_bytes(),
            seq: "",
            formed_at: None,
            place: 0,
        };
        let staging = self.resources().name(Resource::Staging)?;
        let mut own = vec![
            Write::check(staging, rows::key(org, id)).when(ABSENT),
            parked.write(delivery, at),
            booking(delivery, org, &[(books::PARKED, 1)]),
        ];
        let fact = Fact::new(org, id.as_str(), at, &[AnnouncementKind::BatchParked]);
        own.extend(fact.map(|fact| fact.write(delivery)));
        let leaving = Leaving { org, ids: std::slice::from_ref(id), number: WITHOUT_BATCH, at };
        match self.commit_leaving(OPERATION, &own, leaving).await? {
            // What is staged, batched or settled is left as it is.
            Left::Committed | Left::Before(_) | Left::Refused(_) => Ok(()),
            Left::TooMuch => Err(PortError::permanent(OPERATION, "one event is too much")),
        }
    }
}

/// The event as a plain record: under the key it would have travelled under if it had not been for staging.
pub(crate) fn plain(row: &StagedEvent) -> StreamRecord {
    let event: Option<Event> = serde_json::from_str(&row.body).ok();
    // A body that nobody can read is set aside wherever it travels.
    let unread = || format!("{}/{}", row.org_id, row.event_id);
    StreamRecord {
        partition_key: event.as_ref().map_or_else(unread, admit::partition_key),
        data: row.body.clone().into_bytes(),
    }
}

/// Is a row to reach the connector? The question is the same that the processor and the batcher ask.
fn forwards(row: &StagedEvent) -> bool {
    serde_json::from_str::<Event>(&row.body)
        .is_ok_and(|event| admit::admit(&event, row.staged_at) == Ok(Admission::Forward))
}

const ABSENT: &str = "attribute_not_exists(sk)";
const PUTS_AT_ONCE: usize = 32;
/// What a door takes, and what it adds: when it took it, its checksum, its flags.
const ROW_BODY_BYTES_MAX: usize = EVENT_BYTES_MAX + 1_024;
