//! Laws of forming: rows leave staging for a batch all together or not at all.

use contract::limits::DAY_MS;

use super::{
    ok,
    sample::{
        Kind, Told, advanced, batch, batch_of, changes, event, formed, id, ids, lease, now, org,
        row, rows,
    },
    there,
};
use crate::{
    delivery::{FormOutcome, Forming, Leases, Outbox},
    staging::Staging,
    stream::StreamSource,
};

/// "Up to `limit` staged rows of `org` that were staged before `settled_before`, in staging order." Of a backlog that is
/// longer than what it reads at once, a store may answer other rows than the oldest, and fewer than `limit` where one
/// transaction takes no more: what it answers is in order, and forming goes on until nothing is left.
pub async fn staged_rows_come_in_order_once_they_have_settled<W: Staging + Forming>(world: W) {
    let acme = org("acme");
    let mut all = rows(&acme, 0..6);
    ok(world.stage(&all).await);
    ok(world.stage(&rows(&org("globex"), 0..3)).await);
    assert_eq!(ok(world.staged(&acme, now(), 100).await), all);
    assert_eq!(ok(world.staged(&acme, now(), 4).await).len(), 4);
    let fourth = there(all.get(3), "a fourth row").staged_at;
    all.truncate(3);
    assert_eq!(ok(world.staged(&acme, fourth, 100).await), all, "rows that have not settled");
    assert_eq!(ok(world.staged(&org("initech"), now(), 100).await), []);
}

/// However many rows a store answers at once, forming them again and again leaves nothing behind and takes nothing twice.
pub async fn a_backlog_is_formed_completely_and_each_event_once<
    W: Staging + Leases + Forming + Outbox,
>(
    world: W,
) {
    let acme = org("acme");
    let all = rows(&acme, 0..130);
    ok(world.stage(&all).await);
    let mut held = lease(&world, &acme).await;
    let mut formed = Vec::new();
    loop {
        let staged = ok(world.staged(&acme, now(), 96).await);
        if staged.is_empty() {
            break;
        }
        assert!(staged.len() <= 96 && staged.is_sorted_by_key(|row| row.staged_at));
        let made = batch(&held, &ids(&staged));
        let outcome = ok(world.form(&held, Some(made), &[], now()).await);
        assert_eq!(outcome, FormOutcome::Formed, "what was read together leaves together");
        held = advanced(&held);
        formed.extend(ids(&staged));
    }
    formed.sort();
    assert_eq!(formed, ids(&all));
}

/// "Rows past their TTL that still exist are among them."
pub async fn rows_past_their_ttl_are_still_formed<W: Staging + Forming>(world: W) {
    let acme = org("acme");
    let old = row(&event(&acme, 1, Kind::Friction, now().plus_ms(-2 * DAY_MS)));
    assert!(old.expires_at < now());
    ok(world.stage(std::slice::from_ref(&old)).await);
    assert_eq!(ok(world.staged(&acme, now(), 10).await), [old]);
}

/// "In one transaction under the fence: the batch is made, the head moves on to `lease.next_seq + 1`, its rows leave
/// staging."
pub async fn forming_moves_rows_into_a_numbered_batch<
    W: Staging + Leases + Forming + Outbox + StreamSource,
>(
    world: W,
) {
    let acme = org("acme");
    let all = rows(&acme, 0..3);
    let (taken, left) = all.split_at(2);
    ok(world.stage(left).await);
    let (first, made) = formed(&world, taken).await;
    assert_eq!(ok(world.staged(&acme, now(), 10).await), left);
    let ready = there(ok(world.head(&acme).await), "the batch");
    assert_eq!((ready.batch, ready.attempts, ready.failing_since), (made, 0, None));
    let told = changes(&world).await;
    for row in taken {
        let removed = told.iter().filter(|told| **told == Told::Removed(row.clone()));
        assert_eq!(removed.count(), 1, "the stream does not tell that a row left");
    }
    assert_eq!(told.len(), 5);
    ok(world.release(&first, first.breaker).await);
    assert_eq!(lease(&world, &acme).await.next_seq, first.next_seq + 1);
}

