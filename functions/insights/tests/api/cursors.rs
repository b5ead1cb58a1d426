//! A cursor goes with the question it was given out for, and with no other.

use crate::world::{Visit, World, events};

/// Three sessions with an incident or more in each of two organisations.
async fn world() -> World {
    let world = World::open().await;
    let visits = ["acme", "bolt"]
        .into_iter()
        .flat_map(|org| (0..3).map(move |actor| Visit::of(actor, 1).at_org(org).rages()));
    world.take(events(visits)).await;
    world.close().await;
    world
}

async fn cursor(world: &World, target: &str) -> String {
    let page = world.get(&world.keys.acme, target).await.json();
    page["nextCursor"].as_str().unwrap().to_owned()
}

fn bad() -> (u16, String) {
    (400, "bad_cursor".to_owned())
}

#[tokio::test]
async fn a_cursor_of_another_question_is_refused() {
    let world = world().await;
    let cursor = cursor(&world, "/v1/sessions?limit=1&state=closed").await;
    let with = |rest: &str| format!("{rest}cursor={cursor}");
    for other in [
        "/v1/sessions?",
        "/v1/sessions?state=open&",
        "/v1/sessions?state=closed&productId=default&",
        "/v1/sessions?state=closed&from=2025-10-01T00:00:00Z&",
        "/v1/incidents?limit=1&",
    ] {
        assert_eq!(world.refused(&with(other)).await, bad(), "{other}");
    }
    let foreign = world.get(&world.keys.bolt, &with("/v1/sessions?state=closed&")).await;
    assert_eq!((foreign.status, foreign.code()), bad());
    let foreign = world.get(&world.keys.both, &with("/v1/sessions?org=bolt&state=closed&")).await;
    assert_eq!((foreign.status, foreign.code()), bad());
    // The same question, in another order, of another size, by another key.
    for same in ["/v1/sessions?state=closed&limit=2&", "/v1/sessions?limit=1&state=closed&"] {
        assert_eq!(world.get(&world.keys.acme, &with(same)).await.status, 200, "{same}");
    }
    let bare = self::cursor(&world, "/v1/sessions?limit=1").await;
    assert_eq!(world.refused(&format!("/v1/incidents?cursor={bare}")).await, bad());
    let named = with("/v1/sessions?org=acme&state=closed&");
    assert_eq!(world.get(&world.keys.both, &named).await.status, 200);
}

#[tokio::test]
async fn a_cursor_of_another_session_is_refused() {
    let world = world().await;
    let page = world.ask("/v1/sessions", "").await;
    let id = |at: usize| page["sessions"][at]["sessionId"].as_str().unwrap();
    let cursor = cursor(&world, &format!("/api/sessions/{}/events?limit=1", id(0))).await;
    let next = |id: &str, rest: &str| format!("/api/sessions/{id}/events?cursor={cursor}{rest}");
    assert_eq!(world.get(&world.keys.acme, &next(id(0), "")).await.status, 200);
    assert_eq!(world.refused(&next(id(1), "")).await, bad());
    assert_eq!(world.refused(&next(id(0), "&after_ts=2025-10-01T00:00:00Z")).await, bad());
}

#[tokio::test]
async fn a_changed_cursor_is_refused() {
    let world = world().await;
    let cursor = cursor(&world, "/v1/incidents?limit=1").await;
    for at in 0..cursor.len() {
        let mut bytes = cursor.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(world.refused(&format!("/v1/incidents?cursor={changed}")).await, bad());
    }
    for hostile in ["", "A", "%00", "%ff%fe", "..%2f..", "=", &"A".repeat(9_000)] {
        let target = format!("/v1/incidents?cursor={hostile}");
        assert_eq!(world.refused(&target).await, bad(), "{hostile}");
    }
}

#[tokio::test]
async fn pages_go_on_in_the_time_of_the_first_whatever_the_clock_says() {
    let world = world().await;
    let first = world.ask("/v1/sessions", "limit=1").await;
    let cursor = first["nextCursor"].as_str().unwrap();
    world.forward(30 * 86_400_000);
    let second = world.ask("/v1/sessions", &format!("limit=2&cursor={cursor}")).await;
    assert_eq!((&second["from"], &second["to"]), (&first["from"], &first["to"]));
    assert_eq!(second["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(world.ask("/v1/sessions", "").await["sessions"].as_array().unwrap().len(), 0);
}
