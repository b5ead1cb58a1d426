//! `tribo replay`: what goes again, what stays, and that nothing goes twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use contract::{
    Code, EventId, OrgId,
    ingest::{EventAnswer, EventStatus},
    staged::{Bytes, SealedRecord},
};
use embedded::{Options, Store};
use ports::{
    intake::{Entry, Intake as _, Put, Receipt, Submission},
    keys::PseudonymKeys as _,
    stream::StreamRecord,
};
use serde_json::{Value, json};

use crate::{
    connector::{Connector, Reply},
    support::{Done, Place, UNHURRIED, URGENT, event, fields, now, with},
};

#[test]
fn what_is_counted_stays_counted_once_and_what_lost_its_marker_is_counted_again() {
    let place = Place::new();
    let server = place.start(&["--tick", "10m"]);
    let mut events: Vec<Value> =
        (0..30).map(|n| event(&format!("click.{n}"), "ui.click")).collect();
    events.push(event("challenge", UNHURRIED));
    server.accept(&place.key, &events);
    let before = place.processed();
    let counters = place.json(&["counters", "--top", "0"]);

    let report = replay(&place, "archive", "counters", &[]).json();
    assert_eq!(fields(&report), ["dryRun", "found", "from", "org", "replayed", "skipped", "to"]);
    assert_eq!((&report["found"], &report["replayed"]), (&json!(31), &json!(0)));
    assert_eq!(report["skipped"], json!({ "counted already": 31 }));

    let lost = "UPDATE events SET counted_at = NULL; DELETE FROM counters; DELETE FROM actors;";
    place.tables().execute_batch(lost).unwrap();
    let audit = place.run(&["audit", "--json"]);
    assert_eq!(audit.code, 5, "{audit:?}");
    let dry = replay(&place, "archive", "counters", &["--dry-run"]).json();
    assert_eq!((&dry["replayed"], &dry["dryRun"]), (&json!(31), &json!(true)));
    assert_eq!(place.processed()["orgs"], before["orgs"], "a dry run appends nothing");
    assert_eq!(place.json(&["counters"])["cells"], 0);

    let report = replay(&place, "archive", "counters", &["--rate", "1000/s"]).json();
    assert_eq!((&report["replayed"], &report["skipped"]), (&json!(31), &json!({})));
    assert_eq!(place.processed()["orgs"], before["orgs"]);
    assert_eq!(place.json(&["counters", "--top", "0"]), counters);
    assert_eq!(place.json(&["audit"])["counters"]["different"], 0);
    let again = replay(&place, "archive", "counters", &[]).json();
    assert_eq!(again["skipped"], json!({ "counted already": 31 }));
}

