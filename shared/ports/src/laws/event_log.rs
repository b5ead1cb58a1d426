//! Laws of the log of an owner's events.

use contract::{
    Event, EventId, ProductId, Timestamp,
    event::{Element, RecordRef},
};
use domain::admit;
use friction::owner::{Owner, Position};

use super::{
    moments::{click, logged, minute, owner},
    ok,
    sample::{Kind, event, id, now},
    there,
};
use crate::{
    chance::Chance,
    sessions::{Arming, EventLog, Heads, LoggedEvent, Strikes, StruckEvent},
};

fn ids(events: &[Event]) -> Vec<EventId> {
    events.iter().map(|event| event.event_id.clone()).collect()
}

/// "Appending one again (same owner, time, id and `ck`) changes nothing: the first body stays."
pub async fn an_event_is_logged_once_and_its_first_body_stays<W: EventLog>(world: W) {
    let anna = owner("acme", "anna");
    let first = click(&anna, 1, minute(1));
    let other = changed(&first);
    ok(world.append(&[]).await);
    for events in [[&first, &other], [&other, &other], [&first, &first]] {
        ok(world.append(&events.map(Clone::clone)).await);
        assert_eq!(logged(&world, &anna).await, std::slice::from_ref(&first.event));
    }
    // At another time it is another row: whoever splits events into sessions keeps the earliest.
    let earlier = click(&anna, 1, minute(0));
    ok(world.append(std::slice::from_ref(&earlier)).await);
    assert_eq!(logged(&world, &anna).await, [earlier.event, first.event]);
}

/// The same but for one key; it says that it is the same.
fn changed(logged: &LoggedEvent) -> LoggedEvent {
    let element = Element { key: "another".to_owned(), kind: None, x: None, y: None };
    let event = Event { element: Some(element), ..logged.event.clone() };
    LoggedEvent { event, ..logged.clone() }
}

fn struck(LoggedEvent { owner, event }: &LoggedEvent) -> StruckEvent {
    StruckEvent { owner: owner.clone(), position: Position::of(event), ck: admit::ck_of(event) }
}

/// "They are not read any more, whether they were appended before, are appended later or never."
pub async fn what_is_struck_out_is_not_read_whenever_it_comes<W: EventLog + Strikes>(world: W) {
    let anna = owner("acme", "anna");
    let events: Vec<_> = (0..4_usize).map(|number| click(&anna, number, minute(1))).collect();
    let [_, second, third, _] = events.as_slice() else { panic!("four events") };
    // The second one's id comes with two other bodies: at the same time, and earlier.
    let (mut other, earlier) = (changed(second), click(&anna, 1, minute(0)));
    other.event.ck = Some(admit::ck_text(admit::ck(&other.event)));
    let expected: Vec<_> = events.iter().map(|logged| logged.event.clone()).collect();
    ok(world.append(&events).await);
    ok(world.append(&[other.clone(), earlier.clone()]).await);
    assert_eq!(logged(&world, &anna).await.len(), 6);
    for _ in 0..2 {
        ok(world.strike(&[struck(&other), struck(&earlier)], now()).await);
        assert_eq!(logged(&world, &anna).await, expected);
        ok(world.append(&[earlier.clone(), other.clone()]).await);
    }
    for size in [1, 2, 3] {
        assert_eq!(paged(&world, &anna, size).await, expected, "pages of {size}");
    }
    // Before it comes, and where nothing ever comes.
    let (late, ben) = (click(&anna, 9, minute(2)), owner("acme", "ben"));
    ok(world.strike(&[struck(&late), struck(&click(&ben, 1, minute(1)))], now()).await);
    ok(world.append(&[late]).await);
    assert_eq!(logged(&world, &anna).await, expected);
    assert_eq!(logged(&world, &ben).await, []);
    // Whatever else is there stays.
    ok(world.strike(&[], now()).await);
    ok(world.strike(&[struck(third)], now()).await);
    let left: Vec<_> = expected.iter().filter(|event| **event != third.event).cloned().collect();
    assert_eq!(logged(&world, &anna).await, left);
}

/// "Their owners' heads are armed for `now`", from the last cut on that would be there without the events.
pub async fn whoever_loses_an_event_is_looked_at_again<W: EventLog + Heads + Strikes>(world: W) {
    let (anna, ben) = (owner("acme", "anna"), owner("acme", "ben"));
    let [of_anna, later, of_ben] =
        [click(&anna, 1, minute(1)), click(&anna, 2, minute(5)), click(&ben, 1, minute(3))];
    let armed = Arming { owner: anna.clone(), dirty_from: minute(4), due_at: minute(40) };
    ok(world.arm(&[armed]).await);
    let before = there(ok(world.head(&anna).await), "a head");
    ok(world.strike(&[struck(&later), struck(&of_anna), struck(&of_ben)], minute(30)).await);
    let before_cut = 12 * 60 + 30;
    for (owner, from) in [(&anna, minute(1 - before_cut)), (&ben, minute(3 - before_cut))] {
        let head = there(ok(world.head(owner).await), "a head");
        assert_eq!((head.dirty_from, head.due_at), (Some(from), Some(minute(30))));
    }
    assert!(there(ok(world.head(&anna).await), "a head").version > before.version);
}

