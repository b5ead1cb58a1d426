//! Markers, counters, quarantine and what the ledger makes of them.

use std::collections::BTreeMap;

use contract::{Code, Event, ledger::Balance};
use domain::counters::{Deltas, Dimension, deltas, dictionary_key};
use ports::{
    accounts::Accounts,
    archive::{Quarantine, Quarantined},
    intake::Put,
    ledger::{Booking, CommitOutcome, CountedChunk, EventKey, Ledger, Marker},
    staging::Staging,
    stream::{Checkpoints, FailedInvocation, OnFailure, StreamSource},
};

use crate::world::{World, acme, event, plain};

fn marker(world: &World, id: &str, booking: Booking) -> Marker {
    let key = EventKey { org: acme(), id: event(id) };
    Marker { key, ck: 1, arrived_at: world.now(), booking }
}

fn chunk(markers: Vec<Marker>) -> CountedChunk {
    CountedChunk { markers, deltas: Deltas::default(), dictionary_sizes: BTreeMap::new() }
}

async fn count(world: &World, id: &str, booking: Booking) -> CommitOutcome {
    world.store.commit(chunk(vec![marker(world, id, booking)])).await.unwrap()
}

fn set_aside(world: &World, sequence: &str, id: Option<&str>, terminal: bool) -> Quarantined {
    Quarantined {
        shard: "shardId-000000000000".to_owned(),
        sequence: sequence.to_owned(),
        arrived_at: world.now(),
        reason: Code::Late,
        path: Some("/occurredAt".to_owned()),
        org: id.map(|_| acme()),
        event_id: id.map(event),
        terminal,
        sealed: b"sealed".to_vec(),
    }
}

