//! Sessions and incidents.

use contract::{OrgId, ProductId};
use friction::{
    change::Head,
    owner::Owner,
    policy::SessionPolicy,
    reconcile::{Work, reading},
    rules::Rules,
};
use ports::{steps::complete, warehouse::Table};
use serde_json::{Value, json};

use crate::world::{NOW, World, event, queue};

const DONE: &str = r#"{"batchItemFailures":[]}"#;

/// The announcements of a sweep over `events`, where nothing is stored yet, as (kind, detail).
fn announced(events: &[Value]) -> Vec<(String, Value)> {
    let owner = Owner {
        org: OrgId::parse("acme").unwrap(),
        product: ProductId::default(),
        token: "s1.1.bbbb".to_owned(),
    };
    let read = |event: &Value| serde_json::from_value::<contract::Event>(event.clone()).unwrap();
    let events: Vec<_> = events.iter().map(read).collect();
    let (policy, now) =
        (SessionPolicy::whole_horizon(), contract::Timestamp::from_ms(NOW + 9_000_000));
    let from = events.iter().map(|event| event.occurred_at).min().unwrap();
    let head = Head { version: 1, dirty_from: Some(from), due_at: None };
    let reading = reading(from, &[], &policy, now);
    let work = Work::new(owner, &head, reading, (vec![], vec![]), (policy, now));
    let usual = std::collections::BTreeMap::new();
    let sweep = work.decide_all(events, &Rules::default(), &usual).sweep;
    let told = |notice: friction::change::Notice| {
        (notice.kind, serde_json::from_str(&notice.detail).unwrap())
    };
    sweep.notices.into_iter().map(told).collect()
}

/// A session with a task, screens and a burst of clicks.
fn session() -> Vec<(String, Value)> {
    let click = |id: &str, at: i64| {
        let more = json!({ "eventType": "ui.click", "screen": "/pay", "element": { "key": "go", "x": 1, "y": 1 } });
        event(id, at, more)
    };
    let task = |id: &str, kind: &str, screen: &str, at: i64| {
        event(id, at, json!({ "eventType": kind, "screen": screen, "task": { "name": "pay" } }))
    };
    let mut events = vec![
        task("t1", "task.started", "/home", 55_000),
        event("n1", 59_000, json!({})),
        event("n2", 50_000, json!({ "screen": "/pay" })),
        task("t2", "task.completed", "/pay", 10_000),
    ];
    events.extend((0..5).map(|at| click(&format!("c{at}"), 40_000 - at * 200)));
    for event in &mut events {
        event["sessionId"] = json!("s1.1.bbbb");
    }
    announced(&events)
}

fn take(world: &World, told: &[(String, Value)]) -> String {
    let messages: Vec<(&str, Value)> =
        told.iter().map(|(kind, detail)| (kind.as_str(), detail.clone())).collect();
    complete(world.sink().handle(&queue(&messages))).unwrap().answer
}

#[test]
fn a_closed_session_is_a_row_with_all_that_it_adds_to_any_sum() {
    let (world, told) = (World::default(), session());
    assert_eq!(take(&world, &told), DONE);
    let only = |name: &str| world.column(Table::Sessions, name).remove(0);
    for (column, expected) in [
        ("state", json!("closed")),
        ("revision", json!(1)),
        ("events", json!(9)),
        ("rage_clicks", json!(1)),
        ("incidents", json!(1)),
        ("screens.screen", json!(["/home", "/pay"])),
        ("screens.rage_sessions", json!([0, 1])),
        ("screens.exits", json!([0, 1])),
        ("tasks.task", json!(["pay"])),
        ("tasks.completed", json!([1])),
        ("flows.task", json!(["pay"])),
        ("flows.path", json!([["/home", "/pay"]])),
        ("steps.from", json!(["/home", "/pay", "^"])),
        ("steps.to", json!(["/pay", "$", "/home"])),
        ("signals.signal", json!(["rage_click"])),
        ("signals.incidents", json!([1])),
    ] {
        assert_eq!(only(column), expected, "{column}");
    }
    assert_eq!(only("signals.friction_micro")[0], only("friction_micro"));
    assert_eq!(only("incident_ids")[0], world.column(Table::Incidents, "incident_id")[0]);
    assert_eq!(world.column(Table::Incidents, "rule"), [json!("rage_click")]);
    assert_eq!(world.column(Table::Incidents, "state"), [json!("found")]);
}

#[test]
fn the_greatest_revision_stays_whichever_comes_last() {
    let told = session();
    let (kind, closed) = told.iter().find(|(kind, _)| kind == "session.closed").unwrap().clone();
    let mut longer = closed.clone();
    longer["revision"] = json!(2);
    longer["session"]["metrics"]["events"] = json!(11);
    let mut gone = closed.clone();
    gone["revision"] = json!(3);
    gone["before"] = gone["session"].take();
    let all = [(kind.clone(), closed), (kind, longer), ("session.superseded".to_owned(), gone)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
        let world = World::default();
        for at in order {
            assert_eq!(take(&world, &all[at..=at]), DONE);
        }
        assert_eq!(world.column(Table::Sessions, "state"), [json!("superseded")]);
        for empty in ["screens.screen", "flows.id", "signals.signal", "incident_ids"] {
            assert_eq!(world.column(Table::Sessions, empty), [json!([])], "{empty}");
        }
        assert_eq!(take(&world, &all[..2]), DONE);
        assert_eq!(world.column(Table::Sessions, "revision"), [json!(3)]);
    }
    let world = World::default();
    assert_eq!(take(&world, &all[..2]), DONE);
    assert_eq!(world.column(Table::Sessions, "events"), [json!(11)]);
}

#[test]
fn an_incident_that_is_none_is_kept_as_taken_back() {
    let told = session();
    let found = told.iter().find(|(kind, _)| kind == "incident.rage_click").unwrap().clone();
    let mut back = found.1.clone();
    back["revision"] = json!(2);
    let back = ("incident.retracted".to_owned(), back);
    for order in [[found.clone(), back.clone()], [back, found]] {
        let world = World::default();
        assert_eq!(take(&world, &order), DONE);
        assert_eq!(world.column(Table::Incidents, "state"), [json!("retracted")]);
    }
}

#[test]
fn what_cannot_be_read_comes_again_alone_and_the_rest_of_the_bus_is_nothing() {
    let (world, mut told) = (World::default(), session());
    told.insert(0, ("session.closed".to_owned(), json!({ "revision": 1 })));
    told.push(("org.urgent".to_owned(), Value::Null));
    told.push(("batch.delivered".to_owned(), json!("B#1")));
    told.push(("something.new".to_owned(), json!({})));
    assert_eq!(take(&world, &told), r#"{"batchItemFailures":[{"itemIdentifier":"m0"}]}"#);
    assert_eq!(world.column(Table::Sessions, "revision"), [json!(1)]);
}

#[test]
fn a_warehouse_that_is_away_gets_every_message_again() {
    let (world, told) = (World::default(), session());
    assert_eq!(told.len(), 2);
    world.change(|held| held.fails_after = vec![2]);
    let again = r#"{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m1"}]}"#;
    assert_eq!(take(&world, &told), again);
    assert_eq!(take(&world, &told), DONE);
    assert_eq!(world.column(Table::Sessions, "revision"), [json!(1)]);
}
