//! What a session is about: by every event, whatever a projector has or has not made of them.

use contract::{Event, session::SessionId};
use friction::{
    context::ContextState,
    owner::{Owner, Position},
};
use ports::projections::{Projected, Projection, Projections as _, SaveOutcome};
use serde_json::{Value, json};

use crate::world::{Visit, World, events};

const CONTEXT: &str = "/api/sessions/{id}/context";

/// A world with one session under way.
pub(crate) async fn under_way(visit: &Visit) -> (World, SessionId) {
    let world = World::open().await;
    world.take(events([visit.clone()])).await;
    world.forward(20_000);
    world.sweep().await;
    let page = world.ask("/v1/sessions", "").await;
    let id = SessionId::parse(page["sessions"][0]["sessionId"].as_str().unwrap()).unwrap();
    (world, id)
}

/// What is said after `events`.
pub(crate) fn expected(events: &[Event], id: &SessionId) -> Value {
    let owner = Owner::of(&events[0]).unwrap();
    serde_json::to_value(ContextState::project(events).context(&owner, id)).unwrap()
}

async fn told(world: &World, id: &SessionId) -> Value {
    world.ask_at(CONTEXT, &format!("/api/sessions/{id}/context")).await
}

/// Saves what a projector made of `read`, as `state` if that is given.
async fn project(world: &World, id: &SessionId, read: &[Event], state: Option<&str>) {
    let made = serde_json::to_string(&ContextState::project(read)).unwrap();
    let owner = Owner::of(&read[0]).unwrap();
    let about = Projected::Context(owner);
    let held = world.store.load(&about).await.unwrap();
    let projection = Projection {
        version: held.map_or(0, |held| held.version),
        session: Some(id.clone()),
        last: Position::of(read.last().unwrap()),
        state: state.unwrap_or(&made).to_owned(),
    };
    let saved = world.store.save(&about, projection).await.unwrap();
    assert_eq!(saved, SaveOutcome::Saved);
}

fn visit() -> Visit {
    Visit::of(1, 0).screen("/home").looks_at("tax").looks_at("vat").looks_at("tax")
}

#[tokio::test]
async fn a_context_is_what_its_events_say() {
    let (world, id) = under_way(&visit()).await;
    let context = told(&world, &id).await;
    assert_eq!(context, expected(&visit().events(), &id));
    assert_eq!(context["activeConcepts"][0], json!({ "concept": "tax", "weight": 0.4 }));
    let last = visit().events().pop().unwrap();
    assert_eq!(context["lastSeq"], format!("{}#{}#000004", last.occurred_at, last.event_id));
    world.close().await;
    assert_eq!(told(&world, &id).await, context, "and so it is when the session is over");
}

#[tokio::test]
async fn a_projection_that_is_behind_is_read_on_from() {
    let (world, id) = under_way(&visit()).await;
    let all = visit().events();
    project(&world, &id, &all[..2], None).await;
    assert_eq!(told(&world, &id).await, expected(&all, &id));
    let more = visit().looks_at("duty");
    world.take(events([more.clone()])).await;
    assert_eq!(told(&world, &id).await, expected(&more.events(), &id), "nothing is ever old");
    // What comes after a pause is another session's.
    let later = more.clone().then(30 * 60_000 + 1, "ui.navigation", json!({ "screen": "/home" }));
    world.take(events([later])).await;
    assert_eq!(told(&world, &id).await, expected(&more.events(), &id));
}

#[tokio::test]
async fn a_projection_is_gone_on_from_and_not_made_again() {
    let (world, id) = under_way(&visit()).await;
    let all = visit().events();
    // A projector that read something else: what it says stays.
    let other = Visit::of(1, 0).screen("/home").looks_at("ships").looks_at("ships");
    let read: Vec<Event> = other.events();
    let state = serde_json::to_string(&ContextState::project(&read)).unwrap();
    project(&world, &id, &all, Some(&state)).await;
    assert_eq!(told(&world, &id).await["activeConcepts"][0]["concept"], "ships");
}

#[tokio::test]
async fn what_comes_late_is_in_its_place_before_anybody_sweeps() {
    let (world, id) = under_way(&visit()).await;
    let before = told(&world, &id).await;
    // Each lies before the last one that was read, or at the same time.
    let all = visit().events();
    for (n, at) in
        [all[1].occurred_at.plus_ms(1), all.last().unwrap().occurred_at].iter().enumerate()
    {
        let mut late = all[1].clone();
        late.event_id = format!("0-late-{n}").parse().unwrap();
        late.occurred_at = *at;
        late.object.as_mut().unwrap().id = format!("late-{n}");
        world.take([late]).await;
    }
    let kept = world.store.load(&Projected::Context(Owner::of(&all[0]).unwrap())).await.unwrap();
    let kept = kept.unwrap();
    assert_eq!(kept.last, Position::of(all.last().unwrap()), "a sweeper kept what it read");
    let page =
        world.ask_at("/api/sessions/{id}/events", &format!("/api/sessions/{id}/events")).await;
    let logged: Vec<Event> = serde_json::from_value(page["events"].clone()).unwrap();
    let now = told(&world, &id).await;
    assert_eq!((logged.len(), &now), (6, &expected(&logged, &id)));
    assert_ne!(now["activeConcepts"], before["activeConcepts"]);
    world.forward(20_000);
    world.sweep().await;
    assert_eq!(told(&world, &id).await, now);
    world.close().await;
    assert_eq!(told(&world, &id).await, now);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_as_good_as_none() {
    let (world, id) = under_way(&visit()).await;
    project(&world, &id, &visit().events()[..2], Some("{\"concepts\":7}")).await;
    assert_eq!(told(&world, &id).await, expected(&visit().events(), &id));
}
