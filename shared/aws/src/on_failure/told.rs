//! What Lambda tells about an invocation that it gave up, with the payload that only a bucket gets.

use std::collections::BTreeMap;

use contract::{Timestamp, kinesis::RecordBatch};
use ports::stream::FailedInvocation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Identity;

/// An object of the failure destination.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    request_context: RequestContext,
    /// Absent when the function was never invoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_context: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    version: String,
    timestamp: Timestamp,
    #[serde(rename = "KinesisBatchInfo")]
    batch: BatchInfo,
    /// The last field: what stands before it can be read alone.
    #[serde(default)]
    payload: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    #[serde(default)]
    request_id: String,
    function_arn: String,
    condition: String,
    #[serde(default)]
    approximate_invoke_count: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchInfo {
    shard_id: String,
    start_sequence_number: String,
    end_sequence_number: String,
    #[serde(default)]
    approximate_arrival_of_first_record: Option<Timestamp>,
    #[serde(default)]
    approximate_arrival_of_last_record: Option<Timestamp>,
    batch_size: u64,
    #[serde(default)]
    stream_arn: String,
}

impl Told {
    /// What Lambda would have told.
    pub(super) fn of(failed: FailedInvocation, request_id: String) -> Self {
        let FailedInvocation { consumer, shard, sequences, at, condition, payload } = failed;
        let batch: RecordBatch = serde_json::from_str(&payload).unwrap_or_default();
        let (first, last) = (batch.records.first(), batch.records.last());
        Self {
            request_context: RequestContext {
                request_id,
                function_arn: format!("{ARN}{consumer}"),
                condition,
                approximate_invoke_count: 1,
            },
            response_context: Some(BTreeMap::from([
                ("executedVersion".to_owned(), "$LATEST".into()),
                ("functionError".to_owned(), "Unhandled".into()),
                ("statusCode".to_owned(), 200.into()),
            ])),
            version: "1.0".to_owned(),
            timestamp: at,
            batch: BatchInfo {
                shard_id: shard,
                start_sequence_number: sequences.0,
                end_sequence_number: sequences.1,
                approximate_arrival_of_first_record: first.map(|record| record.arrived_at),
                approximate_arrival_of_last_record: last.map(|record| record.arrived_at),
                batch_size: u64::try_from(batch.records.len()).unwrap_or(u64::MAX),
                stream_arn: String::new(),
            },
            payload: Some(payload.into()),
        }
    }

    /// Reads an object.
    pub(super) fn read(object: &[u8]) -> Option<Self> {
        serde_json::from_slice(object).ok()
    }

    /// Reads an object's beginning, as far as its payload.
    pub(super) fn read_head(beginning: &[u8]) -> Option<Self> {
        let at = beginning.windows(PAYLOAD.len()).position(|part| part == PAYLOAD)?;
        let head = beginning.get(..at)?.trim_ascii_end();
        let mut head = head.strip_suffix(b",").unwrap_or(head).to_vec();
        head.push(b'}');
        Self::read(&head)
    }

    /// The consumer. A function is named after it, with the suite's name before and perhaps a stage behind.
    pub(super) fn consumer(&self) -> &str {
        // arn:aws:lambda:<region>:<account>:function:<name>, and perhaps a version.
        let name = self.request_context.function_arn.split(':').nth(6).unwrap_or_default();
        name.split(['-', '_']).find(|word| CONSUMERS.contains(word)).unwrap_or(name)
    }

    /// How many records were given up.
    pub(super) fn records(&self) -> u64 {
        self.batch.batch_size
    }

    /// Which records were given up, and whose.
    pub(super) fn identity(&self) -> Identity {
        Identity {
            consumer: self.consumer().to_owned(),
            shard: self.batch.shard_id.clone(),
            first: self.batch.start_sequence_number.clone(),
            last: self.batch.end_sequence_number.clone(),
        }
    }

    /// As redriving takes it; nothing without a payload.
    pub(super) fn into_failed(self) -> Option<FailedInvocation> {
        let consumer = self.consumer().to_owned();
        let payload = match self.payload? {
            Value::String(payload) => payload,
            payload @ (Value::Object(_) | Value::Array(_)) => payload.to_string(),
            Value::Null | Value::Bool(_) | Value::Number(_) => return None,
        };
        let BatchInfo { shard_id, start_sequence_number, end_sequence_number, .. } = self.batch;
        Some(FailedInvocation {
            consumer,
            shard: shard_id,
            sequences: (start_sequence_number, end_sequence_number),
            at: self.timestamp,
            condition: self.request_context.condition,
            payload,
        })
    }
}

