//! Where an event goes besides the counters: consent, assignments, nudges, the ledger.

use contract::{Timestamp, event::Assignment, ledger::Balance, limits::DAY_MS};
use ports::{
    accounts::Accounts,
    bus::AnnouncementKind,
    faulty::Fault,
    reference::{Reference, Subject},
};
use serde_json::{Value, json};

use crate::world::{Records, World, event, now, org};

const ACTOR: &str = "u1.3.00000000000000000000000000";

#[tokio::test]
async fn without_consent_an_event_is_booked_and_not_kept() {
    let world = World::new().await;
    let bodies = [
        event("kept", json!({})),
        event("suppressed", json!({"consent": {"analytics": false}})),
        friction("withheld", json!({"consent": {"forward": false}})),
    ];
    for _ in 0..2 {
        world.finish(&Records::of(1, &bodies).batch()).await;
    }
    assert_eq!(world.counted("acme").await, 2);
    let ids: Vec<String> = world.archived_ids().await.into_iter().collect();
    assert_eq!(ids, ["kept", "withheld"]);
    let report = world.store.ledger(Some(&org("acme")), now()).await.unwrap();
    let row = &report.orgs[0];
    assert_eq!((row.accepted, row.counted, row.suppressed), (3, 3, 2));
    assert_eq!(row.state, Balance::Balanced, "{row:?}");
}

#[tokio::test]
async fn every_dimension_of_an_event_is_counted() {
    let world = World::new().await;
    let own = json!({
        "actorId": ACTOR, "traceComponent": "reasoning",
        "assignment": {"experimentId": "x", "variantId": "b", "assignedAt": now().to_string()},
    });
    world.finish(&Records::of(1, [event("e.1", own)]).batch()).await;
    let cells = world.cells("acme").await;
    for dimension in
        ["all", "type ui.click", "pillar reasoning", "screen /orders/{id}", "variant x b"]
    {
        assert_eq!(cells.get(dimension), Some(&1), "{dimension} in {cells:?}");
    }
}

#[tokio::test]
async fn what_is_known_about_an_actor_is_merged_and_counted() {
    let world = World::new().await;
    assign(&world).await;
    let bodies = [
        event("known", json!({"actorId": ACTOR})),
        event("unknown", json!({"actorId": "u1.3.10000000000000000000000000"})),
        event("nobody", json!({})),
    ];
    world.finish(&Records::of(1, bodies).batch()).await;
    let archived = world.archived().await;
    let assignment = archived[0].assignment.as_ref().unwrap();
    assert_eq!(assignment.experiment_id, "exp");
    assert_eq!(assignment.time_since_assignment, Some(DAY_MS));
    assert!(archived[1].assignment.is_none() && archived[2].assignment.is_none());
    assert_eq!(world.cells("acme").await.get("variant exp b"), Some(&1));
    assert_eq!(world.plan.calls("reference.assignments"), 1, "one look-up for the batch");
}

#[tokio::test]
async fn without_the_reference_events_go_on_as_they_are() {
    for fault in [Fault::Before, Fault::Permanent] {
        let world = World::new().await;
        assign(&world).await;
        world.plan.arrange("reference.assignments", [fault]);
        world.finish(&Records::of(1, [event("e.1", json!({"actorId": ACTOR}))]).batch()).await;
        assert_eq!(world.counted("acme").await, 1);
        assert!(world.archived().await[0].assignment.is_none());
    }
}

#[tokio::test]
async fn a_severe_event_nudges_its_organisation_once_in_half_a_minute() {
    let world = World::new().await;
    let bodies = [
        friction("mild", json!({"severity": 3, "orgId": "beta"})),
        friction("severe", json!({"severity": 4})),
        friction("severe.2", json!({"severity": 5})),
        friction(
            "withheld",
            json!({"orgId": "beta", "severity": 5, "consent": {"forward": false}}),
        ),
        event("elsewhere", json!({"orgId": "beta", "severity": 5})),
    ];
    world.finish(&Records::of(1, &bodies).batch()).await;
    let heard = nudges(&world).await;
    assert_eq!(heard.len(), 1);
    let (id, at) = &heard[0];
    assert_eq!(*at, now());
    assert_eq!(id, &format!("org.urgent/acme/{}", now().ms() / 30_000));

    world.finish(&Records::of(9, &bodies).batch()).await;
    world.finish(&Records::of(20, [friction("severe.3", json!({"severity": 4}))]).batch()).await;
    assert_eq!(nudges(&world).await, heard, "the same half minute, the same id");
}

#[tokio::test]
async fn a_severe_event_that_comes_again_later_nudges_nobody() {
    let world = World::new().await;
    let severe = [friction("severe", json!({"severity": 5}))];
    world.finish(&Records::of(1, &severe).batch()).await;
    let mut again = Records::of(2, &severe);
    again.0[0].arrived_at = now().plus_ms(600_000);
    world.finish(&again.batch()).await;
    assert_eq!(nudges(&world).await.len(), 1);
}

#[tokio::test]
async fn nobody_asks_about_an_actor_who_did_not_agree() {
    let world = World::new().await;
    let refused = json!({"actorId": ACTOR, "consent": {"analytics": false}});
    world.finish(&Records::of(1, [event("e.1", refused)]).batch()).await;
    assert_eq!(world.plan.calls("reference.assignments"), 0);
}

#[tokio::test]
async fn a_nudge_that_fails_fails_nothing_else() {
    let world = World::new().await;
    world.plan.arrange("bus.publish", [Fault::Permanent]);
    world.finish(&Records::of(1, [friction("severe", json!({"severity": 5}))]).batch()).await;
    assert_eq!(nudges(&world).await, []);
    assert_eq!(world.counted("acme").await, 1);
}

/// What a batch says of itself is numbers and codes: no id of an event, no actor, nothing of a body.
#[test]
fn an_archived_line_tells_copies_apart_and_nothing_else_is_added() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let world = World::new().await;
        let one = event("e.1", json!({}));
        world.finish(&Records::of(1, [&one, &one]).batch()).await;
        let mut archived = world.archived().await;
        let records: Vec<_> =
            archived.iter_mut().map(|event| event.record.take().unwrap().sequence).collect();
        assert_eq!(records, ["1", "2"]);
        assert_eq!(archived[0], archived[1]);
        let mut line = serde_json::to_value(&archived[0]).unwrap();
        line.as_object_mut().unwrap().remove("ck");
        assert_eq!(line, serde_json::from_slice::<Value>(&one).unwrap());
    });
}

fn friction(id: &str, mut changes: Value) -> Vec<u8> {
    changes["eventType"] = json!("friction.challenge");
    changes["traceComponent"] = json!("reasoning");
    event(id, changes)
}

async fn assign(world: &World) {
    let subject =
        Subject { org: org("acme"), product: "shop".parse().unwrap(), actor: ACTOR.to_owned() };
    let assignment = Assignment {
        experiment_id: "exp".to_owned(),
        variant_id: "b".to_owned(),
        assigned_at: now().plus_ms(-3_600_000 - DAY_MS),
        time_since_assignment: None,
    };
    world.store.assign(&[(subject, assignment)]).await.unwrap();
}

async fn nudges(world: &World) -> Vec<(String, Timestamp)> {
    let all = world.store.announcements(0, 100).await.unwrap();
    let nudges = all.into_iter().map(|(_, announcement)| announcement);
    let nudges = nudges.filter(|announcement| announcement.kind == AnnouncementKind::OrgUrgent);
    nudges.map(|announcement| (announcement.id, announcement.at)).collect()
}