/// "Nothing was written: these rows are gone from staging."
pub async fn a_missing_row_makes_the_whole_batch_stale<W: Staging + Leases + Forming + Outbox>(
    world: W,
) {
    let acme = org("acme");
    let all = rows(&acme, 0..2);
    ok(world.stage(&all).await);
    let held = lease(&world, &acme).await;
    let mut wanted = ids(&all);
    wanted.insert(1, id(77));
    let outcome = ok(world.form(&held, Some(batch(&held, &wanted)), &[], now()).await);
    assert_eq!(outcome, FormOutcome::Stale { gone: vec![id(77)], forwarded: Vec::new() });
    assert_eq!(ok(world.staged(&acme, now(), 10).await), all);
    assert_eq!(ok(world.head(&acme).await), None);
    let outcome = ok(world.form(&held, Some(batch(&held, &ids(&all))), &[], now()).await);
    assert_eq!(outcome, FormOutcome::Formed, "the number was used up by nothing");
}

/// Forming again, after the answer was lost, makes no second batch of the same events.
pub async fn forming_again_forms_nothing<W: Staging + Leases + Forming + Outbox>(world: W) {
    let acme = org("acme");
    let (held, made) = formed(&world, &rows(&acme, 0..2)).await;
    let again = ok(world.form(&held, Some(made.clone()), &[], now()).await);
    assert_ne!(again, FormOutcome::Formed);
    let next = advanced(&held);
    let ids: Vec<_> = made.events.iter().map(|event| event.event_id.clone()).collect();
    let again = ok(world.form(&next, Some(batch(&next, &ids)), &[], now()).await);
    assert!(matches!(again, FormOutcome::Stale { .. }), "{again:?}");
    assert_eq!(batch_of(ok(world.head(&acme).await)), Some(made));
}

/// "Nothing was written: the lease was lost."
pub async fn a_lost_lease_forms_nothing<W: Staging + Leases + Forming + Outbox>(world: W) {
    let acme = org("acme");
    let all = rows(&acme, 0..2);
    ok(world.stage(&all).await);
    let start = now();
    let lost = there(ok(world.acquire(&acme, start, start.plus_ms(1_000)).await), "a lease");
    let later = start.plus_ms(2_000);
    let held = there(ok(world.acquire(&acme, later, later.plus_ms(60_000)).await), "a lease");
    let wanted = batch(&lost, &ids(&all));
    let outcome = ok(world.form(&lost, Some(wanted.clone()), &[], later).await);
    assert_eq!(outcome, FormOutcome::Fenced);
    let outcome = ok(world.form(&lost, None, &ids(&all), later).await);
    assert_eq!(outcome, FormOutcome::Fenced);
    assert_eq!(ok(world.staged(&acme, now(), 10).await), all);
    assert_eq!(ok(world.head(&acme).await), None);
    let outcome = ok(world.form(&held, Some(wanted), &[], later).await);
    assert_eq!(outcome, FormOutcome::Formed);
}

/// "The rows in `dropped` leave staging." "`batch` is nothing when there is only something to drop."
pub async fn dropped_rows_leave_staging<W: Staging + Leases + Forming + Outbox>(world: W) {
    let acme = org("acme");
    let all = rows(&acme, 0..3);
    ok(world.stage(&all).await);
    let held = lease(&world, &acme).await;
    let [first, second, third] = all.as_slice() else { panic!("three rows") };
    let dropped = [first.event_id.clone()];
    assert_eq!(ok(world.form(&held, None, &dropped, now()).await), FormOutcome::Formed);
    assert_eq!(ok(world.head(&acme).await), None);
    assert_eq!(ok(world.staged(&acme, now(), 10).await), [second.clone(), third.clone()]);
    ok(world.release(&held, held.breaker).await);
    let held = lease(&world, &acme).await;
    let made = batch(&held, std::slice::from_ref(&second.event_id));
    let dropped = [third.event_id.clone(), id(99)];
    let outcome = ok(world.form(&held, Some(made.clone()), &dropped, now()).await);
    assert_eq!(outcome, FormOutcome::Formed);
    assert_eq!(ok(world.staged(&acme, now(), 10).await), []);
    assert_eq!(batch_of(ok(world.head(&acme).await)), Some(made));
}
