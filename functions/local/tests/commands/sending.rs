//! `tribo send`: what it says, what it repeats, and how it goes on.

use std::{io::Write as _, net::TcpListener, path::Path};

use serde_json::{Value, json};

use crate::{
    connector::{Connector, Reply},
    support::{
        Done, Place, UNHURRIED, command, event, fields, lines, piped, tribo, wait_for, with,
    },
};

#[test]
fn a_file_is_sent_once_however_often_and_in_whatever_form_it_comes() {
    let place = Place::new();
    let server = place.start(&[]);
    // The first two are the same line, and happened twice.
    let anonymous = |n: u32| {
        let mut event = with(event("x", "ui.click"), "element", json!({ "key": n.to_string() }));
        event.as_object_mut().unwrap().remove("eventId");
        event
    };
    let events: Vec<Value> = [0, 0, 1, 2, 3].into_iter().map(anonymous).collect();
    let text = lines(&events);
    let plain = place.file("events.ndjson", &text);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    let packed = place.file("events.ndjson.gz", packer.finish().unwrap());
    let totals = |done: &Done| {
        assert_eq!(done.code, 0, "{done:?}");
        let report = done.json();
        assert_eq!(fields(&report), ["accepted", "duplicates", "rejected", "seconds", "sent"]);
        assert!(report["seconds"].is_f64() && report["rejected"] == json!({}), "{report}");
        ["sent", "accepted", "duplicates"].map(|name| report[name].as_u64().unwrap())
    };

    let send = |file: &Path| send(&server.url, &place.key, file, &["--json"]);
    assert_eq!(totals(&send(&plain)), [5, 5, 0]);
    assert_eq!(totals(&send(&plain)), [5, 0, 5]);
    assert_eq!(totals(&send(&packed)), [5, 0, 5]);
    let pipe = ["send", "-", "--url", &server.url, "--key", &place.key, "--json"];
    assert_eq!(totals(&piped(&pipe, text.as_bytes())), [5, 0, 5]);
    assert_eq!(place.processed()["orgs"][0]["accepted"], 5);
    assert!(!place.path("events.ndjson.tribo-send").exists(), "nothing is left beside the file");
}

#[test]
fn lines_that_are_no_events_are_counted_by_code_and_spoil_nothing() {
    let place = Place::new();
    let server = place.start(&[]);
    let mut timeless = event("timeless", "ui.click");
    timeless.as_object_mut().unwrap().remove("occurredAt");
    let foreign = with(event("foreign", "ui.click"), "orgId", "other");
    let severe = with(event("severe", UNHURRIED), "severity", 9);
    let good = [event("a", "ui.click"), event("b", UNHURRIED), event("c", "ui.telepathy")];
    let mut text = String::from("\n\nnonsense\n[1,2]\n");
    text.push_str(&lines([&good[0], &timeless, &foreign, &severe, &good[1]]));
    text.push_str("\n  \n{\"half\n");
    text.push_str(&lines([&good[2]]));
    let file = place.file("events.ndjson", text);

    let done = send(&server.url, &place.key, &file, &["--batch", "2", "--json"]);
    assert_eq!(done.code, 0);
    let report = done.json();
    let rejected = json!({
        "invalid_json": 2, "invalid_shape": 1, "missing_field": 1, "foreign_org": 1, "out_of_range": 1,
    });
    assert_eq!((&report["sent"], &report["accepted"]), (&json!(9), &json!(3)), "{report}");
    assert_eq!(report["rejected"], rejected);

    let strict = send(&server.url, &place.key, &file, &["--strict"]);
    assert_eq!(strict.code, 3);
    assert!(
        strict.stdout.starts_with("9 sent: 0 accepted, 3 duplicates, 6 rejected"),
        "{strict:?}"
    );
    assert!(strict.stdout.contains("       1  foreign_org"), "{strict:?}");
}

#[test]
fn a_command_goes_on_where_the_server_died() {
    let place = Place::new();
    let listen = free_address();
    let server = place.start(&["--listen", &listen]);
    let file = place.file("events.ndjson", lines(&many(3_000)));
    let arguments = ["--batch", "10", "--concurrency", "1", "--patience", "300ms", "--json"];
    let (url, key) = (server.url.clone(), place.key.clone());
    let sending = std::thread::spawn({
        let file = file.clone();
        move || send(&url, &key, &file, &arguments)
    });
    wait_for("something is sent", || {
        let (_, ledger) = server.get(&place.key, "/v1/ledger");
        (ledger["orgs"][0]["accepted"].as_u64() >= Some(50)).then_some(())
    });
    server.kill_nine();
    let broken_off = sending.join().unwrap();
    assert_eq!(broken_off.code, 1, "{broken_off:?}");
    let sent = broken_off.json()["sent"].as_u64().unwrap();
    assert!((50..3_000).contains(&sent), "{broken_off:?}");
    assert!(broken_off.stderr.contains("the same command goes on from there"), "{broken_off:?}");

    let server = place.start(&["--listen", &listen]);
    let done = send(&server.url, &place.key, &file, &["--json"]);
    assert!(done.stderr.contains(&format!("going on after line {sent}")), "{done:?}");
    adds_up(&place, &done, 3_000);
    assert!(!place.path("events.ndjson.tribo-send").exists());
}

