//! What attackers and accidents send: one row per case, numbered as in the threat table, and what each gets.

use serde_json::json;

use crate::{
    http::Request,
    world::{CANARY, World, batch, event, impatient},
};

mod cases;

/// One case: what is sent, the status, the code of the problem, and what each event is told.
struct Case {
    name: &'static str,
    request: Request,
    status: u16,
    code: &'static str,
    events: Vec<&'static str>,
}

#[tokio::test]
async fn every_hostile_request_gets_its_answer_and_stores_nothing_it_should_not() {
    let world = World::open().await;
    for case in cases::all(&world.keys) {
        let before = world.records().await.len();
        let answer = case.request.send(world.address).await;
        let shown = format!("{}: {} {}", case.name, answer.status, answer.text());
        assert_eq!(answer.status, case.status, "{shown}");
        assert!(!answer.text().contains(CANARY), "{shown}");
        assert_eq!(answer.events(), case.events, "{shown}");
        let stored = case.events.iter().filter(|told| STORED.contains(told)).count();
        assert_eq!(world.records().await.len(), before + stored, "{shown}");
        if case.code.is_empty() {
            continue;
        }
        let problem = answer.json();
        assert_eq!(problem["code"], case.code, "{shown}");
        assert_eq!(problem["status"], case.status, "{shown}");
        assert_eq!(problem["type"], format!("urn:tribometer:problem:{}", case.code), "{shown}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{shown}");
        assert_eq!(problem["requestId"].as_str(), answer.header("x-request-id"), "{shown}");
    }
    let kept = world.kept();
    assert!(kept.len() > 10_000, "the store's files are read");
    assert!(!kept.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
}

/// What an event is told when its body is in the stream: to be counted, or to be set aside.
const STORED: [&str; 4] = ["accepted", "late", "unknown_event_type", "id_collision"];

#[tokio::test]
async fn an_unknown_key_and_a_wrong_secret_cannot_be_told_apart() {
    let world = World::open().await;
    let mut bodies = Vec::new();
    for key in [&world.keys.unknown, &world.keys.wrong_secret, &world.keys.revoked] {
        let answer = Request::batch("{}").key(key).send(world.address).await;
        let mut body = answer.json();
        body.as_object_mut().unwrap().remove("requestId");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        bodies.push(body);
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[0], bodies[2]);
}

#[tokio::test]
async fn a_request_is_known_by_our_id_whatever_it_calls_itself() {
    let world = World::open().await;
    let theirs = "r".repeat(10_000);
    let request = Request::batch(batch(&[event("r.1", json!({}))])).key(&world.keys.acme);
    let answer = request.with("x-request-id", &theirs).send(world.address).await;
    assert_eq!((answer.status, answer.header("x-request-id").map(str::len)), (202, Some(36)));
}

#[tokio::test]
async fn another_method_is_told_which_is_allowed() {
    let world = World::open().await;
    let answer = Request::get("/v1/events/batch").send(world.address).await;
    assert_eq!(answer.header("allow"), Some("POST"));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let world = World::with(impatient()).await;
    let whole = batch(&[event("never", json!({}))]);
    for length in [whole.len() + 1, 1_000_000] {
        let request = Request::batch(whole.clone()).key(&world.keys.acme);
        let answer = request.with("content-length", length.to_string()).send(world.address).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (408, Some("request_timeout")));
        assert_eq!(answer.header("connection"), Some("close"));
    }
    assert!(world.records().await.is_empty());
}
