//! Laws of the ledger's counters: an event's marker and what it adds commit together, once.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    Event, OrgId, Timestamp,
    limits::{DAY_MS, HOUR_MS},
};
use domain::{
    admit,
    counters::{self, Cell, Count},
    event_id,
};

use super::{
    ok,
    sample::{Kind, chunk, event, key, now, org},
    there,
};
use crate::{
    accounts::Accounts,
    chance::Chance,
    ledger::{CommitOutcome, Ledger},
};

fn clicks(org: &OrgId, numbers: std::ops::Range<usize>) -> Vec<Event> {
    let at = now().plus_ms(-60_000);
    numbers.map(|number| timed(event(org, number, Kind::Click, at), number, at)).collect()
}

/// Every second event has an id that tells its time, as an emitter gives it; the others have one of a caller's own.
fn timed(mut event: Event, number: usize, at: Timestamp) -> Event {
    if number.is_multiple_of(2) {
        event.event_id = event_id::v7(at, [u8::try_from(number).unwrap_or(u8::MAX); 16]);
        event.ck = Some(admit::ck_text(admit::ck(&event)));
    }
    event
}

/// What is counted of `org`, over all time.
async fn counted<W: Accounts>(world: &W, org: &OrgId) -> BTreeMap<Cell, Count> {
    let (from, to) = (Timestamp::from_ms(0), now().plus_ms(DAY_MS));
    ok(world.counters(Some(org), from, to).await).into_iter().collect()
}

fn expected<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeMap<Cell, Count> {
    counters::deltas(events, &BTreeMap::new()).counts
}

async fn known<W: Ledger>(world: &W, events: &[Event]) -> Vec<Option<u32>> {
    ok(world.known(&events.iter().map(key).collect::<Vec<_>>()).await)
}

fn cks(events: &[Event]) -> Vec<Option<u32>> {
    events.iter().map(|event| Some(admit::ck_of(event))).collect()
}

/// "One transaction: events that were not counted before, and everything they add."
pub async fn a_chunk_commits_markers_counters_and_names_together<W: Ledger + Accounts>(world: W) {
    let acme = org("acme");
    let events = clicks(&acme, 0..5);
    assert_eq!(known(&world, &events).await, [None; 5]);
    let chunk = chunk(&world, &events).await;
    let names = chunk.deltas.names.clone();
    assert_eq!(names.values().map(BTreeSet::len).sum::<usize>(), 3, "three screens");
    assert_eq!(ok(world.commit(chunk).await), CommitOutcome::Committed);
    assert_eq!(known(&world, &events).await, cks(&events));
    assert_eq!(counted(&world, &acme).await, expected(&events));
    let keys: Vec<_> = names.keys().cloned().collect();
    assert_eq!(ok(world.dictionaries(&keys).await), names);
}

/// "Repeating a committed chunk answers `Stale` and changes nothing."
pub async fn committing_again_is_stale_and_changes_nothing<W: Ledger + Accounts>(world: W) {
    let acme = org("acme");
    let chunk = chunk(&world, &clicks(&acme, 0..5)).await;
    ok(world.commit(chunk.clone()).await);
    let (books, counters) =
        (ok(world.ledger(None, now()).await).orgs, counted(&world, &acme).await);
    for _ in 0..2 {
        assert_eq!(ok(world.commit(chunk.clone()).await), CommitOutcome::Stale);
    }
    assert_eq!(ok(world.ledger(None, now()).await).orgs, books);
    assert_eq!(counted(&world, &acme).await, counters);
}

/// "All or nothing": a chunk of which one event is counted already writes none of it.
pub async fn one_known_marker_keeps_the_whole_chunk_out<W: Ledger + Accounts>(world: W) {
    let acme = org("acme");
    let events = clicks(&acme, 0..6);
    let (first, rest) = events.split_at(1);
    let overlapping = chunk(&world, &events).await;
    let alone = chunk(&world, first).await;
    assert_eq!(ok(world.commit(alone).await), CommitOutcome::Committed);
    assert_eq!(ok(world.commit(overlapping).await), CommitOutcome::Stale);
    assert_eq!(known(&world, rest).await, [None; 5]);
    assert_eq!(counted(&world, &acme).await, expected(first));
    let rest = chunk(&world, rest).await;
    assert_eq!(ok(world.commit(rest).await), CommitOutcome::Committed);
    assert_eq!(counted(&world, &acme).await, expected(&events));
}

/// "A dictionary has grown: nothing was written; read again and recompute."
pub async fn a_dictionary_that_has_grown_keeps_the_chunk_out<W: Ledger + Accounts>(world: W) {
    let acme = org("acme");
    // Events 0 and 1 name different screens of one day.
    let (one, other) = (clicks(&acme, 0..1), clicks(&acme, 1..2));
    let early = chunk(&world, &one).await;
    let other_chunk = chunk(&world, &other).await;
    assert_eq!(ok(world.commit(other_chunk).await), CommitOutcome::Committed);
    assert_eq!(ok(world.commit(early).await), CommitOutcome::Stale);
    assert_eq!(known(&world, &one).await, [None]);
    let again = chunk(&world, &one).await;
    assert_eq!(ok(world.commit(again).await), CommitOutcome::Committed);
    assert_eq!(counted(&world, &acme).await, expected(one.iter().chain(&other)));
}

