//! `tribo sessions`, `tribo incidents` and `tribo explain`: what was understood, told and explained.

use contract::Timestamp;
use serde_json::{Value, json};

use crate::support::{Place, Server, event, fields, now, tribo, wait_for, with};

/// A place with a server that closes sessions as soon as they may be closed.
pub(crate) fn understanding() -> (Place, Server) {
    let place = Place::new();
    let server = place.start(&["--tick", "10m", "--session-grace", "1ms"]);
    (place, server)
}

/// Somebody's event so long after `start`.
pub(crate) fn step(who: &str, start: Timestamp, ms: i64, kind: &str) -> Value {
    let id = format!("{who}.{}.{ms}", start.ms());
    with(with(event(&id, kind), "occurredAt", start.plus_ms(ms).to_string()), "actorId", who)
}

/// Somebody comes, presses one thing `clicks` times, every `gap_ms`, and goes.
pub(crate) fn presses(who: &str, start: Timestamp, clicks: i64, gap_ms: i64) -> Vec<Value> {
    let come = with(step(who, start, 0, "ui.navigation"), "element", Value::Null);
    let press = |n| step(who, start, 5_000 + n * gap_ms, "ui.click");
    let mut events: Vec<Value> = [come].into_iter().chain((0..clicks).map(press)).collect();
    events.iter_mut().for_each(|event| {
        if event["element"].is_null() {
            event.as_object_mut().unwrap().remove("element");
        }
    });
    events
}

/// Waits until so many sessions are closed.
pub(crate) fn closed(place: &Place, sessions: usize) -> Value {
    wait_for("sessions are closed", || {
        let found = place.json(&["sessions", "--org", "acme", "--state", "closed"]);
        (found["count"] == sessions).then_some(found)
    })
}

fn hours_ago(hours: i64) -> Timestamp {
    now().plus_ms(-hours * 3_600_000)
}

