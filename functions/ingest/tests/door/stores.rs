//! Stores that fail and clients that leave.

use contract::{Timestamp, limits::BODY_BYTES_MAX};
use ports::{accounts::Accounts as _, faulty::Fault};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    http::Request,
    world::{World, batch, event},
};

async fn accepted(world: &World) -> u64 {
    world.store.ledger(None, Timestamp::from_ms(0)).await.unwrap().orgs[0].accepted
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_durable_and_a_retry_counts_once() {
    for fault in [Fault::Before, Fault::After, Fault::Partial, Fault::Permanent] {
        let world = World::open().await;
        let mut events: Vec<Value> = (0..25).map(|n| event(&format!("e.{n}"), json!({}))).collect();
        events.push(event("bad", json!({"x": 1})));
        let request =
            Request::batch(batch(&events)).key(&world.keys.acme).with("idempotency-key", "k");
        world.faults.arrange("intake.submit", [fault]);
        let failed = request.send(world.address).await;
        assert_eq!(
            (failed.status, failed.json()["code"].as_str()),
            (503, Some("storage_unavailable")),
            "{fault:?}"
        );
        let seconds = if fault == Fault::Permanent { "30" } else { "2" };
        assert_eq!(failed.header("retry-after"), Some(seconds));
        let ids: Vec<String> = (0..25).map(|n| format!("e.{n}")).collect();
        assert_eq!(failed.json()["notStored"], json!(ids));

        let retried = request.send(world.address).await;
        assert_eq!(retried.status, 202, "{fault:?}");
        let [new, known, rejected] = retried.counts();
        assert_eq!((new + known, rejected), (25, 1), "{fault:?}");
        assert_eq!((accepted(&world).await, world.records().await.len()), (25, 25), "{fault:?}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_read_refuse_the_request_and_health_says_so() {
    let world = World::open().await;
    let request = Request::batch(batch(&[event("e", json!({}))])).key(&world.keys.acme);
    for operation in ["api_keys.find", "keys.pseudonymiser", "keys.seal_key"] {
        let before = world.faults.calls(operation);
        world.faults.arrange(operation, [Fault::Before]);
        let answer = request.send(world.address).await;
        assert!(world.faults.calls(operation) > before, "{operation}");
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (503, Some("storage_unavailable")),
            "{operation}"
        );
    }
    assert!(world.records().await.is_empty());
    world.faults.arrange("api_keys.find", [Fault::Before]);
    assert_eq!(Request::get("/health").send(world.address).await.status, 503);
    let healthy = Request::get("/health").send(world.address).await;
    assert_eq!((healthy.status, healthy.json()["status"].as_str()), (200, Some("ok")));
}

#[tokio::test]
async fn a_client_that_leaves_within_its_body_leaves_nothing() {
    let world = World::open().await;
    let bytes = Request::batch(batch(&[event("gone", json!({}))])).key(&world.keys.acme).bytes();
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    let after = Request::batch(batch(&[event("after", json!({}))])).key(&world.keys.acme);
    assert_eq!(after.send(world.address).await.status, 202);
    assert_eq!(accepted(&world).await, 1);
}

#[tokio::test]
async fn a_client_that_leaves_after_its_body_and_comes_back_is_counted_once() {
    let world = World::open().await;
    let request = Request::batch(batch(&[event("back", json!({}))])).key(&world.keys.acme);
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(&request.bytes()).await.unwrap();
    drop(stream);
    assert_eq!(request.send(world.address).await.status, 202);
    assert_eq!((accepted(&world).await, world.records().await.len()), (1, 1));
}

#[tokio::test]
async fn the_largest_body_is_taken() {
    let world = World::open().await;
    let mut events: Vec<Value> = (0..500).map(|n| event(&format!("big.{n}"), json!({}))).collect();
    let room = BODY_BYTES_MAX - batch(&events).len();
    for (at, event) in events.iter_mut().enumerate() {
        event["element"]["key"] = json!("k".repeat(3 + 100.min(room / 500) + usize::from(at == 0)));
    }
    let mut body = batch(&events);
    body.push_str(&" ".repeat(BODY_BYTES_MAX - body.len()));
    let answer = Request::batch(body).key(&world.keys.acme).send(world.address).await;
    assert_eq!((answer.status, answer.counts()), (202, [500, 0, 0]));
}
