//! What goes after its time, and what stays although it is old.

use contract::limits::{DAY_MS, MARKER_TTL_MS};
use ports::{
    archive::{Quarantine, Quarantined},
    bus::{Announcement, AnnouncementKind, Bus},
    delivery::{Forming, Outbox, Settlement},
    intake::Put,
    staging::Staging,
    stream::{Checkpoints, StreamSource},
};

use crate::world::{World, acme, batch, event, plain};

#[tokio::test]
async fn stream_records_go_when_every_consumer_has_finished_them_and_they_are_old() {
    let world = World::new();
    world.submit((0..1_200).map(|n| plain(&format!("u.{n}"), 1)).collect()).await;
    let shard = world.store.shards().await.unwrap().remove(0);
    let records = world.store.read(&shard, None, 2_000).await.unwrap();
    world.clock.forward(8 * DAY_MS);
    let gone = async |world: &World| world.store.retain(world.now()).await.unwrap().stream;
    assert_eq!(gone(&world).await, 0, "nobody consumed anything");
    world.store.save("processor", &shard, &records[1_199].sequence).await.unwrap();
    world.store.save("sessionizer", &shard, &records[1_099].sequence).await.unwrap();
    assert_eq!(gone(&world).await, 1_100);
    world.submit(vec![plain("u.young", 1)]).await;
    let last = world.store.read(&shard, None, 2_000).await.unwrap().pop().unwrap();
    for consumer in ["processor", "sessionizer"] {
        world.store.save(consumer, &shard, &last.sequence).await.unwrap();
    }
    assert_eq!(gone(&world).await, 100);
    assert_eq!(world.records().await.len(), 1);
}

#[tokio::test]
async fn old_events_go_unless_they_are_still_on_their_way() {
    let world = World::new();
    let puts = ["f.staged", "f.batched", "f.delivered"].map(|id| Put::Stage(world.friction(id)));
    world.submit(puts.into_iter().chain([plain("u.1", 1)]).collect()).await;
    let lease = world.lease().await;
    let store = &world.store;
    let first = Some(batch("000000000001", &["f.delivered"]));
    store.form(&lease, first, &[], world.now()).await.unwrap();
    let delivered = Settlement::Delivered { confirmed: true, enrichment: Vec::new() };
    store.settle(&lease, "000000000001", delivered, world.now()).await.unwrap();
    let lease = ports::delivery::Lease { next_seq: 2, ..lease };
    let second = Some(batch("000000000002", &["f.batched"]));
    store.form(&lease, second, &[], world.now()).await.unwrap();
    world.clock.forward(MARKER_TTL_MS);
    assert_eq!(store.retain(world.now()).await.unwrap().events, 0, "not a moment too early");
    world.clock.forward(1);
    let retained = store.retain(world.now()).await.unwrap();
    assert_eq!((retained.events, retained.others), (2, 1), "with the receipt");
    assert_eq!(
        store.stage(&[world.friction("f.staged")]).await.unwrap(),
        [ports::staging::Staged::Known]
    );
    assert_eq!(
        store.stage(&[world.friction("f.batched")]).await.unwrap(),
        [ports::staging::Staged::Known]
    );
    assert_eq!(world.books().await.pending, 2);
}

#[tokio::test]
async fn walking_through_many_events_takes_several_steps_and_misses_none() {
    let world = World::new();
    for part in 0..3 {
        world.submit((0..700).map(|n| plain(&format!("u.{part}.{n}"), 1)).collect()).await;
    }
    world.clock.forward(MARKER_TTL_MS + 1);
    assert_eq!(world.store.retain(world.now()).await.unwrap().events, 2_100);
    assert_eq!(world.store.retain(world.now()).await.unwrap().events, 0);
}

#[tokio::test]
async fn quarantined_records_go_after_fourteen_days() {
    let world = World::new();
    let record = Quarantined {
        shard: "s".to_owned(),
        sequence: "1".to_owned(),
        arrived_at: world.now(),
        reason: contract::Code::Late,
        path: None,
        org: Some(acme()),
        event_id: Some(event("u.1")),
        terminal: false,
        sealed: Vec::new(),
    };
    world.store.hold(&[record]).await.unwrap();
    world.clock.forward(14 * DAY_MS);
    assert_eq!(world.store.retain(world.now()).await.unwrap().quarantine, 0);
    world.clock.forward(1);
    assert_eq!(world.store.retain(world.now()).await.unwrap().quarantine, 1);
}

#[tokio::test]
async fn an_announcement_is_heard_and_kept_once_under_its_id() {
    let world = World::new();
    let mut heard = world.store.subscribe();
    let announcement = Announcement {
        id: "org.urgent/acme/1".to_owned(),
        kind: AnnouncementKind::OrgUrgent,
        org: acme(),
        at: world.now(),
        detail: Some("{}".to_owned()),
    };
    world.store.publish(&[announcement.clone(), announcement.clone()]).await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), announcement);
    let kept = world.store.announcements(0, 9).await.unwrap();
    assert_eq!(kept, [(1, announcement)]);
    world.clock.forward(8 * DAY_MS);
    assert_eq!(world.store.retain(world.now()).await.unwrap().others, 1);
    assert!(world.store.announcements(0, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn whoever_waits_for_records_is_woken_after_the_commit() {
    let world = World::new();
    let mut appended = world.store.appended();
    assert_eq!(*appended.borrow_and_update(), 0);
    let (_, ()) = tokio::join!(world.submit(vec![plain("u.1", 1)]), async {
        appended.changed().await.unwrap();
    });
    let newest = appended.borrow().to_string();
    let shard = world.store.shards().await.unwrap().remove(0);
    assert_eq!(world.store.read(&shard, None, 9).await.unwrap()[0].sequence, newest);
}
