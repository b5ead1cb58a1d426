//! The same over HTTP, against the real mock.

use batcher::Batcher;
use connector::mock::{Death, MockConnector, Quirks};
use domain::{delivery::DeliveryPolicy, profile::Profile};

use crate::rig::{Rig, named};

/// A rig whose requests travel over a socket; times are short, since the socket knows no simulated clock.
async fn over_http(profile: &str, quirks: Quirks) -> (Rig, MockConnector, connector::HttpEndpoint) {
    let mut rig = Rig::new(Quirks::default());
    rig.profile = Profile::parse(profile).unwrap();
    rig.policy = DeliveryPolicy { request_timeout_ms: 300, ..rig.policy };
    let mock =
        MockConnector::start(&rig.profile, quirks, rig.clock.clone(), [7; 16]).await.unwrap();
    let endpoint = mock.endpoint(&rig.policy).unwrap();
    (rig, mock, endpoint)
}

#[tokio::test]
async fn every_profile_delivers_over_http() {
    for profile in ["athena-eu", "frictionmelt-2026-02"] {
        let (rig, mock, endpoint) = over_http(profile, Quirks::default()).await;
        let ids = rig.emit("acme", 200).await;
        let report = rig.tick(&rig.batcher_of(rig.store.clone(), endpoint)).await;
        assert_eq!(report.work.events_delivered, 200);
        let books = mock.receiver().books();
        assert_eq!(books.org("acme").in_order(), named("acme", &ids));
        assert_eq!(books.violations, []);
        assert_eq!(rig.ledger("acme").await.unconfirmed, 0);
    }
}

#[tokio::test]
async fn all_quirks_at_once_lose_nothing_over_http() {
    let quirks = Quirks {
        rate_limit_every: 7,
        retry_after_s: 1,
        max_batch_events: 40,
        reject_share: 0.05,
        defer_share: 0.05,
        hang_every: 23,
        lose_2xx_every: 9,
        seed: 11,
        ..Quirks::default()
    };
    let (rig, mock, endpoint) = over_http("athena-eu", quirks).await;
    let orgs = ["a", "b", "c"];
    for org in orgs {
        rig.emit(org, 300).await;
    }
    let batcher = rig.batcher_of(rig.store.clone(), endpoint);
    for _ in 0..120 {
        rig.tick(&batcher).await;
    }
    let books = mock.receiver().books();
    for org in orgs {
        let (delivered, parked, pending) = rig.balance(org).await;
        assert_eq!((delivered + parked, pending), (300, 0), "{org}");
        assert_eq!(usize::try_from(delivered).unwrap(), books.org(org).taken.len());
    }
    assert_eq!(books.violations, []);
}

#[tokio::test]
async fn a_connector_that_hangs_for_one_organisation_delivers_to_the_others_in_the_same_tick() {
    let dead = [("acme".to_owned(), Death::Hang)].into();
    let (rig, mock, endpoint) =
        over_http("athena-eu", Quirks { dead_orgs: dead, ..Quirks::default() }).await;
    rig.emit("acme", 3).await;
    rig.emit("other", 3).await;
    let batcher: Batcher<_, _, _, _> = rig.batcher_of(rig.store.clone(), endpoint);
    let report = rig.tick(&batcher).await;
    assert_eq!((report.work.events_delivered, report.work.retries), (3, 1));
    assert_eq!(mock.receiver().books().org("other").taken.len(), 3);
}

#[tokio::test]
async fn nobody_listening_is_a_failure_like_any_other() {
    let (rig, mock, endpoint) = over_http("athena-eu", Quirks::default()).await;
    drop(mock);
    rig.emit("acme", 3).await;
    let report = rig.tick(&rig.batcher_of(rig.store.clone(), endpoint)).await;
    assert_eq!((report.work.retries, rig.balance("acme").await), (1, (0, 0, 3)));
}
