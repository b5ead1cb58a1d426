//! Deliveries as the connector sees them.

use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use crate::{
    connector::{Connector, Reply, Request},
    support::{Place, Server, URGENT, event, fields, with},
};

/// Starts a server that delivers to `connector`.
fn start(place: &Place, connector: &Connector, more: &[&str]) -> Server {
    let to = ["--connector", &connector.url, "--connector-key", "key-of-the-connector"];
    place.start(&[&to[..], more].concat())
}

#[test]
fn an_urgent_delivery_waits_for_no_tick_and_says_who_sends_what() {
    let connector = Connector::start(|request, _| Reply::taken(request));
    let place = Place::new();
    let server = start(&place, &connector, &["--tick", "10m", "--connector-secret", SECRET]);
    let context =
        json!({ "feature": "summary", "aiConfidence": 0.25, "customerMail": "a@b.example" });
    let told = with(event("urgent", URGENT), "context", context);
    server.accept(&place.key, &[told, event("click", "ui.click")]);

    let request = &connector.wait(1)[0];
    assert_eq!(request.path, "/v1/connectors/athena-eu/ingest");
    for (name, value) in [
        ("authorization", "Bearer key-of-the-connector"),
        ("x-athena-org-id", "acme"),
        ("x-athena-region", "eu-central-1"),
        ("x-athena-instance", "tribo-local"),
        ("x-batch-seq", "000000000001"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
    assert_eq!(request.header("webhook-id"), request.header("idempotency-key"));
    assert_eq!(request.header("webhook-signature"), signature(request));

    let body = request.json();
    assert_eq!(fields(&body), ["batchMetadata", "events"]);
    let metadata = &body["batchMetadata"];
    assert_eq!(
        fields(metadata),
        ["batchId", "batchSeq", "eventCount", "firstAt", "lastAt", "source"]
    );
    assert_eq!(metadata["batchId"], request.header("idempotency-key"));
    assert_eq!(
        (&metadata["batchSeq"], &metadata["eventCount"]),
        (&json!("000000000001"), &json!(1))
    );
    let event = &body["events"][0];
    assert!(event["eventId"].as_str().unwrap().starts_with("evt_"), "{event}");
    assert_eq!((&event["eventType"], &event["orgId"]), (&json!("rage_quit"), &json!("acme")));
    assert_eq!(event["context"], json!({ "feature": "summary", "aiConfidence": 0.25 }));
    assert!(event["userId"].as_str().unwrap().starts_with("u1."), "{event}");
    assert!(!body.to_string().contains("example"), "identifiers end at the door: {body}");
    assert_eq!(server.get(&place.key, "/v1/events/urgent").1["org"], "acme");
}

#[test]
fn a_batch_that_failed_comes_again_with_the_same_bytes() {
    let connector = Connector::start(|request, number| match number {
        0 => Reply::Answer(500, None, json!("out of order")),
        _ => Reply::taken(request),
    });
    let place = Place::new();
    let server = start(&place, &connector, &["--tick", "100ms", "--backoff", "1ms"]);
    server.accept(&place.key, &[event("one", URGENT), event("two", URGENT)]);
    place.ledger_when("it is delivered", |ledger| ledger["orgs"][0]["delivered"] == 2);
    let requests = connector.requests();
    let [first, again] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    assert_eq!(first.body, again.body);
    for name in ["idempotency-key", "x-batch-seq", "webhook-id"] {
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    assert_eq!(place.place_of("one")["state"], "delivered");
}

#[test]
fn a_connector_that_asks_to_wait_is_left_alone_for_so_long() {
    let connector = Connector::start(|request, number| match number {
        0 => Reply::Answer(429, Some(1), json!({})),
        _ => Reply::taken(request),
    });
    let place = Place::new();
    let server = start(&place, &connector, &["--tick", "50ms", "--backoff", "1ms"]);
    server.accept(&place.key, &[event("one", URGENT)]);
    let requests = connector.wait(2);
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(1));
}

#[test]
fn an_organisation_whose_connector_hangs_delays_no_other() {
    let connector = Connector::start(|request, _| match request.header("x-athena-org-id") {
        "acme" => Reply::Silence,
        _ => Reply::taken(request),
    });
    let place = Place::new();
    let alive = place.key("alive", "ingest");
    let server = start(&place, &connector, &["--tick", "200ms", "--settle", "1ms"]);
    server.accept(&place.key, &[event("dead", URGENT)]);
    connector.wait(1);
    for round in 1..=3 {
        let id = format!("round.{round}");
        server.accept(&alive, &[with(event(&id, "friction.challenge"), "orgId", "alive")]);
        connector.wait(1 + round);
    }
    let requests = connector.requests();
    let orgs: Vec<&str> =
        requests.iter().map(|request| request.header("x-athena-org-id")).collect();
    assert_eq!(orgs, ["acme", "alive", "alive", "alive"]);
    let attempts = "SELECT attempts FROM batches WHERE org = 'acme'";
    let attempts: u32 = place.tables().query_row(attempts, [], |row| row.get(0)).unwrap();
    assert_eq!(attempts, 0, "all that while the first request hung");
}

#[test]
fn a_connector_that_cannot_be_used_stops_the_start() {
    let place = Place::new();
    let start = |arguments: &[&str], word: &str| {
        let done = place.run(&[&["local", "--listen", "127.0.0.1:0"], arguments].concat());
        assert!(done.code == 1 && done.stderr.contains(word), "{done:?}");
    };
    let url = "https://connector.example";
    start(&["--connector", url], "--connector-key or FRICTIONMELT_API_KEY");
    start(&["--connector-key", "key"], "--connector or FRICTIONMELT_API_URL");
    start(&["--connector", "http://connector.example", "--connector-key", "k"], "use https");
    start(&["--connector", "https://127.0.0.1", "--connector-key", "k"], "must name a public host");
    let secret = ["--connector", url, "--connector-key", "k", "--connector-secret", "short"];
    start(&secret, "secret");
    start(&["--profile", "nobody"], "built in are");
}

/// As Standard Webhooks says, computed anew.
fn signature(request: &Request) -> String {
    let secret = BASE64.decode(SECRET.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
    let head = format!("{}.{}.", request.header("webhook-id"), request.header("webhook-timestamp"));
    mac.update(head.as_bytes());
    mac.update(&request.body);
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
