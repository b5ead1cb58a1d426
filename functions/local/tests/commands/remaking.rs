//! `tribo replay --to sessions`: the archive alone gives the sessions that there were.

use std::{
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use contract::{Event, Timestamp};
use domain::archive::{self, Archived};
use embedded::{Durability, Options, Store};
use friction::policy::SessionPolicy;
use ports::{archive::Archive as _, clock::Clock, reference::Organisations as _, sessions::Lane};
use serde_json::{Value, json};
use sessionizer::Sessionizer;

use crate::{
    rescoring::{kept, set_gap},
    support::{Done, Place, Server, lines, now, tribo, with},
    understanding::{closed, presses, step, understanding},
};

#[test]
fn the_archive_and_the_keys_are_enough_to_understand_everything_again() {
    let (place, server) = understanding();
    let assigned = json!({
        "actorId": "anna", "experimentId": "tone", "variantId": "b", "assignedAt": now().to_string(),
    });
    let file = place.file("assignments.ndjson", lines([&assigned]));
    place.json(&["assign", file.to_str().unwrap(), "--org", "acme"]);
    let start = now().plus_ms(-60 * HOUR_MS);
    // More sessions than one sweep changes at once, one with a task and what goes wrong in it, and one that comes in parts.
    for n in 0..48 {
        server.accept(&place.key, &presses("anna", start.plus_ms(n * 40 * MINUTE_MS), 4, 300));
    }
    let task = |ms, kind| with(step("berta", start, ms, kind), "task", json!({ "name": "pay" }));
    let error = json!({ "code": "E_PAY" });
    let berta = [
        task(0, "task.started"),
        with(step("berta", start, 9_000, "backend.error"), "error", error),
        step("berta", start, 10_000, "friction.user_override"),
        task(20 * MINUTE_MS, "task.completed"),
        with(step("berta", start, 21 * MINUTE_MS, "ui.click"), "productId", "crm"),
    ];
    server.accept(&place.key, &berta);
    let carla = |ms| with(step("carla", start, ms, "ui.click"), "sessionId", "one");
    server.accept(&place.key, &[carla(0), carla(50 * MINUTE_MS)]);
    closed(&place, 52);
    server.accept(&place.key, &[carla(25 * MINUTE_MS)]);
    let merged = closed(&place, 51);
    assert!(merged["sessions"].as_array().unwrap().iter().any(|held| held["revision"] == 2));
    place.processed();
    server.terminate();

    let copy = place.path("copy");
    copy_files(&place.data().join("archive"), &copy.join("archive"));
    std::fs::copy(place.data().join(embedded::KEY_FILE), copy.join(embedded::KEY_FILE)).unwrap();
    assert_eq!(on(&copy, &["orgs", "create", "acme"]).code, 0);
    let dry = remake(&copy, start, &["--dry-run"]);
    assert_eq!((&dry["found"], &dry["replayed"]), (&json!(248), &json!(248)));
    assert_eq!(kept(&copy), Vec::<String>::new(), "a dry run makes nothing");
    let done = remake(&copy, start, &["--rate", "5000/s"]);
    assert_eq!((&done["replayed"], &done["skipped"]), (&json!(248), &json!({})));
    let original = kept(&place.data());
    assert!(original.len() > 100, "{}", original.len());
    assert_eq!(kept(&copy), original);

    let again = remake(&copy, start, &[]);
    assert_eq!(again["replayed"], 248);
    let told = on(&copy, &["sessions", "--json"]).json();
    assert!(told["sessions"].as_array().unwrap().iter().all(|held| held["revision"] == 1));

    // What was derived again under other rules is what comes of the archive under those rules.
    set_gap(&place, 2, 200);
    place.json(&["rescore", "--org", "acme"]);
    let other = place.path("other");
    copy_files(&copy.join("archive"), &other.join("archive"));
    std::fs::copy(copy.join(embedded::KEY_FILE), other.join(embedded::KEY_FILE)).unwrap();
    assert_eq!(on(&other, &["orgs", "create", "acme"]).code, 0);
    let rules = place.path("rules.json");
    assert_eq!(on(&other, &["rules", "set", rules.to_str().unwrap(), "--org", "acme"]).code, 0);
    remake(&other, start, &[]);
    let rescored = kept(&place.data());
    assert_ne!(rescored, original);
    assert_eq!(kept(&other), rescored);
}

#[test]
fn months_that_went_by_one_day_at_a_time_are_made_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (lived, copy) = (folder.path().join("lived"), folder.path().join("copy"));
    let start = now().plus_ms(-100 * DAY_MS).day();
    live(&lived, start);
    copy_files(&lived.join("archive"), &copy.join("archive"));
    assert_eq!(on(&copy, &["orgs", "create", "acme"]).code, 0);

    let server = Server::start(&copy, &[]);
    let (from, to) = (start.to_string(), now().to_string());
    let beside = ["replay", "--org", "acme", "--source", "archive", "--from", &from, "--to", &to];
    let beside = on(&copy, &[&beside[..], &["--to", "sessions"]].concat());
    assert!(beside.code == 1 && beside.stderr.contains("stop it first"), "{beside:?}");
    server.terminate();

    let done = remake(&copy, start, &[]);
    assert_eq!(
        done["skipped"],
        json!({ "too late for a session": 1, "of nobody, or not to be analysed": 1 })
    );
    let told = on(&copy, &["sessions", "--json"]).json();
    let completions = |held: &Value| held["efficiency"]["baseline"]["completions"].as_u64();
    let known = told["sessions"].as_array().unwrap().iter().filter_map(completions).max();
    assert!(known.unwrap() >= 50, "what is usual matters here: {known:?}");
    let original = kept(&lived);
    let made = kept(&copy);
    assert_eq!(made.len(), original.len());
    for (made, original) in made.iter().zip(&original) {
        assert_eq!(made, original);
    }

    let again = remake(&copy, start, &[]);
    let stays = again["skipped"]["of a time that does not change any more"].as_u64().unwrap();
    assert!(stays > 1_000 && again["replayed"].as_u64().unwrap() > 100, "{again}");
    assert_eq!(kept(&copy), original);
}

