//! The staging table's change stream: DynamoDB sends it to Kinesis by itself, which no stand-in does.
//!
//! Every committed change becomes one record in the documented shape. A test may ask for what AWS documents as possible:
//! the same change twice, and changes in another order than they were made.

use std::sync::atomic::{AtomicBool, Ordering};

use aws::{
    access::{Access, Service},
    resources::{Resource, Resources},
};
use aws_sdk_kinesis::{primitives::Blob, types::PutRecordsRequestEntry};
use axum::http::Request;
use http_body_util::{BodyExt, Collected, Full};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::http::{Client, client};

/// The way from the table to the stream.
#[derive(Debug)]
pub struct Changes {
    client: Client,
    kinesis: aws_sdk_kinesis::Client,
    endpoint: String,
    table: String,
    stream: String,
    untidy: AtomicBool,
    /// Where to go on; nothing before the first time.
    position: Mutex<Option<String>>,
}

impl Changes {
    pub(crate) fn of(access: &Access, resources: &Resources) -> Self {
        let name = |resource| match resources.name(resource) {
            Ok(name) => name.to_owned(),
            Err(error) => panic!("{error}"),
        };
        let Some(endpoint) = access.endpoint(Service::DynamoDb) else {
            panic!("the table has no stand-in")
        };
        Self {
            client: client(),
            kinesis: access.kinesis(),
            endpoint: endpoint.to_owned(),
            table: name(Resource::Staging),
            stream: name(Resource::Stream),
            untidy: AtomicBool::new(false),
            position: Mutex::new(None),
        }
    }

    /// From now on every change comes twice, and each pump's changes in reverse order.
    pub fn be_untidy(&self) {
        self.untidy.store(true, Ordering::Relaxed);
    }

    /// Brings every change made so far to the stream; answers how many.
    ///
    /// # Panics
    /// When a stand-in refuses.
    pub async fn pump(&self) -> usize {
        let mut position = self.position.lock().await;
        let mut iterator = match position.take() {
            Some(iterator) => iterator,
            None => self.start().await,
        };
        let mut pumped = 0;
        loop {
            let page = self.call("GetRecords", json!({"ShardIterator": iterator})).await;
            let records =
                page.get("Records").and_then(Value::as_array).cloned().unwrap_or_default();
            if let Some(next) = page.get("NextShardIterator").and_then(Value::as_str) {
                next.clone_into(&mut iterator);
            }
            if records.is_empty() {
                break;
            }
            pumped += records.len();
            self.put(&records).await;
        }
        *position = Some(iterator);
        pumped
    }

    async fn start(&self) -> String {
        let streams = self.call("ListStreams", json!({"TableName": self.table})).await;
        let arn = text(&streams, "/Streams/0/StreamArn");
        let stream = self.call("DescribeStream", json!({"StreamArn": arn})).await;
        let shard = text(&stream, "/StreamDescription/Shards/0/ShardId");
        let from = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        text(&self.call("GetShardIterator", from).await, "/ShardIterator")
    }

    async fn call(&self, operation: &str, body: Value) -> Value {
        let request = Request::post(&self.endpoint)
            .header("x-amz-target", format!("DynamoDBStreams_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", AUTHORIZATION)
            .header("x-amz-date", "20260101T000000Z")
            .body(Full::from(body.to_string()));
        let answer = match request {
            Ok(request) => self.client.request(request).await,
            Err(error) => panic!("{operation}: {error}"),
        };
        let (parts, body) = match answer {
            Ok(answer) => answer.into_parts(),
            Err(error) => panic!("{operation}: {error}"),
        };
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert!(parts.status.is_success(), "{operation}: {} {value}", parts.status);
        value
    }

    async fn put(&self, records: &[Value]) {
        let mut entries: Vec<_> = records.iter().map(|record| self.entry(record)).collect();
        if self.untidy.load(Ordering::Relaxed) {
            entries.reverse();
            entries.extend(entries.clone());
        }
        for part in entries.chunks(200) {
            let put = self.kinesis.put_records().stream_name(&self.stream);
            let answer = put.set_records(Some(part.to_vec())).send().await;
            match answer {
                Ok(answer) => assert_eq!(answer.failed_record_count(), Some(0)),
                Err(error) => panic!("PutRecords: {error:?}"),
            }
        }
    }

    /// The documented shape: images in DynamoDB's JSON, a time in microseconds and the field that says so.
    fn entry(&self, record: &Value) -> PutRecordsRequestEntry {
        let field = |pointer: &str| record.pointer(pointer).cloned().unwrap_or_default();
        let seconds = field("/dynamodb/ApproximateCreationDateTime").as_f64().unwrap_or(0.0);
        let mut change = json!({
            "ApproximateCreationDateTime": seconds * 1_000_000.0,
            "ApproximateCreationDateTimePrecision": "MICROSECOND",
            "Keys": field("/dynamodb/Keys"),
            "SizeBytes": field("/dynamodb/SizeBytes"),
        });
        for image in ["NewImage", "OldImage"] {
            let value = record.pointer(&format!("/dynamodb/{image}"));
            if let (Some(value), Some(change)) = (value, change.as_object_mut()) {
                change.insert(image.to_owned(), value.clone());
            }
        }
        let told = json!({
            "awsRegion": "eu-central-1",
            "eventID": field("/eventID"),
            "eventName": field("/eventName"),
            "userIdentity": record.get("userIdentity").cloned().unwrap_or(Value::Null),
            "recordFormat": "application/json",
            "tableName": self.table,
            "dynamodb": change,
            "eventSource": "aws:dynamodb",
        });
        // DynamoDB derives the partition key from the item's own key.
        let key: String = field("/dynamodb/Keys").to_string().chars().take(256).collect();
        let entry = PutRecordsRequestEntry::builder()
            .data(Blob::new(told.to_string()))
            .partition_key(key)
            .build();
        match entry {
            Ok(entry) => entry,
            Err(error) => panic!("a record: {error:?}"),
        }
    }
}

fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer).and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => panic!("{pointer} is missing in {value}"),
    }
}

/// The stand-in reads who signed, and believes it.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=standin/20260101/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
