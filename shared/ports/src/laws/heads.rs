//! Laws of who is to be looked at, and when.

use std::collections::BTreeSet;

use contract::Timestamp;
use friction::{change::Sweep, owner::Owner};

use super::{
    moments::{click, minute, owner, sweep},
    ok,
    sample::now,
    there,
};
use crate::sessions::{Arming, EventLog, Heads, Lane, Sessions, SweepOutcome};

const ALL: Lane = Lane { index: 0, of: 1 };

fn arming(owner: &Owner, dirty_from: Timestamp, due_at: Timestamp) -> Arming {
    Arming { owner: owner.clone(), dirty_from, due_at }
}

/// "Raises the version of each head, lowers `dirty_from` and `due_at` to what is given where that is earlier (nothing
/// counts as latest). Arming again raises the version again and changes nothing else."
pub async fn arming_raises_the_version_and_only_lowers_times<W: Heads>(world: W) {
    let anna = owner("acme", "anna");
    ok(world.arm(&[]).await);
    let steps = [
        // What is given, and what there is afterwards.
        ((5, 40), (5, 40)),
        ((5, 40), (5, 40)),
        ((6, 41), (5, 40)),
        ((4, 45), (4, 40)),
        ((9, 39), (4, 39)),
    ];
    let mut version = 0;
    for ((from, due), (dirty_from, due_at)) in steps {
        ok(world.arm(&[arming(&anna, minute(from), minute(due))]).await);
        let head = there(ok(world.head(&anna).await), "the head that was armed");
        assert!(head.version > version, "a version that does not grow");
        let times = (head.dirty_from, head.due_at);
        assert_eq!(times, (Some(minute(dirty_from)), Some(minute(due_at))));
        version = head.version;
    }
    assert_eq!(ok(world.head(&owner("globex", "anna")).await), None);
}

/// Several owners in one call, one of them twice.
pub async fn owners_are_armed_apart_and_together<W: Heads>(world: W) {
    let [anna, ben] = ["anna", "ben"].map(|token| owner("acme", token));
    let armings = [
        arming(&anna, minute(3), minute(30)),
        arming(&ben, minute(2), minute(20)),
        arming(&anna, minute(1), minute(31)),
    ];
    ok(world.arm(&armings).await);
    for (owner, from, due) in [(&anna, 1, 30), (&ben, 2, 20)] {
        let head = there(ok(world.head(owner).await), "the head that was armed");
        assert_eq!((head.dirty_from, head.due_at), (Some(minute(from)), Some(minute(due))));
    }
}

/// Nothing counts as latest: a sweep that left nothing to do is followed by whatever comes.
pub async fn a_head_with_nothing_to_do_is_armed_as_given<W: Heads + Sessions>(world: W) {
    let anna = owner("acme", "anna");
    let empty = sweep(&world, &anna).await;
    let before = empty.version;
    assert_eq!(ok(world.commit(empty).await), SweepOutcome::Committed);
    let head = there(ok(world.head(&anna).await), "a head");
    assert!(head.version > before, "a version that does not grow");
    assert_eq!((head.dirty_from, head.due_at), (None, None));
    ok(world.arm(&[arming(&anna, minute(50), minute(90))]).await);
    let head = there(ok(world.head(&anna).await), "a head");
    assert_eq!((head.dirty_from, head.due_at), (Some(minute(50)), Some(minute(90))));
}

/// Events alone call nobody.
pub async fn an_owner_that_was_not_armed_has_no_head<W: EventLog + Heads + Sessions>(world: W) {
    let anna = owner("acme", "anna");
    ok(world.append(&[click(&anna, 1, minute(1))]).await);
    assert_eq!(ok(world.head(&anna).await), None);
    assert_eq!(ok(world.due(ALL, now(), 10).await), []);
    let unfounded = |version| Sweep {
        owner: anna.clone(),
        version,
        sessions: Vec::new(),
        incidents: Vec::new(),
        cells: std::collections::BTreeMap::new(),
        notices: Vec::new(),
        dirty_from: None,
        due_at: Some(minute(1)),
    };
    for version in [0, 1] {
        assert_eq!(ok(world.commit(unfounded(version)).await), SweepOutcome::Stale);
    }
    assert_eq!(ok(world.head(&anna).await), None);
}

/// "Up to `limit` owners of `lane` whose time has come, most overdue first."
pub async fn whoever_is_due_comes_most_overdue_first<W: Heads + Sessions>(world: W) {
    let [anna, ben, cleo, dora] = ["anna", "ben", "cleo", "dora"].map(|name| owner("acme", name));
    let armings: Vec<_> = [(&anna, 30), (&ben, 10), (&cleo, 20), (&dora, 40)]
        .map(|(owner, due)| arming(owner, minute(0), minute(due)))
        .to_vec();
    ok(world.arm(&armings).await);
    let due = async |now: Timestamp, limit: usize| ok(world.due(ALL, now, limit).await);
    let in_order = [ben.clone(), cleo.clone(), anna.clone()];
    assert_eq!(due(minute(39), 10).await, in_order);
    assert_eq!(due(minute(30), 10).await, in_order, "its time has come");
    assert_eq!(due(minute(30).plus_ms(-1), 10).await, in_order[..2]);
    assert_eq!(due(minute(40), 2).await, in_order[..2]);
    // Whoever was looked at is due when the sweep says so, or not at all.
    let done = Sweep { due_at: None, ..sweep(&world, &ben).await };
    let later = Sweep { due_at: Some(minute(35)), ..sweep(&world, &cleo).await };
    for sweep in [done, later] {
        assert_eq!(ok(world.commit(sweep).await), SweepOutcome::Committed);
    }
    assert_eq!(due(minute(39), 10).await, [anna, cleo]);
}

/// "Of `lanes` lanes each owner is in one, whatever `lanes` is."
pub async fn lanes_share_out_owners_for_every_power_of_two<W: Heads>(world: W) {
    let owners: Vec<_> = (0..60).map(|number| owner("acme", &format!("token.{number}"))).collect();
    let armings: Vec<_> = owners.iter().map(|owner| arming(owner, minute(0), minute(35))).collect();
    ok(world.arm(&armings).await);
    let all: BTreeSet<_> = owners.iter().collect();
    for of in [1, 2, 4, 8, 16, 32] {
        let mut found = Vec::new();
        for index in 0..of {
            let lane = ok(world.due(Lane { index, of }, now(), 100).await);
            assert!(of == 1 || lane.len() < all.len(), "all owners in lane {index} of {of}");
            found.extend(lane);
        }
        assert_eq!(found.len(), all.len(), "an owner in two of {of} lanes, or in none");
        assert_eq!(found.iter().collect::<BTreeSet<_>>(), all, "of {of} lanes");
    }
}
