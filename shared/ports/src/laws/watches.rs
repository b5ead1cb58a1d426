//! Laws of watches, and of the turns at telling those who listen.

use contract::Timestamp;
use friction::owner::Owner;

use super::{
    moments::{MINUTE_MS, minute, owner, session},
    ok,
    sample::now,
    there,
};
use crate::watches::{Ending, Taking, Turn, Turns, Watch, Watched, Watches};

fn watch(owner: &Owner, connection: &str) -> Watch {
    Watch {
        connection: connection.to_owned(),
        owner: owner.clone(),
        session: session(owner, minute(0)).session.session_id,
        key_id: "0123456789abcdef".to_owned(),
        seen: Some(format!("{}#e.1", minute(1))),
        told: None,
        since: now(),
        until: now().plus_ms(120 * MINUTE_MS),
    }
}

async fn taken<W: Turns>(world: &W, watch: &Watch, at: Timestamp) -> Turn {
    match ok(world.take_turn(watch, at, at.plus_ms(MINUTE_MS)).await) {
        Taking::Taken(turn) => turn,
        other @ (Taking::Noted | Taking::Gone) => panic!("{other:?}"),
    }
}

/// "Keeps `watch`. Keeping it again replaces it." "Forgets the watch of `connection`, if there is one."
pub async fn a_watch_is_kept_until_it_is_forgotten<W: Watches>(world: W) {
    let anna = watch(&owner("acme", "anna"), "L0SM9cOFvHcCIhw=");
    assert_eq!(ok(world.watch_of(&anna.connection).await), None);
    ok(world.unwatch(&anna.connection).await);
    ok(world.watch(&anna).await);
    assert_eq!(ok(world.watch_of(&anna.connection).await), Some(anna.clone()));
    assert_eq!(ok(world.watch_of("l0SM9cOFvHcCIhw=").await), None);
    let later = Watch { seen: None, until: anna.until.plus_ms(MINUTE_MS), ..anna.clone() };
    ok(world.watch(&later).await);
    assert_eq!(ok(world.watch_of(&anna.connection).await), Some(later));
    for _ in 0..2 {
        ok(world.unwatch(&anna.connection).await);
        assert_eq!(ok(world.watch_of(&anna.connection).await), None);
    }
}

/// "Every owner with a watch that goes on after `now`." "The watches of `owner`, by connection."
pub async fn owners_are_watched_apart<W: Watches + Watched>(world: W) {
    let [anna, ben] = [owner("acme", "anna"), owner("globex", "anna")];
    let [first, second, other] = [watch(&anna, "b="), watch(&anna, "a="), watch(&ben, "c=")];
    for watch in [&first, &second, &other] {
        ok(world.watch(watch).await);
    }
    assert_eq!(ok(world.watches(&anna).await), [second.clone(), first.clone()]);
    assert_eq!(ok(world.watches(&ben).await), std::slice::from_ref(&other));
    assert_eq!(ok(world.watches(&owner("acme", "ann")).await), []);
    let watched = ok(world.watched(now()).await);
    assert_eq!(watched.into_iter().collect::<Vec<_>>(), [anna.clone(), ben.clone()]);
    ok(world.unwatch(&first.connection).await);
    assert_eq!(ok(world.watches(&anna).await), [second]);
    assert!(ok(world.watched(now()).await).contains(&anna));
}

/// "Every owner with a watch that goes on after `now`."
pub async fn nobody_is_watched_for_ever<W: Watches + Watched>(world: W) {
    let anna = watch(&owner("acme", "anna"), "a=");
    ok(world.watch(&anna).await);
    assert!(ok(world.watched(anna.until.plus_ms(1_000)).await).is_empty());
}

