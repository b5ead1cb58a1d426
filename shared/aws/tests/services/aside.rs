//! Quarantine: many records at once, bytes that are gone, rows that are still staged, and time that is over.

use std::sync::LazyLock;

use aws::resources::Resource;
use aws_sdk_dynamodb::types::AttributeValue;
use contract::{Code, Timestamp};
use ports::{
    accounts::Accounts as _,
    archive::{Quarantine as _, Quarantined},
    intake::Put,
    reference::Organisations as _,
    staging::Staging as _,
    stream::StreamSource as _,
};

use crate::{
    support::{Rig, acme, id, now, row},
    wire::Reply,
};

/// The same record has arrived at the same time, however long a test takes.
static START: LazyLock<Timestamp> = LazyLock::new(now);

fn record(number: usize) -> Quarantined {
    Quarantined {
        shard: "shardId-000000000000".to_owned(),
        sequence: format!("{number:056}"),
        arrived_at: START.plus_ms(i64::try_from(number).unwrap() - 600_000),
        reason: Code::InvalidValue,
        path: None,
        org: Some(acme()),
        event_id: Some(id(number)),
        terminal: true,
        sealed: number.to_string().into_bytes(),
    }
}

async fn held(rig: &Rig) -> Vec<Quarantined> {
    rig.cloud.held(Some(&acme()), Timestamp::from_ms(0), now().plus_ms(60_000)).await.unwrap()
}

#[test]
fn many_records_are_held_at_once_and_those_that_are_held_already_once() {
    standin::run(async {
        let rig = Rig::open().await;
        let records: Vec<_> = (0..120).map(record).collect();
        let known = [records[3].clone(), records[50].clone(), records[119].clone()];
        rig.cloud.hold(&known).await.unwrap();
        let twice: Vec<_> = records.iter().chain(&records[..10]).cloned().collect();
        rig.cloud.hold(&twice).await.unwrap();
        assert!(held(&rig).await == records, "oldest first, each with its own bytes");
        let books = rig.books().await;
        assert_eq!(books.quarantined["invalid_value"], 120);
        assert_eq!((books.accepted, books.counted, books.difference), (120, 120, 0));
    });
}

#[test]
fn a_released_record_leaves_neither_item_nor_bytes() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.cloud.create(&acme()).await.unwrap();
        rig.cloud.hold(&[record(1)]).await.unwrap();
        assert!(rig.cloud.release(&record(1), Put::Nothing).await.unwrap());
        assert!(!rig.cloud.release(&record(1), Put::Nothing).await.unwrap());
        assert_eq!(held(&rig).await, []);
        let list = rig.corner.access().s3().list_objects_v2();
        let list = list.bucket(rig.corner.name(Resource::Quarantine)).send().await.unwrap();
        assert_eq!(list.contents().len(), 0);
        let books = rig.books().await;
        assert_eq!((books.accepted, books.counted, books.quarantined.len()), (0, 0, 0));
    });
}

#[test]
fn a_lost_answer_books_nothing_twice() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.wire.script("TransactWriteItems", Reply::Lost);
        rig.cloud.hold(&[record(1), record(2)]).await.unwrap();
        rig.cloud.hold(&[record(1), record(2)]).await.unwrap();
        let books = rig.books().await;
        assert_eq!((books.accepted, books.quarantined["invalid_value"]), (2, 2));
        rig.wire.script("TransactWriteItems", Reply::Lost);
        assert!(rig.cloud.release(&record(1), Put::Nothing).await.unwrap());
        let books = rig.books().await;
        assert_eq!((books.accepted, books.quarantined["invalid_value"]), (1, 1));
        assert_eq!(held(&rig).await, [record(2)]);
    });
}

#[test]
fn a_record_whose_bytes_are_gone_says_so_by_having_none() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.cloud.hold(&[record(1)]).await.unwrap();
        let bucket = rig.corner.name(Resource::Quarantine);
        let listed =
            rig.corner.access().s3().list_objects_v2().bucket(bucket).send().await.unwrap();
        let key = listed.contents()[0].key().unwrap();
        let date = record(1).arrived_at.to_string();
        let date = &date[..10];
        assert_eq!(key, format!("quarantine/dt={date}/shardId-000000000000-{:056}", 1));
        let delete = rig.corner.access().s3().delete_object().bucket(bucket).key(key);
        delete.send().await.unwrap();
        assert_eq!(held(&rig).await, [Quarantined { sealed: Vec::new(), ..record(1) }]);
    });
}

#[test]
fn what_ttl_has_not_removed_yet_is_gone_all_the_same() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.cloud.hold(&[record(1)]).await.unwrap();
        let table = rig.corner.name(Resource::Dedupe);
        let tables = rig.corner.access().dynamodb();
        let sort =
            format!("{:013}#{}#{}", record(1).arrived_at.ms(), record(1).shard, record(1).sequence);
        let update = tables.update_item().table_name(table);
        let update = update
            .key("pk", AttributeValue::S("Q#acme".to_owned()))
            .key("sk", AttributeValue::S(sort))
            .condition_expression("attribute_exists(sk)")
            .update_expression("SET #ttl = :past")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":past", AttributeValue::N("1".to_owned()));
        update.send().await.unwrap();
        assert_eq!(held(&rig).await, []);
    });
}

#[test]
fn an_event_whose_row_is_still_staged_goes_into_the_stream_when_it_is_released() {
    standin::run(async {
        let rig = Rig::open().await;
        let row = row(&id(1), now().plus_ms(-60_000));
        rig.cloud.stage(std::slice::from_ref(&row)).await.unwrap();
        rig.cloud.hold(&[record(1)]).await.unwrap();
        assert!(rig.cloud.release(&record(1), Put::Stage(row.clone())).await.unwrap());
        // Nothing was pumped: what is in the stream was appended.
        let mut stored = Vec::new();
        for shard in rig.cloud.shards().await.unwrap() {
            stored.extend(rig.cloud.read(&shard, None, 10).await.unwrap());
        }
        let [record] = stored.as_slice() else { panic!("{} records", stored.len()) };
        assert_eq!(record.data, row.body.into_bytes());
    });
}

#[test]
fn records_without_an_organisation_have_a_row_of_their_own() {
    standin::run(async {
        let rig = Rig::open().await;
        let nobodys = Quarantined { org: None, event_id: None, terminal: false, ..record(1) };
        rig.cloud.hold(std::slice::from_ref(&nobodys)).await.unwrap();
        let report = rig.cloud.ledger(None, now()).await.unwrap();
        let names: Vec<_> = report.orgs.iter().map(|row| row.org.as_str()).collect();
        assert_eq!(names, ["~unknown"]);
        assert_eq!(report.orgs[0].quarantined["invalid_value"], 1);
        assert!(report.balanced);
        assert!(rig.cloud.release(&nobodys, Put::Nothing).await.unwrap());
        assert!(rig.cloud.ledger(None, now()).await.unwrap().orgs[0].quarantined.is_empty());
    });
}
