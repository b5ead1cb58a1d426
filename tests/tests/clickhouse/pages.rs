//! The queries of the insights pages against the insights API.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use warehouse::Outcome;

use crate::{
    engine::{About, Engine},
    people::{World, day, events, queue, stream},
};

/// Both sides of the same events.
async fn both() -> (World, Engine, Vec<contract::Event>) {
    let (world, engine, events) = (World::open().await, Engine::start().await, events(40, 11));
    world.live(&events, 5).await;
    let sink = engine.sink();
    let taken = sink.handle(&stream(&events)).await.unwrap();
    assert_eq!(taken.outcome, Outcome::Done);
    let taken = sink.handle(&queue(&world.announced().await)).await.unwrap();
    assert_eq!((taken.outcome, &*taken.answer), (Outcome::Done, r#"{"batchItemFailures":[]}"#));
    (world, engine, events)
}

/// The last three days, so that there is a period before; of one product and of all.
fn periods() -> [(About, String); 3] {
    [("", 3), ("shop", 3), ("", 6)].map(|(product, ago)| {
        let about = About { product, from: day(ago), to: day(0) };
        let product = if product.is_empty() { "" } else { "&productId=shop" };
        (about, format!("from={}T00:00:00Z&to={}T00:00:00Z{product}", about.from, about.to))
    })
}

/// What two answers say under pairs of names, numbers to the sixth place.
#[track_caller]
fn assert_same(told: &Value, row: &Value, names: &[(&str, &str)]) {
    for (api, column) in names {
        let (left, right) = (&told[api], &row[column]);
        let is_same = match (left.as_f64(), right.as_f64()) {
            (Some(left), Some(right)) => (left - right).abs() < 2e-6,
            _ => left == right,
        };
        assert!(is_same, "{api}: {left}, {column}: {right}\n{told}\n{row}");
    }
}

#[track_caller]
fn assert_same_lists(told: &Value, rows: &[Value], names: &[(&str, &str)]) {
    let told = told.as_array().unwrap();
    assert_eq!(told.len(), rows.len(), "{told:?}\n{rows:?}");
    told.iter().zip(rows).for_each(|(told, row)| assert_same(told, row, names));
}

const TOTALS: &[(&str, &str)] = &[
    ("sessions", "sessions"),
    ("events", "events"),
    ("incidents", "incidents"),
    ("activeMs", "active_ms"),
    ("durationMs", "duration_ms"),
    ("frictionIndex", "friction_index"),
    ("frictionP90", "friction_p90"),
    ("frictionRate", "friction_rate"),
    ("frustratedShare", "frustrated_share"),
    ("efficiencyScore", "efficiency_score"),
    ("efficiencySessions", "efficiency_sessions"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_page_says_the_same_over_the_warehouse() {
    let (world, engine, events) = both().await;
    for (about, asked) in periods() {
        let told = world.ask(&format!("/v1/insights/overview?{asked}")).await;
        let rows = engine.query("overview", about).await;
        assert_same(&told, &rows[0], TOTALS);
        assert_eq!(told["previous"].is_object(), rows.len() == 2);
        if let Some(previous) = rows.get(1) {
            assert_same(&told["previous"], previous, TOTALS);
        }
        let parts = engine.query("signals", about).await;
        let names = [
            ("signal", "signal"),
            ("points", "points"),
            ("share", "share"),
            ("sessions", "sessions"),
        ];
        let hurting: Vec<_> =
            parts.iter().filter(|row| row["points"] != json!(0)).cloned().collect();
        assert_same_lists(&told["contributions"], &hurting, &names);
        let rules = |rows: &[Value], name: &str, number: &str| -> BTreeMap<String, u64> {
            let pair = |row: &Value| {
                (row[name].as_str().unwrap().to_owned(), row[number].as_u64().unwrap())
            };
            rows.iter().map(pair).filter(|(_, incidents)| *incidents > 0).collect()
        };
        let by_rule = told["incidentsByRule"].as_array().unwrap();
        assert_eq!(rules(by_rule, "rule", "incidents"), rules(&parts, "signal", "incidents"));
        let names = ["task", "sessions", "started", "completed", "cancelled", "abandoned"];
        let names: Vec<_> = names
            .map(|name| (name, name))
            .into_iter()
            .chain([("completionRate", "completion_rate")])
            .collect();
        assert_same_lists(&told["tasks"], &engine.query("tasks", about).await, &names);
        hotspots(&world, &engine, about, &asked).await;
        let told = world.ask(&format!("/v1/insights/trace?{asked}")).await;
        let names = [
            ("pillar", "pillar"),
            ("sessions", "sessions"),
            ("caused", "caused"),
            ("prevented", "prevented"),
            ("netImpact", "net_impact"),
        ];
        let mut pillars = told["pillars"].as_array().unwrap().clone();
        pillars.sort_by_key(|row| row["pillar"].to_string());
        assert_same_lists(&json!(pillars), &engine.query("trace", about).await, &names);
        flows(&world, &engine, about, &asked).await;
        lists(&world, &engine, about, &asked).await;
    }
    let about = About { product: "", from: day(6), to: day(0) };
    let counted: u64 = engine
        .query("events_by_type", about)
        .await
        .iter()
        .map(|row| row["events"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, u64::try_from(events.len()).unwrap());
    let books = engine.query("reconciliation", about).await;
    let sum = |name: &str| books.iter().map(|row| row[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("events"), counted);
    assert_eq!(sum("session_events"), counted, "every event is in a closed session");
    assert_eq!((sum("incidents_not_announced"), sum("incidents_in_no_closed_session")), (0, 0));
    assert!(sum("superseded") > 0 && sum("incidents") > 0, "{books:?}");
}

async fn hotspots(world: &World, engine: &Engine, about: About, asked: &str) {
    let told = world.ask(&format!("/v1/insights/hotspots?{asked}&limit=100")).await;
    let rows = engine.query("hotspots", about).await;
    let names = [
        ("screenId", "screen"),
        ("sessions", "sessions"),
        ("avgFriction", "avg_friction"),
        ("impact", "impact"),
        ("avgEfficiency", "avg_efficiency"),
        ("rageClickRate", "rage_click_rate"),
        ("dropoffRate", "dropoff_rate"),
        ("incidents", "incidents"),
        ("avgTimeSpentMs", "avg_time_spent_ms"),
        ("trend", "trend"),
        ("previousFriction", "previous_friction"),
        ("previousSessions", "previous_sessions"),
    ];
    assert!(!rows.is_empty());
    assert_same_lists(&told["hotspots"], &rows, &names);
}

async fn flows(world: &World, engine: &Engine, about: About, asked: &str) {
    let told = world.ask(&format!("/v1/flows/top?{asked}&limit=100")).await;
    let rows = engine.query_with("flows_top", about, &[("limit", "100")]).await;
    let names = [
        ("id", "flow_id"),
        ("path", "path"),
        ("flows", "flows"),
        ("sessions", "sessions"),
        ("share", "share"),
        ("completionRate", "completion_rate"),
        ("avgFriction", "avg_friction"),
        ("avgDurationSec", "avg_duration_sec"),
        ("impact", "impact"),
    ];
    assert!(!rows.is_empty() && told["flows"][0]["dropoff"].is_array(), "{told}");
    assert_same_lists(&told["flows"], &rows, &names);
    for flow in told["flows"].as_array().unwrap() {
        let id = flow["id"].as_str().unwrap();
        let stops = engine.query_with("flow_dropoff", about, &[("flow", id)]).await;
        let names = [("screen", "screen"), ("flows", "flows"), ("rate", "rate")];
        assert_same_lists(&flow["dropoff"], &stops, &names);
    }
    let told = world.ask(&format!("/v1/flows/graph?{asked}&limit=500")).await;
    let rows = engine.query("flow_graph", about).await;
    assert!(!told["edges"].as_array().unwrap().is_empty());
    // The API leaves out the steps that mostly go the other way.
    for edge in told["edges"].as_array().unwrap() {
        let is_it =
            |row: &&Value| row["screen_from"] == edge["from"] && row["screen_to"] == edge["to"];
        let names = [
            ("steps", "steps"),
            ("sessions", "sessions"),
            ("dependency", "dependency"),
            ("avgGapSec", "avg_gap_sec"),
            ("avgFriction", "avg_friction"),
        ];
        assert_same(edge, rows.iter().find(is_it).unwrap(), &names);
    }
}

async fn lists(world: &World, engine: &Engine, about: About, asked: &str) {
    for (path, list, query, id) in [
        ("/v1/sessions", "sessions", "sessions", ("sessionId", "session_id")),
        ("/v1/incidents", "incidents", "incidents", ("incidentId", "incident_id")),
    ] {
        let mut told = BTreeSet::new();
        let mut cursor = String::new();
        loop {
            let page = world.ask(&format!("{path}?{asked}&limit=100{cursor}")).await;
            told.extend(page[list].as_array().unwrap().iter().map(|row| row[id.0].to_string()));
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let rows = engine.query(query, about).await;
        assert_eq!(
            rows.iter().map(|row| row[id.1].to_string()).collect::<BTreeSet<_>>(),
            told,
            "{path}"
        );
        assert_eq!(rows.len(), told.len(), "each once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_fewer_than_five_are_behind_is_told() {
    let (world, engine) = (World::open().await, Engine::start().await);
    let few = events(4, 3);
    world.live(&few, 1).await;
    engine.sink().handle(&queue(&world.announced().await)).await.unwrap();
    let about = About { product: "", from: day(6), to: day(0) };
    for name in ["overview", "signals", "tasks", "hotspots", "trace", "flows_top", "flow_graph"] {
        let rows = engine.query_with(name, about, &[("sessions_min", "1")]).await;
        assert_eq!(rows, Vec::<Value>::new(), "{name}");
    }
    assert!(!engine.query("sessions", about).await.is_empty());
}