/// "From here on nobody knows what was told, nor what had been seen."
pub async fn a_turn_keeps_what_was_told<W: Watches + Watched + Turns>(world: W) {
    let anna = watch(&owner("acme", "anna"), "a=");
    ok(world.watch(&anna).await);
    let first = taken(&world, &anna, now()).await;
    assert_eq!((&first.told, &first.seen), (&None, &anna.seen));
    let kept = there(ok(world.watch_of("a=").await), "the watch");
    assert_eq!((kept.told, kept.seen), (None, None));
    assert_eq!(ok(world.end_turn(&anna, &first, Some("one")).await), Ending::Done);
    let told = ok(world.watches(&anna.owner).await).into_iter().map(|watch| watch.told);
    assert_eq!(told.collect::<Vec<_>>(), [Some("one".to_owned())]);
    let second = taken(&world, &anna, now()).await;
    assert_eq!((second.told.as_deref(), &second.seen), (Some("one"), &None));
    assert_eq!(there(ok(world.watch_of("a=").await), "the watch").told, None);
    // Nothing was told.
    assert_eq!(ok(world.end_turn(&anna, &second, None).await), Ending::Done);
    assert_eq!(taken(&world, &anna, now()).await.told, None);
}

/// "Unless somebody has it at `now`." "It goes on: a note was left in it, which is taken out."
pub async fn of_two_that_tell_one_leaves_a_note<W: Watches + Turns>(world: W) {
    let anna = watch(&owner("acme", "anna"), "a=");
    ok(world.watch(&anna).await);
    let until = now().plus_ms(MINUTE_MS);
    let turn = taken(&world, &anna, now()).await;
    for _ in 0..2 {
        assert_eq!(ok(world.take_turn(&anna, now(), until).await), Taking::Noted);
    }
    assert_eq!(ok(world.end_turn(&anna, &turn, Some("old")).await), Ending::Noted);
    assert_eq!(there(ok(world.watch_of("a=").await), "the watch").told, None);
    assert_eq!(ok(world.take_turn(&anna, now(), until).await), Taking::Noted);
    assert_eq!(ok(world.end_turn(&anna, &turn, Some("newer")).await), Ending::Noted);
    assert_eq!(ok(world.end_turn(&anna, &turn, Some("new")).await), Ending::Done);
    assert_eq!(taken(&world, &anna, now()).await.told.as_deref(), Some("new"));
}

/// "Takes the turn until `until`." Whoever held it before is told that it was over.
pub async fn a_turn_that_nobody_ends_is_taken_over<W: Watches + Turns>(world: W) {
    let anna = watch(&owner("acme", "anna"), "a=");
    ok(world.watch(&anna).await);
    let slow = taken(&world, &anna, now()).await;
    let later = now().plus_ms(MINUTE_MS);
    let quick = taken(&world, &anna, later).await;
    assert_ne!(slow.name, quick.name);
    assert_eq!(ok(world.end_turn(&anna, &slow, Some("old")).await), Ending::Lost);
    let until = later.plus_ms(MINUTE_MS);
    assert_eq!(ok(world.take_turn(&anna, later, until).await), Taking::Noted);
    assert_eq!(ok(world.end_turn(&anna, &quick, Some("new")).await), Ending::Noted);
    assert_eq!(ok(world.end_turn(&anna, &quick, Some("new")).await), Ending::Done);
    assert_eq!(ok(world.end_turn(&anna, &slow, Some("old")).await), Ending::Lost);
    assert_eq!(there(ok(world.watch_of("a=").await), "the watch").told.as_deref(), Some("new"));
}

/// "Nobody listens there any more."
pub async fn there_is_no_turn_where_nobody_listens<W: Watches + Turns>(world: W) {
    let anna = watch(&owner("acme", "anna"), "a=");
    let until = now().plus_ms(MINUTE_MS);
    assert_eq!(ok(world.take_turn(&anna, now(), until).await), Taking::Gone);
    assert_eq!(ok(world.watch_of("a=").await), None);
    ok(world.watch(&anna).await);
    let turn = taken(&world, &anna, now()).await;
    ok(world.unwatch("a=").await);
    assert_eq!(ok(world.end_turn(&anna, &turn, Some("one")).await), Ending::Done);
    assert_eq!(ok(world.watch_of("a=").await), None, "a watch that came back");
}
