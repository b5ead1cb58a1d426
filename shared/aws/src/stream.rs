//! The log: a Kinesis stream, appended to in requests of many records and read by iterators that are kept.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_kinesis::{
    error::SdkError,
    operation::get_records::{GetRecordsError, GetRecordsOutput},
    primitives::Blob,
    types::{PutRecordsRequestEntry, Record, ShardIteratorType},
};
use contract::Timestamp;
use ports::{
    PortError, PortResult,
    stream::{EventStream, SourceRecord, StreamRecord, StreamSource},
};
use tokio::time::Instant;

use crate::{Cloud, fault::port_error, jitter, resources::Resource};

impl EventStream for Cloud {
    /// A request that failed as a whole and may have been carried out counts as not appended: its records come again,
    /// and consumers know events by their ids. The failure itself is answered only when nothing at all was appended.
    async fn append(&self, records: &[StreamRecord]) -> PortResult<Vec<usize>> {
        let mut refused = Vec::new();
        let mut failure = None;
        for part in parts(records) {
            let put = self.put_records(records, part.collect()).await?;
            refused.extend(put.refused);
            failure = failure.or(put.failure);
        }
        match failure {
            Some(failure) if refused.len() == records.len() => Err(failure),
            Some(_) | None => Ok(refused),
        }
    }
}

impl StreamSource for Cloud {
    async fn shards(&self) -> PortResult<Vec<String>> {
        let stream = self.resources().name(Resource::Stream)?;
        let mut shards = Vec::new();
        let mut next = None;
        loop {
            let list = self.0.kinesis.list_shards();
            // A token stands for the stream that it was given out for.
            let list = match next.take() {
                Some(token) => list.next_token(token),
                None => list.stream_name(stream),
            };
            let page = list.send().await.map_err(|error| port_error("stream.shards", error))?;
            next = page.next_token;
            shards.extend(page.shards.unwrap_or_default().into_iter().map(|shard| shard.shard_id));
            if next.is_none() {
                // Kinesis numbers shards as it makes them.
                shards.sort_unstable();
                return Ok(shards);
            }
        }
    }

    async fn read(
        &self,
        shard: &str,
        after: Option<&str>,
        limit: usize,
    ) -> PortResult<Vec<SourceRecord>> {
        let mut records = Vec::new();
        let mut position = after.map(str::to_owned);
        for _ in 0..CALLS_MAX {
            let left = limit.saturating_sub(records.len());
            if left == 0 {
                break;
            }
            let page = self.page(shard, position.as_deref(), left).await?;
            if let Some(last) = page.records.last() {
                position = Some(last.sequence_number.clone());
            }
            let at_end = page.millis_behind_latest == Some(0) || page.next_shard_iterator.is_none();
            records.extend(page.records.into_iter().map(source_record));
            if at_end {
                break;
            }
        }
        Ok(records)
    }
}

/// What one request's records came to.
struct Put {
    refused: Vec<usize>,
    failure: Option<PortError>,
}

