//! Chunks of any size: too large for a transaction, too many counters for one item, more than a segment.

use std::collections::BTreeMap;

use aws::{ledger::Lane, resources::Resource};
use contract::{Event, EventType, OrgId, limits::DICTIONARY_NAMES_MAX};
use ports::ledger::{CommitOutcome, Ledger};
use standin::Corner;

use crate::support::{
    Tally, accepted, acme, chunk, count, counted, event, expected, key, plain, timed,
};

#[test]
fn a_chunk_that_is_too_large_writes_nothing_and_its_halves_count() {
    standin::run(async {
        let corner = Corner::open().await;
        let world = corner.cloud();
        let events: Vec<Event> = (0..150).map(|n| event(&acme(), plain(n), "/a")).collect();
        let whole = chunk(&world, &events).await.unwrap();
        assert_eq!(world.commit(whole).await.unwrap(), CommitOutcome::TooLarge);
        let keys: Vec<_> = events.iter().map(key).collect();
        assert_eq!(corner.cloud().known(&keys).await.unwrap(), vec![None; 150]);
        assert_eq!(counted(&world, &acme()).await, BTreeMap::new());
        let tally = count(&world, &events).await.unwrap();
        assert_eq!(tally, Tally { commits: 2, stale: 0, too_large: 1 });
        assert_eq!(counted(&corner.cloud(), &acme()).await, expected(&events));
        assert_eq!(accepted(&world, &acme()).await, 150);
    });
}

/// More than an update of one item takes: its counters are in two items and read as one.
#[test]
fn an_hour_of_every_name_and_type_loses_none() {
    standin::run(async {
        let corner = Corner::open().await;
        let types = EventType::ALL.iter().cycle();
        let wide = |(n, kind): (u64, &EventType)| {
            let mut event = event(&acme(), timed(5, n), &format!("/s{}", n % 260));
            event.event_type = *kind;
            event
        };
        let events: Vec<Event> = (0..400).zip(types).map(wide).collect();
        let world = corner.cloud();
        assert_eq!(count(&world, &events).await.unwrap().commits, 1);
        let reader = corner.cloud();
        assert_eq!(counted(&reader, &acme()).await, expected(&events));
        assert_eq!(accepted(&reader, &acme()).await, 400);
        let table = corner.name(Resource::Counters);
        let items = corner
            .access()
            .dynamodb()
            .scan()
            .table_name(table)
            .send()
            .await
            .unwrap()
            .items
            .unwrap();
        let mut sorts: Vec<_> =
            items.iter().map(|item| item["sort_key"].as_s().unwrap().clone()).collect();
        sorts.sort();
        assert_eq!(sorts.len(), 3, "{sorts:?}");
        assert!(sorts[1].ends_with("#default#1"), "{sorts:?}");
        let names = items.iter().find_map(|item| item.get("names")).unwrap().as_l().unwrap();
        assert_eq!(names.len(), DICTIONARY_NAMES_MAX);
    });
}

#[test]
fn lanes_are_added_up() {
    standin::run(async {
        let corner = Corner::open().await;
        let events: Vec<Event> = (0..40).map(|n| event(&acme(), timed(7, n), "/a")).collect();
        let mut partitions = Vec::new();
        for (n, part) in events.chunks(5).enumerate() {
            let lane = Lane::of(&format!("2026/02/12/[$LATEST]{n}"));
            partitions.push(lane);
            count(&corner.cloud().with_lane(lane), part).await.unwrap();
        }
        assert!(partitions.iter().any(|lane| *lane != partitions[0]), "one lane only");
        assert_eq!(counted(&corner.cloud(), &acme()).await, expected(&events));
        assert_eq!(accepted(&corner.cloud(), &acme()).await, 40);
    });
}

#[test]
fn many_organisations_in_one_chunk_are_counted_apart() {
    standin::run(async {
        let corner = Corner::open().await;
        let world = corner.cloud();
        let org = |n: u64| -> OrgId { format!("org-{}", n % 20).parse().unwrap() };
        let events: Vec<Event> = (0..200).map(|n| event(&org(n), timed(9, n), "/a")).collect();
        assert_eq!(count(&world, &events).await.unwrap().commits, 1);
        for n in 0..20 {
            let own = events.iter().filter(|event| event.org_id == org(n));
            assert_eq!(counted(&corner.cloud(), &org(n)).await, expected(own));
        }
    });
}
