//! A corner with a network in between, events, and what lies in a table.

use std::{collections::HashMap, pin::Pin};

use aws::{Cloud, resources::Resource};
use aws_sdk_dynamodb::types::AttributeValue;
use contract::{
    Event, EventId, OrgId, ProductId, Timestamp, limits::STAGING_TTL_MS, staged::StagedEvent,
};
use domain::{
    admit,
    batching::{BatchedEvent, NewBatch, sequence},
};
use ports::{
    clock::{Clock, SystemClock},
    delivery::{FormOutcome, Forming, Lease, Leases},
    staging::Staging,
};
use standin::Corner;
use uuid::{NoContext, Uuid};

use crate::network::Network;

/// A process of its own: its caches are.
pub(crate) struct Rig {
    pub(crate) corner: Corner,
    pub(crate) network: Network,
    pub(crate) cloud: Cloud,
}

impl Rig {
    pub(crate) async fn open() -> Self {
        let corner = Corner::open().await;
        let network = Network::default();
        let cloud = Self::process(&corner, &network);
        Self { corner, network, cloud }
    }

    /// Another process, whose network has no trouble.
    pub(crate) fn other(&self) -> Cloud {
        self.corner.cloud()
    }

    pub(crate) fn process(corner: &Corner, network: &Network) -> Cloud {
        let access = corner.access().clone().with_http(network.client());
        Cloud::new(&access, corner.resources().clone())
    }

    pub(crate) fn table(&self, resource: Resource) -> &str {
        self.corner.name(resource)
    }

    /// The items whose partition and sort key begin so.
    pub(crate) async fn items(&self, resource: Resource, pk: &str, sk: &str) -> Vec<Item> {
        let scan = self.corner.access().dynamodb().scan().table_name(self.table(resource));
        let mut items = scan.consistent_read(true).into_paginator().items().send();
        let mut found: Vec<Item> = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.unwrap();
            if text(&item, "pk").starts_with(pk) && text(&item, "sk").starts_with(sk) {
                found.push(item);
            }
        }
        found.sort_by_key(|item| (text(item, "pk").to_owned(), text(item, "sk").to_owned()));
        found
    }

    /// An amount of the organisation's ledger.
    pub(crate) async fn booked(&self, name: &str) -> i64 {
        let found = self.items(Resource::Delivery, "D#acme", "LEDGER").await;
        let amount = found.first().and_then(|item| item.get(name));
        amount.map_or(0, |amount| amount.as_n().unwrap().parse().unwrap())
    }

    /// Puts any item into a table.
    pub(crate) async fn put(&self, resource: Resource, item: Item) {
        let put = self.corner.access().dynamodb().put_item().table_name(self.table(resource));
        put.set_item(Some(item)).send().await.unwrap();
    }

    /// Deletes an item, once somebody waits for it.
    pub(crate) fn deletion(
        &self,
        resource: Resource,
        item: &Item,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let delete = self.corner.access().dynamodb().delete_item();
        let key = |name: &str| item[name].clone();
        let delete = delete.table_name(self.table(resource)).key("pk", key("pk"));
        let delete = delete.key("sk", key("sk"));
        Box::pin(async move {
            delete.send().await.unwrap();
        })
    }

    pub(crate) async fn lease(&self) -> Lease {
        self.cloud.acquire(&acme(), now(), now().plus_ms(600_000)).await.unwrap().unwrap()
    }

    /// Stages these and forms them as one batch.
    pub(crate) async fn formed(&self, rows: &[StagedEvent]) -> (Lease, NewBatch) {
        self.cloud.stage(rows).await.unwrap();
        let lease = self.lease().await;
        let batch = batch(&lease, rows);
        let outcome = self.cloud.form(&lease, Some(batch.clone()), &[], now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Formed);
        (Lease { next_seq: lease.next_seq + 1, ..lease }, batch)
    }
}

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).unwrap().as_s().unwrap()
}

pub(crate) fn item<const N: usize>(texts: [(&str, &str); N]) -> Item {
    texts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
        .collect()
}

