//! What a server acknowledged survives `kill -9` at any instant, and nothing is counted twice.
//!
//! `KILL_CYCLES` sets how often the server is killed; the full campaign is 200:
//! `KILL_CYCLES=200 cargo test --release -p tribo --test kill_nine -- --nocapture`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{self as local, Local};
use contract::{Timestamp, ingest::IngestAnswer};
use serde_json::{Value, json};

/// What the client knows.
#[derive(Default)]
struct Client {
    next: u64,
    /// Batches that were sent but not answered: they are sent again, with the same ids, as `tribo send` does.
    unanswered: Vec<Vec<Value>>,
    acknowledged: BTreeMap<String, Value>,
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_counted_twice() {
    let cycles: u32 =
        std::env::var("KILL_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let key = key(&data);
    let client = Arc::new(Mutex::new(Client::default()));
    for cycle in 0..cycles {
        let mut server = Local::start(&data, &["--tick", "200ms"]).unwrap();
        let before = client.lock().unwrap().acknowledged.len();
        let url = server.url.clone();
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let (client, url, key) = (Arc::clone(&client), url.clone(), key.clone());
                std::thread::spawn(move || while send(&client, &url, &key) {})
            })
            .collect();
        while client.lock().unwrap().acknowledged.len() == before {
            std::thread::sleep(Duration::from_millis(1));
        }
        // A different instant in each cycle: in the middle of a commit, a batch, an archive object, a delivery.
        std::thread::sleep(Duration::from_millis(u64::from(cycle * 37 % 250)));
        server.kill_nine().unwrap();
        for sender in senders {
            sender.join().unwrap();
        }
    }
    let server = Local::start(&data, &["--tick", "200ms"]).unwrap();
    while !client.lock().unwrap().unanswered.is_empty() {
        assert!(send(&client, &server.url, &key), "a running server answers");
    }
    let acknowledged = client.lock().unwrap().acknowledged.clone();
    assert_eq!(
        known(&acknowledged, &server.url, &key),
        acknowledged.len(),
        "acknowledged events were lost"
    );
    let ledger = settled(&data);
    server.terminate(Duration::from_secs(60)).unwrap();
    let row = &ledger["orgs"][0];
    assert_eq!(row["accepted"], acknowledged.len(), "{row}");
    assert_eq!(ledger["balanced"], true, "{row}");
    let audit = local::json(&["audit", "--json", "--data-dir", data.to_str().unwrap()]).unwrap();
    assert_eq!(audit["counters"]["different"], 0, "{audit}");
    assert_eq!(audit["archive"]["events"], acknowledged.len(), "{audit}");
    println!("{cycles} kills, {} events acknowledged: 0 lost, 0 doubled", acknowledged.len());
}

fn key(data: &Path) -> String {
    let arguments =
        ["keys", "create", "--org", "acme", "--scope", "ingest", "--json", "--data-dir"];
    let arguments: Vec<&str> = arguments.into_iter().chain(data.to_str()).collect();
    local::json(&arguments).unwrap()["key"].as_str().unwrap().to_owned()
}

/// Sends the next batch, or one that was not answered; false when the server did not answer.
fn send(client: &Mutex<Client>, url: &str, key: &str) -> bool {
    let batch = {
        let mut client = client.lock().unwrap();
        client.unanswered.pop().unwrap_or_else(|| {
            let first = client.next;
            client.next += 20;
            (first..first + 20).map(event).collect()
        })
    };
    match post(&batch, url, key) {
        Some(answer) => {
            let mut client = client.lock().unwrap();
            assert_eq!(answer.rejected, 0, "{answer:?}");
            let id = |event: &Value| event["eventId"].as_str().unwrap().to_owned();
            client.acknowledged.extend(batch.into_iter().map(|event| (id(&event), event)));
            true
        }
        None => {
            client.lock().unwrap().unanswered.push(batch);
            false
        }
    }
}

/// Every second event is forwarded, the others are only counted.
fn event(number: u64) -> Value {
    let now = Timestamp::from_ms(
        i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap(),
    );
    let mut event = json!({
        "eventId": format!("kill.{number}"),
        "occurredAt": now.to_string(),
        "orgId": "acme",
        "actorId": format!("person-{}", number % 97),
    });
    let (kind, name, value) = if number.is_multiple_of(2) {
        ("friction.challenge", "traceComponent", json!("reasoning"))
    } else {
        ("ui.navigation", "screen", json!("/start"))
    };
    event["eventType"] = kind.into();
    event[name] = value;
    event
}

fn post(batch: &[Value], url: &str, key: &str) -> Option<IngestAnswer> {
    let body = json!({ "events": batch }).to_string();
    let response = ureq::post(format!("{url}/v1/events/batch"))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .send(body);
    // A server that is being killed refuses, resets or breaks off; each of them means: not acknowledged.
    serde_json::from_str(&response.ok()?.into_body().read_to_string().ok()?).ok()
}

/// How many of `events` the server knows already.
fn known(events: &BTreeMap<String, Value>, url: &str, key: &str) -> usize {
    let all: Vec<Value> = events.values().cloned().collect();
    all.chunks(500).map(|chunk| post(chunk, url, key).unwrap().duplicates).sum()
}

/// The ledger once nothing is in flight.
fn settled(data: &Path) -> Value {
    loop {
        let ledger =
            local::json(&["ledger", "--json", "--data-dir", data.to_str().unwrap()]).unwrap();
        if ledger["streamLag"] == 0
            && ledger["orgs"].as_array().is_some_and(|orgs| !orgs.is_empty())
        {
            return ledger;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
