//! Sessions and incidents, page by page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{Visit, World, events};

const SESSIONS: &str = "/v1/sessions";
const INCIDENTS: &str = "/v1/incidents";

/// Every page of `path`, and the cursors between them.
async fn pages(world: &World, path: &str, query: &str, list: &str) -> (Vec<Value>, usize) {
    let (mut told, mut cursor, mut count) = (Vec::new(), None::<String>, 0);
    loop {
        let next = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = world.ask(path, &format!("{query}{next}")).await;
        told.extend(page[list].as_array().unwrap().iter().cloned());
        count += 1;
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return (told, count);
        }
    }
}

fn ids(list: &[Value], name: &str) -> Vec<String> {
    list.iter().map(|one| one[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_hold_every_session_once_newest_first() {
    let world = World::open().await;
    let visits = (0..23).map(|actor| Visit::of(actor, i64::from(actor % 4)).buys());
    world.take(events(visits)).await;
    // Two that begin in the same millisecond.
    let twin = |org| Visit::of(50, 1).at_org(org).buys();
    world.take(events([twin("acme"), twin("bolt"), Visit::of(3, 1).buys()])).await;
    world.close().await;
    let (whole, count) = pages(&world, SESSIONS, "limit=200", "sessions").await;
    assert_eq!((whole.len(), count), (25, 1));
    for limit in [1, 5, 24, 25] {
        let (told, count) = pages(&world, SESSIONS, &format!("limit={limit}"), "sessions").await;
        assert_eq!(told, whole, "{limit}");
        assert_eq!(count, 25_usize.div_ceil(limit));
    }
    let begun = ids(&whole, "startedAt");
    assert!(begun.windows(2).all(|pair| pair[0] >= pair[1]));
    assert_eq!(ids(&whole, "sessionId").into_iter().collect::<BTreeSet<_>>().len(), 25);
}

#[tokio::test]
async fn a_session_that_goes_on_is_told_apart_from_one_that_ended() {
    let world = World::open().await;
    world.take(events([Visit::of(1, 2).buys()])).await;
    world.close().await;
    // The clock went on by an hour: this one is under way.
    let late = Visit::of(3_600, 0).screen("/home").screen("/pay");
    world.take(events([late])).await;
    world.forward(20_000);
    world.sweep().await;
    let told = |state| world.ask(SESSIONS, state);
    let all = told("").await;
    let states: Vec<&Value> =
        all["sessions"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, [&json!("open"), &json!("closed")]);
    for state in ["open", "closed"] {
        let page = told(if state == "open" { "state=open" } else { "state=closed" }).await;
        let sessions = page["sessions"].as_array().unwrap();
        assert_eq!((sessions.len(), &sessions[0]["state"]), (1, &json!(state)));
    }
}

#[tokio::test]
async fn a_session_explains_its_scores() {
    let world = World::open().await;
    world.take(events([Visit::of(1, 1).rages()])).await;
    world.close().await;
    let id =
        ids(world.ask(SESSIONS, "").await["sessions"].as_array().unwrap(), "sessionId").remove(0);
    let told = world.ask_at("/v1/sessions/{id}", &format!("/v1/sessions/{id}")).await;
    assert_eq!((&told["sessionId"], &told["revision"]), (&json!(id), &json!(1)));
    let frustration = &told["frustration"];
    let shares: f64 = frustration["contributions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["share"].as_f64().unwrap())
        .sum();
    assert_eq!((&frustration["model"], (shares - 1.0).abs() < 1e-9), (&json!("fr-1"), true));
    let found = world.ask(INCIDENTS, &format!("session={id}")).await;
    let incidents = found["incidents"].as_array().unwrap();
    let mut named = ids(incidents, "incidentId");
    let mut held: Vec<String> = serde_json::from_value(told["incidents"].clone()).unwrap();
    named.sort();
    held.sort();
    assert_eq!(named, held);
    let rage = incidents.iter().find(|incident| incident["rule"] == "rage_click").unwrap();
    assert!(rage["thresholds"].as_object().unwrap().len() > 1);
    assert_eq!(rage["eventIds"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn incidents_are_found_by_rule_and_page_by_page() {
    let world = World::open().await;
    world.take(events((0..6).map(|actor| Visit::of(actor, 1).rages()))).await;
    world.close().await;
    let (all, _) = pages(&world, INCIDENTS, "limit=200", "incidents").await;
    let (paged, count) = pages(&world, INCIDENTS, "limit=4", "incidents").await;
    assert_eq!((&paged, count), (&all, all.len().div_ceil(4)));
    let (raged, _) = pages(&world, INCIDENTS, "rule=rage_click&limit=4", "incidents").await;
    assert_eq!(raged.len(), 6);
    assert!(raged.iter().all(|incident| incident["rule"] == "rage_click"));
    let none = world.ask(INCIDENTS, "session=s_00000000000000000000000000000000").await;
    assert_eq!(none["incidents"], json!([]));
}

#[tokio::test]
async fn unknown_and_foreign_sessions_are_not_found() {
    let world = World::open().await;
    world.take(events([Visit::of(1, 1).at_org("bolt").buys()])).await;
    world.close().await;
    let bolt = world.get(&world.keys.bolt, SESSIONS).await.json();
    let foreign = bolt["sessions"][0]["sessionId"].as_str().unwrap().to_owned();
    let unknown = format!("s_{}", "0".repeat(32));
    for id in [&foreign, &unknown, "s_", "x", "..", "%2e%2e", &"a".repeat(5_000)] {
        for path in [
            format!("/v1/sessions/{id}"),
            format!("/api/sessions/{id}/events"),
            format!("/api/sessions/{id}/context"),
        ] {
            assert_eq!(world.refused(&path).await, (404, "not_found".to_owned()), "{path}");
        }
    }
    let found = world.ask(INCIDENTS, &format!("session={foreign}")).await;
    assert_eq!(found["incidents"], json!([]));
}
