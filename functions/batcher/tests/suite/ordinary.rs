//! Events on their way.

use contract::OrgId;
use domain::profile::{Encoding, Profile};
use ports::{bus::AnnouncementKind, staging::Staging};
use serde_json::json;

use crate::{
    rig::{MINUTE, Rig, named, summary},
    world::{Watched, header},
};
use batcher::report::Ended;
use connector::mock::Quirks;

#[tokio::test]
async fn events_reach_the_connector_once_and_in_order() {
    let rig = Rig::new(Quirks::default());
    let (acme, other) = (rig.emit("acme", 250).await, rig.emit("other", 3).await);
    let report = rig.tick(&rig.batcher()).await;
    assert_eq!(summary(&report.work), (253, 4, 253, 0), "three batches and one");
    assert_eq!(rig.arrived("acme"), named("acme", &acme));
    assert_eq!(rig.arrived("other"), named("other", &other));
    assert_eq!(rig.balance("acme").await, (250, 0, 0));
    let batches = rig.books().org("acme").batches;
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.events.len()).collect();
    assert_eq!(sizes, [96, 96, 58]);
    assert_eq!(rig.books().violations, []);
    assert_eq!((report.orgs, report.orgs_done, report.oldest_ms), (2, 2, 0));
}

#[tokio::test]
async fn an_organisation_without_events_is_sent_nothing() {
    let rig = Rig::new(Quirks::default());
    let report = rig.tick(&rig.batcher()).await;
    assert_eq!((report.orgs, rig.books().requests), (0, 0));
}

#[tokio::test]
async fn a_row_is_left_alone_until_it_settles() {
    let rig = Rig::new(Quirks::default());
    let batcher = rig.batcher();
    rig.emit("acme", 2).await;
    rig.clock.forward(rig.policy.settle_ms - 1);
    assert_eq!(batcher.tick(None).await.unwrap().work.events_formed, 0);
    rig.clock.forward(1);
    assert_eq!(batcher.tick(None).await.unwrap().work.events_delivered, 2);
}

#[tokio::test]
async fn what_may_not_be_forwarded_leaves_staging_and_is_never_sent() {
    let rig = Rig::new(Quirks::default());
    rig.emit_with("acme", 2, &json!({"consent": {"analytics": true, "forward": false}})).await;
    rig.emit_with("acme", 1, &json!({"eventId": "somebody-else"})).await;
    rig.emit_with("acme", 1, &json!({"actorId": "anna@example.org"})).await;
    let kept = rig.emit("acme", 1).await;
    let report = rig.tick(&rig.batcher()).await;
    assert_eq!((report.work.rows_dropped, report.work.events_delivered), (4, 1));
    assert_eq!(rig.arrived("acme"), named("acme", &kept));
    assert!(rig.store.organisations().await.unwrap().is_empty(), "nothing is left");
}

#[tokio::test]
async fn an_event_staged_twice_is_delivered_once() {
    let rig = Rig::new(Quirks::default());
    let row = rig.row("acme", &json!({}));
    for _ in 0..2 {
        rig.store.stage(std::slice::from_ref(&row)).await.unwrap();
    }
    let batcher = rig.batcher();
    assert_eq!(rig.tick(&batcher).await.work.events_delivered, 1);
    rig.store.stage(std::slice::from_ref(&row)).await.unwrap();
    rig.tick(&batcher).await;
    assert_eq!((rig.books().events_taken(), rig.books().requests), (1, 1));
}

#[tokio::test]
async fn an_urgent_organisation_does_not_wait_for_the_tick() {
    let rig = Rig::new(Quirks::default());
    let batcher = rig.batcher();
    let acme = OrgId::parse("acme").unwrap();
    let mut ids = rig.emit("acme", 1).await;
    rig.emit("other", 1).await;
    let report = batcher.urgent(&acme).await.unwrap();
    assert_eq!(report.work.events_delivered, 1, "without settling");
    assert_eq!(rig.arrived("other"), [""; 0], "others wait for the tick");

    ids.extend(rig.emit("acme", 1).await);
    let early = batcher.urgent(&acme).await.unwrap();
    let Ended::Deferred(until) = early.ended else { panic!("{early:?}") };
    assert_eq!(until.since_ms(ports::clock::Clock::now(&rig.clock)), MINUTE / 2);
    rig.clock.forward(MINUTE / 2);
    assert_eq!(batcher.urgent(&acme).await.unwrap().work.events_delivered, 1);
    ids.extend(rig.emit("acme", 1).await);
    rig.tick(&batcher).await;
    assert_eq!(rig.arrived("acme"), named("acme", &ids), "one order for both ways");
    assert_eq!(rig.books().violations, []);
}

#[tokio::test]
async fn what_happened_is_announced() {
    let rig = Rig::new(Quirks::default());
    let ids = rig.emit("acme", 2).await;
    let refused = named("acme", &ids[1..]).into_iter().collect();
    rig.receiver.change(|mock| mock.quirks.refuse_batch_with = refused);
    rig.tick(&rig.batcher()).await;
    let announced = rig.store.announcements(0, 10).await.unwrap();
    let kinds: Vec<AnnouncementKind> =
        announced.iter().map(|(_, announcement)| announcement.kind).collect();
    assert_eq!(kinds, [AnnouncementKind::BatchDelivered, AnnouncementKind::BatchParked]);
}

#[tokio::test]
async fn a_compressed_body_is_signed_as_it_travels() {
    let mut rig = Rig::new(Quirks::default());
    rig.profile.encoding = Encoding::Gzip;
    let watched = Watched::new(rig.endpoint());
    rig.emit("acme", 96).await;
    let report = rig.tick(&rig.batcher_of(rig.store.clone(), watched.clone())).await;
    assert_eq!(report.work.events_delivered, 96);
    let request = watched.sent().remove(0);
    assert_eq!(header(&request, "Content-Encoding"), "gzip");
    assert!(request.body.len() < 10_000, "{}", request.body.len());
}

#[tokio::test]
async fn a_smaller_connector_is_a_matter_of_configuration() {
    let mut rig = Rig::new(Quirks { max_batch_events: 5, ..Quirks::default() });
    rig.profile = Profile { batch_events_max: 5, ..rig.profile };
    rig.emit("acme", 23).await;
    let report = rig.tick(&rig.batcher()).await;
    assert_eq!((report.work.posts, report.work.batches_split), (5, 0));
    assert_eq!(rig.balance("acme").await, (23, 0, 0));
}
