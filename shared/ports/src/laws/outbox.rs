//! Laws of the outbox and of parking: batches leave in order, each once, and what is refused is kept.

use contract::{Code, EventId, OrgId, Timestamp};

use super::{
    ok,
    sample::{
        advanced, batch, batch_of, books, formed, id, ids, lease, named_batch, now, org, rows,
    },
    there,
};
use crate::{
    accounts::Accounts,
    delivery::{
        FormOutcome, Forming, Lease, Leases, NewBatch, Outbox, ParkedEvent, Parking, ReadyBatch,
        SettleOutcome, Settlement,
    },
    staging::Staging,
};

const DELIVERED: Settlement = Settlement::Delivered { confirmed: true, enrichment: Vec::new() };

fn parked(id: &EventId) -> ParkedEvent {
    ParkedEvent {
        event_id: id.clone(),
        reason: Code::ConnectorRejected,
        detail: "no such severity".to_owned(),
        body: format!("{{\"event\":\"{id}\"}}").into_bytes(),
    }
}

fn park_all(batch: &NewBatch) -> Settlement {
    Settlement::Partial {
        delivered: Vec::new(),
        parked: batch.events.iter().map(|event| parked(&event.event_id)).collect(),
        remainder: None,
        enrichment: Vec::new(),
    }
}

fn part(batch: &NewBatch, org: &OrgId, suffix: &str, events: std::ops::Range<usize>) -> NewBatch {
    let events: Vec<_> =
        batch.events.get(events).unwrap_or_default().iter().map(|e| e.event_id.clone()).collect();
    named_batch(org, format!("{}{suffix}", batch.seq), &events)
}

async fn settled<W: Outbox>(world: &W, lease: &Lease, seq: &str, settlement: Settlement) {
    let outcome = ok(world.settle(lease, seq, settlement, now()).await);
    assert_eq!(outcome, SettleOutcome::Settled);
}

async fn head<W: Outbox>(world: &W, org: &OrgId) -> ReadyBatch {
    there(ok(world.head(org).await), "a batch that waits")
}

/// "The first batch of `org` that is not settled", as it was made.
pub async fn batches_come_in_order_and_as_they_were_made<W: Staging + Leases + Forming + Outbox>(
    world: W,
) {
    let acme = org("acme");
    let all = rows(&acme, 0..12);
    ok(world.stage(&all).await);
    let mut held = lease(&world, &acme).await;
    let mut made = Vec::new();
    for row in &all {
        let batch = batch(&held, std::slice::from_ref(&row.event_id));
        let outcome = ok(world.form(&held, Some(batch.clone()), &[], now()).await);
        assert_eq!(outcome, FormOutcome::Formed);
        held = advanced(&held);
        made.push(batch);
    }
    assert_eq!(ok(world.head(&org("globex")).await), None);
    for batch in made {
        assert_eq!(head(&world, &acme).await.batch, batch);
        settled(&world, &held, &batch.seq, DELIVERED).await;
    }
    assert_eq!(ok(world.head(&acme).await), None);
}

/// "Settles a batch in one transaction with the ledger." "Settling twice answers `Gone` and changes nothing."
pub async fn a_delivered_batch_is_gone_and_settling_again_changes_nothing<
    W: Staging + Leases + Forming + Outbox + Accounts,
>(
    world: W,
) {
    let acme = org("acme");
    let (held, batch) = formed(&world, &rows(&acme, 0..3)).await;
    let before = books(&world, &acme).await;
    assert_eq!((before.formed, before.delivered, before.pending), (3, 0, 3));
    let unconfirmed = Settlement::Delivered { confirmed: false, enrichment: Vec::new() };
    settled(&world, &held, &batch.seq, unconfirmed).await;
    let after = books(&world, &acme).await;
    assert_eq!((after.formed, after.delivered, after.unconfirmed, after.pending), (3, 3, 3, 0));
    let again = [DELIVERED, park_all(&batch), Settlement::Split(Vec::new())];
    for settlement in again {
        let outcome = ok(world.settle(&held, &batch.seq, settlement, now()).await);
        assert_eq!(outcome, SettleOutcome::Gone);
    }
    assert_eq!(books(&world, &acme).await, after);
}

async fn lost_lease<W: Staging + Leases + Forming>(world: &W) -> (Lease, NewBatch) {
    let acme = org("acme");
    let (held, batch) = formed(world, &rows(&acme, 0..2)).await;
    ok(world.release(&held, held.breaker).await);
    lease(world, &acme).await;
    (held, batch)
}

/// "`Delivered` needs no fence: it stays true."
pub async fn delivered_stays_true_without_the_lease<W: Staging + Leases + Forming + Outbox>(
    world: W,
) {
    let (lost, batch) = lost_lease(&world).await;
    settled(&world, &lost, &batch.seq, DELIVERED).await;
    assert_eq!(ok(world.head(&lost.org).await), None);
}

