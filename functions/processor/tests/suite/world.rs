//! A store in a directory of its own, a processor over it that fails on command, and what both look like afterwards.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use contract::{
    Event, OrgId, ProductId, Timestamp,
    kinesis::RecordBatch,
    limits::{DAY_MS, HOUR_MS},
};
use domain::{archive, counters::Dimension};
use embedded::{Durability, Options, Store};
use friction::owner::Owner;
use libdeflater::Decompressor;
use ports::{
    accounts::Accounts,
    archive::{Archive, Quarantine, Quarantined},
    clock::Clock,
    faulty::{FaultPlan, Faulty},
    reference::Organisations,
    sessions::{EventLog, LoggedEvent},
};
use processor::{BatchError, Invocation, Processor};
use serde_json::{Value, json};

/// 2026-02-12T10:00:00Z.
pub(crate) const NOW_MS: i64 = 1_770_890_400_000;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) plan: FaultPlan,
    pub(crate) processor: Processor<Faulty<Store>, Fixed>,
    _directory: tempfile::TempDir,
}

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        now()
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_ms(NOW_MS)
}

pub(crate) fn org(name: &str) -> OrgId {
    name.parse().unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::failing(FaultPlan::none()).await
    }

    pub(crate) async fn failing(plan: FaultPlan) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            durability: Durability::Relaxed,
            clock: std::sync::Arc::new(Fixed),
            ..Options::default()
        };
        let store = Store::open(directory.path(), options).unwrap();
        store.create_keys_if_absent().unwrap();
        for name in ["acme", "beta"] {
            store.create(&org(name)).await.unwrap();
        }
        let processor = Processor::new(Faulty::new(store.clone(), plan.clone()), Fixed);
        Self { store, plan, processor, _directory: directory }
    }

    /// Handles a batch; the answer is where to resume.
    pub(crate) async fn handle(&self, batch: &RecordBatch) -> Result<Option<String>, BatchError> {
        self.run(batch, &Invocation::default()).await
    }

    pub(crate) async fn run(
        &self,
        batch: &RecordBatch,
        invocation: &Invocation,
    ) -> Result<Option<String>, BatchError> {
        let answer = self.processor.handle(batch, invocation).await?;
        assert!(answer.batch_item_failures.len() <= 1);
        Ok(answer.batch_item_failures.into_iter().next().map(|item| item.item_identifier))
    }

    /// Handles a batch to its end, and says that nothing is left of it.
    pub(crate) async fn finish(&self, batch: &RecordBatch) {
        assert_eq!(self.handle(batch).await.unwrap(), None);
    }

    /// Events counted for an organisation as a whole.
    pub(crate) async fn counted(&self, name: &str) -> u64 {
        self.cells(name).await.get("all").copied().unwrap_or(0)
    }

    /// Events by dimension, over all hours; `all` is the organisation as a whole.
    pub(crate) async fn cells(&self, name: &str) -> BTreeMap<String, u64> {
        let org = org(name);
        let (from, to) = (now().plus_ms(-40 * DAY_MS), now().plus_ms(DAY_MS));
        let mut cells = BTreeMap::new();
        for (cell, count) in self.store.counters(Some(&org), from, to).await.unwrap() {
            if cell.product.is_none() || cell.dimension != Dimension::All {
                *cells.entry(cell.dimension.to_text()).or_default() += count.events;
            }
        }
        cells
    }

    /// The archive's objects by key, unpacked.
    pub(crate) async fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let mut objects = BTreeMap::new();
        for key in Archive::list(&self.store, archive::PREFIX).await.unwrap() {
            let packed = Archive::read(&self.store, &key).await.unwrap().unwrap();
            let size = packed.last_chunk::<4>().map(|size| u32::from_le_bytes(*size)).unwrap();
            let mut lines = vec![0; usize::try_from(size).unwrap()];
            Decompressor::new().gzip_decompress(&packed, &mut lines).unwrap();
            objects.insert(key, lines);
        }
        objects
    }

    /// The archive's events, object by object.
    pub(crate) async fn archived(&self) -> Vec<Event> {
        let objects = self.objects().await;
        objects.values().flat_map(|lines| archive::parse_lines(lines)).map(Result::unwrap).collect()
    }

    /// The ids of the archive, each once.
    pub(crate) async fn archived_ids(&self) -> BTreeSet<String> {
        self.archived().await.into_iter().map(|event| event.event_id.to_string()).collect()
    }

    /// Whose sessions the events of `actor` make.
    pub(crate) fn owner(actor: &str) -> Owner {
        let product = ProductId::parse("shop").unwrap();
        Owner { org: org("acme"), product, token: actor.to_owned() }
    }

    /// Appends events to the logs of their owners.
    pub(crate) async fn log<'e>(&self, bodies: impl IntoIterator<Item = &'e Vec<u8>>) {
        let logged = |body: &Vec<u8>| {
            let event: Event = serde_json::from_slice(body).unwrap();
            LoggedEvent { owner: Owner::of(&event).unwrap(), event }
        };
        let events: Vec<_> = bodies.into_iter().map(logged).collect();
        self.store.append(&events).await.unwrap();
    }

    /// Severities of what is in the log of `actor`.
    pub(crate) async fn logged(&self, actor: &str) -> Vec<Option<u8>> {
        let (owner, from) = (Self::owner(actor), Timestamp::from_ms(0));
        let events = EventLog::read(&self.store, &owner, from, None, 100).await.unwrap();
        events.into_iter().map(|event| event.severity).collect()
    }

    /// What is in quarantine, of the two organisations and of nobody.
    pub(crate) async fn quarantined(&self) -> Vec<Quarantined> {
        let (from, to) = (now().plus_ms(-400 * DAY_MS), now().plus_ms(DAY_MS));
        let mut held = self.store.held(None, from, to).await.unwrap();
        for name in ["acme", "beta"] {
            held.extend(self.store.held(Some(&org(name)), from, to).await.unwrap());
        }
        held
    }

    /// Reason and sequence number of what is in quarantine.
    pub(crate) async fn reasons(&self) -> Vec<(String, String)> {
        let held = self.quarantined().await;
        held.into_iter().map(|one| (one.reason.to_string(), one.sequence)).collect()
    }
}

