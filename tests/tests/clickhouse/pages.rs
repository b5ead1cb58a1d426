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

/// What the API and the warehouse were found to say the same of. The API leaves out more than the queries do, so that nobody is
/// found by subtracting: whatever is missing there is among what it says it left out, and each number is there somewhere.
#[derive(Default)]
struct Compared {
    seen: BTreeSet<&'static str>,
    missing: u64,
}

impl Compared {
    /// What two answers say under pairs of names, numbers to the sixth place.
    #[track_caller]
    fn same(&mut self, told: &Value, row: &Value, names: &[(&'static str, &str)]) {
        for (api, column) in names {
            let (left, right) = (&told[api], &row[column]);
            if left.is_null() && !right.is_null() {
                self.missing += 1;
                continue;
            }
            let is_same = match (left.as_f64(), right.as_f64()) {
                (Some(left), Some(right)) => (left - right).abs() < 2e-6,
                _ => left == right,
            };
            assert!(is_same, "{api}: {left}, {column}: {right}\n{told}\n{row}");
            if !left.is_null() {
                self.seen.insert(api);
            }
        }
    }

    /// The same of lists, whose first names say which rows belong together: in one order, and none that only the API tells.
    #[track_caller]
    fn same_lists(&mut self, told: &Value, rows: &[Value], names: &[(&'static str, &str)]) {
        let told = told.as_array().unwrap();
        let (api, column) = names[0];
        let is_told = |row: &&Value| told.iter().any(|told| told[api] == row[column]);
        let both: Vec<&Value> = rows.iter().filter(is_told).collect();
        assert_eq!(told.len(), both.len(), "{told:?}\n{rows:?}");
        self.missing += u64::try_from(rows.len() - both.len()).unwrap();
        told.iter().zip(both).for_each(|(told, row)| self.same(told, row, names));
    }

    /// Nothing is missing that the answer does not say is left out.
    #[track_caller]
    fn settle(&mut self, told: &Value) {
        let left_out = told["suppressed"].as_u64().unwrap();
        assert!(self.missing <= left_out, "{} are missing in {told}", self.missing);
        self.missing = 0;
    }
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
    let mut compared = Compared::default();
    for (about, asked) in periods() {
        overview(&mut compared, (&world, &engine), about, &asked).await;
        hotspots(&mut compared, (&world, &engine), about, &asked).await;
        let told = world.ask(&format!("/v1/insights/trace?{asked}")).await;
        let mut pillars = told["pillars"].as_array().unwrap().clone();
        pillars.sort_by_key(|row| row["pillar"].to_string());
        compared.same_lists(&json!(pillars), &engine.query("trace", about).await, PILLARS);
        compared.settle(&told);
        flows(&mut compared, (&world, &engine), about, &asked).await;
        lists(&world, &engine, about, &asked).await;
    }
    for names in [TOTALS, SIGNALS, TASKS, SCREENS, PILLARS, FLOWS, STOPS, STEPS] {
        for (name, _) in names {
            assert!(compared.seen.contains(name), "{name} was never told: nothing was compared");
        }
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

async fn overview(
    compared: &mut Compared,
    (world, engine): (&World, &Engine),
    about: About,
    asked: &str,
) {
    let told = world.ask(&format!("/v1/insights/overview?{asked}")).await;
    let rows = engine.query("overview", about).await;
    compared.same(&told, &rows[0], TOTALS);
    assert_eq!(told["previous"].is_object(), rows.len() == 2);
    if let Some(previous) = rows.get(1) {
        compared.same(&told["previous"], previous, TOTALS);
    }
    let parts = engine.query("signals", about).await;
    let hurting: Vec<_> = parts.iter().filter(|row| row["points"] != json!(0)).cloned().collect();
    compared.same_lists(&told["contributions"], &hurting, SIGNALS);
    let rules = |rows: &[Value], name: &str, number: &str| -> BTreeMap<String, u64> {
        let pair =
            |row: &Value| (row[name].as_str().unwrap().to_owned(), row[number].as_u64().unwrap());
        rows.iter().map(pair).filter(|(_, incidents)| *incidents > 0).collect()
    };
    let by_rule = rules(told["incidentsByRule"].as_array().unwrap(), "rule", "incidents");
    let mut seen = rules(&parts, "signal", "incidents");
    seen.retain(|rule, _| by_rule.contains_key(rule));
    assert_eq!(by_rule, seen);
    compared.same_lists(&told["tasks"], &engine.query("tasks", about).await, TASKS);
    compared.settle(&told);
}

async fn hotspots(
    compared: &mut Compared,
    (world, engine): (&World, &Engine),
    about: About,
    asked: &str,
) {
    let told = world.ask(&format!("/v1/insights/hotspots?{asked}&limit=100")).await;
    let rows = engine.query("hotspots", about).await;
    assert!(!rows.is_empty());
    compared.same_lists(&told["hotspots"], &rows, SCREENS);
    compared.settle(&told);
}

async fn flows(
    compared: &mut Compared,
    (world, engine): (&World, &Engine),
    about: About,
    asked: &str,
) {
    let told = world.ask(&format!("/v1/flows/top?{asked}&limit=100")).await;
    let rows = engine.query_with("flows_top", about, &[("limit", "100")]).await;
    assert!(!rows.is_empty() && told["flows"][0]["dropoff"].is_array(), "{told}");
    compared.same_lists(&told["flows"], &rows, FLOWS);
    for flow in told["flows"].as_array().unwrap() {
        let id = flow["id"].as_str().unwrap();
        let stops = engine.query_with("flow_dropoff", about, &[("flow", id)]).await;
        let own = flow["dropoff"].as_array().unwrap();
        assert_eq!(own.len(), stops.len());
        own.iter().zip(&stops).for_each(|(told, row)| compared.same(told, row, STOPS));
    }
    // An absent completion rate is said once, and is missing in the impact as well.
    compared.missing -= told["flows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|flow| flow["impact"].is_null())
        .map(|_| 1)
        .sum::<u64>();
    compared.settle(&told);
    let told = world.ask(&format!("/v1/flows/graph?{asked}&limit=500")).await;
    let rows = engine.query("flow_graph", about).await;
    assert!(!told["edges"].as_array().unwrap().is_empty());
    // The API leaves out the steps that mostly go the other way.
    for edge in told["edges"].as_array().unwrap() {
        let is_it =
            |row: &&Value| row["screen_from"] == edge["from"] && row["screen_to"] == edge["to"];
        let before = compared.missing;
        compared.same(edge, rows.iter().find(is_it).unwrap(), STEPS);
        // How often and in how many sessions is one thing that is left out.
        compared.missing = before + (compared.missing - before).min(2);
    }
    compared.settle(&told);
}

const SIGNALS: &[(&str, &str)] =
    &[("signal", "signal"), ("points", "points"), ("share", "share"), ("sessions", "sessions")];
const TASKS: &[(&str, &str)] = &[
    ("task", "task"),
    ("sessions", "sessions"),
    ("started", "started"),
    ("completed", "completed"),
    ("cancelled", "cancelled"),
    ("abandoned", "abandoned"),
    ("completionRate", "completion_rate"),
];
const PILLARS: &[(&str, &str)] = &[
    ("pillar", "pillar"),
    ("sessions", "sessions"),
    ("caused", "caused"),
    ("prevented", "prevented"),
    ("netImpact", "net_impact"),
];
const SCREENS: &[(&str, &str)] = &[
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
const FLOWS: &[(&str, &str)] = &[
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
const STOPS: &[(&str, &str)] = &[("screen", "screen"), ("flows", "flows"), ("rate", "rate")];
const STEPS: &[(&str, &str)] = &[
    ("steps", "steps"),
    ("sessions", "sessions"),
    ("dependency", "dependency"),
    ("avgGapSec", "avg_gap_sec"),
    ("avgFriction", "avg_friction"),
];

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
