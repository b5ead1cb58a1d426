//! What a well-meant request gets.

use contract::{EventId, event::Consent};
use ports::accounts::Accounts as _;
use serde_json::{Value, json};

use crate::{
    http::Request,
    world::{CANARY, World, batch, event, impatient, org},
};

fn friction(id: &str, changes: Value) -> Value {
    let mut event =
        event(id, json!({"eventType": "friction.abandon", "traceComponent": "transparency"}));
    event.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    event
}

#[tokio::test]
async fn friction_is_staged_and_everything_else_goes_into_the_stream() {
    let world = World::open().await;
    let events = [
        friction("f.1", json!({})),
        friction("f.2", json!({"consent": {"forward": false}})),
        friction("f.3", json!({"consent": {"analytics": false}})),
        event("u.1", json!({})),
    ];
    let answer = Request::batch(batch(&events)).key(&world.keys.acme).send(world.address).await;
    assert_eq!((answer.status, answer.counts()), (202, [4, 0, 0]));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let ids: Vec<_> = answer.json()["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["eventId"].clone())
        .collect();
    assert_eq!(ids, ["f.1", "f.2", "f.3", "u.1"]);

    let records = world.records().await;
    let inserts = records.iter().filter(|record| record["eventName"] == "INSERT").count();
    assert_eq!((records.len(), inserts), (4, 1));
    let streamed = world.events().await;
    let ids: Vec<_> = streamed.iter().map(|event| event.event_id.as_str()).collect();
    assert_eq!(ids, ["f.2", "f.3", "u.1"]);
    assert_eq!(streamed[0].consent, Some(Consent { analytics: true, forward: false }));
    assert!(streamed[0].actor_id.as_deref().unwrap().starts_with("u1.1."));
    assert_eq!((&streamed[1].actor_id, &streamed[1].screen), (&None, &None));
    assert!(streamed.iter().all(|event| event.ck.is_some() && event.recorded_at.is_some()));

    let ledger =
        world.store.ledger(Some(&org("acme")), contract::Timestamp::from_ms(0)).await.unwrap();
    assert_eq!((ledger.orgs[0].accepted, ledger.orgs[0].accepted_forward), (4, 1));
}

#[tokio::test]
async fn an_event_without_an_id_is_told_the_one_it_got() {
    let world = World::open().await;
    let unnamed = event("x", json!({"eventId": null}));
    let keyed = event("x", json!({"eventId": null, "idempotencyKey": "order-1"}));
    let send = async || {
        let body = batch(&[unnamed.clone(), keyed.clone()]);
        let answer = Request::batch(body).key(&world.keys.acme).send(world.address).await;
        let id =
            |index: usize| answer.json()["events"][index]["eventId"].as_str().unwrap().to_owned();
        (answer.counts(), id(0), id(1))
    };
    let (first, second) = (send().await, send().await);
    assert_eq!((first.0, second.0), ([2, 0, 0], [1, 1, 0]));
    assert_ne!(first.1, second.1);
    assert_eq!(first.2, second.2);
    assert!(EventId::parse(first.1).unwrap().uuid_v7_ms().is_some());
}

#[tokio::test]
async fn a_batch_sent_again_is_a_duplicate_and_another_body_under_its_id_a_collision() {
    let world = World::open().await;
    let send = async |events: &[Value]| {
        Request::batch(batch(events)).key(&world.keys.acme).send(world.address).await
    };
    assert_eq!(send(&[event("a", json!({})), friction("b", json!({}))]).await.counts(), [2, 0, 0]);
    assert_eq!(send(&[event("a", json!({})), friction("b", json!({}))]).await.counts(), [0, 2, 0]);
    let other =
        send(&[event("a", json!({"severity": 1})), friction("b", json!({"severity": 1}))]).await;
    assert_eq!((other.status, other.events()), (422, vec!["id_collision".to_owned(); 2]));
    let ledger = world.store.ledger(None, contract::Timestamp::from_ms(0)).await.unwrap();
    let row = &ledger.orgs[0];
    assert_eq!((row.accepted, row.duplicates, row.rejected["id_collision"]), (2, 2, 2));
}

#[tokio::test]
async fn an_idempotency_key_repeats_its_answer_for_its_body_and_no_other() {
    let world = World::open().await;
    let send = async |events: &[Value], key: &str| {
        let request =
            Request::batch(batch(events)).key(key).with("idempotency-key", format!("{CANARY}-1"));
        request.send(world.address).await
    };
    let unnamed = event("x", json!({"eventId": null}));
    let first = send(std::slice::from_ref(&unnamed), &world.keys.acme).await;
    assert_eq!((first.status, first.counts()), (202, [1, 0, 0]));
    // Another key of the same organisation is the same sender.
    let second = send(std::slice::from_ref(&unnamed), &world.keys.acme_new).await;
    assert_eq!((second.status, second.body), (202, first.body));
    let other = send(&[event("y", json!({}))], &world.keys.acme).await;
    assert_eq!((other.status, other.json()["code"].as_str()), (409, Some("idempotency_conflict")));
    assert_eq!(world.records().await.len(), 1);
    // The same header of other organisations is another claim.
    assert_eq!(send(&[event("z", json!({}))], &world.keys.both).await.status, 202);
    let kept = world.kept();
    assert!(!kept.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
}

#[tokio::test]
async fn fifty_requests_under_one_idempotency_key_are_one() {
    let world = World::open().await;
    let body = batch(&[event("x", json!({"eventId": null})), friction("f", json!({}))]);
    let request = Request::batch(body).key(&world.keys.acme).with("idempotency-key", "k");
    let mut sending = Vec::new();
    for _ in 0..50 {
        let (request, address) = (request.clone(), world.address);
        sending.push(tokio::spawn(async move { request.send(address).await }));
    }
    let mut answers = Vec::new();
    for answer in sending {
        answers.push(answer.await.unwrap());
    }
    assert!(answers.iter().all(|answer| answer.status == 202 && answer.body == answers[0].body));
    assert_eq!(world.records().await.len(), 2);
}

#[tokio::test]
async fn a_key_of_two_organisations_sends_for_each_and_ids_are_each_ones_own() {
    let world = World::open().await;
    let events = [event("same", json!({})), event("same", json!({"orgId": "bolt"}))];
    let answer = Request::batch(batch(&events)).key(&world.keys.both).send(world.address).await;
    assert_eq!(answer.counts(), [2, 0, 0]);
    let events = world.events().await;
    assert_eq!((events[0].org_id.as_str(), events[1].org_id.as_str()), ("acme", "bolt"));
    assert_ne!(events[0].actor_id, events[1].actor_id);
}

#[tokio::test]
async fn a_key_that_sends_too_much_is_told_to_wait_and_nothing_of_it_is_stored() {
    let world = World::with(impatient()).await;
    let many: Vec<Value> = (0..500).map(|n| event(&format!("r.{n}"), json!({}))).collect();
    let all = Request::batch(batch(&many)).key(&world.keys.acme).gzip();
    assert_eq!(all.send(world.address).await.status, 202);
    let one = Request::batch(batch(&[event("r.500", json!({}))]));
    let limited = one.clone().key(&world.keys.acme).send(world.address).await;
    assert_eq!((limited.status, limited.json()["code"].as_str()), (429, Some("rate_limited")));
    assert_eq!(limited.header("retry-after"), Some("1"));
    assert_eq!(limited.json()["retryAfter"], 1);
    assert_eq!(world.records().await.len(), 500);
    assert_eq!(one.clone().key(&world.keys.acme_new).send(world.address).await.status, 202);
    world.clock.forward(1_000);
    assert_eq!(one.key(&world.keys.acme).send(world.address).await.counts(), [0, 1, 0]);
}

#[tokio::test]
async fn a_key_stops_working_when_it_is_revoked() {
    let world = World::open().await;
    let request = Request::batch(batch(&[event("k", json!({}))])).key(&world.keys.acme_new);
    assert_eq!(request.send(world.address).await.status, 202);
    world.clock.forward(60_000);
    assert_eq!(request.send(world.address).await.status, 401);
}

#[tokio::test]
async fn every_answer_forbids_browsers_to_make_anything_of_it() {
    let world = World::open().await;
    for request in [Request::get("/health"), Request::batch(""), Request::get("/nowhere")] {
        let answer = request.send(world.address).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert!(answer.header("x-request-id").is_some());
        assert!(answer.header("access-control-allow-origin").is_none());
    }
}
