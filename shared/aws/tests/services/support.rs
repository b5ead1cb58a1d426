//! A corner with a wire in between, and events.

use std::collections::BTreeMap;

use aws::Cloud;
use contract::{
    Event, EventId, OrgId, ProductId, Timestamp, ledger::OrgLedger, limits::STAGING_TTL_MS,
    staged::StagedEvent,
};
use domain::{
    admit,
    batching::{BatchedEvent, NewBatch, sequence},
};
use ports::{
    accounts::Accounts as _,
    clock::{Clock as _, SystemClock},
    delivery::{FormOutcome, Forming as _, Lease, Leases as _},
    ledger::{Booking, CommitOutcome, CountedChunk, EventKey, Ledger, Marker},
    staging::Staging as _,
};
use standin::Corner;

use crate::wire::Wire;

/// A process of its own: its caches are.
pub(crate) struct Rig {
    pub(crate) corner: Corner,
    pub(crate) wire: Wire,
    pub(crate) cloud: Cloud,
}

impl Rig {
    pub(crate) async fn open() -> Self {
        let corner = Corner::open().await;
        let wire = Wire::default();
        let access = corner.access().clone().with_http(wire.client());
        let cloud = Cloud::new(&access, corner.resources().clone());
        Self { corner, wire, cloud }
    }

    /// Another process.
    pub(crate) fn other(&self) -> Cloud {
        self.corner.cloud()
    }

    pub(crate) async fn lease(&self) -> Lease {
        self.cloud.acquire(&acme(), now(), now().plus_ms(600_000)).await.unwrap().unwrap()
    }

    /// Stages these and forms them as one batch.
    pub(crate) async fn formed(&self, rows: &[StagedEvent]) -> (Lease, NewBatch) {
        self.cloud.stage(rows).await.unwrap();
        let lease = self.lease().await;
        let ids = rows.iter().map(|row| row.event_id.clone());
        let batch = batch(&sequence(lease.next_seq), ids);
        let outcome = self.cloud.form(&lease, Some(batch.clone()), &[], now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Formed);
        (Lease { next_seq: lease.next_seq + 1, ..lease }, batch)
    }

    /// Counts the events of these rows, as the processor does.
    pub(crate) async fn count(&self, rows: &[StagedEvent]) {
        let events: Vec<Event> =
            rows.iter().map(|row| serde_json::from_str(&row.body).unwrap()).collect();
        let known = BTreeMap::new();
        let marker = |row: &StagedEvent| Marker {
            key: EventKey { org: acme(), id: row.event_id.clone() },
            ck: row.ck,
            arrived_at: row.staged_at,
            booking: Booking::Forwarded,
        };
        let chunk = CountedChunk {
            markers: rows.iter().map(marker).collect(),
            deltas: domain::counters::deltas(&events, &known),
            dictionary_sizes: BTreeMap::new(),
        };
        assert_eq!(Ledger::commit(&self.cloud, chunk).await.unwrap(), CommitOutcome::Committed);
    }

    /// The organisation's row of the ledger.
    pub(crate) async fn books(&self) -> OrgLedger {
        let report = self.cloud.ledger(Some(&acme()), now()).await.unwrap();
        report.orgs.into_iter().next().unwrap()
    }
}

pub(crate) fn acme() -> OrgId {
    OrgId::parse("acme").unwrap()
}

/// Now, in whole seconds.
pub(crate) fn now() -> Timestamp {
    let ms = SystemClock.now().ms();
    Timestamp::from_ms(ms - ms.rem_euclid(1_000))
}

pub(crate) fn id(number: usize) -> EventId {
    EventId::parse(format!("event.{number:04}")).unwrap()
}

pub(crate) fn event(id: &EventId, at: Timestamp) -> Event {
    let json = format!(
        r#"{{"eventId":"{id}","eventType":"friction.abandon","occurredAt":"{at}","orgId":"acme","traceComponent":"transparency"}}"#
    );
    let mut event: Event = serde_json::from_str(&json).unwrap();
    event.ck = Some(admit::ck_text(admit::ck(&event)));
    event.recorded_at = Some(at);
    assert_eq!(admit::admit(&event, at).err(), None);
    event
}

/// The staging row of a friction event.
pub(crate) fn row(id: &EventId, at: Timestamp) -> StagedEvent {
    let event = event(id, at);
    StagedEvent {
        org_id: acme(),
        product_id: ProductId::default(),
        event_id: id.clone(),
        body: serde_json::to_string(&event).unwrap(),
        ck: admit::ck_of(&event),
        occurred_at: at,
        staged_at: at,
        expires_at: at.plus_ms(STAGING_TTL_MS),
        rescues: 0,
    }
}

/// Rows staged a minute ago.
pub(crate) fn rows(numbers: std::ops::Range<usize>) -> Vec<StagedEvent> {
    numbers.map(|number| row(&id(number), now().plus_ms(-60_000))).collect()
}

pub(crate) fn batch(seq: &str, ids: impl IntoIterator<Item = EventId>) -> NewBatch {
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