/// "One tenant cannot burn another's ids."
pub async fn markers_of_tenants_are_apart<W: Ledger + Accounts>(world: W) {
    for name in ["acme", "acme-eu", "globex"] {
        let events = clicks(&org(name), 0..3);
        assert_eq!(known(&world, &events).await, [None; 3], "{name}");
        let chunk = chunk(&world, &events).await;
        assert_eq!(ok(world.commit(chunk).await), CommitOutcome::Committed);
        assert_eq!(counted(&world, &org(name)).await, expected(&events));
    }
}

/// "Markers live 35 days from here", so that the horizon of 30 days is kept.
pub async fn an_event_of_thirty_days_ago_is_still_known<W: Ledger>(world: W) {
    let acme = org("acme");
    let at = now().plus_ms(-30 * DAY_MS);
    let old = [1, 2].map(|number| timed(event(&acme, number, Kind::Click, at), number, at));
    let chunk = chunk(&world, &old).await;
    assert_eq!(ok(world.commit(chunk.clone()).await), CommitOutcome::Committed);
    assert_eq!(known(&world, &old).await, cks(&old));
    assert_eq!(ok(world.commit(chunk).await), CommitOutcome::Stale);
}

/// "The counters of `org`, or of all, whose hour lies in `[from, to)`, by cell."
pub async fn counters_are_read_by_hour_and_tenant<W: Ledger + Accounts>(world: W) {
    let noon = now().hour().plus_ms(-5 * HOUR_MS);
    let at = |hours: i64| noon.plus_ms(hours * HOUR_MS + 1);
    let events = [
        event(&org("acme"), 1, Kind::Click, at(0)),
        event(&org("acme"), 2, Kind::Friction, at(1)),
        event(&org("globex"), 3, Kind::Click, at(1)),
        event(&org("acme"), 4, Kind::Click, at(2)),
    ];
    let chunk = chunk(&world, &events).await;
    assert_eq!(ok(world.commit(chunk).await), CommitOutcome::Committed);
    let read = async |org: Option<&OrgId>, from: i64, to: i64| -> Vec<(Cell, Count)> {
        let (from, to) = (noon.plus_ms(from * HOUR_MS), noon.plus_ms(to * HOUR_MS));
        ok(world.counters(org, from, to).await)
    };
    let cells = |picked: &[&Event]| -> Vec<(Cell, Count)> {
        expected(picked.iter().copied()).into_iter().collect()
    };
    let [first, second, foreign, last] = &events;
    assert_eq!(read(Some(&org("acme")), 0, 3).await, cells(&[first, second, last]));
    assert_eq!(read(Some(&org("acme")), 1, 2).await, cells(&[second]));
    assert_eq!(read(None, 1, 2).await, cells(&[second, foreign]));
    assert_eq!(read(None, 3, 9).await, []);
}

/// Whatever chunks are tried, in whatever company: each event counts once, and only with its marker.
pub async fn any_chunks_count_each_event_once<W: Ledger + Accounts>(world: W) {
    let orgs = [org("acme"), org("globex")];
    let mut chance = Chance::of(20_260_213);
    let mut events: BTreeMap<_, Event> = BTreeMap::new();
    let mut late = None;
    let hour = now().hour();
    for _ in 0..60 {
        let picked: BTreeMap<_, _> = (0..1 + chance.below(6))
            .map(|_| {
                let org = there(chance.one_of(&orgs), "an organisation");
                let at = hour.plus_ms(-HOUR_MS * i64::from(chance.percent(30)));
                let number = chance.below(40);
                let id_time = hour.plus_ms(-2 * HOUR_MS);
                let event = timed(event(org, number, Kind::Click, at), number, id_time);
                (key(&event), event)
            })
            .collect();
        let picked: Vec<_> = picked.into_values().collect();
        let new = !picked.iter().any(|event| events.contains_key(&key(event)));
        let fresh = chunk(&world, &picked).await;
        if chance.percent(20) {
            // Kept back, and tried when the world has moved on.
            late = Some((fresh, picked));
            continue;
        }
        let committed = ok(world.commit(fresh).await) == CommitOutcome::Committed;
        assert_eq!(committed, new);
        events.extend(picked.into_iter().filter(|_| new).map(|event| (key(&event), event)));
        if let Some((chunk, picked)) = late.take()
            && ok(world.commit(chunk).await) == CommitOutcome::Committed
        {
            for event in picked {
                assert!(events.insert(key(&event), event).is_none(), "counted twice");
            }
        }
    }
    for org in &orgs {
        let own = events.values().filter(|event| event.org_id == *org);
        assert_eq!(counted(&world, org).await, expected(own));
    }
}
