//! A stream, a function and a clock in memory, for the pump's own tests.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use contract::{Timestamp, kinesis::RecordBatch};
use ports::{
    PortError, PortResult,
    faulty::Hands,
    stream::{Checkpoints, FailedInvocation, OnFailure, SourceRecord, StreamSource},
};
use pump::{FunctionError, Settings, StreamFunction};

/// A stream of two shards whose records carry their own number.
#[derive(Default)]
pub(crate) struct Stream {
    shards: Mutex<BTreeMap<String, Vec<SourceRecord>>>,
    pub(crate) checkpoints: Mutex<BTreeMap<String, String>>,
    pub(crate) held: Mutex<Vec<FailedInvocation>>,
    pub(crate) saves_that_fail: AtomicI64,
}

impl Stream {
    pub(crate) fn of(first: usize, second: usize) -> Self {
        let records = |count| (1..=count).map(record).collect();
        let shards = BTreeMap::from([
            ("shard-0".to_owned(), records(first)),
            ("shard-1".to_owned(), records(second)),
        ]);
        Self { shards: Mutex::new(shards), ..Self::default() }
    }

    pub(crate) fn append(&self, shard: &str, number: usize) {
        self.shards.lock().unwrap().entry(shard.to_owned()).or_default().push(record(number));
    }

    pub(crate) fn checkpoint(&self, shard: &str) -> Option<String> {
        self.checkpoints.lock().unwrap().get(shard).cloned()
    }

    pub(crate) fn held_numbers(&self) -> Vec<Vec<u64>> {
        self.held.lock().unwrap().iter().map(|failed| numbers(&failed.payload)).collect()
    }
}

pub(crate) fn record(number: usize) -> SourceRecord {
    SourceRecord {
        // From 8 on: the numbers get longer, and as text they would sort wrongly.
        sequence: (number + 7).to_string(),
        partition_key: "k".to_owned(),
        arrived_at: Timestamp::from_ms(i64::try_from(number).unwrap() * 1_000),
        data: number.to_string().into_bytes(),
    }
}

pub(crate) fn numbers(payload: &str) -> Vec<u64> {
    let batch: RecordBatch = serde_json::from_str(payload).unwrap();
    let number = |record| std::str::from_utf8(batch.bytes(record)).unwrap().parse().unwrap();
    batch.records.iter().map(number).collect()
}

pub(crate) fn resume_at(number: u64) -> String {
    format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{}"}}]}}"#, number + 7)
}

impl StreamSource for &Stream {
    async fn shards(&self) -> PortResult<Vec<String>> {
        Ok(self.shards.lock().unwrap().keys().cloned().collect())
    }

    async fn read(
        &self,
        shard: &str,
        after: Option<&str>,
        limit: usize,
    ) -> PortResult<Vec<SourceRecord>> {
        let passed = after.map_or(0, |sequence| sequence.parse::<usize>().unwrap() - 7);
        Ok(self.shards.lock().unwrap()[shard].iter().skip(passed).take(limit).cloned().collect())
    }
}

impl Checkpoints for &Stream {
    async fn load(&self, _consumer: &str, shard: &str) -> PortResult<Option<String>> {
        Ok(self.checkpoint(shard))
    }

    async fn save(&self, _consumer: &str, shard: &str, sequence: &str) -> PortResult<()> {
        if self.saves_that_fail.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(PortError::transient("checkpoints.save", "throttled"));
        }
        self.checkpoints.lock().unwrap().insert(shard.to_owned(), sequence.to_owned());
        Ok(())
    }
}

impl OnFailure for &Stream {
    async fn hold(&self, failed: FailedInvocation) -> PortResult<()> {
        self.held.lock().unwrap().push(failed);
        Ok(())
    }

    async fn held(&self, consumer: &str, limit: usize) -> PortResult<Vec<FailedInvocation>> {
        let held = self.held.lock().unwrap();
        let own = held.iter().filter(|held| held.consumer == consumer);
        Ok(own.take(limit).cloned().collect())
    }

    async fn forget(&self, failed: &FailedInvocation) -> PortResult<()> {
        self.held.lock().unwrap().retain(|held| held != failed);
        Ok(())
    }
}

/// Remembers what it was handed and answers as `answer` says.
pub(crate) struct Script<A> {
    pub(crate) batches: Mutex<Vec<Vec<u64>>>,
    pub(crate) answer: A,
}

impl<A: Fn(&[u64]) -> Result<String, FunctionError> + Send + Sync> Script<A> {
    pub(crate) fn new(answer: A) -> Self {
        Self { batches: Mutex::default(), answer }
    }

    pub(crate) fn batches(&self) -> Vec<Vec<u64>> {
        self.batches.lock().unwrap().clone()
    }
}

impl<A: Fn(&[u64]) -> Result<String, FunctionError> + Send + Sync> StreamFunction for Script<A> {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        let batch = numbers(payload);
        self.batches.lock().unwrap().push(batch.clone());
        (self.answer)(&batch)
    }
}

pub(crate) fn at(ms: i64) -> Hands {
    Hands::at(Timestamp::from_ms(ms))
}

pub(crate) fn settings(batch_size: usize) -> Settings {
    Settings { batch_size, window_ms: 0, max_retries: Some(1), ..Settings::of("c") }
}

pub(crate) fn fails() -> Result<String, FunctionError> {
    Err(FunctionError::failed("no"))
}

pub(crate) fn done() -> Result<String, FunctionError> {
    Ok(r#"{"batchItemFailures":[]}"#.to_owned())
}
