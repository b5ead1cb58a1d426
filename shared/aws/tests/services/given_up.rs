//! Invocations that Lambda gave up, as Lambda writes them.

use aws::resources::Resource;
use aws_sdk_s3::primitives::ByteStream;
use ports::{
    accounts::Accounts as _,
    stream::{FailedInvocation, OnFailure as _},
};
use serde_json::json;

use crate::support::{Rig, now};

const SHARD: &str = "shardId-000000000001";
const FIRST: &str = "49601189658422359378836298521827638475320189012309704722";
const LAST: &str = "49601189658422359378836298522902373528957594348623495186";

async fn put(rig: &Rig, key: &str, body: String) {
    let bucket = rig.corner.name(Resource::OnFailure);
    let put = rig.corner.access().s3().put_object().bucket(bucket).key(key);
    put.body(ByteStream::from(body.into_bytes())).send().await.unwrap();
}

/// As Lambda writes it.
async fn written(rig: &Rig, mapping: &str, records: usize, payload: &str) {
    let body = json!({
        "requestContext": {
            "requestId": "c9b8fa9f-5a7f-4ab1-af9c-0c604cde93a5",
            "functionArn": "arn:aws:lambda:eu-central-1:123456789012:function:friction_processor",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 51
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": now(),
        "KinesisBatchInfo": {
            "shardId": SHARD,
            "startSequenceNumber": FIRST,
            "endSequenceNumber": LAST,
            "approximateArrivalOfFirstRecord": now(),
            "approximateArrivalOfLastRecord": now(),
            "batchSize": records,
            "streamArn": "arn:aws:kinesis:eu-central-1:123456789012:stream/friction-events"
        },
        "payload": payload,
    });
    // Lambda's keys are dated; the order of an object's fields is Lambda's as well.
    let key = format!("aws/lambda/{mapping}/{SHARD}/2026/11/14/2026-11-14T00.38.06-b6b6");
    put(rig, &key, body.to_string()).await;
}

#[test]
fn what_lambda_wrote_is_held_counted_and_forgotten() {
    standin::run(async {
        let rig = Rig::open().await;
        let payload = r#"{"Records":[]}"#;
        written(&rig, "10b5ac6f", 500, payload).await;
        // A mapping that was made anew gave up the same records.
        written(&rig, "20b5ac6f", 500, payload).await;
        put(&rig, "aws/lambda/10b5ac6f/x/2026/11/14/2026-11-14T00.38.07-junk", "junk".to_owned())
            .await;
        let held = rig.cloud.held("processor", 10).await.unwrap();
        let expected = FailedInvocation {
            consumer: "processor".to_owned(),
            shard: SHARD.to_owned(),
            sequences: (FIRST.to_owned(), LAST.to_owned()),
            at: now(),
            condition: "RetryAttemptsExhausted".to_owned(),
            payload: payload.to_owned(),
        };
        let [found] = held.as_slice() else { panic!("{} are held", held.len()) };
        assert_eq!(FailedInvocation { at: expected.at, ..found.clone() }, expected);
        assert_eq!(rig.cloud.ledger(None, now()).await.unwrap().stream_lag, 500);
        // A process that has not read it finds it all the same.
        rig.other().forget(found).await.unwrap();
        assert_eq!(rig.cloud.held("processor", 10).await.unwrap(), []);
        assert_eq!(rig.cloud.ledger(None, now()).await.unwrap().stream_lag, 0);
    });
}

#[test]
fn the_ledger_reads_the_heads_of_large_objects_alone() {
    standin::run(async {
        let rig = Rig::open().await;
        let payload = format!(r#"{{"Records":["{}"]}}"#, "x".repeat(3_000_000));
        written(&rig, "10b5ac6f", 7, &payload).await;
        assert_eq!(rig.cloud.ledger(None, now()).await.unwrap().stream_lag, 7);
        assert_eq!(rig.cloud.held("processor", 1).await.unwrap()[0].payload, payload);
    });
}
