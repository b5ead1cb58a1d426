//! Stopping and starting.

use serde_json::Value;

use crate::support::{Place, UNHURRIED, URGENT, event};

#[test]
fn a_stop_finishes_what_is_under_way_and_a_start_goes_on() {
    let place = Place::new();
    let server = place.start(&["--tick", "10m"]);
    let clicks = (0..400).map(|n| event(&format!("click.{n}"), "ui.click"));
    let events: Vec<Value> = clicks.chain([event("challenge", UNHURRIED)]).collect();
    server.accept(&place.key, &events);
    server.terminate();

    let ledger = place.json(&["ledger"]);
    assert_eq!((&ledger["streamLag"], &ledger["balanced"]), (&0.into(), &true.into()), "{ledger}");
    assert_eq!(place.archived().len(), 401);
    assert_eq!(place.json(&["audit"])["counters"]["different"], 0);
    assert_eq!(ledger["orgs"][0]["pending"], 1);

    let server = place.start(&["--tick", "100ms", "--settle", "1ms"]);
    place.ledger_when("what waited is delivered", |ledger| ledger["orgs"][0]["delivered"] == 1);
    server.accept(&place.key, &[event("after", URGENT)]);
    place.ledger_when("so is what came after", |ledger| {
        ledger["orgs"][0]["delivered"] == 2 && ledger["balanced"] == true
    });
    server.terminate();
    assert_eq!(place.archived().len(), 402);
}

#[test]
fn it_is_said_whether_a_warehouse_is_fed_also_when_it_is_away() {
    let place = Place::new();
    let status = || {
        let plain = place.run(&["warehouse", "status"]);
        assert_eq!(plain.code, 0, "{plain:?}");
        (place.json(&["warehouse", "status"])["fed"].clone(), plain.stdout)
    };
    let (fed, plain) = status();
    assert!(fed == false && plain.starts_with("no warehouse is fed from here"), "{plain}");

    let server = place.start(&["--warehouse", "http://127.0.0.1:9"]);
    server.accept(&place.key, &[event("click", "ui.click")]);
    let (fed, plain) = status();
    assert!(fed == true && plain.contains("1 records and 0 announcements are not in"), "{plain}");
    server.terminate();

    place.start(&[]).terminate();
    let (fed, plain) = status();
    assert!(fed == false && plain.starts_with("no warehouse is fed from here"), "{plain}");
}

#[test]
fn a_client_that_never_finishes_its_request_does_not_hold_up_a_stop() {
    use std::io::Write as _;
    let place = Place::new();
    let server = place.start(&[]);
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let mut half = std::net::TcpStream::connect(address).unwrap();
    half.write_all(b"GET /health HT").unwrap();
    // So that the server has taken the connection before it is told to stop.
    assert_eq!(server.get(&place.key, "/health").0, 200);
    server.terminate();
}
