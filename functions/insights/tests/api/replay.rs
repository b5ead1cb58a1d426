//! A session's events, in order, page by page, while it goes on and after.

use serde_json::{Value, json};

use crate::world::{NOW_MS, Visit, World, events};
use contract::Timestamp;

const EVENTS: &str = "/api/sessions/{id}/events";

async fn only_session(world: &World) -> String {
    let page = world.ask("/v1/sessions", "").await;
    let sessions = page["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1);
    sessions[0]["sessionId"].as_str().unwrap().to_owned()
}

async fn replay(world: &World, id: &str, query: &str) -> Value {
    world.ask_at(EVENTS, &format!("/api/sessions/{id}/events?{query}")).await
}

/// Every page, and how many there were.
async fn whole(world: &World, id: &str, query: &str) -> (Vec<Value>, usize) {
    let (mut told, mut next, mut count) = (Vec::new(), String::new(), 0);
    loop {
        let page = replay(world, id, &format!("{query}{next}")).await;
        told.extend(page["events"].as_array().unwrap().iter().cloned());
        count += 1;
        match page["nextCursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return (told, count),
        }
    }
}

fn sent(visit: &Visit) -> Vec<Value> {
    visit.events().iter().map(|event| serde_json::to_value(event).unwrap()).collect()
}

#[tokio::test]
async fn a_replay_is_what_was_sent_in_order_however_it_is_paged() {
    let world = World::open().await;
    let visit = Visit::of(1, 1).rages();
    // Events of one time are told apart by their ids.
    let visit = visit.screen("/home").then(0, "ui.custom", json!({ "screen": "/a" })).then(
        0,
        "ui.custom",
        json!({ "screen": "/b" }),
    );
    let mut shuffled = visit.events();
    shuffled.reverse();
    world.take(shuffled).await;
    world.close().await;
    let id = only_session(&world).await;
    let expected = sent(&visit);
    for limit in [1, 2, 3, 10_000] {
        let (told, count) = whole(&world, &id, &format!("limit={limit}")).await;
        assert_eq!(told, expected, "{limit}");
        assert_eq!(count, expected.len().div_ceil(limit));
    }
    let after = expected[4]["occurredAt"].as_str().unwrap();
    let (told, _) = whole(&world, &id, &format!("after_ts={after}&limit=2")).await;
    assert_eq!(told, expected[5..]);
    let last = expected.last().unwrap()["occurredAt"].as_str().unwrap();
    assert_eq!(replay(&world, &id, &format!("after_ts={last}")).await["events"], json!([]));
}

#[tokio::test]
async fn a_replay_holds_no_event_of_the_owners_other_sessions() {
    let world = World::open().await;
    let (first, second) = (Visit::of(1, 2).buys(), Visit::of(1, 1).buys());
    world.take(events([first.clone(), second.clone()])).await;
    world.close().await;
    let page = world.ask("/v1/sessions", "").await;
    for (session, visit) in page["sessions"].as_array().unwrap().iter().zip([second, first]) {
        let id = session["sessionId"].as_str().unwrap();
        assert_eq!(whole(&world, id, "").await.0, sent(&visit));
    }
}

#[tokio::test]
async fn an_open_session_is_told_with_what_came_since_it_was_looked_at() {
    let world = World::open().await;
    let visit = Visit::of(0, 0).screen("/home").screen("/pay");
    world.take(events([visit.clone()])).await;
    world.forward(20_000);
    world.sweep().await;
    let id = only_session(&world).await;
    let more = visit.screen("/thanks").screen("/home");
    world.take(events([more.clone()])).await;
    let page = replay(&world, &id, "").await;
    assert_eq!((&page["state"], &page["events"]), (&json!("open"), &json!(sent(&more))));
    let at = Timestamp::from_ms(NOW_MS + 15_000);
    let news = replay(&world, &id, &format!("after_ts={at}")).await;
    assert_eq!(news["events"], json!(sent(&more)[3..]));
    // A pause later it is another session's, although nobody has looked yet.
    let back = more.clone().then(30 * 60_000 + 1, "ui.navigation", json!({ "screen": "/home" }));
    world.take(events([back])).await;
    assert_eq!(whole(&world, &id, "limit=1").await.0, sent(&more));
    let at = Timestamp::from_ms(NOW_MS + 25_000);
    assert_eq!(replay(&world, &id, &format!("after_ts={at}")).await["events"], json!([]));
}

#[tokio::test]
async fn ten_thousand_events_are_one_page_and_the_rest_another() {
    let world = World::open().await;
    let visit = Visit::of(0, 0).screen("/home");
    world.take(visit.events()).await;
    world.forward(20_000);
    world.sweep().await;
    let id = only_session(&world).await;
    // Whoever has not been looked at since is asked as a whole.
    let visit = (0..10_050)
        .fold(visit, |visit, _| visit.then(100, "ui.scroll", json!({ "screen": "/home" })));
    world.take(visit.events()).await;
    let first = replay(&world, &id, "").await;
    assert_eq!(first["events"].as_array().unwrap().len(), 10_000);
    let (told, count) = whole(&world, &id, "").await;
    assert_eq!((told == sent(&visit), count), (true, 2));
}

#[tokio::test]
async fn of_more_events_than_a_session_may_have_each_is_in_one_replay() {
    let world = World::open().await;
    let visit = (0..10_050).fold(Visit::of(1, 1), |visit, _| {
        visit.then(100, "ui.scroll", json!({ "screen": "/home" }))
    });
    world.take(visit.events()).await;
    world.close().await;
    let page = world.ask("/v1/sessions", "").await;
    let mut told = Vec::new();
    for session in page["sessions"].as_array().unwrap().iter().rev() {
        let (events, pages) = whole(&world, session["sessionId"].as_str().unwrap(), "").await;
        assert!(events.len() <= 5_000 && pages == 1);
        told.extend(events);
    }
    assert!(told == sent(&visit));
}

#[tokio::test]
async fn a_page_is_not_larger_than_an_answer_may_be() {
    let world = World::open().await;
    let long = json!({ "screen": format!("/{}", "x".repeat(250)), "correlationId": "c".repeat(128),
        "causationId": "d".repeat(128), "route": format!("/{}", "y".repeat(250)) });
    let visit =
        (0..4_500).fold(Visit::of(1, 1), |visit, _| visit.then(100, "ui.custom", long.clone()));
    world.take(visit.events()).await;
    world.close().await;
    let id = only_session(&world).await;
    let answer = world.get(&world.keys.acme, &format!("/api/sessions/{id}/events")).await;
    assert!(
        answer.body.len() < 5_000_000 && answer.body.len() > 3_500_000,
        "{}",
        answer.body.len()
    );
    let (told, count) = whole(&world, &id, "").await;
    assert_eq!((told == sent(&visit), count), (true, 2));
}
