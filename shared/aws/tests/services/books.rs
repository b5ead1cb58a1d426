//! The books: what makes them broken, and what only seems to.

use aws::resources::Resource;
use aws_sdk_dynamodb::types::AttributeValue;
use contract::ledger::Balance;
use ports::{
    accounts::Accounts as _,
    reference::Organisations as _,
    staging::Staging as _,
    stream::{Checkpoints as _, EventStream as _, StreamRecord, StreamSource as _},
};

use crate::support::{Rig, acme, now, rows};

#[test]
fn an_organisation_has_a_row_once_it_exists() {
    standin::run(async {
        let rig = Rig::open().await;
        assert_eq!(rig.cloud.ledger(Some(&acme()), now()).await.unwrap().orgs, []);
        rig.cloud.create(&acme()).await.unwrap();
        let row = rig.books().await;
        assert_eq!((row.org.as_str(), row.accepted, row.state), ("acme", 0, Balance::Balanced));
        assert_eq!(rig.cloud.ledger(None, now()).await.unwrap().orgs, [row]);
    });
}

#[test]
fn rows_that_the_stream_does_not_tell_of_yet_settle() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.cloud.stage(&rows(0..3)).await.unwrap();
        // Not pumped: DynamoDB has not sent them to the stream.
        let row = rig.books().await;
        assert_eq!((row.pending, row.difference, row.state), (3, -3, Balance::Settling));
    });
}

#[test]
fn a_batch_that_vanished_is_noticed() {
    standin::run(async {
        let rig = Rig::open().await;
        let staged = rows(0..3);
        let (_, batch) = rig.formed(&staged).await;
        assert_eq!(rig.books().await.pending, 3);
        rig.count(&staged).await;
        assert_eq!(rig.books().await.state, Balance::Balanced);
        let delete = rig.corner.access().dynamodb().delete_item();
        let delete = delete
            .table_name(rig.corner.name(Resource::Delivery))
            .key("pk", AttributeValue::S("D#acme".to_owned()))
            .key("sk", AttributeValue::S(format!("B#{}", batch.seq)));
        delete.send().await.unwrap();
        let row = rig.books().await;
        assert_eq!((row.difference, row.state, row.balanced), (3, Balance::Broken, false));
    });
}

#[test]
fn what_is_in_flight_is_what_the_processor_has_not_finished() {
    standin::run(async {
        let rig = Rig::open().await;
        let record = |number: usize| StreamRecord {
            partition_key: number.to_string(),
            data: b"{}".to_vec(),
        };
        rig.cloud.append(&(0..40).map(record).collect::<Vec<_>>()).await.unwrap();
        let lag = async || rig.cloud.ledger(None, now()).await.unwrap().stream_lag;
        assert_eq!(lag().await, 40);
        let shard = rig.cloud.shards().await.unwrap().remove(0);
        let read = rig.cloud.read(&shard, None, 100).await.unwrap();
        rig.cloud.save("processor", &shard, &read[2].sequence).await.unwrap();
        assert_eq!(lag().await, 37);
        rig.cloud.save("another", &shard, &read[4].sequence).await.unwrap();
        assert_eq!(lag().await, 37);
    });
}
