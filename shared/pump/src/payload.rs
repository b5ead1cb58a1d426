//! Records in the shape in which a Kinesis event source hands them to a function.

use base64::{Engine, engine::general_purpose::STANDARD};
use ports::stream::SourceRecord;

use crate::settings::Settings;

/// The payload for as many of `records` as fit, and how many those are: at least one if there is one.
#[must_use]
pub fn wrap(shard: &str, records: &[SourceRecord], settings: &Settings) -> (String, usize) {
    let mut payload = String::from(OPEN);
    let mut taken = 0;
    for record in records {
        let before = payload.len();
        if taken > 0 {
            payload.push(',');
        }
        push(&mut payload, shard, record, &settings.stream_arn);
        if taken > 0 && payload.len() + CLOSE.len() > settings.payload_bytes_max {
            payload.truncate(before);
            break;
        }
        taken += 1;
    }
    payload.push_str(CLOSE);
    (payload, taken)
}

fn push(payload: &mut String, shard: &str, record: &SourceRecord, stream_arn: &str) {
    payload.push_str(r#"{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"#);
    push_text(payload, &record.partition_key);
    payload.push_str(r#","sequenceNumber":"#);
    push_text(payload, &record.sequence);
    payload.push_str(r#","data":""#);
    STANDARD.encode_string(&record.data, payload);
    let ms = record.arrived_at.ms().max(0);
    let arrived = format!(r#"","approximateArrivalTimestamp":{}.{:03}}}"#, ms / 1_000, ms % 1_000);
    payload.push_str(&arrived);
    payload.push_str(r#","eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"#);
    push_text(payload, &format!("{shard}:{}", record.sequence));
    payload.push_str(
        r#","eventName":"aws:kinesis:record","awsRegion":"eu-central-1","eventSourceARN":"#,
    );
    push_text(payload, stream_arn);
    payload.push('}');
}

fn push_text(payload: &mut String, text: &str) {
    payload.push_str(&serde_json::Value::from(text).to_string());
}

const OPEN: &str = r#"{"Records":["#;
const CLOSE: &str = "]}";

#[cfg(test)]
mod tests {
    use contract::{Timestamp, kinesis::RecordBatch};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn record(sequence: &str, data: &[u8]) -> SourceRecord {
        SourceRecord {
            sequence: sequence.to_owned(),
            partition_key: "acme\"\\\n".to_owned(),
            arrived_at: Timestamp::from_ms(1_545_084_650_087),
            data: data.to_vec(),
        }
    }

    #[test]
    fn a_record_looks_as_lambda_shows_it() {
        let settings = Settings::of("processor");
        let (payload, taken) = wrap("shardId-000000000006", &[record("495", b"{}")], &settings);
        assert_eq!(taken, 1);
        let read: serde_json::Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(
            read,
            json!({"Records": [{
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "acme\"\\\n",
                    "sequenceNumber": "495",
                    "data": "e30=",
                    "approximateArrivalTimestamp": 1_545_084_650.087,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": "shardId-000000000006:495",
                "eventName": "aws:kinesis:record",
                "awsRegion": "eu-central-1",
                "eventSourceARN":
                    "arn:aws:kinesis:eu-central-1:000000000000:stream/eu-friction-stream",
            }]})
        );
    }

    #[test]
    fn a_payload_is_cut_before_it_grows_too_large_but_never_empty() {
        let records: Vec<_> = (1..=5).map(|n| record(&n.to_string(), &[b'x'; 3_000])).collect();
        let one = wrap("s", &records[..1], &Settings::of("c")).0.len();
        let settings = |payload_bytes_max| Settings { payload_bytes_max, ..Settings::of("c") };
        for (bytes_max, expected) in
            [(1, 1), (one, 1), (2 * one - 14, 1), (2 * one - 13, 2), (10 * one, 5)]
        {
            let (payload, taken) = wrap("s", &records, &settings(bytes_max));
            assert_eq!(taken, expected, "{bytes_max}");
            assert!(taken == 1 || payload.len() <= bytes_max);
            let read: RecordBatch = serde_json::from_str(&payload).unwrap();
            assert_eq!(read.records.len(), taken);
        }
    }

    proptest! {
        #[test]
        fn the_reader_gets_back_what_was_wrapped(
            data in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..8),
            ms in 0i64..4_000_000_000_000,
        ) {
            let records: Vec<_> = data
                .iter()
                .enumerate()
                .map(|(n, bytes)| SourceRecord {
                    arrived_at: Timestamp::from_ms(ms),
                    ..record(&(n + 8).to_string(), bytes)
                })
                .collect();
            let (payload, taken) = wrap("shard-7", &records, &Settings::of("c"));
            let read: RecordBatch = serde_json::from_str(&payload).unwrap();
            prop_assert_eq!(taken, records.len());
            prop_assert_eq!(&read.shard, "shard-7");
            for (got, put) in read.records.iter().zip(&records) {
                prop_assert_eq!(&got.sequence, &put.sequence);
                prop_assert_eq!(got.arrived_at, put.arrived_at);
                prop_assert_eq!(read.bytes(got), &put.data);
            }
        }
    }
}
