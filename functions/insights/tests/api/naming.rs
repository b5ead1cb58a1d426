//! Screens that an organisation says are one, and what it calls its flows.

use friction::rules::RuleSet;
use ports::rules::RuleBook as _;
use serde_json::{Value, json};

use crate::world::{Visit, World, events, org, strangers};

/// Six people who each look at an order of their own and buy, under these rules.
async fn shop(rules: Value) -> World {
    let world = World::open().await;
    let rules = RuleSet::parse(&rules.to_string()).unwrap();
    assert!(world.store.put_rules(&org("acme"), &rules).await.unwrap());
    let visits = strangers(6).into_iter().map(|actor| {
        Visit::of(actor, 1).screen(&format!("/orders/o-{actor}")).screen("/pay").screen("/thanks")
    });
    world.take(events(visits)).await;
    world.close().await;
    world
}

#[tokio::test]
async fn screens_that_are_one_are_counted_as_one() {
    let apart = shop(json!({ "version": 2 })).await;
    let told = apart.ask("/v1/flows/top", "").await;
    assert_eq!((&told["flows"], &told["suppressed"]), (&json!([]), &json!(6)));
    let paths = json!([{ "pattern": "/orders/*", "screen": "/orders/{id}" }]);
    let one = shop(json!({ "version": 2, "paths": paths })).await;
    let told = one.ask("/v1/flows/top", "").await;
    assert_eq!(told["flows"][0]["path"], json!(["/orders/{id}", "/pay", "/thanks"]));
    assert_eq!(told["flows"][0]["flows"], 6);
    let hotspots = one.ask("/v1/insights/hotspots", "minSessions=5").await;
    let screens: Vec<&str> = hotspots["hotspots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["screenId"].as_str().unwrap())
        .collect();
    assert!(screens.contains(&"/orders/{id}") && screens.len() == 3, "{screens:?}");
    let listed = one.ask("/v1/sessions", "").await;
    assert_eq!(listed["sessions"][0]["path"][0], "/orders/{id}");
    let id = listed["sessions"][0]["sessionId"].as_str().unwrap();
    let kept = one.ask_at("/api/sessions/{id}/events", &format!("/api/sessions/{id}/events")).await;
    let screen = kept["events"][0]["screen"].as_str().unwrap();
    assert!(screen.starts_with("/orders/o-"), "events stay as they came: {screen}");
}

#[tokio::test]
async fn flows_are_called_what_somebody_calls_them() {
    let paths = json!([{ "pattern": "/orders/*", "screen": "/orders/{id}" }]);
    let flow = |name: &str| json!([{ "name": name, "path": ["/orders/{id}", "**", "/thanks"] }]);
    let world = shop(json!({
        "version": 2, "paths": paths, "flows": flow("Order again"),
        "products": { "default": { "flows": flow("Order in the shop") } },
    }))
    .await;
    let label =
        async |query: &str| world.ask("/v1/flows/top", query).await["flows"][0]["label"].clone();
    assert_eq!(label("").await, "Order again");
    assert_eq!(label("productId=default").await, "Order in the shop");
    let graph = world.ask("/v1/flows/graph", "").await;
    let edges = graph["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 4);
    for edge in edges {
        assert_eq!(edge["flows"], json!(["Order again"]), "{edge}");
    }
    let nameless = shop(json!({ "version": 2, "paths": paths })).await;
    let graph = nameless.ask("/v1/flows/graph", "").await;
    assert_eq!(graph["edges"][0].get("flows"), None);
}
