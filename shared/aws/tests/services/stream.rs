//! The stream: half answers, and iterators that are kept.

use ports::stream::{EventStream as _, StreamRecord, StreamSource as _};
use serde_json::{Value, json};

use crate::{support::Rig, wire::Reply};

fn records(count: usize) -> Vec<StreamRecord> {
    let record = |number: usize| StreamRecord {
        partition_key: format!("key {number}"),
        data: number.to_string().into_bytes(),
    };
    (0..count).map(record).collect()
}

fn taken() -> Value {
    json!({"SequenceNumber": "1", "ShardId": "shardId-000000000000"})
}

fn throttled() -> Value {
    json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"})
}

async fn stored(rig: &Rig) -> Vec<String> {
    let mut stored = Vec::new();
    for shard in rig.other().shards().await.unwrap() {
        let read = rig.other().read(&shard, None, 10_000).await.unwrap();
        stored.extend(read.into_iter().map(|record| String::from_utf8(record.data).unwrap()));
    }
    stored.sort();
    stored
}

#[test]
fn only_refused_records_are_put_again() {
    standin::run(async {
        let rig = Rig::open().await;
        let half = json!({"FailedRecordCount": 2, "Records": [throttled(), taken(), throttled()]});
        rig.wire.script("PutRecords", Reply::Told(half));
        assert_eq!(rig.cloud.append(&records(3)).await.unwrap(), Vec::<usize>::new());
        let asked = rig.wire.asked("PutRecords");
        let sizes: Vec<_> =
            asked.iter().map(|body| body["Records"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [3, 2]);
        assert_eq!(stored(&rig).await, ["0", "2"]);
    });
}

#[test]
fn what_stays_refused_is_answered_by_its_place() {
    standin::run(async {
        let rig = Rig::open().await;
        let first = json!({"FailedRecordCount": 1, "Records": [taken(), throttled(), taken()]});
        let again = json!({"FailedRecordCount": 1, "Records": [throttled()]});
        rig.wire.script("PutRecords", Reply::Told(first));
        (0..4).for_each(|_| rig.wire.script("PutRecords", Reply::Told(again.clone())));
        assert_eq!(rig.cloud.append(&records(3)).await.unwrap(), [1]);
        assert_eq!(rig.wire.asked("PutRecords").len(), 5, "five tries");
    });
}

#[test]
fn a_request_that_fails_costs_its_own_records_alone() {
    standin::run(async {
        let rig = Rig::open().await;
        let many = vec![taken(); 500];
        rig.wire
            .script("PutRecords", Reply::Told(json!({"FailedRecordCount": 0, "Records": many})));
        rig.wire.script("PutRecords", Reply::Refused("SomethingNew"));
        assert_eq!(rig.cloud.append(&records(502)).await.unwrap(), [500, 501]);
        // Nothing at all was appended: there is a failure to be told.
        rig.wire.script("PutRecords", Reply::Refused("SomethingNew"));
        assert!(rig.cloud.append(&records(2)).await.unwrap_err().transient);
        rig.wire.script("PutRecords", Reply::Refused("AccessDeniedException"));
        assert!(!rig.cloud.append(&records(2)).await.unwrap_err().transient);
    });
}

#[test]
fn a_poller_asks_once_for_an_iterator() {
    standin::run(async {
        let rig = Rig::open().await;
        let shard = rig.cloud.shards().await.unwrap().remove(0);
        assert_eq!(rig.cloud.read(&shard, None, 100).await.unwrap(), []);
        for number in 0..3 {
            rig.other().append(&records(20)).await.unwrap();
            let mut read = 0;
            let mut after = None;
            while let Some(last) = rig.cloud.read(&shard, after.as_deref(), 7).await.unwrap().pop()
            {
                after = Some(last.sequence);
                read += 1;
            }
            assert!(read > number, "the shard got some of each twenty");
        }
        assert_eq!(rig.wire.asked("GetShardIterator").len(), 1);
    });
}

#[test]
fn an_iterator_that_expired_is_asked_for_anew() {
    standin::run(async {
        let rig = Rig::open().await;
        let shard = rig.cloud.shards().await.unwrap().remove(0);
        rig.other().append(&records(30)).await.unwrap();
        let first = rig.cloud.read(&shard, None, 3).await.unwrap();
        rig.wire.script("GetRecords", Reply::Refused("ExpiredIteratorException"));
        let after = first.last().unwrap().sequence.clone();
        let next = rig.cloud.read(&shard, Some(&after), 3).await.unwrap();
        assert_eq!(next, rig.other().read(&shard, Some(&after), 3).await.unwrap());
        assert!(!next.is_empty());
        assert_eq!(rig.wire.asked("GetShardIterator").len(), 2);
    });
}