impl Cloud {
    /// Puts the records at `pending` and puts again those that were refused one by one. A request that fails as a whole
    /// is not repeated here: the client has done so.
    async fn put_records(
        &self,
        records: &[StreamRecord],
        mut pending: Vec<usize>,
    ) -> PortResult<Put> {
        const OPERATION: &str = "stream.append";
        let stream = self.resources().name(Resource::Stream)?;
        let end = Instant::now() + TRYING_MAX;
        for attempt in 1..=TRIES_MAX {
            let entries = pending.iter().filter_map(|index| records.get(*index)).map(entry);
            let request = self.0.kinesis.put_records().stream_name(stream);
            let answer = match request.set_records(Some(entries.collect())).send().await {
                Ok(answer) => answer,
                Err(error) => {
                    let failure = port_error(OPERATION, error);
                    return if failure.transient {
                        Ok(Put { refused: pending, failure: Some(failure) })
                    } else {
                        Err(failure)
                    };
                }
            };
            // An answer that says less than was asked leaves the rest refused.
            let taken = |position: usize| {
                answer.records.get(position).is_some_and(|entry| entry.error_code.is_none())
            };
            let refused = pending.iter().enumerate().filter(|(position, _)| !taken(*position));
            pending = refused.map(|(_, index)| *index).collect();
            let pause = jitter::full(attempt, PAUSE_FIRST, PAUSE_MAX);
            if pending.is_empty() || attempt == TRIES_MAX || Instant::now() + pause > end {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Ok(Put { refused: pending, failure: None })
    }

    /// How many records of `shard` follow on `after`; no more than `most` are counted.
    #[cfg(all(feature = "dynamodb", feature = "s3"))]
    pub(crate) async fn count_after(
        &self,
        shard: &str,
        after: Option<String>,
        most: u64,
    ) -> PortResult<u64> {
        let mut position = after;
        let mut counted = 0;
        for _ in 0..CALLS_MAX {
            let left = usize::try_from(most - counted).unwrap_or(usize::MAX);
            let page = self.page(shard, position.as_deref(), left.min(COUNTED_PER_CALL)).await?;
            counted += u64::try_from(page.records.len()).unwrap_or(u64::MAX);
            let at_end = page.millis_behind_latest == Some(0) || page.next_shard_iterator.is_none();
            if at_end || counted >= most {
                break;
            }
            position =
                page.records.into_iter().last().map(|last| last.sequence_number).or(position);
        }
        Ok(counted)
    }

    /// What follows on `position`. The iterator that comes with it is kept for whoever asks next.
    async fn page(
        &self,
        shard: &str,
        position: Option<&str>,
        limit: usize,
    ) -> PortResult<GetRecordsOutput> {
        let kept = self.0.iterators.get(shard, position);
        let found = match kept {
            Some(iterator) => self.get_records(&iterator, limit).await,
            None => self.get_records(&self.iterator(shard, position).await?, limit).await,
        };
        let page = match found {
            // It was kept for too long, by us or by Kinesis.
            Err(SdkError::ServiceError(error)) if error.err().is_expired_iterator_exception() => {
                self.get_records(&self.iterator(shard, position).await?, limit).await
            }
            found => found,
        };
        let page = page.map_err(|error| port_error("stream.read", error))?;
        if let Some(next) = &page.next_shard_iterator {
            let position =
                page.records.last().map(|record| record.sequence_number.as_str()).or(position);
            self.0.iterators.keep(shard, position, next);
        }
        Ok(page)
    }

    async fn get_records(
        &self,
        iterator: &str,
        limit: usize,
    ) -> Result<GetRecordsOutput, SdkError<GetRecordsError>> {
        let limit = i32::try_from(limit.min(RECORDS_PER_CALL_MAX)).unwrap_or(i32::MAX);
        self.0.kinesis.get_records().shard_iterator(iterator).limit(limit).send().await
    }

    async fn iterator(&self, shard: &str, position: Option<&str>) -> PortResult<String> {
        const OPERATION: &str = "stream.read";
        let stream = self.resources().name(Resource::Stream)?;
        let request = self.0.kinesis.get_shard_iterator().stream_name(stream).shard_id(shard);
        let request = match position {
            Some(sequence) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(sequence),
            None => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
        };
        let answer = request.send().await.map_err(|error| port_error(OPERATION, error))?;
        answer
            .shard_iterator
            .ok_or_else(|| PortError::transient(OPERATION, "an answer without an iterator"))
    }
}

/// Iterators by where they stand, so that a poller needs one call and not two.
#[derive(Default)]
pub(crate) struct Iterators(Mutex<HashMap<Position, (String, Instant)>>);

/// A shard, and the record after which to go on.
type Position = (String, Option<String>);

impl Iterators {
    fn get(&self, shard: &str, after: Option<&str>) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (iterator, since) = kept.get(&position(shard, after))?;
        (since.elapsed() < ITERATOR_AGE_MAX).then(|| iterator.clone())
    }

    fn keep(&self, shard: &str, after: Option<&str>, iterator: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= ITERATORS_MAX {
            kept.retain(|_, (_, since)| since.elapsed() < ITERATOR_AGE_MAX);
        }
        // A reader that jumps about gains nothing from iterators.
        if kept.len() >= ITERATORS_MAX {
            kept.clear();
        }
        kept.insert(position(shard, after), (iterator.to_owned(), Instant::now()));
    }
}

fn position(shard: &str, after: Option<&str>) -> Position {
    (shard.to_owned(), after.map(str::to_owned))
}

/// Cuts records into requests.
fn parts(records: &[StreamRecord]) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, record) in records.iter().enumerate() {
        let size = record.partition_key.len() + record.data.len();
        match parts.last_mut() {
            Some(part) if part.len() < RECORDS_PER_PUT_MAX && bytes + size <= BYTES_PER_PUT_MAX => {
                part.end = index + 1;
                bytes += size;
            }
            Some(_) | None => {
                parts.push(index..index + 1);
                bytes = size;
            }
        }
    }
    parts
}

fn entry(record: &StreamRecord) -> PutRecordsRequestEntry {
    let entry = PutRecordsRequestEntry::builder()
        .partition_key(&record.partition_key)
        .data(Blob::new(record.data.clone()))
        .build();
    entry.unwrap_or_else(|_| unreachable!("both of its required parts are set"))
}

fn source_record(record: Record) -> SourceRecord {
    let arrived_at = record.approximate_arrival_timestamp.and_then(|at| at.to_millis().ok());
    SourceRecord {
        sequence: record.sequence_number,
        partition_key: record.partition_key.unwrap_or_default(),
        arrived_at: Timestamp::from_ms(arrived_at.unwrap_or_default()),
        data: record.data.into_inner(),
    }
}

const RECORDS_PER_PUT_MAX: usize = 500;
/// Of data and partition keys. The documented limit is 5 MiB.
const BYTES_PER_PUT_MAX: usize = 4_718_592;
const TRIES_MAX: u32 = 5;
const TRYING_MAX: Duration = Duration::from_secs(3);
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
const RECORDS_PER_CALL_MAX: usize = 10_000;
/// Bounds what lies in memory while records are only counted.
#[cfg(all(feature = "dynamodb", feature = "s3"))]
const COUNTED_PER_CALL: usize = 1_000;
/// A shard that was quiet for long is crossed in many empty answers; the next call goes on where this one stopped.
const CALLS_MAX: usize = 100;
/// Kinesis lets an iterator expire after five minutes.
const ITERATOR_AGE_MAX: Duration = Duration::from_secs(240);
const ITERATORS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(bytes: usize) -> StreamRecord {
        StreamRecord { partition_key: String::new(), data: vec![0; bytes] }
    }

    #[test]
    fn a_request_ends_at_its_five_hundredth_record_and_before_its_limit_in_bytes() {
        assert_eq!(parts(&[]), []);
        assert_eq!(parts(&vec![sized(1); 1_001]), [0..500, 500..1_000, 1_000..1_001]);
        let quarter = sized(BYTES_PER_PUT_MAX / 4);
        assert_eq!(parts(&vec![quarter; 5]), [0..4, 4..5]);
        let large = [sized(1), sized(BYTES_PER_PUT_MAX), sized(1)];
        assert_eq!(parts(&large), [0..1, 1..2, 2..3]);
    }
}