#[test]
fn a_limited_key_is_waited_for_and_a_killed_command_goes_on_where_it_was() {
    let place = Place::new();
    let server = place.start(&["--rate-limit", "50"]);
    let file = place.file("events.ndjson", lines(&many(300)));
    let progress = place.path("events.ndjson.tribo-send");
    let mut killed = command()
        .args(["send", "--url", &server.url, "--key", &place.key, "--batch", "25"])
        .args(["--concurrency", "1"])
        .arg(&file)
        .spawn()
        .unwrap();
    wait_for("progress is saved", || progress.exists().then_some(()));
    killed.kill().unwrap();
    let killed = killed.wait_with_output().unwrap();
    let told = String::from_utf8(killed.stderr).unwrap();
    assert!(told.contains("takes no more from this key for now (429)"), "{told}");

    let done = send(&server.url, &place.key, &file, &["--json"]);
    assert!(done.stderr.contains("going on after line"), "{done:?}");
    adds_up(&place, &done, 300);
}

#[test]
fn an_unanswered_batch_comes_again_with_the_same_bytes_and_key() {
    let server = Connector::start(|request, number| match number {
        0 => Reply::Answer(503, Some(1), json!({})),
        1 => Reply::Answer(500, None, json!("no problem details at all")),
        _ => {
            let events = request.events();
            let answer = |(index, event): (usize, &Value)| json!({ "index": index, "eventId": event["eventId"], "status": "accepted" });
            let answers: Vec<Value> = events.iter().enumerate().map(answer).collect();
            let count = answers.len();
            let body =
                json!({ "accepted": count, "duplicates": 0, "rejected": 0, "events": answers });
            Reply::Answer(202, None, body)
        }
    });
    let place = Place::new();
    let file = place.file("events.ndjson", lines(&many(3)));
    let done = send(&server.url, &place.key, &file, &["--json"]);
    assert_eq!((done.code, &done.json()["accepted"]), (0, &json!(3)), "{done:?}");
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for again in &requests[1..] {
        assert_eq!(again.body, requests[0].body);
        assert_eq!(again.header("idempotency-key"), requests[0].header("idempotency-key"));
    }
    assert_ne!(requests[0].header("idempotency-key"), "");
}

#[test]
fn what_goes_wrong_is_said_with_what_to_do() {
    let place = Place::new();
    let server = place.start(&[]);
    let file = place.file("events.ndjson", lines(&many(3)));
    let fails = |url: &str, key: &str, file: &Path, words: &[&str]| {
        let done = send(url, key, file, &["--patience", "200ms"]);
        assert_eq!(done.code, 1, "{done:?}");
        for word in words {
            assert!(done.stderr.contains(word), "{word}: {done:?}");
        }
    };
    let down = format!("http://{}", free_address());
    fails(&down, &place.key, &file, &["no answer from", "refused", "safe to run the same command"]);
    fails(&server.url, "fk_wrong", &file, &["invalid_api_key", "`tribo keys create` makes one"]);
    let reader = place.key("acme", "read");
    fails(&server.url, &reader, &file, &["insufficient_scope", "`tribo keys create --scope`"]);
    fails("localhost:8787", &place.key, &file, &["such as http://127.0.0.1:8787"]);
    fails(&server.url, &place.key, &place.path("nothing"), &["cannot read", "nothing"]);
    let torn = place.file("torn.gz", [0x1f, 0x8b, 8, 0]);
    fails(&server.url, &place.key, &torn, &["cannot be read"]);
    assert!(!place.path("events.ndjson.tribo-send").exists(), "nothing was sent");

    let variables = [("TRIBO_URL", &server.url), ("TRIBO_KEY", &place.key)];
    let done = command().arg("send").arg(&file).envs(variables).output().unwrap();
    assert!(done.status.success(), "{done:?}");

    let done = send(&down, &place.key, &file, &["--patience", "100ms", "--json"]);
    assert_eq!((done.code, &done.json()["sent"]), (1, &json!(0)), "the object comes all the same");
    let done = tribo(&["send", "events.ndjson"]);
    assert_eq!(done.code, 2, "a key is needed");
}

fn send(url: &str, key: &str, file: &Path, more: &[&str]) -> Done {
    tribo(&[&["send", file.to_str().unwrap(), "--url", url, "--key", key], more].concat())
}

fn many(count: u32) -> Vec<Value> {
    (0..count).map(|n| event(&format!("many.{n}"), "ui.navigation")).collect()
}

/// Every line was answered, and every event is in the books once.
fn adds_up(place: &Place, done: &Done, events: u64) {
    let report = done.json();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(
        (done.code, count("sent"), &report["rejected"]),
        (0, events, &json!({})),
        "{done:?}"
    );
    assert_eq!(count("accepted") + count("duplicates"), events, "{report}");
    assert_eq!(place.processed()["orgs"][0]["accepted"], events);
}

/// An address on which a server may listen twice.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
