//! The transport of a host in Lambda, against a stand-in for DynamoDB.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws::resources::Resource;
use aws_sdk_dynamodb::types::AttributeValue;
use contract::change::{self, Attribute};
use emitter::{
    Code, Draft, Emitter, EventId, GivenKey, Mock, OrgId, RootKey, RowFate, Settings, StagedEvent,
    Transport, TransportError, friction, transport::DynamoDb,
};
use ports::stream::StreamSource;
use standin::{Corner, run};

fn transport(corner: &Corner) -> DynamoDb {
    let client = corner.access().dynamodb();
    DynamoDb::new(client, corner.name(Resource::Staging), corner.name(Resource::Delivery))
}

async fn emitter<T: Transport + 'static>(transport: T) -> Emitter<T> {
    let settings = Settings::new(OrgId::parse("acme").unwrap(), "checkout", "eu-central-1");
    let root = RootKey::parse(&"0123456789abcdef".repeat(4)).unwrap();
    Emitter::connect(settings, GivenKey::new(root, 3, [7; 32]), transport).await.unwrap()
}

/// Rows as an emitter makes them, kept instead of sent.
async fn rows(drafts: impl IntoIterator<Item = Draft<friction::Friction>>) -> Vec<StagedEvent> {
    let kept = Arc::new(Mock::new());
    let emitter = emitter(Arc::clone(&kept)).await;
    for draft in drafts {
        emitter.emit(draft).await;
    }
    kept.rows()
}

fn draft() -> Draft<friction::Friction> {
    friction::challenge("answers").actor("jan@example.org")
}

fn bodies(rows: &[StagedEvent]) -> Vec<&str> {
    rows.iter().map(|row| row.body.as_str()).collect()
}

fn id(text: &str) -> EventId {
    EventId::parse(text).unwrap()
}

/// What is staged in the organisation, by id.
async fn staged(corner: &Corner) -> Vec<StagedEvent> {
    let mut found = Vec::new();
    for partition in domain::placement::staging_partitions(&OrgId::parse("acme").unwrap()) {
        let query = corner.access().dynamodb().query().table_name(corner.name(Resource::Staging));
        let query = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(partition));
        for item in query.send().await.unwrap().items() {
            found.push(row(item));
        }
    }
    found.sort_by(|a, b| a.event_id.cmp(&b.event_id));
    found
}

fn row(item: &HashMap<String, AttributeValue>) -> StagedEvent {
    let image = item.iter().filter_map(|(name, value)| {
        let text = value.as_s().ok().map(|text| Attribute::S(text.as_str().into()));
        let number = || value.as_n().ok().map(|number| Attribute::N(number.as_str().into()));
        let value = text.or_else(number)?;
        Some((name.as_str().into(), value))
    });
    change::row(&image.collect()).unwrap()
}

#[test]
fn what_is_emitted_is_staged_listed_in_the_directory_and_told_to_the_stream() {
    run(async {
        let corner = Corner::open().await;
        let emitter = emitter(transport(&corner)).await;
        emitter.emit(draft()).await;
        for _ in 0..30 {
            emitter.emit_later(draft());
        }
        let report = emitter.flush(Duration::from_secs(10)).await;
        assert_eq!((report.still_held, emitter.stats().sent), (0, 31));
        assert_eq!(staged(&corner).await.len(), 31);
        let world = corner.world();
        let mut told = 0;
        for shard in world.shards().await.unwrap() {
            told += world.read(&shard, None, 100).await.unwrap().len();
        }
        assert_eq!(told, 31);
        let listed =
            corner.access().dynamodb().get_item().table_name(corner.name(Resource::Delivery));
        let listed = listed
            .key("pk", AttributeValue::S("DIR#2".to_owned()))
            .key("sk", AttributeValue::S("acme".to_owned()));
        assert!(listed.send().await.unwrap().item.is_some());
    });
}

#[test]
fn a_row_under_a_chosen_id_is_stored_once_and_another_body_is_refused() {
    run(async {
        let corner = Corner::open().await;
        let transport = transport(&corner);
        let chosen = rows([draft().event_id(id("order-1"))]).await;
        let other = rows([draft().event_id(id("order-1")).severity(5)]).await;
        assert_eq!(transport.send(&chosen).await, Ok(vec![RowFate::Stored]));
        assert_eq!(transport.send(&chosen).await, Ok(vec![RowFate::Known]));
        assert_eq!(transport.send(&other).await, Ok(vec![RowFate::Refused(Code::IdCollision)]));
        assert_eq!(bodies(&staged(&corner).await), bodies(&chosen));
    });
}

#[test]
fn sending_rows_again_changes_nothing_and_fates_come_in_order() {
    run(async {
        let corner = Corner::open().await;
        let transport = transport(&corner);
        let drafts = (0..25).map(|number| match number % 5 {
            0 => draft().event_id(id(&format!("chosen-{number:02}"))),
            _ => draft(),
        });
        let mut sent = rows(drafts).await;
        assert_eq!(transport.send(&sent).await, Ok(vec![RowFate::Stored; 25]));
        let again = transport.send(&sent).await.unwrap();
        for (row, fate) in sent.iter().zip(again) {
            let chosen = row.event_id.as_str().starts_with("chosen");
            assert_eq!(fate, if chosen { RowFate::Known } else { RowFate::Stored });
        }
        sent.sort_by(|a, b| a.event_id.cmp(&b.event_id));
        assert_eq!(bodies(&staged(&corner).await), bodies(&sent));
    });
}

#[test]
fn a_table_that_is_not_there_is_named_as_the_reason() {
    run(async {
        let corner = Corner::open().await;
        let client = corner.access().dynamodb();
        let transport = DynamoDb::new(client, "no-such-table", corner.name(Resource::Delivery));
        let denied = Err(TransportError::Denied { why: "no such table" });
        assert_eq!(transport.send(&rows([draft()]).await).await, denied);
        assert_eq!(transport.send(&rows([draft(), draft()]).await).await, denied);
        assert_eq!(transport.send(&[]).await, Ok(Vec::new()));
    });
}