/// Consumers of the stream.
const CONSUMERS: &[&str] = &["processor", "sessionizer"];
const ARN: &str = "arn:aws:lambda:eu-central-1:000000000000:function:";
const PAYLOAD: &[u8] = b"\"payload\"";

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Lambda's documentation, with a payload.
    const DOCUMENTED: &str = r#"{
        "requestContext": {
            "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
            "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:friction_processor-dev:live",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2019-11-14T00:38:06.021Z",
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000001",
            "startSequenceNumber": "49601189658422359378836298521827638475320189012309704722",
            "endSequenceNumber": "49601189658422359378836298522902373528957594348623495186",
            "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.835Z",
            "approximateArrivalOfLastRecord": "2019-11-14T00:38:05.580Z",
            "batchSize": 500,
            "streamArn": "arn:aws:kinesis:us-east-2:123456789012:stream/mystream"
        },
        "payload": "{\"Records\":[]}"
    }"#;

    fn failed() -> FailedInvocation {
        FailedInvocation {
            consumer: "processor".to_owned(),
            shard: "shardId-000000000001".to_owned(),
            sequences: (
                "49601189658422359378836298521827638475320189012309704722".to_owned(),
                "49601189658422359378836298522902373528957594348623495186".to_owned(),
            ),
            at: Timestamp::parse("2019-11-14T00:38:06.021Z").unwrap(),
            condition: "RetryAttemptsExhausted".to_owned(),
            payload: r#"{"Records":[]}"#.to_owned(),
        }
    }

    #[test]
    fn what_lambda_writes_is_read_whether_the_payload_is_a_text_or_not() {
        let told = Told::read(DOCUMENTED.as_bytes()).unwrap();
        assert_eq!(told.records(), 500);
        assert_eq!(told.into_failed(), Some(failed()));
        let nested = DOCUMENTED.replace(r#""{\"Records\":[]}""#, r#"{"Records":[]}"#);
        assert_eq!(Told::read(nested.as_bytes()).unwrap().into_failed(), Some(failed()));
    }

    #[test]
    fn what_is_written_here_is_read_like_what_lambda_writes() {
        let text = serde_json::to_vec(&Told::of(failed(), "r".to_owned())).unwrap();
        assert_eq!(Told::read(&text).unwrap().into_failed(), Some(failed()));
        let keys = |text: &[u8]| -> Vec<String> {
            let value: Value = serde_json::from_slice(text).unwrap();
            let mut keys = Vec::new();
            for (name, part) in value.as_object().unwrap() {
                keys.push(name.clone());
                let inner = part.as_object().into_iter().flat_map(|part| part.keys());
                keys.extend(inner.map(|inner| format!("{name}.{inner}")));
            }
            keys.sort();
            keys
        };
        assert_eq!(keys(&text), keys(DOCUMENTED.as_bytes()));
    }

    #[test]
    fn the_head_tells_as_much_as_the_whole_object_and_needs_no_payload() {
        let cut = DOCUMENTED.find("Records").unwrap();
        let head = Told::read_head(&DOCUMENTED.as_bytes()[..cut]).unwrap();
        assert_eq!(head.identity(), Told::read(DOCUMENTED.as_bytes()).unwrap().identity());
        assert_eq!(head.records(), 500);
        assert!(Told::read_head(b"{\"requestContext\"").is_none());
        assert!(Told::read(b"[]").is_none());
    }

    #[test]
    fn a_function_is_named_after_its_consumer() {
        for (name, consumer) in [
            ("processor", "processor"),
            ("friction_processor", "processor"),
            ("friction_processor-dev", "processor"),
            ("processor:7", "processor"),
            ("somebody-elses", "somebody-elses"),
        ] {
            let text = DOCUMENTED.replace("friction_processor-dev:live", name);
            assert_eq!(Told::read(text.as_bytes()).unwrap().consumer(), consumer);
        }
    }
}
