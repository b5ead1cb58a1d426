//! What whoever listens is told: now, after every change, from where it left, and no more when its key is revoked.

use ports::{
    faulty::Fault,
    watches::{Watched as _, Watches as _},
};
use serde_json::json;

use crate::{
    client::{Client, back, query},
    world::{World, expected, look, visit},
};

const CONCEPTS: [&str; 2] = ["tax", "vat"];

/// A world with one session under way.
async fn under_way() -> (World, contract::session::SessionId) {
    let world = World::open().await;
    world.take(&visit("acme", &CONCEPTS)).await;
    world.ground.sweep().await;
    let session = world.ground.session("acme").await;
    (world, session)
}

/// How many are kept as listening to the session's owner.
async fn kept(world: &World) -> usize {
    let owner = friction::owner::Owner::of(&look("acme", 0, "tax")).unwrap();
    world.ground.store.watches(&owner).await.unwrap().len()
}

/// Waits until so many are kept.
async fn until_kept(world: &World, count: usize) {
    while kept(world).await != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn whoever_listens_is_told_the_context_and_every_change_of_it() {
    let (world, session) = under_way().await;
    let mut client = Client::open(&world, &world.ground.keys.acme, &query(&session)).await.unwrap();
    let mut events = visit("acme", &CONCEPTS);
    assert_eq!(client.next().await, Ok(expected(&events, &session)));
    for (number, concept) in ["duty", "tax", "vat"].iter().enumerate() {
        events.push(look("acme", number + 2, concept));
        world.take(&events).await;
        assert_eq!(client.next().await, Ok(expected(&events, &session)));
    }
    client.close().await;
    until_kept(&world, 0).await;
}

#[tokio::test]
async fn whoever_comes_back_is_told_what_it_has_not_seen_and_nothing_twice() {
    let (world, session) = under_way().await;
    let key = &world.ground.keys.acme;
    let mut client = Client::open(&world, key, &query(&session)).await.unwrap();
    let seen = client.next().await.unwrap();
    client.close().await;
    // Something came while nobody listened.
    let mut events = visit("acme", &CONCEPTS);
    events.push(look("acme", 2, "duty"));
    world.take(&events).await;
    let mut client = Client::open(&world, key, &back(&session, &seen)).await.unwrap();
    let missed = client.next().await.unwrap();
    assert_eq!(missed, expected(&events, &session));
    client.close().await;
    until_kept(&world, 0).await;
    // Nothing came: the next thing that is told is the next thing that happens, whatever is looked at meanwhile.
    let mut client = Client::open(&world, key, &back(&session, &missed)).await.unwrap();
    world.minute().await;
    client.say("{}").await;
    world.hears(1).await;
    world.minute().await;
    events.push(look("acme", 3, "fee"));
    world.take(&events).await;
    assert_eq!(client.next().await, Ok(expected(&events, &session)));
}

#[tokio::test]
async fn whoever_asks_is_told_what_is_newer_than_what_it_has_seen() {
    let (world, session) = under_way().await;
    let key = &world.ground.keys.acme;
    let mut client = Client::open(&world, key, &query(&session)).await.unwrap();
    let first = client.next().await.unwrap();
    let mut events = visit("acme", &CONCEPTS);
    events.push(look("acme", 2, "duty"));
    world.take(&events).await;
    let second = client.next().await.unwrap();
    // It has seen nothing newer than the first, and so it is told the second once more.
    let said = |context: &serde_json::Value| json!({"after": context["lastSeq"]}).to_string();
    client.say(&said(&first)).await;
    assert_eq!(client.next().await, Ok(second.clone()));
    // It has seen all there is.
    client.say(&said(&second)).await;
    events.push(look("acme", 3, "fee"));
    world.take(&events).await;
    assert_eq!(client.next().await, Ok(expected(&events, &session)));
}

#[tokio::test]
async fn what_the_bus_loses_is_told_within_a_minute() {
    let (world, session) = under_way().await;
    let key = &world.ground.keys.acme;
    let mut client = Client::open_unannounced(&world, key, &query(&session)).await.unwrap();
    let mut events = visit("acme", &CONCEPTS);
    events.push(look("acme", 2, "duty"));
    world.ground.take(&events).await;
    assert_eq!(world.lose().await, 2, "of the connection, and of the event");
    world.minute().await;
    assert_eq!(client.next().await, Ok(expected(&events, &session)));
    events.push(look("acme", 3, "fee"));
    world.ground.take(&events).await;
    assert_eq!(world.lose().await, 1);
    // There is nothing new the second time.
    world.minute().await;
    world.minute().await;
    assert_eq!(client.next().await, Ok(expected(&events, &session)));
    events.push(look("acme", 4, "toll"));
    world.take(&events).await;
    assert_eq!(client.next().await, Ok(expected(&events, &session)));
}

#[tokio::test]
async fn whoever_asks_first_is_told_without_the_bus() {
    let (world, session) = under_way().await;
    let key = &world.ground.keys.acme;
    let mut client = Client::open_unannounced(&world, key, &query(&session)).await.unwrap();
    client.say("{}").await;
    assert_eq!(client.next().await, Ok(expected(&visit("acme", &CONCEPTS), &session)));
    // The bus comes late, and has nothing to add.
    world.hears(1).await;
    world.deliver().await;
    let mut events = visit("acme", &CONCEPTS);
    events.push(look("acme", 2, "duty"));
    world.take(&events).await;
    assert_eq!(client.next().await, Ok(expected(&events, &session)));
}

#[tokio::test]
async fn a_bus_that_fails_fails_no_batch() {
    let (world, session) = under_way().await;
    let mut client = Client::open(&world, &world.ground.keys.acme, &query(&session)).await.unwrap();
    assert_eq!(client.next().await, Ok(expected(&visit("acme", &CONCEPTS), &session)));
    let mut events = visit("acme", &CONCEPTS);
    for (number, operation) in ["bus.publish", "watched.watched"].into_iter().enumerate() {
        events.push(look("acme", 2 + number, "duty"));
        world.ground.faults.arrange(operation, [Fault::Before]);
        world.take(&events).await;
        world.minute().await;
        assert_eq!(client.next().await, Ok(expected(&events, &session)), "{operation}");
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_what_was_opened_with_it() {
    let (world, session) = under_way().await;
    let keys = &world.ground.keys;
    let mut client = Client::open(&world, &keys.acme, &query(&session)).await.unwrap();
    let own = format!("{}&org=acme", query(&session));
    let mut other = Client::open(&world, &keys.both, &own).await.unwrap();
    assert!(client.next().await.is_ok() && other.next().await.is_ok());
    world.ground.revoke(&keys.acme).await;
    world.minute().await;
    assert_eq!(client.next().await, Err(Some(1000)));
    until_kept(&world, 1).await;
    let mut events = visit("acme", &CONCEPTS);
    events.push(look("acme", 2, "duty"));
    world.take(&events).await;
    assert_eq!(other.next().await, Ok(expected(&events, &session)));
    // Nor is it told anything in the minute until then.
    world.ground.revoke(&keys.both).await;
    events.push(look("acme", 3, "fee"));
    world.take(&events).await;
    assert_eq!(other.next().await, Err(Some(1000)));
    until_kept(&world, 0).await;
}

#[tokio::test]
async fn whoever_is_gone_without_a_goodbye_is_forgotten() {
    let (world, session) = under_way().await;
    let mut client = Client::open(&world, &world.ground.keys.acme, &query(&session)).await.unwrap();
    assert!(client.next().await.is_ok());
    world.gateway.lose_all();
    assert_eq!(kept(&world).await, 1);
    // One that has just been opened may only be on its way.
    world.take(&[look("acme", 2, "duty")]).await;
    assert_eq!(kept(&world).await, 1);
    world.minute().await;
    assert_eq!(kept(&world).await, 0);
}

#[tokio::test]
async fn nobody_listens_for_longer_than_the_gateway_lets_them() {
    let (world, session) = under_way().await;
    let client = Client::open(&world, &world.ground.keys.acme, &query(&session)).await.unwrap();
    assert_eq!(kept(&world).await, 1);
    world.ground.clock.forward(2 * 60 * 60_000);
    world.minute().await;
    // Who is watched does not name it any more, and its row goes with its time to live.
    let now = ports::clock::Clock::now(&*world.ground.clock);
    assert!(world.ground.store.watched(now).await.unwrap().is_empty());
    drop(client);
}

#[tokio::test]
async fn a_connection_that_nobody_knows_is_hung_up_on() {
    let (world, session) = under_way().await;
    let mut client = Client::open(&world, &world.ground.keys.acme, &query(&session)).await.unwrap();
    assert!(client.next().await.is_ok());
    let owner = friction::owner::Owner::of(&look("acme", 0, "tax")).unwrap();
    let watch = world.ground.store.watches(&owner).await.unwrap().remove(0);
    world.ground.store.unwatch(&watch.connection).await.unwrap();
    client.say("{}").await;
    assert_eq!(client.next().await, Err(Some(1000)));
}
