//! A store in a directory of its own, a clock that stands still until it is told, and events.

use std::sync::Arc;

use contract::{
    EventId, OrgId, Timestamp,
    ingest::{EventAnswer, EventStatus},
    ledger::OrgLedger,
    staged::StagedEvent,
};
use embedded::{Options, Store};
use ports::{
    accounts::Accounts,
    clock::Clock as _,
    delivery::{BatchedEvent, Lease, Leases, NewBatch},
    faulty::Hands,
    intake::{Entry, Intake, Put, Receipt, Submission},
    stream::{Checkpoints, StreamRecord, StreamSource},
};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clock: Arc<Hands>,
    pub(crate) directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|options| options)
    }

    pub(crate) fn with(change: impl FnOnce(Options) -> Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hands::at(Timestamp::from_ms(START_MS)));
        let options = Options { clock: clock.clone(), ..Options::default() };
        let store = Store::open(directory.path(), change(options)).unwrap();
        Self { store, clock, directory }
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopen(self) -> Self {
        let Self { store, clock, directory } = self;
        drop(store);
        let options = Options { clock: clock.clone(), ..Options::default() };
        let store = Store::open(directory.path(), options).unwrap();
        Self { store, clock, directory }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn submit(&self, puts: Vec<Put>) -> Vec<EventAnswer> {
        match self.store.submit(self.submission(puts)).await.unwrap() {
            Receipt::Stored(answers) => answers,
            other @ (Receipt::Repeated(_) | Receipt::Conflict) => panic!("{other:?}"),
        }
    }

    pub(crate) fn submission(&self, puts: Vec<Put>) -> Submission {
        let entry = |(index, put): (usize, Put)| Entry {
            org: acme(),
            answer: EventAnswer {
                index,
                event_id: None,
                status: EventStatus::Accepted,
                code: None,
                path: None,
            },
            put,
        };
        let entries = puts.into_iter().enumerate().map(entry).collect();
        Submission { at: self.now(), idempotency: None, entries }
    }

    pub(crate) async fn lease(&self) -> Lease {
        let now = self.now();
        self.store.acquire(&acme(), now, now.plus_ms(90_000)).await.unwrap().unwrap()
    }

    /// Everything on the stream is done, as far as the processor is concerned.
    pub(crate) async fn finish_stream(&self) {
        for shard in self.store.shards().await.unwrap() {
            let records = self.store.read(&shard, None, 100_000).await.unwrap();
            if let Some(last) = records.last() {
                self.store.save(embedded::PROCESSOR, &shard, &last.sequence).await.unwrap();
            }
        }
    }

    pub(crate) async fn records(&self) -> Vec<String> {
        let mut records = Vec::new();
        for shard in self.store.shards().await.unwrap() {
            for record in self.store.read(&shard, None, 100_000).await.unwrap() {
                records.push(String::from_utf8(record.data).unwrap());
            }
        }
        records
    }

    pub(crate) async fn books(&self) -> OrgLedger {
        let report = self.store.ledger(Some(&acme()), self.now()).await.unwrap();
        report.orgs.into_iter().next().unwrap_or_default()
    }

    /// A friction event of `acme` on its way to the connector.
    pub(crate) fn friction(&self, id: &str) -> StagedEvent {
        self.friction_of(id, "friction.abandon", 1)
    }

    pub(crate) fn friction_of(&self, id: &str, kind: &str, ck: u32) -> StagedEvent {
        let now = self.now();
        let body = format!(
            r#"{{"schemaVersion":"1.0","eventId":"{id}","eventType":"{kind}","occurredAt":"{now}","orgId":"acme","productId":"default","traceComponent":"transparency","severity":4,"recordedAt":"{now}","ck":"{ck:08x}"}}"#
        );
        StagedEvent {
            org_id: acme(),
            product_id: "default".parse().unwrap(),
            event_id: event(id),
            body,
            ck,
            occurred_at: now,
            staged_at: now,
            expires_at: now.plus_ms(contract::limits::STAGING_TTL_MS),
            rescues: 0,
        }
    }
}

pub(crate) fn plain(id: &str, ck: u32) -> Put {
    let record = StreamRecord {
        partition_key: id.to_owned(),
        data: format!("{{\"{id}\":{ck}}}").into_bytes(),
    };
    Put::Stream { event_id: event(id), ck, record }
}

pub(crate) fn acme() -> OrgId {
    "acme".parse().unwrap()
}

pub(crate) fn event(id: &str) -> EventId {
    id.parse().unwrap()
}

pub(crate) fn batch(seq: &str, ids: &[&str]) -> NewBatch {
    NewBatch {
        seq: seq.to_owned(),
        batch_id: format!("batch-{seq}"),
        body: format!("body of {seq}").into_bytes(),
        events: ids
            .iter()
            .map(|id| BatchedEvent { event_id: event(id), connector_id: format!("evt_{id}") })
            .collect(),
    }
}

/// 2026-02-11T08:00:00Z.
const START_MS: i64 = 1_770_796_800_000;