/// Records on their way into one batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records(pub(crate) Vec<Raw>);

/// One record as the event source mapping shows it.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) sequence: String,
    pub(crate) arrived_at: Timestamp,
    /// JSON of `data`.
    pub(crate) data: String,
}

impl Records {
    /// Numbers `bodies` from `first` on.
    pub(crate) fn of<B: AsRef<[u8]>>(first: usize, bodies: impl IntoIterator<Item = B>) -> Self {
        let mut records = Self::default();
        for (place, body) in bodies.into_iter().enumerate() {
            records = records.with(first + place, body.as_ref());
        }
        records
    }

    pub(crate) fn with(self, sequence: usize, body: &[u8]) -> Self {
        self.with_data(sequence, &Value::from(STANDARD.encode(body)).to_string())
    }

    pub(crate) fn with_data(mut self, sequence: usize, data: &str) -> Self {
        let sequence = sequence.to_string();
        self.0.push(Raw { sequence, arrived_at: now(), data: data.to_owned() });
        self
    }

    /// The records at `places`.
    pub(crate) fn some(&self, places: impl IntoIterator<Item = usize>) -> Self {
        Self(places.into_iter().map(|place| self.0[place].clone()).collect())
    }

    /// From the record with `sequence` on, as the event source mapping retries.
    pub(crate) fn from(&self, sequence: &str) -> Self {
        let at = self.0.iter().position(|raw| raw.sequence == sequence).unwrap();
        Self(self.0[at..].to_vec())
    }

    pub(crate) fn payload(&self, shard: &str) -> String {
        let records: Vec<String> = self
            .0
            .iter()
            .map(|Raw { sequence, arrived_at, data }| {
                let seconds = arrived_at.ms() / 1_000;
                let ms = arrived_at.ms() % 1_000;
                format!(
                    r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"p","sequenceNumber":"{sequence}","data":{data},"approximateArrivalTimestamp":{seconds}.{ms:03}}},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"{shard}:{sequence}","eventName":"aws:kinesis:record","awsRegion":"eu-central-1","eventSourceARN":"arn:aws:kinesis:eu-central-1:000000000000:stream/events"}}"#
                )
            })
            .collect();
        format!(r#"{{"Records":[{}]}}"#, records.join(","))
    }

    pub(crate) fn batch(&self) -> RecordBatch {
        self.on("shardId-000000000000")
    }

    pub(crate) fn on(&self, shard: &str) -> RecordBatch {
        serde_json::from_str(&self.payload(shard)).unwrap()
    }
}

/// A plain event as a door wrote it, with `changes` merged over it.
pub(crate) fn event(id: &str, changes: Value) -> Vec<u8> {
    let mut event = json!({
        "schemaVersion": "1.0", "eventId": id, "eventType": "ui.click",
        "occurredAt": now().plus_ms(-HOUR_MS).to_string(), "orgId": "acme", "productId": "shop",
        "screen": "/orders/{id}", "element": {"key": "pay"},
    });
    for (key, value) in changes.as_object().unwrap() {
        event[key] = value.clone();
    }
    event.to_string().into_bytes()
}

/// `count` different events.
pub(crate) fn events(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| event(&format!("e.{n}"), json!({}))).collect()
}
