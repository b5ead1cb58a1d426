//! Several processes at once, with views as old as they happen to be, and over a network that fails.

use std::collections::BTreeSet;

use aws::{Cloud, access::Service, ledger::Lane};
use contract::Event;
use futures::future::join_all;
use ports::chance::Chance;
use standin::{
    Corner,
    proxy::{Fault, Proxy, Weather},
};

use crate::support::{accepted, acme, count, counted, event, expected, plain, timed};

/// Events of which every second one has an id that tells its time; they share places of every level.
fn pool() -> Vec<Event> {
    let id = |n: u64| {
        if n.is_multiple_of(2) { timed(i64::try_from(n).unwrap() * 40, n) } else { plain(n) }
    };
    let screen = |n: u64| format!("/{}", n % 7);
    (0..EVENTS).map(|n| event(&acme(), id(n), &screen(n))).collect()
}

/// Counts twelve overlapping handfuls of the pool; whatever fails is tried again.
async fn process(cloud: Cloud, seed: u64) -> (BTreeSet<usize>, usize) {
    let (pool, mut chance) = (pool(), Chance::of(seed));
    let (mut taken, mut stale) = (BTreeSet::new(), 0);
    for _ in 0..12 {
        let handful: BTreeSet<usize> =
            (0..1 + chance.below(25)).map(|_| chance.below(pool.len())).collect();
        let events: Vec<Event> = handful.iter().map(|at| pool[*at].clone()).collect();
        stale += loop {
            match count(&cloud, &events).await {
                Ok(tally) => break tally.stale,
                Err(error) => assert!(error.transient, "{error}"),
            }
        };
        taken.extend(handful);
    }
    (taken, stale)
}

async fn is_exact(corner: &Corner, ends: Vec<(BTreeSet<usize>, usize)>) {
    let taken: BTreeSet<usize> = ends.into_iter().flat_map(|(taken, _)| taken).collect();
    let pool = pool();
    let stranger = corner.cloud();
    let taken: Vec<&Event> = taken.iter().map(|at| &pool[*at]).collect();
    assert_eq!(counted(&stranger, &acme()).await, expected(taken.iter().copied()));
    assert_eq!(accepted(&stranger, &acme()).await, u64::try_from(taken.len()).unwrap());
}

#[test]
fn processes_side_by_side_count_each_event_once() {
    standin::run(async {
        let corner = Corner::open().await;
        let lane = |n: u64| Lane::of(&n.to_string());
        let processes = (0..5).map(|n| process(corner.cloud().with_lane(lane(n)), n));
        let ends = join_all(processes).await;
        assert!(ends.iter().any(|(_, stale)| *stale > 0), "they never met");
        is_exact(&corner, ends).await;
    });
}

#[test]
fn over_a_network_that_fails_each_event_is_counted_once() {
    standin::run(async {
        let corner = Corner::open().await;
        let weather = Weather::of(3, 15, Fault::QUICK);
        let upstream = corner.access().endpoint(Service::DynamoDb).unwrap();
        let proxy = Proxy::start(upstream, weather).await.unwrap();
        let access = corner.access().clone().with_endpoint(Service::DynamoDb, proxy.url());
        let cloud = || Cloud::new(&access, corner.resources().clone());
        let ends = join_all((0..3).map(|n| process(cloud(), 100 + n))).await;
        assert_eq!(proxy.weather().struck(), Fault::QUICK.into());
        is_exact(&corner, ends).await;
    });
}

const EVENTS: u64 = 120;
