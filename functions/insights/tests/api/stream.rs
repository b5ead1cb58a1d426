//! A session's context over a WebSocket: now, after every change, and from where somebody left.

use std::time::Duration;

use contract::Timestamp;
use futures::{SinkExt as _, StreamExt as _};
use ports::keys::{ApiKeyRecord, ApiKeys as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use crate::{
    context::{expected, under_way},
    world::{NOW_MS, Visit, World, events},
};

type Socket = WebSocketStream<TcpStream>;

async fn open(world: &World, key: &str, target: &str) -> Result<Socket, (u16, String)> {
    let mut request = format!("ws://{}{target}", world.address).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    let connection = TcpStream::connect(world.address).await.unwrap();
    match client_async(request, connection).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => {
            let body: Value = serde_json::from_slice(answer.body().as_ref().unwrap()).unwrap();
            Err((answer.status().as_u16(), body["code"].as_str().unwrap().to_owned()))
        }
        Err(error) => panic!("{error}"),
    }
}

/// The next message; a test that waits for what never comes fails at some time.
async fn message(socket: &mut Socket) -> Option<Result<Message, Error>> {
    timeout(Duration::from_secs(20), socket.next()).await.unwrap()
}

/// The next context that is told; nothing when the stream ends.
async fn next(socket: &mut Socket) -> Option<Value> {
    while let Some(message) = message(socket).await {
        match message.ok()? {
            Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
            Message::Ping(_) | Message::Pong(_) => {}
            other @ (Message::Binary(_) | Message::Frame(_)) => panic!("{other}"),
            Message::Close(_) => return None,
        }
    }
    None
}

fn visit() -> Visit {
    Visit::of(1, 0).screen("/home").looks_at("tax")
}

#[tokio::test]
async fn a_stream_tells_the_context_and_every_change_of_it() {
    let (world, id) = under_way(&visit()).await;
    let target = format!("/api/sessions/{id}/context/stream");
    let mut socket = open(&world, &world.keys.acme, &target).await.unwrap();
    let mut visit = visit();
    assert_eq!(next(&mut socket).await, Some(expected(&visit.events(), &id)));
    for concept in ["vat", "duty", "tax"] {
        visit = visit.looks_at(concept);
        world.take(events([visit.clone()])).await;
        assert_eq!(next(&mut socket).await, Some(expected(&visit.events(), &id)));
    }
    let path = format!("/api/sessions/{id}/context");
    let told = world.ask_at("/api/sessions/{id}/context", &path).await;
    assert_eq!(told, expected(&visit.events(), &id));
}

#[tokio::test]
async fn an_operator_listens_to_any_session_and_nobody_else_to_a_foreign_one() {
    let world = World::open().await;
    let visit = Visit::of(1, 0).at_org("bolt").screen("/home").looks_at("tax");
    world.take(events([visit])).await;
    world.forward(20_000);
    world.sweep().await;
    let sessions = world.get(&world.keys.bolt, "/v1/sessions").await.json();
    let id = sessions["sessions"][0]["sessionId"].as_str().unwrap();
    let target = format!("/api/sessions/{id}/context/stream");
    let context = world.get(&world.keys.bolt, &format!("/api/sessions/{id}/context")).await.json();
    for target in [target.clone(), format!("{target}?org=bolt")] {
        let mut socket = open(&world, &world.keys.admin, &target).await.unwrap();
        assert_eq!(next(&mut socket).await.as_ref(), Some(&context), "{target}");
    }
    let refused = (404, "not_found".to_owned());
    for (key, target) in
        [(&world.keys.admin, format!("{target}?org=acme")), (&world.keys.acme, target)]
    {
        assert_eq!(open(&world, key, &target).await.err().as_ref(), Some(&refused), "{target}");
    }
}

