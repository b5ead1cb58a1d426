//! Places that are full: sealed, left for finer ones, and at the end for items of their own.

use aws::{Cloud, resources::Resource};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use contract::{
    Event,
    limits::{DAY_MS, DEDUPE_HORIZON_MS, MARKER_TTL_MS},
};
use domain::markers::{ENTRIES_MAX, ENTRY_BYTES, Level, PackedId, Place};
use ports::ledger::{CommitOutcome, Ledger};
use standin::Corner;

use crate::support::{acme, base, chunk, count, counted, event, expected, key, timed};

fn place(event: &Event, level: Level) -> Place {
    PackedId::of(&event.event_id).unwrap().place(level)
}

/// Somebody else's entries fill the place up.
async fn fill(corner: &Corner, place: Place, segment: &str) {
    let entries = (0..ENTRIES_MAX).flat_map(|n| (u128::try_from(n).unwrap() << 64).to_be_bytes());
    let put = corner.access().dynamodb().put_item().table_name(corner.name(Resource::Dedupe));
    let put = put.item("pk", AttributeValue::S(format!("P#acme#{place}")));
    let put = put.item("sk", AttributeValue::S(segment.to_owned()));
    put.item("e", AttributeValue::B(Blob::new(entries.collect::<Vec<_>>()))).send().await.unwrap();
}

/// The segments of a partition, by number: how many bytes, or that it is the seal.
async fn segments(corner: &Corner, partition: &str) -> Vec<(String, Option<usize>)> {
    let query = corner.access().dynamodb().query().table_name(corner.name(Resource::Dedupe));
    let query = query.key_condition_expression("pk = :pk");
    let query = query.expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()));
    let items = query.send().await.unwrap().items.unwrap();
    let told = |item: &std::collections::HashMap<String, AttributeValue>| {
        let bytes = item.get("e").map(|entries| entries.as_b().unwrap().as_ref().len());
        assert!(bytes.is_some() || item.get("seal").is_some() || item.get("ck").is_some());
        (item["sk"].as_s().unwrap().clone(), bytes)
    };
    items.iter().map(told).collect()
}

/// When TTL may take the first item of a partition, in seconds.
async fn expiry(corner: &Corner, partition: &str) -> i64 {
    let table = corner.name(Resource::Dedupe);
    let scan = corner.access().dynamodb().scan().table_name(table).send().await.unwrap();
    let items = scan.items.unwrap();
    let item = items.iter().find(|item| item["pk"].as_s().unwrap().starts_with(partition));
    item.unwrap()["ttl"].as_n().unwrap().parse().unwrap()
}

async fn at(corner: &Corner, place: Place) -> Vec<(String, Option<usize>)> {
    segments(corner, &format!("P#acme#{place}")).await
}

fn entry(number: &str, entries: usize) -> (String, Option<usize>) {
    (number.to_owned(), Some(entries * ENTRY_BYTES))
}

fn seal(number: &str) -> (String, Option<usize>) {
    (number.to_owned(), None)
}

async fn is_known(world: &Cloud, event: &Event) -> bool {
    world.known(&[key(event)]).await.unwrap() == [Some(domain::admit::ck_of(event))]
}

#[test]
fn a_full_place_is_sealed_and_its_ids_go_on_to_finer_ones_and_to_items_of_their_own() {
    standin::run(async {
        let corner = Corner::open().await;
        let events: Vec<Event> = (0..4).map(|n| event(&acme(), timed(1, n), "/a")).collect();
        let levels = Level::ALL.map(|level| place(&events[0], level));
        let mut segment = "0000";
        for (level, counted) in levels.iter().zip(&events) {
            fill(&corner, *level, segment).await;
            // Each by a process that knows nothing yet.
            assert_eq!(
                count(&corner.cloud(), std::slice::from_ref(counted)).await.unwrap().commits,
                1
            );
            segment = "0001";
        }
        let full = || entry("0000", ENTRIES_MAX);
        assert_eq!(at(&corner, levels[0]).await, [full(), seal("0001")]);
        assert_eq!(
            at(&corner, levels[1]).await,
            [entry("0000", 1), entry("0001", ENTRIES_MAX), seal("0002")]
        );
        assert_eq!(
            at(&corner, levels[2]).await,
            [entry("0000", 1), entry("0001", ENTRIES_MAX), seal("0002")]
        );
        let alone = format!("M#acme#{}", events[2].event_id);
        assert_eq!(segments(&corner, &alone).await, [seal("0")]);
        assert_eq!(expiry(&corner, &alone).await, (levels[2].expires_at().ms() + 999) / 1_000);

        let stranger = corner.cloud();
        for event in &events[..3] {
            assert!(is_known(&stranger, event).await);
            let again = chunk(&corner.cloud(), std::slice::from_ref(event)).await.unwrap();
            assert_eq!(corner.cloud().commit(again).await.unwrap(), CommitOutcome::Stale);
        }
        assert!(!is_known(&stranger, &events[3]).await);
        assert_eq!(counted(&stranger, &acme()).await, expected(&events[..3]));
    });
}

#[test]
fn a_process_that_does_not_know_of_the_seal_counts_nothing_twice() {
    standin::run(async {
        let corner = Corner::open().await;
        let one = event(&acme(), timed(1, 1), "/a");
        let (early, other) = (corner.cloud(), corner.cloud());
        // It has seen the place empty.
        assert!(!is_known(&early, &one).await);
        let late = chunk(&early, std::slice::from_ref(&one)).await.unwrap();
        fill(&corner, place(&one, Level::Coarse), "0000").await;
        count(&other, std::slice::from_ref(&one)).await.unwrap();
        assert_eq!(early.commit(late).await.unwrap(), CommitOutcome::Stale);
        assert!(is_known(&early, &one).await);
        assert_eq!(counted(&early, &acme()).await, expected([&one]));
    });
}

#[test]
fn a_place_and_an_item_of_its_own_outlive_whoever_may_ask() {
    standin::run(async {
        let corner = Corner::open().await;
        let (packed, alone) =
            (event(&acme(), timed(1, 1), "/a"), event(&acme(), "order.1".parse().unwrap(), "/a"));
        count(&corner.cloud(), &[packed.clone(), alone]).await.unwrap();
        // A record may arrive thirty days after its id was made, and be redelivered for thirty more.
        let place = expiry(&corner, "P#acme#0#").await * 1_000 - base().ms();
        assert!(
            (DEDUPE_HORIZON_MS + MARKER_TTL_MS..DEDUPE_HORIZON_MS + MARKER_TTL_MS + DAY_MS)
                .contains(&place)
        );
        assert_eq!(
            expiry(&corner, "M#acme#order.1").await * 1_000,
            base().plus_ms(MARKER_TTL_MS).ms()
        );
    });
}
