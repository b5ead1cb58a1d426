//! Events of owners: one item each, put once.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use contract::{Event, Timestamp, limits::DAY_MS};
use domain::admit::{ck_of, ck_text};
use friction::owner::{Owner, Position};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ports::{
    PortError, PortResult,
    clock::{Clock as _, SystemClock},
    sessions::{Arming, EventLog, Heads as _, LoggedEvent, Strikes, StruckEvent},
};

use crate::{
    Cloud,
    fault::port_error,
    item::{Item, flag, item, malformed, text, ttl},
    resources::Resource,
    sessions::{
        bodies::{packed_text, unpacked_text},
        places::{self, EVENT},
    },
    transaction::patiently,
};

impl EventLog for Cloud {
    async fn append(&self, events: &[LoggedEvent]) -> PortResult<()> {
        let now = SystemClock.now();
        // Of two in one call the first is the first.
        let mut items: BTreeMap<(String, String), Item> = BTreeMap::new();
        for LoggedEvent { owner, event } in events {
            let place = (places::partition(owner), sort_key(&Position::of(event), ck_of(event)));
            if let Entry::Vacant(free) = items.entry(place) {
                let item = event_item(free.key(), event, now)?;
                free.insert(item);
            }
        }
        stream::iter(items.into_values().map(|item| self.put_once(item)))
            .buffer_unordered(PUTS_AT_ONCE)
            .try_collect()
            .await
    }

    async fn read(
        &self,
        owner: &Owner,
        from: Timestamp,
        after: Option<&Position>,
        limit: usize,
    ) -> PortResult<Vec<Event>> {
        const OPERATION: &str = "event_log.read";
        // A position lies behind the keys that it makes, which go on with `#`, and before all ids that begin like its own.
        let first = match after {
            Some(Position { at, id }) if *at >= from => {
                format!("{EVENT}{}#{id}$", places::digits(*at))
            }
            Some(_) | None => format!("{EVENT}{}", places::digits(from)),
        };
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .consistent_read(true)
            .key_condition_expression("pk = :owner AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":owner", text(places::partition(owner)))
            .expression_attribute_values(":first", text(first))
            .expression_attribute_values(":last", text(LAST))
            .projection_expression("body, struck")
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let mut items = query.into_paginator().items().send();
        let mut events = Vec::new();
        while events.len() < limit
            && let Some(item) = items.next().await
        {
            let item = item.map_err(|error| port_error(OPERATION, error))?;
            if item.contains_key(STRUCK) {
                continue;
            }
            let raw = unpacked_text(&item, "body")?;
            events.push(serde_json::from_str(&raw).map_err(|_| malformed("body"))?);
        }
        Ok(events)
    }
}

impl Strikes for Cloud {
    /// Strikes out, then arms: whoever looks then reads what is left.
    async fn strike(&self, events: &[StruckEvent], now: Timestamp) -> PortResult<()> {
        let items: Vec<Item> = events.iter().map(|struck| struck_item(struck, now)).collect();
        stream::iter(items.into_iter().map(|item| self.put(item)))
            .buffer_unordered(PUTS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        let armings: Vec<_> = events.iter().map(|struck| Arming::without(struck, now)).collect();
        self.arm(&armings).await
    }
}

impl Cloud {
    async fn put_once(&self, item: Item) -> PortResult<()> {
        let put = self.0.dynamodb.put_item().set_item(Some(item));
        let put = put.table_name(self.resources().name(Resource::Sessions)?);
        let put = put.condition_expression("attribute_not_exists(sk)");
        match patiently(|| put.clone().send()).await {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            answer => answer.map(drop).map_err(|error| port_error("event_log.append", error)),
        }
    }

    async fn put(&self, item: Item) -> PortResult<()> {
        let put = self.0.dynamodb.put_item().set_item(Some(item));
        let put = put.table_name(self.resources().name(Resource::Sessions)?);
        let answer = patiently(|| put.clone().send()).await;
        answer.map(drop).map_err(|error| port_error("event_log.strike", error))
    }
}

fn sort_key(Position { at, id }: &Position, ck: u32) -> String {
    format!("{EVENT}{}#{id}#{}", places::digits(*at), ck_text(ck))
}

/// Takes the place of the event, or keeps it free.
fn struck_item(StruckEvent { owner, position, ck }: &StruckEvent, now: Timestamp) -> Item {
    item([
        ("pk", text(places::partition(owner))),
        ("sk", text(sort_key(position, *ck))),
        (STRUCK, flag(true)),
        ("ttl", ttl(position.at.max(now).plus_ms(EVENTS_TTL_MS))),
    ])
}

fn event_item((pk, sk): &(String, String), event: &Event, now: Timestamp) -> PortResult<Item> {
    // Where the stream carried it says nothing about what happened.
    let logged = match &event.record {
        None => Cow::Borrowed(event),
        Some(_) => Cow::Owned(Event { record: None, ..event.clone() }),
    };
    let raw = serde_json::to_string(&logged)
        .map_err(|error| PortError::permanent("event_log.append", error))?;
    Ok(item([
        ("pk", text(pk)),
        ("sk", text(sk)),
        ("body", packed_text(&raw)?),
        ("ttl", ttl(event.occurred_at.max(now).plus_ms(EVENTS_TTL_MS))),
    ]))
}

/// Behind every event.
const LAST: &str = "E#~";
const STRUCK: &str = "struck";
const PUTS_AT_ONCE: usize = 32;
/// Two days longer than a session may change, from when its events happened or, if they came late, from when they came.
pub(crate) const EVENTS_TTL_MS: i64 = 9 * DAY_MS;
