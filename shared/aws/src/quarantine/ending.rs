//! That an event ended in quarantine, or passed through it on its way to the connector: booked once, whatever number of
//! its records is set aside.
//!
//! A door had accepted the event, and nobody will count it. It is booked here as accepted; as on its way to the
//! connector when a batch has it or its row is still to be formed, otherwise as having ended.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Code, EventId, OrgId, Timestamp, limits::MARKER_TTL_MS};
use domain::admit;
use ports::{PortResult, archive::Quarantined, ledger::EventKey};

use super::index::{Row, name};
use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, Item, flag, item, key, ttl},
    markers::Memory,
    resources::Resource,
    rows,
    transaction::Write,
};

/// How an event goes on from quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It does not.
    EndsHere,
    /// To the connector, because the batcher reads it although the processor did not.
    Forwarded,
}

/// Events that were accepted and not counted, each with its way.
#[derive(Debug, Default)]
pub(super) struct Endings(BTreeMap<EventKey, Way>);

impl Endings {
    /// Those of the events of these records, by id.
    pub(super) fn of(&self, rows: &[Row]) -> BTreeMap<EventId, Way> {
        let ended = rows.iter().filter_map(|row| {
            let key = event(row.record())?;
            let way = self.0.get(&key)?;
            Some((key.id, *way))
        });
        ended.collect()
    }
}

impl Cloud {
    /// Which of the records' events have to be booked, because nobody will count them.
    pub(super) async fn endings(&self, records: &[Quarantined]) -> PortResult<Endings> {
        const OPERATION: &str = "quarantine.hold";
        let keys: BTreeSet<EventKey> = records.iter().filter_map(event).collect();
        if keys.is_empty() {
            return Ok(Endings::default());
        }
        let keys: Vec<EventKey> = keys.into_iter().collect();
        let counted = self.find_marks(Memory::Counted, &keys).await?;
        let open = keys.into_iter().zip(counted).filter(|(_, counted)| counted.is_none());
        let open: Vec<EventKey> = open.map(|(key, _)| key).collect();
        let forwarded = self.find_marks(Memory::Forwarded, &open).await?;
        let row_keys = open.iter().map(|key| rows::key(&key.org, &key.id)).collect();
        let staged = self.get_all(OPERATION, Resource::Staging, row_keys).await?;
        let staged: BTreeSet<EventKey> = staged
            .iter()
            .filter_map(rows::row)
            .filter(admit::forwards)
            .map(|row| EventKey { org: row.org_id, id: row.event_id })
            .collect();
        let way = |(key, forwarded): (EventKey, Option<u32>)| {
            let goes_on = forwarded.is_some() || staged.contains(&key);
            (key, if goes_on { Way::Forwarded } else { Way::EndsHere })
        };
        Ok(Endings(open.into_iter().zip(forwarded).map(way).collect()))
    }

    /// Did the event end in quarantine? Its records are forgotten earlier than that.
    pub(crate) async fn ended_aside(&self, event: &EventKey) -> PortResult<bool> {
        let key = ending_key(Some(&event.org), &event.id);
        let found = self.get_all("accounts.whereabouts", Resource::Dedupe, vec![key]).await?;
        Ok(found.first().is_some_and(|ending| !ending.flag(FORWARDED).unwrap_or(false)))
    }

    /// What was booked for the event of a record, if anything was.
    pub(super) async fn ending_of(
        &self,
        operation: &'static str,
        row: &Row,
    ) -> PortResult<Option<(EventId, Way)>> {
        let Some(EventKey { id, .. }) = event(row.record()) else { return Ok(None) };
        let get = self.0.dynamodb.get_item().consistent_read(true);
        let get = get.table_name(self.resources().name(Resource::Dedupe)?);
        let answer = get.set_key(Some(ending_key(row.org(), &id))).send().await;
        let answer = answer.map_err(|error| port_error(operation, error))?;
        let Some(item) = answer.item else { return Ok(None) };
        Ok(Some((id, if item.flag(FORWARDED)? { Way::Forwarded } else { Way::EndsHere })))
    }
}

/// Remembers it, unless it is remembered.
pub(super) fn write(
    table: &str,
    org: Option<&OrgId>,
    id: &EventId,
    way: Way,
    now: Timestamp,
) -> Write {
    let mut ending =
        item([(FORWARDED, flag(way == Way::Forwarded)), ("ttl", ttl(now.plus_ms(MARKER_TTL_MS)))]);
    ending.extend(ending_key(org, id));
    Write::put(table, ending).when("attribute_not_exists(sk)")
}

/// Forgets it, if it is remembered like this.
pub(super) fn removal(table: &str, org: Option<&OrgId>, id: &EventId, way: Way) -> Write {
    Write::delete(table, ending_key(org, id))
        .when("#way = :way")
        .name("#way", FORWARDED)
        .value(":way", flag(way == Way::Forwarded))
}

/// The event that a record was accepted as. The id of a collision goes on with the body that came first.
fn event(record: &Quarantined) -> Option<EventKey> {
    if !record.terminal || record.reason == Code::IdCollision {
        return None;
    }
    Some(EventKey { org: record.org.clone()?, id: record.event_id.clone()? })
}

fn ending_key(org: Option<&OrgId>, id: &EventId) -> Item {
    key(format!("T#{}#{id}", name(org)), "0")
}

const FORWARDED: &str = "forwarded";
