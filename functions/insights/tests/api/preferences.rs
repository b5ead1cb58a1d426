//! What a person prefers, by the sessions that are over.

use contract::{Event, ProductId};
use serde_json::{Value, json};

use crate::world::{Visit, World, events};

const PREFERENCES: &str = "/api/users/{id}/preferences";

fn actor(number: u32) -> String {
    format!("u1.0.{number:025}0")
}

async fn told(world: &World, number: u32) -> Value {
    world.ask_at(PREFERENCES, &format!("/api/users/{}/preferences", actor(number))).await
}

fn uses(visit: Visit, feature: &str, level: &str) -> Visit {
    let context = json!({ "feature": feature, "explanationLevel": level, "deviceType": "mobile" });
    visit.then(1_000, "ui.click", json!({ "context": context }))
}

#[tokio::test]
async fn what_somebody_did_in_sessions_that_are_over_says_what_they_prefer() {
    let world = World::open().await;
    let older = uses(uses(Visit::of(1, 2), "search", "beginner"), "search", "beginner");
    let newer = uses(Visit::of(1, 1), "chat", "expert");
    // The newer one comes first.
    world.take(events([newer.clone()])).await;
    world.close().await;
    world.take(events([older])).await;
    world.close().await;
    let said = told(&world, 1).await;
    assert_eq!((&said["actorId"], &said["model"]), (&json!(actor(1)), &json!("pref-2")));
    assert_eq!((&said["sessions"], &said["events"]), (&json!(2), &json!(3)));
    assert_eq!(
        (&said["explanationLevel"], &said["deviceType"]),
        (&json!("expert"), &json!("mobile"))
    );
    assert_eq!(said["features"][0]["name"], "search");
    let last = newer.events().pop().unwrap();
    assert_eq!(said["lastSeq"], format!("{}#{}", last.occurred_at, last.event_id));
    // The session goes on, late: its revision takes the place of what it said.
    world.take(events([uses(newer, "chat", "intermediate")])).await;
    assert_eq!(told(&world, 1).await, said, "until it is over again");
    world.close().await;
    let revised = told(&world, 1).await;
    assert_eq!((&revised["sessions"], &revised["events"]), (&json!(2), &json!(4)));
    assert_eq!(revised["explanationLevel"], "intermediate");
}

#[tokio::test]
async fn without_a_product_all_of_them_are_meant() {
    let world = World::open().await;
    let of_product = |visit: Visit, product: &str| {
        let product = ProductId::parse(product).unwrap();
        let events = visit.events().into_iter();
        events.map(move |event| Event { product_id: product.clone(), ..event }).collect::<Vec<_>>()
    };
    let shop = of_product(uses(Visit::of(1, 1), "search", "beginner"), "shop");
    let till = of_product(uses(uses(Visit::of(1, 2), "pay", "expert"), "pay", "expert"), "till");
    world.take(shop.into_iter().chain(till)).await;
    world.close().await;
    let all = told(&world, 1).await;
    assert_eq!((&all["sessions"], &all["events"]), (&json!(2), &json!(3)));
    assert_eq!(
        (&all["explanationLevel"], &all["features"][0]["name"]),
        (&json!("beginner"), &json!("pay"))
    );
    assert_eq!(all.get("productId"), None);
    let path = format!("/api/users/{}/preferences?productId=till", actor(1));
    let till = world.ask_at(PREFERENCES, &path).await;
    assert_eq!((&till["sessions"], &till["productId"]), (&json!(1), &json!("till")));
}

#[tokio::test]
async fn sessions_that_turn_out_to_be_one_count_once() {
    let world = World::open().await;
    let first = uses(Visit::of(1, 1), "search", "expert");
    let apart =
        |ms| first.clone().then(ms, "ui.click", json!({ "context": { "feature": "chat" } }));
    let second = apart(40 * 60_000).events().split_off(1);
    world.take(first.events().into_iter().chain(second)).await;
    world.close().await;
    assert_eq!(told(&world, 1).await["sessions"], 2);
    let between = apart(20 * 60_000).events().split_off(1);
    world.take(between).await;
    world.close().await;
    let one = told(&world, 1).await;
    assert_eq!((&one["sessions"], &one["events"]), (&json!(1), &json!(3)));
}

#[tokio::test]
async fn who_is_not_known_is_not_found_and_nobody_sees_another_organisations_people() {
    let world = World::open().await;
    world.take(events([uses(Visit::of(1, 1), "search", "expert")])).await;
    world.close().await;
    let path = format!("/api/users/{}/preferences", actor(1));
    let status = async |key: &str, target: &str| world.get(key, target).await.status;
    assert_eq!(status(&world.keys.acme, &path).await, 200);
    assert_eq!(status(&world.keys.admin, &format!("{path}?org=acme")).await, 200);
    assert_eq!(status(&world.keys.admin, &format!("{path}?org=bolt")).await, 404);
    assert_eq!(status(&world.keys.acme, &format!("{path}?productId=other")).await, 404);
    assert_eq!(status(&world.keys.bolt, &path).await, 404);
    assert_eq!(status(&world.keys.both, &format!("{path}?org=bolt")).await, 404);
    assert_eq!(status(&world.keys.bolt, &format!("{path}?org=acme")).await, 403);
    for nobody in [actor(2), "alice".to_owned(), "u1.0.%00".to_owned(), "u1.".repeat(100)] {
        let path = format!("/api/users/{nobody}/preferences");
        assert_eq!(world.refused(&path).await, (404, "not_found".to_owned()), "{nobody}");
    }
}