#[test]
fn what_became_readable_leaves_quarantine_is_counted_and_then_delivered() {
    let connector = Connector::start(|request, _| Reply::taken(request));
    let place = Place::new();
    let more = ["--connector", &connector.url, "--connector-key", "k"];
    let server = place.start(&[&more[..], &["--tick", "100ms", "--settle", "1ms"]].concat());
    let late = now().plus_ms(-31 * 24 * HOUR_MS).to_string();
    let late = with(event("late", "ui.click"), "occurredAt", late);
    server.accept(&place.key, &[event("telepathy", "ui.telepathy"), late]);
    sealed_by_an_older_door(&place, &event("override", "friction.user_override"));
    let is_held = |ledger: &Value| {
        ledger["balanced"] == true
            && ledger["orgs"][0]["quarantined"] == json!({ "unknown_event_type": 2, "late": 1 })
    };
    place.ledger_when("they are set aside", is_held);

    let dry = replay(&place, "quarantine", "counters", &["--dry-run"]).json();
    assert_eq!((&dry["found"], &dry["replayed"]), (&json!(3), &json!(1)));
    assert!(is_held(&place.processed()), "a dry run changes nothing");
    let report = replay(&place, "quarantine", "counters", &[]).json();
    assert_eq!((&report["found"], &report["replayed"]), (&json!(3), &json!(1)));
    assert_eq!(report["skipped"], json!({ "unknown_event_type": 1, "late": 1 }));
    let ledger = place.ledger_when("it is counted", |ledger| ledger["balanced"] == true);
    let row = &ledger["orgs"][0];
    assert_eq!(row["quarantined"], json!({ "unknown_event_type": 1, "late": 1 }), "{row}");
    assert_eq!((&row["accepted"], &row["counted"]), (&json!(3), &json!(3)), "{row}");
    assert_eq!(place.place_of("override")["state"], "counted");
    assert_eq!(place.place_of("telepathy")["state"], "quarantined");
    assert!(connector.requests().is_empty(), "it was only to be counted");

    let forward = replay(&place, "archive", "forward", &[]).json();
    assert_eq!((&forward["found"], &forward["replayed"]), (&json!(1), &json!(1)), "{forward}");
    let ledger = place.ledger_when("it is delivered", |ledger| {
        ledger["balanced"] == true && ledger["orgs"][0]["delivered"] == 1
    });
    assert_eq!(ledger["orgs"][0]["counted"], 2, "{ledger}");
    assert_eq!(connector.requests()[0].events()[0]["eventType"], "user_override");
    let again = replay(&place, "archive", "forward", &[]).json();
    assert_eq!(again["skipped"], json!({ "on its way or settled already": 1 }));

    sealed_by_an_older_door(&place, &event("handoff", "friction.handoff"));
    place.ledger_when("it is set aside", is_held);
    let forward = replay(&place, "quarantine", "forward", &[]).json();
    assert_eq!((&forward["found"], &forward["replayed"]), (&json!(3), &json!(1)), "{forward}");
    let ledger = place.ledger_when("it is counted and delivered", |ledger| {
        ledger["balanced"] == true && ledger["orgs"][0]["delivered"] == 2
    });
    assert_eq!(
        (&ledger["orgs"][0]["accepted"], &ledger["orgs"][0]["counted"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(connector.requests()[1].events()[0]["eventType"], "handoff");
    assert_eq!(place.json(&["audit"])["counters"]["different"], 0);
}

#[test]
fn parked_events_are_delivered_once_the_connector_takes_them() {
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let connector = Connector::start(move |request, _| {
        if mended.load(Ordering::SeqCst) {
            return Reply::taken(request);
        }
        let refused = |event: &Value| json!({ "eventId": event["eventId"], "error": "unknown_org", "reason": "who is that?" });
        let errors: Vec<Value> = request.events().iter().map(refused).collect();
        Reply::Answer(200, None, json!({ "accepted": 0, "errors": errors }))
    });
    let place = Place::new();
    let more = ["--connector", &connector.url, "--connector-key", "k", "--tick", "100ms"];
    let server = place.start(&more);
    server
        .accept(&place.key, &[event("one", URGENT), event("two", URGENT), event("three", URGENT)]);
    let parked = |ledger: &Value| ledger["orgs"][0]["parked"] == 3 && ledger["balanced"] == true;
    place.ledger_when("they are parked", parked);
    let found = place.place_of("two");
    assert_eq!(found["state"], "parked");
    assert!(found.to_string().contains("connector_rejected"), "{found}");
    let before = connector.requests();

    let counted = replay(&place, "parked", "counters", &[]).json();
    assert_eq!(counted["skipped"], json!({ "counted already": 3 }));
    let dry = replay(&place, "parked", "forward", &["--dry-run"]).json();
    assert_eq!((&dry["found"], &dry["replayed"]), (&json!(3), &json!(3)));
    assert!(parked(&place.processed()), "a dry run changes nothing");

    is_mended.store(true, Ordering::SeqCst);
    let report = replay(&place, "parked", "forward", &["--rate", "2/s"]).json();
    assert_eq!(report["replayed"], 3);
    let ledger = place.ledger_when("they are delivered", |ledger| {
        ledger["orgs"][0]["delivered"] == 3 && ledger["balanced"] == true
    });
    assert_eq!(
        (&ledger["orgs"][0]["parked"], &ledger["orgs"][0]["accepted"]),
        (&json!(0), &json!(3))
    );
    assert_eq!(place.place_of("two")["state"], "delivered");

    let requests = connector.requests();
    let again = &requests[before.len()..];
    assert_eq!(again.len(), 2, "not more than two a second");
    let rendered = |requests: &[crate::connector::Request]| {
        let mut events: Vec<String> = requests
            .iter()
            .flat_map(|request| request.events())
            .map(|event| event.to_string())
            .collect();
        events.sort();
        events.dedup();
        events
    };
    assert_eq!(rendered(again), rendered(&before), "the connector is told the same");
    for request in again {
        assert!(before.iter().all(|old| {
            old.header("idempotency-key") != request.header("idempotency-key")
                && old.header("x-batch-seq") < request.header("x-batch-seq")
        }));
    }
}

#[test]
fn a_replay_that_makes_no_sense_says_why() {
    let place = Place::new();
    let ago = now().plus_ms(-1_000).to_string();
    let refused = |arguments: &[&str], code: i32, word: &str| {
        let source = ["replay", "--org", "acme", "--source", "archive"];
        let done = place.run(&[&source[..], arguments].concat());
        assert!(done.code == code && done.stderr.contains(word), "{word}: {done:?}");
    };
    let later = now().to_string();
    refused(&["--from", &ago, "--to", &later], 2, "--to is given twice");
    refused(&["--from", &later, "--to", &ago, "--to", "counters"], 2, "later than --from");
    refused(&["--from", "monday", "--to", &later, "--to", "counters"], 2, "RFC 3339");
    refused(&["--from", &ago, "--to", &later, "--to", "moon"], 2, "`forward` or `sessions`");
    refused(&["--from", &ago, "--to", &later, "--to", "forward", "--rate", "0/s"], 2, "250/s");
    refused(
        &["--from", &ago, "--to", &later, "--to", "forward", "--profile", "x"],
        1,
        "built in are",
    );
    let unknown =
        ["replay", "--org", "nobody", "--source", "parked", "--from", &ago, "--to", &later];
    let done = place.run(&[&unknown[..], &["--to", "forward"]].concat());
    assert!(done.code == 1 && done.stderr.contains("no organisation nobody"), "{done:?}");
}

fn replay(place: &Place, source: &str, target: &str, more: &[&str]) -> Done {
    let (from, to) = (now().plus_ms(-HOUR_MS).to_string(), now().plus_ms(HOUR_MS).to_string());
    let arguments = [
        "replay", "--org", "acme", "--source", source, "--from", &from, "--to", &to, "--to", target,
    ];
    let done = place.run(&[&arguments[..], more, &["--json"]].concat());
    assert_eq!(done.code, 0, "{done:?}");
    done
}

/// What a door writes that does not know the event's type yet.
fn sealed_by_an_older_door(place: &Place, event: &Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(place.data(), Options::default()).unwrap();
        let org = OrgId::parse("acme").unwrap();
        let id = EventId::parse(event["eventId"].as_str().unwrap()).unwrap();
        let sealed = SealedRecord {
            sealed: Bytes(
                store
                    .seal_key()
                    .await
                    .unwrap()
                    .seal(&format!("{org}/{id}"), event.to_string().as_bytes()),
            ),
            ck: "00000000".to_owned(),
            org_id: org.clone(),
            event_id: id.clone(),
            reason: Code::UnknownEventType,
            recorded_at: now(),
        };
        let data = serde_json::to_vec(&sealed).unwrap();
        let answer = EventAnswer {
            index: 0,
            event_id: Some(id.to_string()),
            status: EventStatus::Quarantined,
            code: Some(Code::UnknownEventType),
            path: None,
        };
        let record = StreamRecord { partition_key: id.to_string(), data };
        let put = Put::Stream { event_id: id, ck: 0, record };
        let entries = vec![Entry { org, answer, put }];
        let submission = Submission { at: now(), idempotency: None, entries };
        assert!(matches!(store.submit(submission).await.unwrap(), Receipt::Stored(_)));
    });
    // Its thread closes the files in its own time.
    runtime.shutdown_timeout(Duration::from_secs(1));
}

const HOUR_MS: i64 = 3_600_000;