pub(crate) fn acme() -> OrgId {
    OrgId::parse("acme").unwrap()
}

/// Now, in whole seconds.
pub(crate) fn now() -> Timestamp {
    let ms = SystemClock.now().ms();
    Timestamp::from_ms(ms - ms.rem_euclid(1_000))
}

/// An id that somebody chose.
pub(crate) fn id(number: usize) -> EventId {
    EventId::parse(format!("event.{number:04}")).unwrap()
}

/// An id made at `at`.
pub(crate) fn uuid(at: Timestamp) -> EventId {
    let ms = u64::try_from(at.ms()).unwrap();
    let nanos = u32::try_from(ms % 1_000).unwrap() * 1_000_000;
    let made = uuid::Timestamp::from_unix(NoContext, ms / 1_000, nanos);
    EventId::parse(Uuid::new_v7(made).to_string()).unwrap()
}

/// The first instant of a marker place of the coarsest level, an hour or so ago.
pub(crate) fn place_start() -> Timestamp {
    let ms = now().ms() - 3_600_000;
    Timestamp::from_ms(ms >> 20 << 20)
}

pub(crate) fn event(id: &EventId, kind: &str, at: Timestamp) -> Event {
    let more = if kind.starts_with("friction.") {
        r#","traceComponent":"transparency""#
    } else {
        r#","element":{"key":"save"}"#
    };
    let json = format!(
        r#"{{"eventId":"{id}","eventType":"{kind}","occurredAt":"{at}","orgId":"acme","screen":"/home"{more}}}"#
    );
    let mut event: Event = serde_json::from_str(&json).unwrap();
    event.ck = Some(admit::ck_text(admit::ck(&event)));
    event.recorded_at = Some(at);
    assert_eq!(admit::admit(&event, at).err(), None);
    event
}

/// The staging row of a friction event.
pub(crate) fn row(id: &EventId, at: Timestamp) -> StagedEvent {
    let event = event(id, "friction.abandon", at);
    StagedEvent {
        org_id: acme(),
        product_id: ProductId::default(),
        event_id: id.clone(),
        body: serde_json::to_string(&event).unwrap(),
        ck: admit::ck_of(&event),
        occurred_at: at,
        staged_at: at,
        // TTL attributes hold whole seconds.
        expires_at: Timestamp::from_ms(at.ms() / 1_000 * 1_000 + STAGING_TTL_MS),
        rescues: 0,
    }
}

/// Rows under ids that somebody chose, staged a second apart, the last a minute ago or earlier.
pub(crate) fn rows(numbers: std::ops::Range<usize>) -> Vec<StagedEvent> {
    let start = now().plus_ms(-3_600_000);
    let at = |number: usize| start.plus_ms(i64::try_from(number).unwrap() * 1_000);
    numbers.map(|number| row(&id(number), at(number))).collect()
}

/// Rows whose ids tell the time: `count` of them, each so many ms after the other.
pub(crate) fn timed_rows(count: usize, apart_ms: i64) -> Vec<StagedEvent> {
    let start = place_start();
    let at = |number| start.plus_ms(i64::try_from(number).unwrap() * apart_ms);
    (0..count).map(|number| row(&uuid(at(number)), at(number))).collect()
}

pub(crate) fn batch(lease: &Lease, rows: &[StagedEvent]) -> NewBatch {
    named_batch(&sequence(lease.next_seq), rows.iter().map(|row| row.event_id.clone()))
}

pub(crate) fn named_batch(seq: &str, ids: impl IntoIterator<Item = EventId>) -> NewBatch {
    let named = |event_id: EventId| BatchedEvent {
        connector_id: domain::pseudonym::connector_event_id(&acme(), &event_id),
        event_id,
    };
    NewBatch {
        seq: seq.to_owned(),
        batch_id: format!("acme-{seq}"),
        body: format!(r#"{{"batch":"{seq}"}}"#).into_bytes(),
        events: ids.into_iter().map(named).collect(),
    }
}