/// "The lease was lost and the settlement needs it (`Retry`, `Split`, `Partial`)."
pub async fn whatever_needs_the_lease_is_refused_without_it<
    W: Staging + Leases + Forming + Outbox + Parking + Accounts,
>(
    world: W,
) {
    let (lost, batch) = lost_lease(&world).await;
    let acme = lost.org.clone();
    let (before, waits) = (books(&world, &acme).await, head(&world, &acme).await);
    let parts = vec![part(&batch, &acme, ".0", 0..1), part(&batch, &acme, ".1", 1..2)];
    let retry =
        Settlement::Retry { at: now().plus_ms(5_000), counts: true, error: "http 500".to_owned() };
    for settlement in [retry, Settlement::Split(parts), park_all(&batch)] {
        let outcome = ok(world.settle(&lost, &batch.seq, settlement, now()).await);
        assert_eq!(outcome, SettleOutcome::Fenced);
    }
    assert_eq!(head(&world, &acme).await, waits);
    assert_eq!(books(&world, &acme).await, before);
    assert_eq!(ok(world.parked(&acme, Timestamp::from_ms(0), now().plus_ms(60_000)).await), []);
}

/// "Try again later; the attempt is counted unless it was the organisation's configuration."
pub async fn a_retry_waits_and_counts_its_attempts<W: Staging + Leases + Forming + Outbox>(
    world: W,
) {
    let acme = org("acme");
    let (held, batch) = formed(&world, &rows(&acme, 0..1)).await;
    let start = now();
    let fresh = head(&world, &acme).await;
    assert!(fresh.next_attempt_at <= start.plus_ms(1_000), "a new batch waits for nothing");
    let mut attempts = 0;
    for (minutes, counts) in [(1, false), (2, true), (5, true), (6, false)] {
        let (at, error) = (start.plus_ms(minutes * 60_000), "http 500".to_owned());
        let failed_at = start.plus_ms(minutes);
        let settlement = Settlement::Retry { at, counts, error };
        let outcome = ok(world.settle(&held, &batch.seq, settlement, failed_at).await);
        assert_eq!(outcome, SettleOutcome::Settled);
        attempts += u32::from(counts);
        let waits = head(&world, &acme).await;
        assert_eq!((waits.attempts, waits.next_attempt_at), (attempts, at));
        assert_eq!((&waits.batch, waits.formed_at), (&batch, fresh.formed_at));
        let since = waits.failing_since;
        assert!(attempts == 0 || since.is_some_and(|since| since <= start.plus_ms(2)));
    }
}

/// "Replace it by these, in order."
pub async fn a_split_batch_is_replaced_by_its_parts_in_order<
    W: Staging + Leases + Forming + Outbox + Accounts,
>(
    world: W,
) {
    let acme = org("acme");
    let (held, batch) = formed(&world, &rows(&acme, 0..5)).await;
    ok(world.stage(&rows(&acme, 5..6)).await);
    let next = advanced(&held);
    let later = batch_with(&next, 5);
    assert_eq!(ok(world.form(&next, Some(later.clone()), &[], now()).await), FormOutcome::Formed);
    let parts = [part(&batch, &acme, ".0", 0..3), part(&batch, &acme, ".1", 3..5)];
    settled(&world, &held, &batch.seq, Settlement::Split(parts.to_vec())).await;
    assert_eq!(books(&world, &acme).await.pending, 6);
    for expected in [&parts[0], &parts[1], &later] {
        let waits = head(&world, &acme).await;
        assert_eq!((&waits.batch, waits.attempts), (expected, 0));
        settled(&world, &held, &expected.seq, DELIVERED).await;
    }
    let after = books(&world, &acme).await;
    assert_eq!((after.delivered, after.pending, after.formed), (6, 0, 6));
}

fn batch_with(lease: &Lease, number: usize) -> NewBatch {
    batch(lease, &[id(number)])
}

/// "The connector has these. It will never take these. Everything else, to be tried again at once."
pub async fn a_partial_settlement_leaves_the_remainder<
    W: Staging + Leases + Forming + Outbox + Parking + Accounts,