#[test]
fn sessions_and_incidents_are_listed_newest_first_and_counted() {
    let (place, server) = understanding();
    let (older, newer) = (hours_ago(5), hours_ago(2));
    server.accept(&place.key, &presses("anna", older, 6, 120));
    server.accept(&place.key, &presses("berta", newer, 1, 120));
    let crm: Vec<Value> = presses("carla", hours_ago(3), 6, 120)
        .into_iter()
        .map(|event| with(event, "productId", "crm"))
        .collect();
    server.accept(&place.key, &crm);
    let open = presses("dora", now().plus_ms(-60_000), 1, 1);
    server.accept(&place.key, &open);

    let found = closed(&place, 3);
    assert_eq!(fields(&found), ["count", "sessions"]);
    let began: Vec<&str> = found["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["startedAt"].as_str().unwrap())
        .collect();
    assert_eq!((began[0], began[2]), (&*newer.to_string(), &*older.to_string()));
    let hurt = &found["sessions"][2];
    assert_eq!((&hurt["state"], &hurt["revision"]), (&json!("closed"), &json!(1)));
    assert_eq!(hurt["metrics"]["rageClicks"], 1, "{hurt}");
    assert!(hurt["frustration"]["score"].as_f64().unwrap() > 0.0, "{hurt}");
    assert!(!found.to_string().contains("anna"), "{found}");

    let count = |more: &[&str]| {
        let found = place.json(&[&["sessions", "--org", "acme", "--count"], more].concat());
        assert_eq!(fields(&found), ["count"]);
        found["count"].as_u64().unwrap()
    };
    wait_for("the session that goes on is seen", || (count(&[]) == 4).then_some(()));
    assert_eq!(count(&["--state", "open"]), 1);
    assert_eq!(count(&["--product", "crm"]), 1);
    assert_eq!(count(&["--from", &newer.to_string(), "--state", "closed"]), 1);
    assert_eq!(count(&["--to", &newer.to_string()]), 2);
    let two = place.json(&["sessions", "--limit", "2"]);
    assert_eq!((&two["count"], two["sessions"].as_array().unwrap().len()), (&json!(4), 2));
    assert_eq!(two["sessions"][1], found["sessions"][0], "the one that goes on is newer");

    let incidents = place.json(&["incidents", "--org", "acme"]);
    assert_eq!(fields(&incidents), ["byRule", "count", "incidents"]);
    assert_eq!(incidents["byRule"]["rage_click"], 2, "{incidents}");
    let one = ["incidents", "--rule", "rage_click", "--session"];
    let one = place.json(&[&one[..], &[hurt["sessionId"].as_str().unwrap()]].concat());
    assert_eq!((&one["count"], &one["byRule"]), (&json!(1), &json!({ "rage_click": 1 })));
    assert_eq!(one["incidents"][0]["eventIds"].as_array().unwrap().len(), 6, "{one}");
    let counted = place.json(&["incidents", "--org", "acme", "--count"]);
    assert_eq!(fields(&counted), ["byRule", "count"]);
    let everything = incidents["incidents"].as_array().unwrap().len();
    assert_eq!(counted["count"], everything);

    let remote = |arguments: &[&str]| {
        let server = ["--url", &server.url, "--key", &place.key, "--json"];
        tribo(&[arguments, &server].concat()).json()
    };
    for question in [
        &["sessions", "--state", "closed"][..],
        &["sessions", "--count", "--org", "acme", "--product", "crm"],
        &["sessions", "--to", &newer.to_string(), "--limit", "1"],
        &["incidents"],
        &["incidents", "--rule", "rage_click", "--session", hurt["sessionId"].as_str().unwrap()],
    ] {
        assert_eq!(remote(question), place.json(question), "{question:?}");
    }

    let table = place.run(&["sessions", "--org", "acme", "--limit", "1"]);
    assert!(table.code == 0 && table.stdout.ends_with("1 of 4 sessions\n"), "{table:?}");
    let table = place.run(&["incidents"]);
    assert!(table.code == 0 && table.stdout.contains("       2 rage_click\n"), "{table:?}");
    assert_eq!(place.run(&["sessions", "--count"]).stdout, "4\n");
}

#[test]
fn a_session_is_explained_down_to_its_events() {
    let (place, server) = understanding();
    let start = hours_ago(3);
    let mut events = presses("anna", start, 6, 120);
    let task = |ms, kind| with(step("anna", start, ms, kind), "task", json!({ "name": "pay" }));
    events.push(task(20_000, "task.started"));
    events.push(with(
        step("anna", start, 30_000, "backend.error"),
        "error",
        json!({ "code": "E_PAY" }),
    ));
    events.push(task(50_000, "task.completed"));
    server.accept(&place.key, &events);
    let id = closed(&place, 1)["sessions"][0]["sessionId"].as_str().unwrap().to_owned();

    let told = place.json(&["explain", &id, "--org", "acme"]);
    assert_eq!(fields(&told), ["events", "eventsGone", "formulas", "incidents", "session"]);
    assert_eq!(told["eventsGone"], 0);
    let times: Vec<&str> = told["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["occurredAt"].as_str().unwrap())
        .collect();
    assert!(times.len() == events.len() && times.is_sorted(), "{told}");
    let incident = &told["incidents"][0];
    assert_eq!((&incident["rule"], &incident["rulesVersion"]), (&json!("rage_click"), &json!(1)));
    assert!(incident["thresholds"]["minClicks"].is_number(), "{incident}");
    assert_eq!(incident["eventIds"].as_array().unwrap().len(), 6, "{incident}");

    // What is said about the score is enough to compute it.
    let said = &told["session"]["frustration"];
    let parts = said["contributions"].as_array().unwrap();
    let term = |part: &Value| {
        part["weight"].as_f64().unwrap() * (1.0 + part["count"].as_f64().unwrap()).log2()
    };
    let x: f64 = parts.iter().map(term).sum();
    for part in parts {
        assert!((term(part) / x - part["share"].as_f64().unwrap()).abs() < 1e-9, "{part}");
    }
    let score = (1.0 - (-x).exp()) / (1.0 + (2.5 - x).exp());
    assert!((score - said["score"].as_f64().unwrap()).abs() < 1e-9, "{said}");
    assert!(told["formulas"]["frustration"].as_str().unwrap().contains("x − 2.5"), "{told}");

    let said = &told["session"]["efficiency"];
    let number = |name: &str| said[name].as_f64().unwrap();
    let usual = |name: &str| said["baseline"][name].as_f64().unwrap();
    let doublings = |value: f64, usual: f64| (value / usual).log2().clamp(-2.0, 3.0);
    let z = 2.0 * (2.0 * number("completion") - 1.0)
        - 0.8 * doublings(number("secondsPerTask"), usual("seconds"))
        - 0.6 * doublings(number("clicksPerTask"), usual("clicks"))
        - 1.5 * number("lostness");
    assert!((1.0 / (1.0 + (-z).exp()) - number("score")).abs() < 1e-9, "{said}");

    let plain = place.run(&["explain", &id]);
    assert_eq!(plain.code, 0, "{plain:?}");
    for word in
        ["frustration 0.", "rage_click", "  ← rage_click", "usual 60.00", "10 events", "E_PAY"]
    {
        assert!(plain.stdout.contains(word), "{word}: {}", plain.stdout);
    }

    let remote =
        |id: &str, key: &str| tribo(&["explain", id, "--url", &server.url, "--key", key, "--json"]);
    assert_eq!(remote(&id, &place.key).json(), told);
    let foreign = remote(&id, &place.key("other", "read"));
    assert!(foreign.code == 4 && foreign.stdout.is_empty(), "{foreign:?}");

    place.tables().execute("DELETE FROM session_events", []).unwrap();
    let gone = place.json(&["explain", &id]);
    assert_eq!((&gone["eventsGone"], &gone["session"]), (&json!(10), &told["session"]));
    for (org, code) in [(&["--org", "nobody"][..], 1), (&[], 4)] {
        let unknown = format!("s_{}", "0".repeat(32));
        let done = place.run(&[&["explain", &unknown], org].concat());
        assert!(done.code == code && done.stdout.is_empty(), "{done:?}");
    }
    assert_eq!(place.run(&["explain", "s_1"]).code, 2);
}

#[test]
fn more_sessions_than_fit_on_a_page_are_all_counted_and_listed() {
    let (place, server) = understanding();
    let start = hours_ago(9);
    let who = |n: i64| step(&format!("p{n}"), start, n, "ui.click");
    let events: Vec<Value> = (0..1_203).map(who).collect();
    for events in events.chunks(500) {
        server.accept(&place.key, events);
    }
    let found = closed(&place, 1_203);
    let remote = ["sessions", "--state", "closed", "--url", &server.url, "--key", &place.key];
    assert_eq!(tribo(&[&remote[..], &["--json"]].concat()).json(), found);
    let sessions = found["sessions"].as_array().unwrap();
    let mut ids: Vec<&str> = sessions.iter().map(|s| s["sessionId"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1_203);
    let began = |session: &Value| session["startedAt"].as_str().unwrap().to_owned();
    assert!(sessions.iter().map(began).rev().is_sorted());
}

#[test]
fn a_question_that_makes_no_sense_says_why() {
    let place = Place::new();
    let (early, late) = (hours_ago(2).to_string(), hours_ago(1).to_string());
    for (arguments, code, word) in [
        (&["sessions", "--org", "nobody"][..], 1, "no organisation nobody"),
        (&["incidents", "--org", "nobody"], 1, "no organisation nobody"),
        (&["sessions", "--from", &late, "--to", &early], 2, "later than --from"),
        (&["sessions", "--state", "shut"], 2, "choose from open, closed"),
        (&["sessions", "--limit", "2", "--count"], 2, "cannot be used with"),
        (&["incidents", "--rule", "rage"], 2, "rage_click, dead_click"),
        (&["incidents", "--session", "s_1"], 2, "32 hexadecimal"),
    ] {
        let done = place.run(arguments);
        assert!(done.code == code && done.stderr.contains(word), "{arguments:?}: {done:?}");
    }
}
