//! Organisations side by side: one that is dead costs the others nothing.

use connector::mock::{Death, Quirks};
use ports::clock::Clock;

use crate::{
    rig::{Rig, named},
    world::Watched,
};

#[tokio::test]
async fn one_dead_organisation_delays_no_other_by_a_single_tick() {
    for death in [Death::Status(500), Death::Status(403), Death::Hang] {
        let dead = [("org-07".to_owned(), death)].into();
        let rig = Rig::new(Quirks { dead_orgs: dead, ..Quirks::default() });
        let batcher = rig.batcher();
        let orgs: Vec<String> = (0..20).map(|number| format!("org-{number:02}")).collect();
        let mut emitted = vec![Vec::new(); orgs.len()];
        for tick in 0..30 {
            for (org, ids) in orgs.iter().zip(&mut emitted) {
                ids.extend(rig.emit(org, 1 + tick % 3).await);
            }
            rig.tick(&batcher).await;
            for (org, ids) in orgs.iter().zip(&emitted).filter(|(org, _)| *org != "org-07") {
                assert_eq!(rig.arrived(org), named(org, ids), "{org} at tick {tick}");
            }
        }
        let waiting = emitted[7].len();
        let (delivered, parked, pending) = rig.balance("org-07").await;
        assert_eq!((delivered, parked, usize::try_from(pending).unwrap()), (0, 0, waiting));
        rig.receiver.change(|mock| mock.quirks.dead_orgs.clear());
        rig.clock.forward(3_600_000);
        rig.tick(&batcher).await;
        assert_eq!(rig.arrived("org-07"), named("org-07", &emitted[7]), "nothing is lost");
        assert_eq!(rig.books().violations, []);
    }
}

#[tokio::test]
async fn an_organisation_that_fails_as_a_whole_parks_nothing_while_others_pass() {
    let dead = [("acme".to_owned(), Death::Status(500))].into();
    let rig = Rig::new(Quirks { dead_orgs: dead, ..Quirks::default() });
    let batcher = rig.batcher();
    let ids = rig.emit("acme", 10).await;
    for _ in 0..60 * 12 {
        rig.emit("other", 1).await;
        rig.tick(&batcher).await;
    }
    assert_eq!(rig.balance("acme").await, (0, 0, 10), "60 hours");
    rig.receiver.change(|mock| mock.quirks.dead_orgs.clear());
    rig.clock.forward(3_600_000);
    rig.tick(&batcher).await;
    assert_eq!(rig.arrived("acme"), named("acme", &ids));
    assert_eq!(rig.books().org("acme").batches.len(), 1, "in one piece");
}

#[tokio::test]
async fn a_connector_that_gives_no_sign_is_believed_to_live_after_days_of_taking_from_others() {
    let dead = [("acme".to_owned(), Death::Hang)].into();
    let mut rig = Rig::new(Quirks { dead_orgs: dead, ..Quirks::default() });
    rig.policy.suspect_without_sign_ms = 24 * 3_600_000;
    let batcher = rig.batcher();
    rig.emit("acme", 2).await;
    for _ in 0..4 * 24 * 12 {
        rig.emit("other", 1).await;
        rig.tick(&batcher).await;
    }
    assert_eq!(rig.balance("acme").await, (0, 2, 0));
}

#[tokio::test]
async fn an_open_breaker_saves_the_connector_from_most_requests() {
    let dead = [("acme".to_owned(), Death::Status(500))].into();
    let mut rig = Rig::new(Quirks { dead_orgs: dead, ..Quirks::default() });
    rig.policy.backoff_max_ms = 1_000;
    rig.policy.suspect_attempts = u32::MAX;
    rig.emit("acme", 1).await;
    let batcher = rig.batcher();
    let mut posts = 0;
    for _ in 0..96 {
        posts += rig.tick(&batcher).await.work.posts;
    }
    // Eight hours: four attempts one tick apart, then the pauses of 1, 2, 4, 8 and 15 minutes.
    assert!((30..=40).contains(&posts), "{posts}");
}

#[tokio::test]
async fn a_long_queue_takes_its_share_of_time_and_no_more() {
    let rig = Rig::new(Quirks::default());
    rig.emit("long", 96 * 30).await;
    rig.emit("short", 5).await;
    let watched = Watched { takes_ms: 2_000, ..Watched::new(rig.endpoint()) };
    let batcher = rig.batcher_of(rig.store.clone(), watched);
    let report = rig.tick(&batcher).await;
    assert_eq!(rig.balance("short").await, (5, 0, 0));
    assert_eq!(report.orgs_out_of_time, 1);
    assert!((8..=12).contains(&report.work.posts), "{}", report.work.posts);
    let mut ticks = 1;
    while rig.balance("long").await.2 > 0 {
        rig.tick(&batcher).await;
        ticks += 1;
    }
    assert!(ticks <= 4, "{ticks}");
    assert!(rig.clock.now().ms() > 0);
}
