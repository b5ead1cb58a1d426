//! Laws of rescuing: what TTL removed comes back once, and nothing else does.

use contract::{Code, limits::RESCUES_MAX, staged::StagedEvent};

use super::{
    ok,
    sample::{batch_of, formed, ids, now, org, rows},
};
use crate::{
    delivery::{Forming, Leases, Outbox, Parking, Settlement},
    staging::Staging,
};

/// A row as the processor puts it back: one rescue more, a new TTL.
fn rescued(row: &StagedEvent, rescues: u32) -> StagedEvent {
    StagedEvent { rescues, expires_at: row.expires_at.plus_ms(86_400_000), ..row.clone() }
}

/// "Puts back events that TTL removed before any batch took them over; each row carries its new `expires_at` and
/// `rescues`." A store that does not know the row cannot have it staged or batched, so it is one that TTL removed.
pub async fn a_row_that_ttl_removed_is_put_back_with_its_new_ttl<W: Staging + Forming>(world: W) {
    let acme = org("acme");
    let back: Vec<_> = rows(&acme, 0..2).iter().map(|row| rescued(row, 1)).collect();
    for _ in 0..2 {
        ok(world.rescue(&back).await);
        assert_eq!(ok(world.staged(&acme, now(), 10).await), back);
    }
}

/// "A row that is staged, batched or settled already is left as it is", for as long as a store remembers what it
/// forwarded: 35 days, of which a row and all its rescues take eight.
pub async fn a_row_that_is_staged_batched_or_settled_is_left_alone<
    W: Staging + Leases + Forming + Outbox,
>(
    world: W,
) {
    let acme = org("acme");
    let (taken, waiting) = (rows(&acme, 0..2), rows(&acme, 2..4));
    let each = |rescues| taken.iter().chain(&waiting).map(move |row| rescued(row, rescues));
    let again: Vec<_> = each(1).chain(each(RESCUES_MAX + 1)).collect();
    let (lease, batch) = formed(&world, &taken).await;
    ok(world.stage(&waiting).await);
    for rescued in &again {
        ok(world.rescue(std::slice::from_ref(rescued)).await);
    }
    assert_eq!(ok(world.staged(&acme, now(), 10).await), waiting);
    assert_eq!(batch_of(ok(world.head(&acme).await)), Some(batch.clone()));

    let delivered = Settlement::Delivered { confirmed: true, enrichment: Vec::new() };
    ok(world.settle(&lease, &batch.seq, delivered, now()).await);
    ok(world.rescue(&again).await);
    assert_eq!(ok(world.staged(&acme, now(), 10).await), waiting);
    assert_eq!(ok(world.head(&acme).await), None);
}

/// "A row past the last rescue is parked instead (`rescues_exhausted`)."
pub async fn a_row_past_its_last_rescue_is_parked<W: Staging + Forming + Parking>(world: W) {
    let acme = org("acme");
    let all = rows(&acme, 0..2);
    let [last, past] = all.as_slice() else { panic!("two rows") };
    let (last, past) = (rescued(last, RESCUES_MAX), rescued(past, RESCUES_MAX + 1));
    for _ in 0..2 {
        ok(world.rescue(&[last.clone(), past.clone()]).await);
        assert_eq!(ok(world.staged(&acme, now(), 10).await), std::slice::from_ref(&last));
        let (from, to) = (now().plus_ms(-600_000), now().plus_ms(600_000));
        let parked = ok(world.parked(&acme, from, to).await);
        let parked: Vec<_> =
            parked.into_iter().map(|event| (event.event_id, event.reason)).collect();
        let expected = ids(std::slice::from_ref(&past)).into_iter();
        assert_eq!(parked, expected.map(|id| (id, Code::RescuesExhausted)).collect::<Vec<_>>());
    }
}