#[tokio::test]
async fn whoever_comes_back_is_told_what_it_has_not_seen_and_nothing_twice() {
    let (world, id) = under_way(&visit()).await;
    let target = format!("/api/sessions/{id}/context/stream");
    let mut socket = open(&world, &world.keys.acme, &target).await.unwrap();
    let seen = next(&mut socket).await.unwrap();
    drop(socket);
    let after = seen["lastSeq"].as_str().unwrap().replace('#', "%23");
    let back = format!("{target}?after={after}");
    // Something came while nobody listened.
    let more = visit().looks_at("vat");
    world.take(events([more.clone()])).await;
    let mut socket = open(&world, &world.keys.acme, &back).await.unwrap();
    let missed = next(&mut socket).await.unwrap();
    assert_eq!(missed, expected(&more.events(), &id));
    drop(socket);
    // Nothing came: the next thing that is told is the next thing that happens.
    let after = missed["lastSeq"].as_str().unwrap().replace('#', "%23");
    let mut socket =
        open(&world, &world.keys.acme, &format!("{target}?after={after}")).await.unwrap();
    let more = more.looks_at("duty");
    // By its second question the stream has looked once.
    for _ in 0..2 {
        assert!(matches!(message(&mut socket).await, Some(Ok(Message::Ping(_)))));
    }
    world.take(events([more.clone()])).await;
    assert_eq!(next(&mut socket).await, Some(expected(&more.events(), &id)));
}

#[tokio::test]
async fn whoever_comes_back_is_told_what_came_late_meanwhile() {
    let visit = visit().screen("/pay");
    let (world, id) = under_way(&visit).await;
    let target = format!("/api/sessions/{id}/context/stream");
    let mut socket = open(&world, &world.keys.acme, &target).await.unwrap();
    let seen = next(&mut socket).await.unwrap();
    drop(socket);
    // It happened before the last event that was seen, which is the last one still.
    let back = json!({ "object": { "type": "concept", "id": "vat" } });
    let more = visit.then(-500, "knowledge.user_viewed", back);
    world.take(events([more.clone()])).await;
    let after = seen["lastSeq"].as_str().unwrap().replace('#', "%23");
    let target = format!("{target}?after={after}");
    let mut socket = open(&world, &world.keys.acme, &target).await.unwrap();
    let missed = next(&mut socket).await.unwrap();
    assert_eq!(missed, expected(&more.events(), &id));
    assert_eq!(missed["updatedAt"], seen["updatedAt"]);
    assert!(missed["lastSeq"].as_str() > seen["lastSeq"].as_str());
}

#[tokio::test]
async fn whoever_asks_is_told_what_is_newer_than_what_it_has_seen() {
    let (world, id) = under_way(&visit()).await;
    let target = format!("/api/sessions/{id}/context/stream");
    let mut socket = open(&world, &world.keys.acme, &target).await.unwrap();
    let first = next(&mut socket).await.unwrap();
    let more = visit().looks_at("vat");
    world.take(events([more.clone()])).await;
    let second = next(&mut socket).await.unwrap();
    let said = |context: &Value| Message::text(json!({"after": context["lastSeq"]}).to_string());
    // It has seen nothing newer than the first, and so it is told the second once more.
    socket.send(said(&first)).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(second.clone()));
    // It has seen all there is: the next thing that is told is the next thing that happens.
    socket.send(said(&second)).await.unwrap();
    let more = more.looks_at("duty");
    world.take(events([more.clone()])).await;
    assert_eq!(next(&mut socket).await, Some(expected(&more.events(), &id)));
}

