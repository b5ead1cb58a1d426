//! Days of simulated trouble.

use connector::mock::Quirks;
use contract::EventId;
use ports::clock::Clock;

use crate::rig::{HOUR, Rig, TICK, named};

#[tokio::test]
async fn a_connector_that_was_down_for_26_hours_is_caught_up_with_within_three_ticks() {
    down_for(26, 40).await;
}

#[tokio::test]
async fn a_connector_that_was_down_for_seven_days_is_caught_up_with_within_three_ticks() {
    down_for(7 * 24, 9).await;
}

/// An organisation emits at every tick of an outage: up to the 20,000 events that three ticks are promised for.
async fn down_for(hours: i64, events_a_tick: usize) {
    let rig = Rig::new(Quirks::default());
    let back_at = rig.clock.now().plus_ms(hours * HOUR);
    rig.receiver.change(|mock| mock.quirks.down_until = Some(back_at));
    let batcher = rig.batcher();
    let mut ids = Vec::new();
    while rig.clock.now() < back_at {
        ids.extend(rig.emit("acme", events_a_tick).await);
        rig.tick(&batcher).await;
        rig.rescue().await;
    }
    assert!(rig.balance("acme").await.2 > 12_000);
    let mut ticks_to_first = 0;
    while rig.arrived("acme").is_empty() {
        rig.tick(&batcher).await;
        ticks_to_first += 1;
        assert!(ticks_to_first <= 13, "the longest pause is an hour");
    }
    // The tick of the first success counts as one of the three.
    for _ in 0..2 {
        rig.tick(&batcher).await;
    }
    assert_eq!(rig.arrived("acme"), named("acme", &ids), "nothing lost, order kept");
    assert_eq!(rig.balance("acme").await, (u64::try_from(ids.len()).unwrap(), 0, 0));
    assert_eq!(rig.books().violations, []);
}

#[tokio::test]
async fn an_outage_of_72_hours_costs_ttl_nothing() {
    let rig = Rig::new(Quirks { always_500: true, ..Quirks::default() });
    let batcher = rig.batcher();
    let ids = rig.emit("acme", 300).await;
    let mut oldest_ms = -1;
    for _ in 0..72 * 12 {
        let report = rig.tick(&batcher).await;
        assert!(report.oldest_ms > oldest_ms, "the age to alarm on grows");
        oldest_ms = report.oldest_ms;
        assert!(rig.rescue().await.is_empty(), "batches know no TTL");
    }
    assert!(oldest_ms > 71 * HOUR);
    rig.receiver.change(|mock| mock.quirks.always_500 = false);
    rig.clock.forward(HOUR);
    rig.tick(&batcher).await;
    assert_eq!(rig.arrived("acme"), named("acme", &ids));
}

/// Seven days of three organisations: a connector that is down for 26 hours, flaky for a day, loses answers, and limits
/// rates; a batcher that is down for 30 hours, so that TTL takes rows which the processor puts back.
#[tokio::test]
async fn a_week_of_trouble_loses_nothing_and_keeps_the_order() {
    let rig = Rig::new(Quirks::default());
    let batcher = rig.batcher();
    let started = rig.clock.now();
    let mut visible: Vec<(&str, Vec<EventId>)> =
        ["a", "b", "c"].map(|org| (org, Vec::new())).into();
    let mut rescued = 0;
    for tick in 0_i64..7 * 24 * 12 {
        let hours = tick / 12;
        for (at, (org, ids)) in visible.iter_mut().enumerate() {
            if tick % (i64::try_from(at).unwrap() + 1) == 0 {
                ids.extend(rig.emit(org, 3).await);
            }
        }
        rig.receiver.change(|mock| {
            mock.quirks = match hours {
                20..46 => {
                    Quirks { down_until: Some(started.plus_ms(46 * HOUR)), ..Quirks::default() }
                }
                60..84 => Quirks {
                    hang_every: 3,
                    rate_limit_every: 4,
                    retry_after_s: 30,
                    ..Quirks::default()
                },
                130..150 => Quirks { lose_2xx_every: 3, ..Quirks::default() },
                _ => Quirks::default(),
            };
        });
        if (90..120).contains(&hours) {
            rig.clock.forward(TICK);
        } else {
            rig.tick(&batcher).await;
        }
        let back = rig.rescue().await;
        rescued += back.len();
        for (_, ids) in &mut visible {
            // What comes back stands behind what was staged meanwhile.
            let returned: Vec<EventId> =
                back.iter().filter(|id| ids.contains(id)).cloned().collect();
            ids.retain(|id| !returned.contains(id));
            ids.extend(returned);
        }
    }
    for _ in 0..3 {
        rig.tick(&batcher).await;
    }
    assert!(rescued > 100, "{rescued}");
    for (org, ids) in visible {
        assert_eq!(rig.arrived(org), named(org, &ids), "{org}");
        assert_eq!(rig.balance(org).await, (u64::try_from(ids.len()).unwrap(), 0, 0));
    }
    assert_eq!(rig.books().violations, []);
}

#[tokio::test]
async fn twenty_thousand_pending_events_go_out_in_batches_within_the_caps() {
    let rig = Rig::new(Quirks::default());
    for _ in 0..20 {
        rig.emit("acme", 1_000).await;
    }
    let report = rig.tick(&rig.batcher()).await;
    assert_eq!((report.work.posts, rig.balance("acme").await), (209, (20_000, 0, 0)));
    assert_eq!(rig.books().violations, []);
}
