//! Sessions that went where hardly anybody goes.

use serde_json::{Value, json};

use crate::world::{Visit, World, events, strangers};

const UNUSUAL: &str = "/v1/flows/unusual";

/// So many people who go the usual way, and one of them who comes back and goes the other way round.
async fn crowd(count: usize) -> World {
    let world = World::open().await;
    let people = strangers(count);
    world.take(events(people.iter().map(|actor| walk(*actor, 2, ["/a", "/b", "/c"])))).await;
    world.take(events([walk(people[0], 1, ["/c", "/b", "/a"])])).await;
    world.close().await;
    world
}

fn walk(actor: u32, days_ago: i64, screens: [&str; 3]) -> Visit {
    screens.into_iter().fold(Visit::of(actor, days_ago), |visit, screen| visit.screen(screen))
}

#[tokio::test]
async fn the_one_who_goes_the_other_way_comes_first_and_it_is_said_why() {
    let world = crowd(20).await;
    let told = world.ask(UNUSUAL, "minPercentile=0").await;
    assert_eq!((&told["considered"], &told["complete"]), (&json!(21), &json!(true)));
    assert_eq!(told["beyond"], 11);
    let sessions = told["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 10, "as many as nobody asked for");
    let first = &sessions[0];
    assert_eq!(first["path"], json!(["/c", "/b", "/a"]));
    // 20 of 21 flows go the usual way.
    let unusual = &first["unusual"];
    assert_eq!((&unusual["flows"], &unusual["percentile"]), (&json!(21), &json!(95.238_095)));
    assert!(unusual["bitsPerStep"].as_f64().unwrap() > 2.0);
    assert_eq!(unusual["rarest"]["from"], "^");
    assert_eq!(sessions[1]["unusual"]["percentile"], 0.0);
    let one = world.ask(UNUSUAL, "minPercentile=95").await;
    assert_eq!((&one["beyond"], &one["considered"]), (&json!(0), &json!(21)));
    assert_eq!(one["thresholds"]["percentileMin"], 95.0);
    // Nobody goes where fewer than one in a hundred go.
    let most = world.ask(UNUSUAL, "").await;
    assert_eq!(
        (&most["sessions"], &most["thresholds"]["percentileMin"]),
        (&json!([]), &json!(99.0))
    );
    assert_eq!(&most["considered"], &json!(21));
    assert_eq!(one["sessions"].as_array().unwrap(), &sessions[..1]);

    let id = first["sessionId"].as_str().unwrap();
    let session = world.ask_at("/v1/sessions/{id}", &format!("/v1/sessions/{id}")).await;
    assert_eq!(session["unusual"]["bitsPerStep"], unusual["bitsPerStep"]);
    assert_eq!(session["unusual"]["from"], "2025-10-02T00:00:00.000Z", "few on that day: a week");
    let listed = world.ask("/v1/sessions", "").await;
    assert!(listed["sessions"].as_array().unwrap().iter().all(|s| s.get("unusual").is_none()));
}

#[tokio::test]
async fn of_four_people_nothing_is_usual() {
    let world = crowd(4).await;
    let told = world.ask(UNUSUAL, "").await;
    assert_eq!((&told["sessions"], &told["suppressed"]), (&json!([]), &json!(5)));
    let listed = world.ask("/v1/sessions", "limit=1").await;
    let id = listed["sessions"][0]["sessionId"].as_str().unwrap();
    let session = world.ask_at("/v1/sessions/{id}", &format!("/v1/sessions/{id}")).await;
    assert_eq!(session.get("unusual"), None);
}

#[tokio::test]
async fn a_time_and_a_product_are_asked_about_and_more_sessions_than_are_looked_at_are_said() {
    let world = crowd(20).await;
    let count = |told: &Value| told["considered"].clone();
    let day = world.ask(UNUSUAL, "from=2025-10-08T00:00:00Z&to=2025-10-09T00:00:00Z").await;
    assert_eq!((count(&day), &day["suppressed"]), (json!(1), &json!(1)), "one actor on that day");
    assert_eq!(count(&world.ask(UNUSUAL, "productId=none").await), 0);
    // With these there are more than are looked at.
    let many = (1_000..2_000).map(|actor| walk(actor, 3, ["/a", "/b", "/c"]));
    world.take(events(many)).await;
    world.close().await;
    let told = world.ask(UNUSUAL, "").await;
    assert_eq!((&told["complete"], count(&told)), (&json!(false), json!(1_000)));
}
