//! What speaks against listening is said before it begins, and whatever is said afterwards does no harm.

use std::time::Duration;

use ports::watches::Watched as _;
use serde_json::json;
use standin::websocket::Limits;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, query},
    world::{World, expected, look, visit},
};

async fn under_way(limits: Limits) -> (World, contract::session::SessionId) {
    let world = World::with(limits).await;
    world.take(&visit("acme", &["tax"])).await;
    world.ground.sweep().await;
    let session = world.ground.session("acme").await;
    (world, session)
}

#[tokio::test]
async fn what_speaks_against_listening_is_said_before_it_begins() {
    let (world, session) = under_way(Limits::default()).await;
    let keys = &world.ground.keys;
    let own = query(&session);
    let unknown = format!("session=s_{}", "0".repeat(32));
    for (key, query, status) in [
        (&keys.unknown, own.clone(), 401),
        (&keys.ingest_only, own.clone(), 403),
        // A session of others is a session of nobody.
        (&keys.bolt, own.clone(), 404),
        (&keys.acme, unknown, 404),
        (&keys.acme, "session=s_1".to_owned(), 404),
        (&keys.acme, "session=%00%ff".to_owned(), 404),
        (&keys.both, own.clone(), 400),
        (&keys.both, format!("{own}&org=globex"), 403),
        (&keys.bolt, format!("{own}&org=acme"), 403),
        (&keys.acme, String::new(), 400),
        (&keys.acme, format!("{own}&{own}"), 400),
        (&keys.acme, format!("{own}&after=yesterday"), 400),
        (&keys.acme, format!("{own}&key={}", keys.acme), 400),
        (&keys.acme, format!("{own}&after={}", "x".repeat(4_000)), 400),
    ] {
        let refused = Client::open(&world, key, &query).await.err();
        assert_eq!(refused, Some(status), "{query}");
    }
    let bearer = format!("Bearer {}", keys.acme);
    for (headers, status) in [
        (vec![], 401),
        (vec![("authorization", "Bearer ")], 401),
        (vec![("authorization", bearer.as_str()), ("x-api-key", keys.acme.as_str())], 400),
        (vec![("authorization", bearer.as_str()), ("authorization", bearer.as_str())], 400),
    ] {
        let refused = Client::with_headers(&world, &headers, &own).await.err();
        assert_eq!(refused, Some(status), "{} headers", headers.len());
    }
    let owner = friction::owner::Owner::of(&look("acme", 0, "tax")).unwrap();
    assert!(world.ground.store.watches(&owner).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_store_that_fails_refuses_politely() {
    let (world, session) = under_way(Limits::default()).await;
    for operation in ["api_keys.find", "understanding.session", "watched.watches", "watches.watch"]
    {
        world.ground.faults.arrange(operation, [ports::faulty::Fault::Before]);
        let refused = Client::open(&world, &world.ground.keys.acme, &query(&session)).await.err();
        assert_eq!(refused, Some(503), "{operation}");
    }
    // The bus is not needed.
    world.ground.faults.arrange("bus.publish", [ports::faulty::Fault::Before]);
    let mut client = Client::open(&world, &world.ground.keys.acme, &query(&session)).await.unwrap();
    world.minute().await;
    assert_eq!(client.next().await, Ok(expected(&visit("acme", &["tax"]), &session)));
}

#[tokio::test]
async fn whatever_is_said_does_no_harm() {
    let (world, session) = under_way(Limits::default()).await;
    let mut client = Client::open(&world, &world.ground.keys.acme, &query(&session)).await.unwrap();
    let mut events = visit("acme", &["tax"]);
    assert_eq!(client.next().await, Ok(expected(&events, &session)));
    for garbage in [
        "",
        "\0",
        "{",
        "null",
        r#"{"after":null}"#,
        r#"{"action":"$disconnect"}"#,
        &"[".repeat(4_000),
        &"x".repeat(4_000),
    ] {
        client.say(garbage).await;
    }
    world.hears(8).await;
    events.push(look("acme", 1, "vat"));
    world.take(&events).await;
    assert_eq!(client.next().await, Ok(expected(&events, &session)));
}

#[tokio::test]
async fn whoever_says_what_cannot_be_meant_is_told_so_and_hung_up_on() {
    let (world, session) = under_way(Limits::default()).await;
    let owner = friction::owner::Owner::of(&look("acme", 0, "tax")).unwrap();
    for wrong in [
        r#"{"after":7}"#,
        r#"{"after":{"after":"x"}}"#,
        r#"{"after":"2025-10-09T08:53:20Z"}"#,
        &"x".repeat(32_000),
    ] {
        let key = &world.ground.keys.acme;
        let mut client = Client::open(&world, key, &query(&session)).await.unwrap();
        assert_eq!(client.next().await, Ok(expected(&visit("acme", &["tax"]), &session)));
        client.say(wrong).await;
        let told = client.next().await.unwrap();
        assert_eq!((&told["status"], &told["code"]), (&json!(400), &json!("invalid_parameter")));
        assert!(client.next().await.is_err());
        while !world.ground.store.watches(&owner).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn whoever_says_too_much_is_not_listened_to() {
    let (world, session) = under_way(Limits::default()).await;
    for (message, code) in [
        (Message::text("x".repeat(33 * 1024)), 1009),
        (Message::text("x".repeat(200 * 1024)), 1009),
        (Message::binary(vec![0_u8; 16]), 1003),
    ] {
        let key = &world.ground.keys.acme;
        let mut client = Client::open(&world, key, &query(&session)).await.unwrap();
        assert!(client.next().await.is_ok());
        // It may be hung up on before all of it was said.
        drop(client.send(message).await);
        let ended = client.next().await;
        assert!(ended == Err(Some(code)) || ended == Err(None), "{ended:?}");
    }
}

#[tokio::test]
async fn nobody_opens_more_than_there_is_room_for() {
    let (world, session) = under_way(Limits::default()).await;
    let key = &world.ground.keys.acme;
    let mut clients = Vec::new();
    let refused = loop {
        match Client::open(&world, key, &query(&session)).await {
            Ok(client) => clients.push(client),
            Err(status) => break status,
        }
        assert!(clients.len() < 200, "nobody is refused");
    };
    assert_eq!((refused, clients.len()), (429, 50));
    // Everybody who is there is told, and there is room again for whoever comes after one that left.
    for client in &mut clients {
        assert_eq!(client.next().await, Ok(expected(&visit("acme", &["tax"]), &session)));
    }
    clients.pop().unwrap().close().await;
    while Client::open(&world, key, &query(&session)).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_gateway_that_is_full_or_weary_says_so() {
    let limits = Limits { connections: 1, idle: Duration::from_millis(200), ..Limits::default() };
    let (world, session) = under_way(limits).await;
    let key = &world.ground.keys.acme;
    let mut client = Client::open(&world, key, &query(&session)).await.unwrap();
    assert!(client.next().await.is_ok());
    assert_eq!(Client::open(&world, key, &query(&session)).await.err(), Some(429));
    assert_eq!(client.next().await, Err(Some(1001)));
}