#[tokio::test]
async fn a_chunk_is_counted_once_and_a_repeat_is_stale() {
    let world = World::new();
    let mut chunk = chunk(vec![marker(&world, "f.1", Booking::Counted)]);
    let body =
        world.friction("f.1").body.replace(r#""severity":4"#, r#""severity":4,"screen":"/a""#);
    let event: Event = serde_json::from_str(&body).unwrap();
    chunk.deltas = deltas([&event], &BTreeMap::new());
    chunk.dictionary_sizes = BTreeMap::from([(dictionary_key(&event), 0)]);
    assert_eq!(world.store.commit(chunk.clone()).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(world.store.commit(chunk.clone()).await.unwrap(), CommitOutcome::Stale);
    chunk.markers[0].key.id = "f.2".parse().unwrap();
    let outcome = world.store.commit(chunk.clone()).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Stale, "the dictionary has grown");
    chunk.dictionary_sizes = BTreeMap::from([(dictionary_key(&event), 1)]);
    assert_eq!(world.store.commit(chunk).await.unwrap(), CommitOutcome::Committed);
    let names = world.store.dictionaries(&[dictionary_key(&event)]).await.unwrap();
    assert_eq!(names[&dictionary_key(&event)].len(), 1);
    let (from, to) = (event.occurred_at.hour(), event.occurred_at.hour().plus_ms(1));
    let cells = world.store.counters(Some(&acme()), from, to).await.unwrap();
    assert_eq!(cells, world.store.counters(None, from, to).await.unwrap());
    for (cell, count) in &cells {
        assert_eq!((count.events, count.severity), (2, 8), "{:?}", cell.dimension);
    }
    assert!(cells.iter().any(|(cell, _)| cell.dimension == Dimension::Screen("/a".to_owned())));
    assert!(world.store.counters(None, to, to.plus_ms(9)).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_body_that_is_counted_owns_its_id_whichever_a_door_took_first() {
    let world = World::new();
    world.store.stage(&[world.friction_of("f.1", "friction.abandon", 7)]).await.unwrap();
    let key = EventKey { org: acme(), id: event("f.1") };
    let other = Marker { ck: 9, ..marker(&world, "f.1", Booking::Forwarded) };
    assert_eq!(world.store.commit(chunk(vec![other])).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(world.store.known(&[key]).await.unwrap(), [Some(9)]);
}

#[tokio::test]
async fn an_actor_is_counted_once_a_day_and_dimension() {
    let world = World::new();
    let seen = |id: &str, actor: &str| -> Event {
        let actor = format!(r#""severity":4,"actorId":"{actor}""#);
        serde_json::from_str(&world.friction(id).body.replace(r#""severity":4"#, &actor)).unwrap()
    };
    for (id, actor) in [("f.1", "ada"), ("f.2", "bob"), ("f.3", "ada")] {
        let mut chunk = chunk(vec![marker(&world, id, Booking::Counted)]);
        chunk.deltas = deltas([&seen(id, actor)], &BTreeMap::new());
        world.store.commit(chunk).await.unwrap();
    }
    let day = world.now().day();
    let unique = world.store.unique_actors(&acme(), day, day.plus_ms(1)).await.unwrap();
    assert_eq!(unique.len(), 1);
    assert_eq!((unique[0].actors, &unique[0].dimension, unique[0].day), (2, &Dimension::All, day));
    assert!(
        world.store.unique_actors(&acme(), day.plus_ms(1), world.now()).await.unwrap().is_empty()
    );
}

#[tokio::test]
async fn one_known_marker_stops_the_whole_chunk() {
    let world = World::new();
    count(&world, "u.1", Booking::Counted).await;
    let markers = ["u.2", "u.1"].map(|id| marker(&world, id, Booking::Counted)).to_vec();
    assert_eq!(world.store.commit(chunk(markers)).await.unwrap(), CommitOutcome::Stale);
    let twice = ["u.3", "u.3"].map(|id| marker(&world, id, Booking::Counted)).to_vec();
    assert_eq!(world.store.commit(chunk(twice)).await.unwrap(), CommitOutcome::Stale);
    let keys = ["u.1", "u.2", "u.3"].map(|id| EventKey { org: acme(), id: event(id) });
    assert_eq!(world.store.known(&keys).await.unwrap(), [Some(1), None, None]);
    assert_eq!(world.books().await.accepted, 1);
}

#[tokio::test]
async fn an_event_known_at_the_door_is_not_yet_counted() {
    let world = World::new();
    world.submit(vec![plain("u.1", 1)]).await;
    let key = EventKey { org: acme(), id: event("u.1") };
    assert_eq!(world.store.known(&[key]).await.unwrap(), [None]);
    let books = world.books().await;
    assert_eq!((books.state, books.difference, books.balanced), (Balance::Settling, 1, false));
    count(&world, "u.1", Booking::Counted).await;
    world.finish_stream().await;
    let books = world.books().await;
    assert_eq!((books.state, books.accepted, books.counted), (Balance::Balanced, 1, 1));
}

#[tokio::test]
async fn every_booking_ends_in_a_balanced_ledger() {
    let world = World::new();
    world.submit(vec![Put::Stage(world.friction("f.1"))]).await;
    for id in ["u.1", "u.2", "u.3", "u.4"] {
        world.submit(vec![plain(id, 1)]).await;
    }
    count(&world, "f.1", Booking::Forwarded).await;
    count(&world, "u.1", Booking::Counted).await;
    count(&world, "u.2", Booking::Withheld).await;
    count(&world, "u.3", Booking::Suppressed).await;
    Quarantine::hold(&world.store, &[set_aside(&world, "4", Some("u.4"), true)]).await.unwrap();
    count(&world, "through.no.door", Booking::Counted).await;
    count(&world, "forwarded.but.never.staged", Booking::Forwarded).await;
    world.finish_stream().await;
    let books = world.books().await;
    assert!(books.balanced, "{books:?}");
    assert_eq!((books.accepted, books.accepted_forward, books.counted), (7, 1, 6));
    assert_eq!((books.suppressed, books.quarantined["late"], books.pending), (2, 1, 1));
}

#[tokio::test]
async fn a_record_is_set_aside_once_and_its_event_ends_once() {
    let world = World::new();
    world.submit(vec![plain("u.1", 1)]).await;
    let record = set_aside(&world, "1", Some("u.1"), true);
    Quarantine::hold(&world.store, &[record.clone(), record.clone()]).await.unwrap();
    Quarantine::hold(&world.store, std::slice::from_ref(&record)).await.unwrap();
    Quarantine::hold(&world.store, &[set_aside(&world, "2", None, false)]).await.unwrap();
    let (from, to) = (world.now(), world.now().plus_ms(1));
    assert_eq!(Quarantine::held(&world.store, Some(&acme()), from, to).await.unwrap(), [record]);
    assert_eq!(Quarantine::held(&world.store, None, from, to).await.unwrap().len(), 1);
    let books = world.books().await;
    assert_eq!((books.counted, books.quarantined["late"]), (1, 1));
    let all = world.store.ledger(None, world.now()).await.unwrap();
    let names: Vec<_> = all.orgs.iter().map(|row| row.org.as_str()).collect();
    assert_eq!(names, ["acme", "~unknown"]);
    let found = world.store.whereabouts(&event("u.1"), None).await.unwrap();
    assert_eq!(found[0].state, "quarantined");
}

#[tokio::test]
async fn a_released_record_goes_the_way_it_is_put_and_is_booked_anew() {
    let world = World::new();
    world.submit(vec![plain("f.1", 1), plain("u.2", 1)]).await;
    let (first, second) =
        (set_aside(&world, "1", Some("f.1"), true), set_aside(&world, "2", Some("u.2"), true));
    Quarantine::hold(&world.store, &[first.clone(), second.clone()]).await.unwrap();
    let staged = || Put::Stage(world.friction_of("f.1", "friction.abandon", 9));
    assert!(world.store.release(&first, staged()).await.unwrap());
    assert!(!world.store.release(&first, staged()).await.unwrap(), "it is not held any more");
    assert!(world.store.release(&second, plain("u.2", 1)).await.unwrap());
    let books = world.books().await;
    assert_eq!((books.accepted, books.accepted_forward, books.counted), (2, 1, 0));
    assert_eq!((books.pending, books.quarantined.len()), (1, 0));
    assert_eq!(world.records().await.len(), 4);
    count(&world, "u.2", Booking::Counted).await;
    count(&world, "f.1", Booking::Forwarded).await;
    world.finish_stream().await;
    assert!(world.books().await.balanced);
}

#[tokio::test]
async fn a_released_record_of_nobody_is_accepted_as_at_a_door() {
    let world = World::new();
    let record = set_aside(&world, "1", Some("u.1"), false);
    Quarantine::hold(&world.store, std::slice::from_ref(&record)).await.unwrap();
    assert!(world.store.release(&record, plain("u.1", 1)).await.unwrap());
    let books = world.books().await;
    assert_eq!((books.accepted, books.counted), (1, 0));
}

#[tokio::test]
async fn counting_what_was_set_aside_books_it_no_second_time() {
    let world = World::new();
    world.submit(vec![plain("u.1", 1)]).await;
    Quarantine::hold(&world.store, &[set_aside(&world, "1", Some("u.1"), true)]).await.unwrap();
    assert_eq!(count(&world, "u.1", Booking::Counted).await, CommitOutcome::Committed);
    assert_eq!(world.books().await.counted, 1);
    Quarantine::hold(&world.store, &[set_aside(&world, "2", Some("u.1"), true)]).await.unwrap();
    assert_eq!(world.books().await.counted, 1);
    let found = world.store.whereabouts(&event("u.1"), Some(&acme())).await.unwrap();
    assert_eq!(found[0].state, "counted");
}

#[tokio::test]
async fn an_event_on_its_way_to_the_connector_does_not_end_here() {
    let world = World::new();
    world.submit(vec![Put::Stage(world.friction("f.1"))]).await;
    Quarantine::hold(&world.store, &[set_aside(&world, "1", Some("f.1"), true)]).await.unwrap();
    count(&world, "f.1", Booking::Suppressed).await;
    world.finish_stream().await;
    let books = world.books().await;
    assert!(books.balanced, "{books:?}");
    assert_eq!((books.counted, books.pending, books.suppressed), (0, 1, 0));
}

#[tokio::test]
async fn what_was_given_up_keeps_the_ledger_settling_until_it_is_redriven() {
    let world = World::new();
    world.submit(vec![plain("u.1", 1)]).await;
    let shard = world.store.shards().await.unwrap().remove(0);
    let sequence = world.store.read(&shard, None, 9).await.unwrap()[0].sequence.clone();
    let failed = FailedInvocation {
        consumer: embedded::PROCESSOR.to_owned(),
        shard: shard.clone(),
        sequences: (sequence.clone(), sequence.clone()),
        at: world.now(),
        condition: "RetryAttemptsExhausted".to_owned(),
        payload: "{}".to_owned(),
    };
    OnFailure::hold(&world.store, failed.clone()).await.unwrap();
    OnFailure::hold(&world.store, failed.clone()).await.unwrap();
    world.store.save(embedded::PROCESSOR, &shard, &sequence).await.unwrap();
    assert_eq!(world.books().await.state, Balance::Settling);
    assert_eq!(
        OnFailure::held(&world.store, embedded::PROCESSOR, 9).await.unwrap(),
        vec![failed.clone()]
    );
    OnFailure::forget(&world.store, &failed).await.unwrap();
    assert_eq!(world.books().await.state, Balance::Broken, "an event nobody counted is a fault");
}

#[tokio::test]
async fn a_checkpoint_never_goes_back() {
    let world = World::new();
    let shard = "shardId-000000000000";
    assert_eq!(world.store.load("c", shard).await.unwrap(), None);
    for (saved, loaded) in [("20", "20"), ("9", "20"), ("20", "20"), ("100", "100")] {
        world.store.save("c", shard, saved).await.unwrap();
        assert_eq!(world.store.load("c", shard).await.unwrap().as_deref(), Some(loaded));
    }
    assert_eq!(world.store.load("other", shard).await.unwrap(), None);
}

#[tokio::test]
async fn the_ways_of_an_event_are_told_in_order() {
    let world = World::new();
    world.submit(vec![Put::Stage(world.friction("f.1"))]).await;
    world.clock.forward(5);
    count(&world, "f.1", Booking::Forwarded).await;
    let found = world.store.whereabouts(&event("f.1"), None).await.unwrap();
    assert_eq!((found.len(), found[0].state.as_str()), (1, "pending"));
    let stations: Vec<_> = found[0].stations.iter().map(|at| at.station.as_str()).collect();
    assert_eq!(stations, ["accepted", "staged", "counted"]);
    assert_eq!(found[0].stations[2].at, world.now());
    assert!(world.store.whereabouts(&event("f.2"), None).await.unwrap().is_empty());
}