#[tokio::test]
async fn what_speaks_against_a_stream_is_said_before_it_opens() {
    let (world, id) = under_way(&visit()).await;
    let target = format!("/api/sessions/{id}/context/stream");
    let unknown = format!("/api/sessions/s_{}/context/stream", "0".repeat(32));
    let keys = &world.keys;
    for (key, target, status, code) in [
        (&keys.unknown, target.clone(), 401, "invalid_api_key"),
        (&keys.ingest_only, target.clone(), 403, "insufficient_scope"),
        (&keys.bolt, target.clone(), 404, "not_found"),
        (&keys.acme, unknown, 404, "not_found"),
        (&keys.acme, format!("{target}?after=2025-10-09T00:00:00Z"), 400, "invalid_parameter"),
        (&keys.acme, format!("{target}?after=%23e"), 400, "invalid_parameter"),
        (&keys.acme, format!("{target}?after_ts=2025-10-09T00:00:00Z"), 400, "invalid_parameter"),
    ] {
        let refused = open(&world, key, &target).await.err();
        assert_eq!(refused, Some((status, code.to_owned())), "{target}");
    }
    let plain = world.get(&keys.acme, &target).await;
    assert_eq!((plain.status, plain.code().as_str()), (426, "invalid_header"));
    assert_eq!(plain.header("upgrade"), Some("websocket"));
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_what_was_opened_with_it() {
    let (world, id) = under_way(&visit()).await;
    let target = format!("/api/sessions/{id}/context/stream");
    let mut socket = open(&world, &world.keys.acme, &target).await.unwrap();
    assert!(next(&mut socket).await.is_some());
    let acme = domain::api_key::ApiKey::parse(&world.keys.acme).unwrap();
    let record = world.store.find(acme.key_id()).await.unwrap().unwrap();
    let revoked = ApiKeyRecord { revoked_at: Some(Timestamp::from_ms(NOW_MS)), ..record };
    world.store.put(&revoked).await.unwrap();
    let closed = loop {
        match message(&mut socket).await {
            Some(Ok(Message::Close(frame))) => break frame,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(u16::from(closed.unwrap().code), 1008);
}

#[tokio::test]
async fn whoever_talks_too_much_is_not_listened_to() {
    let (world, id) = under_way(&visit()).await;
    let target = format!("/api/sessions/{id}/context/stream");
    let mut socket = open(&world, &world.keys.acme, &target).await.unwrap();
    socket.send(Message::text("x".repeat(1_000))).await.unwrap();
    assert!(next(&mut socket).await.is_some());
    socket.send(Message::text("x".repeat(100_000))).await.unwrap();
    assert_eq!(next(&mut socket).await, None);
}

#[tokio::test]
async fn whoever_says_what_cannot_be_meant_is_told_so_before_the_end() {
    let (world, id) = under_way(&visit()).await;
    let target = format!("/api/sessions/{id}/context/stream");
    for wrong in
        [r#"{"after":7}"#, r#"{"after":"yesterday"}"#, r#"{"after":"2025-10-09T08:53:20Z"}"#]
    {
        let mut socket = open(&world, &world.keys.acme, &target).await.unwrap();
        assert!(next(&mut socket).await.is_some());
        socket.send(Message::text(wrong)).await.unwrap();
        let told = next(&mut socket).await.unwrap();
        assert_eq!((&told["status"], &told["code"]), (&json!(400), &json!("invalid_parameter")));
        let Some(Ok(Message::Close(Some(frame)))) = message(&mut socket).await else {
            panic!("no goodbye");
        };
        assert_eq!((u16::from(frame.code), frame.reason.is_empty()), (1008, false));
    }
}

#[tokio::test]
async fn one_key_leaves_places_for_others() {
    let (world, id) = under_way(&visit()).await;
    let target = format!("/api/sessions/{id}/context/stream");
    let mut open_ones = Vec::new();
    let refused = loop {
        match open(&world, &world.keys.acme, &target).await {
            Ok(socket) => open_ones.push(socket),
            Err(refused) => break refused,
        }
        assert!(open_ones.len() <= 100, "nobody is refused");
    };
    assert_eq!((refused, open_ones.len()), ((429, "rate_limited".to_owned()), 100));
    // Neither another key of the organisation nor another organisation is kept waiting by it.
    let target_of_both = format!("{target}?org=acme");
    assert!(open(&world, &world.keys.both, &target_of_both).await.is_ok());
    // Whoever leaves makes room.
    let mut left = open_ones.pop().unwrap();
    left.close(None).await.unwrap();
    while next(&mut left).await.is_some() {}
    while open(&world, &world.keys.acme, &target).await.is_err() {
        tokio::task::yield_now().await;
    }
}