/// Whatever is in an event is read again, except where the stream carried it.
pub async fn an_event_is_read_as_it_was_logged<W: EventLog>(world: W) {
    let anna = owner("acme", "anna");
    let mut friction = event(&anna.org, 1, Kind::Private, minute(1));
    friction.context.insert("aiConfidence".to_owned(), 0.812_345_678_901_234_5.into());
    friction.context.insert("feature".to_owned(), "s\u{e4}ume \u{1f9f5} \"\\\n".into());
    let shard = "shardId-000000000000".to_owned();
    let carried = Some(RecordRef { shard, sequence: "1".to_owned(), arrived_at: minute(2) });
    let carried = Event { record: carried, ..friction.clone() };
    ok(world.append(&[LoggedEvent { owner: anna.clone(), event: carried }]).await);
    assert_eq!(logged(&world, &anna).await, [friction]);
}

/// "Up to `limit` events of `owner`, in order, after `after` and not before `from`."
pub async fn events_come_in_order_from_a_position<W: EventLog>(world: W) {
    let anna = owner("acme", "anna");
    // Three at each minute, told apart by their ids, in whatever order they come.
    let at = |number: usize| minute(i64::try_from(number / 3).unwrap_or(0));
    let mut events: Vec<_> = (0..12).map(|number| click(&anna, number, at(number))).collect();
    let expected: Vec<_> = events.iter().map(|logged| logged.event.clone()).collect();
    let mut chance = Chance::of(3);
    while !events.is_empty() {
        let next = events.swap_remove(chance.below(events.len()));
        ok(world.append(&[next]).await);
    }
    let read = async |from: Timestamp, after: Option<&Position>, limit: usize| {
        ok(world.read(&anna, from, after, limit).await)
    };
    assert_eq!(read(minute(0), None, 100).await, expected);
    for size in [1, 2, 5] {
        assert_eq!(paged(&world, &anna, size).await, expected, "pages of {size}");
    }
    let numbers = async |from: Timestamp, after: Option<(Timestamp, usize)>, limit: usize| {
        let after = after.map(|(at, number)| Position { at, id: id(number) });
        ids(&read(from, after.as_ref(), limit).await)
    };
    let these = |numbers: [usize; 2]| numbers.map(id).to_vec();
    assert_eq!(numbers(minute(2), None, 2).await, these([6, 7]));
    assert_eq!(numbers(minute(2).plus_ms(1), None, 2).await, these([9, 10]));
    assert_eq!(numbers(minute(2), Some((minute(2), 7)), 2).await, these([8, 9]));
    // A position need not be one of an event, and an earlier one than `from` says nothing.
    assert_eq!(numbers(minute(0), Some((minute(1).plus_ms(1), 0)), 2).await, these([6, 7]));
    assert_eq!(numbers(minute(2), Some((minute(1), 4)), 2).await, these([6, 7]));
    assert_eq!(numbers(minute(2), Some((minute(3), 11)), 2).await, []);
    assert_eq!(numbers(minute(4), None, 2).await, []);
}

async fn paged<W: EventLog>(world: &W, owner: &Owner, size: usize) -> Vec<Event> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = ok(world.read(owner, minute(0), after.as_ref(), size).await);
        assert!(page.len() <= size, "a page of {} for {size}", page.len());
        let Some(last) = page.last() else { return all };
        after = Some(Position::of(last));
        all.extend(page);
    }
}

/// A log of more than a store reads at once.
pub async fn a_long_log_is_read_to_its_end<W: EventLog>(world: W) {
    let anna = owner("acme", "anna");
    let text = "x".repeat(2_000);
    let long = |number: usize| {
        let mut logged = click(&anna, number, minute(i64::try_from(number).unwrap_or(0)));
        logged.event.context.insert("feature".to_owned(), text.as_str().into());
        logged
    };
    let events: Vec<_> = (0..1_200).map(long).collect();
    for part in events.chunks(400) {
        ok(world.append(part).await);
    }
    let read = logged(&world, &anna).await;
    assert_eq!(ids(&read), (0..1_200).map(id).collect::<Vec<_>>());
    assert_eq!(paged(&world, &anna, 1_000).await.len(), 1_200);
    let last = there(read.last(), "the last event");
    assert_eq!(ok(world.read(&anna, last.occurred_at, None, 9).await), std::slice::from_ref(last));
}

/// Tenants, their products, and tokens that begin alike.
pub async fn owners_have_logs_of_their_own<W: EventLog>(world: W) {
    let anna = owner("acme", "anna");
    let athena = ProductId::parse("athena").ok();
    let owners = [
        owner("acme", "ann"),
        owner("acme", "anna#1"),
        owner("globex", "anna"),
        Owner { product: there(athena, "a product"), ..anna.clone() },
        anna,
    ];
    let events: Vec<_> = owners.iter().map(|owner| click(owner, 1, minute(1))).collect();
    ok(world.append(&events).await);
    for (owner, appended) in owners.iter().zip(events) {
        assert_eq!(logged(&world, owner).await, [appended.event], "{owner:?}");
    }
    assert_eq!(logged(&world, &owner("acme", "nobody")).await, []);
}