#[test]
fn only_the_archive_gives_sessions() {
    let place = Place::new();
    let (from, to) = (now().plus_ms(-HOUR_MS).to_string(), now().to_string());
    let run = |org: &str, source: &str| {
        let arguments = ["replay", "--org", org, "--source", source, "--from", &from];
        place.run(&[&arguments[..], &["--to", &to, "--to", "sessions"]].concat())
    };
    for source in ["parked", "quarantine"] {
        let done = run("acme", source);
        assert!(done.code == 2 && done.stderr.contains("--source archive"), "{done:?}");
    }
    let nobody = run("nobody", "archive");
    assert!(nobody.code == 1 && nobody.stderr.contains("no organisation nobody"), "{nobody:?}");
    assert_eq!(run("acme", "archive").stdout, "0 found, 0 go through again\n");
}

/// A hundred days of a small product, understood as they went by.
fn live(data: &Path, start: Timestamp) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = Options { durability: Durability::Relaxed, ..Options::default() };
        let store = Store::open(data, options).unwrap();
        store.create(&contract::OrgId::parse("acme").unwrap()).await.unwrap();
        let clock = At(Arc::new(AtomicI64::new(start.ms())));
        let policy = SessionPolicy::whole_horizon();
        let sessionizer = Sessionizer::new(store.clone(), clock.clone(), policy);
        for day in 0..100 {
            let (night, arrived) = (start.plus_ms((day + 1) * DAY_MS), arrivals(start, day));
            clock.0.store(night.ms(), Ordering::SeqCst);
            let taken =
                arrived.iter().filter(|(event, at)| !policy.is_late(event.occurred_at, *at));
            let taken = taken.map(|(event, _)| event.clone()).collect();
            sessionizer.take_events(taken).await.unwrap();
            clock.0.store(night.plus_ms(HOUR_MS).ms(), Ordering::SeqCst);
            sessionizer.sweep(Lane { index: 0, of: 1 }, None).await.unwrap();
            keep(&store, day, arrived).await;
        }
        clock.0.store(now().ms(), Ordering::SeqCst);
        sessionizer.sweep(Lane { index: 0, of: 1 }, None).await.unwrap();
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
}

/// What arrives on a day: six people who do one thing, in their own time, and one event that took three days.
fn arrivals(start: Timestamp, day: i64) -> Vec<(Event, Timestamp)> {
    let began = start.plus_ms(day * DAY_MS + 9 * HOUR_MS);
    let mut events = Vec::new();
    for person in 0..6 {
        let at = |ms| began.plus_ms(person * HOUR_MS + ms);
        let took = 20_000 + (day * 7 + person * 13) % 60 * 1_000;
        let mut did = vec![(0, "task.started"), (took, "task.completed"), (took + 500, "ui.click")];
        did.extend((0..(day + person) % 5).map(|n| (1_000 + n * 150, "ui.click")));
        events.extend(did.iter().map(|(ms, kind)| (happened(person, at(*ms), kind), at(*ms))));
    }
    if day >= 3 {
        let came = began.plus_ms(20 * MINUTE_MS);
        events.push((happened(0, came.plus_ms(-3 * DAY_MS), "ui.click"), came));
    }
    if day == 50 {
        events.push((happened(1, began.plus_ms(-31 * DAY_MS), "ui.click"), began));
        let mut nobody = happened(7, began, "ui.click");
        nobody.session_id = None;
        events.push((nobody, began));
    }
    events
}

fn happened(person: i64, at: Timestamp, kind: &str) -> Event {
    let mut event = json!({
        "eventId": format!("e.{person}.{}.{kind}", at.ms()), "eventType": kind, "occurredAt": at,
        "orgId": "acme", "sessionId": format!("ses1:k1:{person:022}"), "screen": "/pay",
    });
    if kind.starts_with("task.") {
        event["task"] = json!({ "name": "pay" });
    } else {
        event["element"] = json!({ "key": "save" });
    }
    serde_json::from_value(event).unwrap()
}

async fn keep(store: &Store, day: i64, arrived: Vec<(Event, Timestamp)>) {
    let numbers: Vec<String> =
        (0..arrived.len()).map(|n| (day * 1_000 + i64::try_from(n).unwrap()).to_string()).collect();
    let mut text = Vec::new();
    let archived = arrived
        .into_iter()
        .zip(&numbers)
        .map(|((event, arrived_at), sequence)| Archived { event, sequence, arrived_at });
    for part in archive::render(&mut text, "s", archived) {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&text[part.lines]).unwrap();
        store.write(&part.key, &packed.finish().unwrap()).await.unwrap();
    }
}

/// A clock that is set.
#[derive(Clone)]
struct At(Arc<AtomicI64>);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

fn on(data: &Path, arguments: &[&str]) -> Done {
    tribo(&[arguments, &["--data-dir", data.to_str().unwrap()]].concat())
}

fn remake(data: &Path, from: Timestamp, more: &[&str]) -> Value {
    let (from, to) = (from.to_string(), now().plus_ms(HOUR_MS).to_string());
    let arguments =
        ["replay", "--org", "acme", "--source", "archive", "--from", &from, "--to", &to];
    let done = on(data, &[&arguments[..], &["--to", "sessions", "--json"], more].concat());
    assert_eq!(done.code, 0, "{done:?}");
    done.json()
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_files(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