>(
    world: W,
) {
    let acme = org("acme");
    let all = rows(&acme, 0..5);
    let (held, batch) = formed(&world, &all).await;
    let remainder = part(&batch, &acme, ".r1", 3..5);
    let refused = parked(&id(2));
    let settlement = Settlement::Partial {
        delivered: ids(&all).into_iter().take(2).collect(),
        parked: vec![refused.clone()],
        remainder: Some(remainder.clone()),
        enrichment: vec![(id(0), r#"{"patternId":"p"}"#.to_owned())],
    };
    settled(&world, &held, &batch.seq, settlement).await;
    assert_eq!(batch_of(ok(world.head(&acme).await)), Some(remainder));
    let row = books(&world, &acme).await;
    assert_eq!((row.delivered, row.parked, row.pending), (2, 1, 2));
    let listed = ok(world.parked(&acme, Timestamp::from_ms(0), now().plus_ms(60_000)).await);
    assert_eq!(listed, [refused]);
}

/// "Events of `org` parked in `[from, to)`, oldest first."
pub async fn parked_events_are_listed_by_time_oldest_first<
    W: Staging + Leases + Forming + Outbox + Parking,
>(
    world: W,
) {
    let acme = org("acme");
    let start = now();
    let (mut held, first) = formed(&world, &rows(&acme, 0..1)).await;
    let mut batches = vec![first];
    for number in 1..3 {
        ok(world.stage(&rows(&acme, number..number + 1)).await);
        held = advanced(&held);
        let made = batch_with(&held, number);
        ok(world.form(&held, Some(made.clone()), &[], now()).await);
        batches.push(made);
    }
    for (batch, minutes) in batches.iter().zip([3, 1, 2]) {
        let at = start.plus_ms(minutes * 60_000);
        ok(world.settle(&held, &batch.seq, park_all(batch), at).await);
    }
    let listed = async |from: i64, to: i64| -> Vec<EventId> {
        let (from, to) = (start.plus_ms(from * 60_000), start.plus_ms(to * 60_000));
        let parked = ok(world.parked(&acme, from, to).await);
        parked.into_iter().map(|event| event.event_id).collect()
    };
    assert_eq!(listed(0, 9).await, [id(1), id(2), id(0)]);
    assert_eq!(listed(2, 3).await, [id(2)]);
    assert_eq!(listed(4, 9).await, []);
    assert_eq!(
        ok(world.parked(&org("globex"), Timestamp::from_ms(0), start.plus_ms(600_000)).await),
        []
    );
}

/// "Puts parked events into a new batch at the end of the organisation's order, under the fence."
pub async fn unparking_makes_a_batch_at_the_end<
    W: Staging + Leases + Forming + Outbox + Parking + Accounts,
>(
    world: W,
) {
    let acme = org("acme");
    let (held, first) = formed(&world, &rows(&acme, 0..2)).await;
    ok(world.stage(&rows(&acme, 2..3)).await);
    let next = advanced(&held);
    let second = batch_with(&next, 2);
    ok(world.form(&next, Some(second.clone()), &[], now()).await);
    settled(&world, &next, &first.seq, park_all(&first)).await;
    let last = advanced(&next);
    let again = batch(&last, &[id(1)]);
    assert_eq!(ok(world.unpark(&last, again.clone(), now()).await), FormOutcome::Formed);
    let row = books(&world, &acme).await;
    assert_eq!((row.parked, row.pending, row.delivered), (1, 2, 0));
    for expected in [second, again] {
        assert_eq!(head(&world, &acme).await.batch, expected);
        settled(&world, &last, &expected.seq, DELIVERED).await;
    }
    ok(world.release(&last, last.breaker).await);
    assert_eq!(lease(&world, &acme).await.next_seq, last.next_seq + 1);
}

/// "Events that are no longer parked make it answer `Stale`."
pub async fn what_is_not_parked_cannot_be_unparked<
    W: Staging + Leases + Forming + Outbox + Parking + Accounts,
>(
    world: W,
) {
    let acme = org("acme");
    let (held, first) = formed(&world, &rows(&acme, 0..2)).await;
    settled(&world, &held, &first.seq, park_all(&first)).await;
    let before = books(&world, &acme).await;
    let next = advanced(&held);
    let wanted = batch(&next, &[id(0), id(7)]);
    let outcome = ok(world.unpark(&next, wanted, now()).await);
    assert!(matches!(outcome, FormOutcome::Stale { .. }), "{outcome:?}");
    ok(world.release(&next, next.breaker).await);
    let holder = lease(&world, &acme).await;
    let wanted = batch(&next, &[id(0)]);
    let outcome = ok(world.unpark(&next, wanted.clone(), now()).await);
    assert_eq!(outcome, FormOutcome::Fenced);
    assert_eq!(books(&world, &acme).await, before);
    assert_eq!(ok(world.head(&acme).await), None);
    assert_eq!(ok(world.unpark(&holder, wanted, now()).await), FormOutcome::Formed);
    let again = batch(&advanced(&holder), &[id(0)]);
    let outcome = ok(world.unpark(&advanced(&holder), again, now()).await);
    assert!(matches!(outcome, FormOutcome::Stale { .. }), "{outcome:?}");
}
