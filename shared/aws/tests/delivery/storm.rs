//! Doors, rescues and two batchers at once over a network that loses one request in ten: at the end every event has
//! been delivered or parked exactly once, and the books say so.

use std::collections::BTreeMap;

use aws::{Cloud, resources::Resource};
use contract::{EventId, limits::RESCUES_MAX, staged::StagedEvent};
use domain::{
    batching::{NewBatch, sequence},
    breaker::Breaker,
};
use futures::future::join_all;
use ports::{
    PortResult,
    chance::Chance,
    delivery::{FormOutcome, Forming, Lease, Leases, Outbox, ParkedEvent, Settlement},
    staging::Staging,
};

use crate::support::{Rig, acme, named_batch, now, rows, text, timed_rows};

const EVENTS: usize = 60;

/// Puts every row until it is told that the row is there; some of them again.
async fn door(cloud: &Cloud, rows: &[StagedEvent]) {
    for part in rows.chunks(7) {
        while cloud.stage(part).await.is_err() {}
    }
}

/// Rescues rows that nobody lost; the last ones are past their last rescue.
async fn rescuer(cloud: &Cloud, rows: &[StagedEvent]) {
    for (at, row) in rows.iter().enumerate() {
        let rescues = if at % 3 == 0 { RESCUES_MAX + 1 } else { 1 };
        let row = StagedEvent { rescues, ..row.clone() };
        while cloud.rescue(std::slice::from_ref(&row)).await.is_err() {}
    }
}

fn settlement(chance: &mut Chance, batch: &NewBatch) -> Settlement {
    let ids: Vec<_> = batch.events.iter().map(|event| event.event_id.clone()).collect();
    let (front, back) = ids.split_at(chance.below(ids.len()));
    let part = |suffix: &str, ids: &[EventId]| {
        named_batch(&format!("{}{suffix}", batch.seq), ids.iter().cloned())
    };
    match chance.below(4) {
        0 => Settlement::Retry { at: now(), counts: true, error: "timeout".to_owned() },
        1 if !front.is_empty() => Settlement::Split(vec![part(".0", front), part(".1", back)]),
        2 => {
            let (refused, rest) = back.split_at(1);
            let parked = |id: &EventId| ParkedEvent {
                event_id: id.clone(),
                reason: contract::Code::ConnectorRejected,
                detail: String::new(),
                body: b"{}".to_vec(),
            };
            Settlement::Partial {
                delivered: front.to_vec(),
                parked: refused.iter().map(parked).collect(),
                remainder: (!rest.is_empty()).then(|| part(".r1", rest)),
                enrichment: Vec::new(),
            }
        }
        _ => Settlement::Delivered { confirmed: chance.percent(50), enrichment: Vec::new() },
    }
}

/// One shift; whatever fails ends it, and the lease is given back or runs out.
async fn shift(cloud: &Cloud, lease: &mut Lease, chance: &mut Chance) -> PortResult<bool> {
    let mut worked = false;
    let staged = cloud.staged(&acme(), now(), 1 + chance.below(20)).await?;
    if !staged.is_empty() {
        worked = true;
        let ids: Vec<_> = staged.into_iter().map(|row| row.event_id).collect();
        let batch = named_batch(&sequence(lease.next_seq), ids);
        match cloud.form(lease, Some(batch), &[], now()).await? {
            FormOutcome::Formed => lease.next_seq += 1,
            FormOutcome::Stale { forwarded, .. } if !forwarded.is_empty() => {
                cloud.form(lease, None, &forwarded, now()).await?;
            }
            FormOutcome::Stale { .. } | FormOutcome::Fenced => {}
        }
    }
    if let Some(head) = cloud.head(&acme()).await? {
        worked = true;
        let settlement = settlement(chance, &head.batch);
        cloud.settle(lease, &head.batch.seq, settlement, now()).await?;
    }
    Ok(worked)
}

/// Works until there is nothing to do. A lease lasts for no time at all, so that the other one takes it at once.
async fn batcher(cloud: &Cloud, mut chance: Chance, mut idle_max: u32) {
    while idle_max > 0 {
        let Ok(Some(mut lease)) = cloud.acquire(&acme(), now(), now()).await else { continue };
        if !matches!(shift(cloud, &mut lease, &mut chance).await, Ok(true)) {
            idle_max -= 1;
        }
        if chance.percent(70) {
            cloud.release(&lease, Breaker::default()).await.ok();
        }
    }
}

async fn ended(rig: &Rig) -> BTreeMap<String, usize> {
    let mut ended: BTreeMap<String, usize> = BTreeMap::new();
    for receipt in rig.items(Resource::Delivery, "D#acme", "X#").await {
        for id in receipt["ids"].as_l().unwrap() {
            *ended.entry(id.as_s().unwrap().clone()).or_default() += 1;
        }
    }
    for parked in rig.items(Resource::Delivery, "D#acme", "P#").await {
        let id = text(&parked, "sk").trim_start_matches("P#").to_owned();
        *ended.entry(id).or_default() += 1;
    }
    ended
}

#[test]
fn every_event_ends_once_whoever_works_and_whatever_is_lost() {
    for seed in 0..3 {
        standin::run(async {
            let rig = Rig::open().await;
            let all = [timed_rows(EVENTS / 2, 900), rows(0..EVENTS / 2)].concat();
            let other = Rig::process(&rig.corner, &rig.network);
            rig.network.storm(seed);
            let again: Vec<_> = all.iter().rev().cloned().collect();
            futures::join!(
                door(&rig.cloud, &all),
                door(&other, &again),
                rescuer(&other, &again),
                join_all([
                    batcher(&rig.cloud, Chance::of(seed), 6),
                    batcher(&other, Chance::of(seed + 100), 6),
                ]),
            );
            rig.network.settle();
            batcher(&rig.cloud, Chance::of(seed), 1).await;
            let expected: BTreeMap<_, _> =
                all.iter().map(|row| (row.event_id.to_string(), 1)).collect();
            assert_eq!(ended(&rig).await, expected, "seed {seed}");
            let booked = rig.booked("delivered").await + rig.booked("parked").await;
            assert_eq!(booked, i64::try_from(EVENTS).unwrap());
            assert_eq!(rig.items(Resource::Staging, "", "").await.len(), 0);
            assert_eq!(rig.items(Resource::Delivery, "D#acme", "B#").await.len(), 0);
        });
    }
}
