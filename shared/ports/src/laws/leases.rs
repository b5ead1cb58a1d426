//! Laws of leases.

use domain::breaker::Breaker;

use super::{
    ok,
    sample::{now, org},
    there,
};
use crate::delivery::Leases;

const MINUTE_MS: i64 = 60_000;

/// "Takes the lease if nobody holds it at `now`."
pub async fn an_organisation_has_one_holder<W: Leases>(world: W) {
    let (acme, start) = (org("acme"), now());
    let lease = there(
        ok(world.acquire(&acme, start, start.plus_ms(MINUTE_MS)).await),
        "the lease that nobody holds",
    );
    assert_eq!((lease.org, lease.until), (acme.clone(), start.plus_ms(MINUTE_MS)));
    assert_eq!(lease.breaker, Breaker::default());
    for ms in [0, MINUTE_MS - 1] {
        let second = world.acquire(&acme, start.plus_ms(ms), start.plus_ms(9 * MINUTE_MS)).await;
        assert_eq!(ok(second), None);
    }
    let late = start.plus_ms(MINUTE_MS + 1);
    assert!(ok(world.acquire(&acme, late, late.plus_ms(MINUTE_MS)).await).is_some());
}

/// "Each grant raises the fence."
pub async fn every_grant_raises_the_fence<W: Leases>(world: W) {
    let acme = org("acme");
    let (mut at, mut fence) = (now(), None);
    for round in 0..6 {
        let lease = ok(world.acquire(&acme, at, at.plus_ms(MINUTE_MS)).await);
        let lease = there(lease, "a lease");
        assert!(fence.is_none_or(|fence| lease.fence > fence), "a fence that does not grow");
        fence = Some(lease.fence);
        if round % 2 == 0 {
            ok(world.release(&lease, Breaker::default()).await);
        } else {
            at = at.plus_ms(MINUTE_MS + 1);
        }
    }
}

/// "Extends the lease; false when it was lost."
pub async fn renewing_extends_unless_the_lease_was_lost<W: Leases>(world: W) {
    let (acme, start) = (org("acme"), now());
    let until = |minutes| start.plus_ms(minutes * MINUTE_MS);
    let first = there(ok(world.acquire(&acme, start, until(1)).await), "a lease");
    assert!(ok(world.renew(&first, until(5)).await));
    assert_eq!(ok(world.acquire(&acme, until(4), until(9)).await), None);
    let second = there(ok(world.acquire(&acme, until(6), until(7)).await), "the next lease");
    assert!(!ok(world.renew(&first, until(20)).await));
    assert!(
        ok(world.acquire(&acme, until(8), until(9)).await).is_some(),
        "a lost lease was extended"
    );
    ok(world.release(&second, Breaker::default()).await);
    assert_eq!(ok(world.acquire(&acme, until(8), until(9)).await), None);
}

/// "Gives the lease back and leaves the breaker for the next holder. Does nothing when it was lost."
pub async fn releasing_hands_the_breaker_on_unless_the_lease_was_lost<W: Leases>(world: W) {
    let (acme, start) = (org("acme"), now());
    let until = |minutes| start.plus_ms(minutes * MINUTE_MS);
    let broken = Breaker { failures: 7, open_until: Some(until(3)) };
    let first = there(ok(world.acquire(&acme, start, until(5)).await), "a lease");
    ok(world.release(&first, broken).await);
    let second = ok(world.acquire(&acme, start, until(1)).await);
    let second = there(second, "the lease that was given back");
    assert_eq!(second.breaker, broken);
    let third = there(ok(world.acquire(&acme, until(2), until(5)).await), "the lost lease");
    assert_eq!(third.breaker, broken);
    for lost in [&first, &second] {
        ok(world.release(lost, Breaker::default()).await);
        assert_eq!(ok(world.acquire(&acme, until(3), until(9)).await), None);
    }
    ok(world.release(&third, broken).await);
    ok(world.release(&third, Breaker::default()).await);
    let fourth = there(ok(world.acquire(&acme, until(3), until(9)).await), "a lease");
    assert_eq!(fourth.breaker, broken, "releasing twice changed the breaker");
}

/// One holder per organisation.
pub async fn organisations_are_leased_apart<W: Leases>(world: W) {
    let start = now();
    for name in ["acme", "acme-eu", "globex"] {
        let lease = world.acquire(&org(name), start, start.plus_ms(MINUTE_MS)).await;
        assert!(ok(lease).is_some(), "{name}");
    }
}
