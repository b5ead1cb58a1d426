//! Decisions that panic or are mistaken, as no input makes the real ones do.

use contract::{Code, limits::HOUR_MS};
use domain::admit::Fault;
use embedded::{Durability, Options, Store};
use ports::{accounts::Accounts, archive::Quarantined, clock::SystemClock};

use super::*;

struct World {
    processor: Processor<Store, SystemClock>,
    store: Store,
    _directory: tempfile::TempDir,
}

impl World {
    fn deciding(decisions: Decisions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { durability: Durability::Relaxed, ..Options::default() };
        let store = Store::open(directory.path(), options).unwrap();
        store.create_keys_if_absent().unwrap();
        let processor = Processor { decisions, ..Processor::new(store.clone(), SystemClock) };
        Self { processor, store, _directory: directory }
    }

    async fn handle(&self, batch: &RecordBatch) -> Result<PartialBatchAnswer, BatchError> {
        self.processor.handle(batch, &Invocation::default()).await
    }

    /// What the store holds: events counted, and what was set aside.
    async fn holds(&self) -> (u64, Vec<Quarantined>) {
        let now = SystemClock.now();
        let org = "acme".parse().unwrap();
        let (from, to) = (now.plus_ms(-2 * HOUR_MS), now.plus_ms(HOUR_MS));
        let cells = self.store.counters(Some(&org), from, to).await.unwrap();
        let all = cells.into_iter().filter(|(cell, _)| cell.product.is_none());
        let counted = all.map(|(_, count)| count.events).sum();
        let mut held = self.store.held(None, from, to).await.unwrap();
        held.extend(self.store.held(Some(&org), from, to).await.unwrap());
        (counted, held)
    }
}

/// `count` plain events `e.0`, `e.1`, … under the sequence numbers 1, 2, …
fn batch(count: usize) -> RecordBatch {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let now = SystemClock.now();
    let record = |n: usize| {
        let body = format!(
            r#"{{"eventId":"e.{n}","eventType":"ui.scroll","occurredAt":"{now}","orgId":"acme","screen":"/a","recordedAt":"{now}"}}"#
        );
        let (seconds, ms) = (now.ms() / 1_000, now.ms() % 1_000);
        format!(
            r#"{{"kinesis":{{"sequenceNumber":"{}","data":"{}","approximateArrivalTimestamp":{seconds}.{ms:03}}},"eventID":"shardId-000000000000:1"}}"#,
            n + 1,
            STANDARD.encode(body)
        )
    };
    let records: Vec<String> = (0..count).map(record).collect();
    serde_json::from_str(&format!(r#"{{"Records":[{}]}}"#, records.join(","))).unwrap()
}

/// Scenario 41, in reading.
#[tokio::test]
async fn a_panic_while_reading_costs_that_record_and_still_tells_whose_it_was() {
    let triage = |batch: &RecordBatch, record: &Record| {
        assert!(record.sequence != "3", "a bug");
        triage::triage(batch, record)
    };
    let world = World::deciding(Decisions { triage, ..Decisions::default() });
    let batch = batch(5);
    assert_eq!(world.handle(&batch).await.unwrap(), PartialBatchAnswer::done());
    let (counted, held) = world.holds().await;
    assert_eq!(counted, 4);
    assert_eq!((held.len(), held[0].reason), (1, Code::Panicked));
    assert_eq!(held[0].event_id, Some("e.2".parse().unwrap()));
    assert!(held[0].terminal);
    let key = world.store.seal_key().await.unwrap();
    let bytes = key.open("shardId-000000000000/3", &held[0].sealed).unwrap();
    assert_eq!(bytes, batch.bytes(&batch.records[2]));
}

/// Scenario 41, in enrichment.
#[tokio::test]
async fn a_panic_while_enriching_costs_that_record() {
    let enrich = |event: &mut Event, known: Option<&Assignment>| {
        assert!(event.event_id.as_str() != "e.0", "a bug");
        enrich::enrich(event, known);
    };
    let world = World::deciding(Decisions { enrich, ..Decisions::default() });
    assert_eq!(world.handle(&batch(5)).await.unwrap(), PartialBatchAnswer::done());
    let (counted, held) = world.holds().await;
    assert_eq!(counted, 4);
    assert_eq!((held.len(), held[0].reason), (1, Code::Panicked));
    assert_eq!(held[0].event_id, Some("e.0".parse().unwrap()));
}

/// Scenario 38: a deploy that reads nothing, and its rollback.
#[tokio::test]
async fn after_the_rollback_of_a_bad_deploy_everything_is_processed() {
    let triage =
        |_: &RecordBatch, _: &Record| Class::Poison(Poison::new(Fault::new(Code::InvalidShape)));
    let mut world = World::deciding(Decisions { triage, ..Decisions::default() });
    let batch = batch(20);
    assert!(matches!(world.handle(&batch).await, Err(BatchError::Systemic { .. })));
    assert_eq!(world.holds().await, (0, Vec::new()));
    world.processor.decisions = Decisions::default();
    assert_eq!(world.handle(&batch).await.unwrap(), PartialBatchAnswer::done());
    assert_eq!(world.holds().await, (20, Vec::new()));
}

#[test]
fn a_handler_may_run_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let world = World::deciding(Decisions::default());
    let batch = batch(1);
    let invocation = Invocation::default();
    is_send(&world.processor.handle(&batch, &invocation));
    is_send(&world.processor.handle_payload("", &invocation));
    is_send(&world.processor.redrive(""));
}
