//! Overview, hotspots, pillars, flows: each number against the sessions it is made of.

use serde_json::{Value, json};

use crate::world::{Visit, World, events, strangers};

const OVERVIEW: &str = "/v1/insights/overview";
const HOTSPOTS: &str = "/v1/insights/hotspots";

/// Thirty people who buy in each of two weeks; in the second one another ten whom the till drives mad.
async fn two_weeks() -> World {
    let world = World::open().await;
    let calm = |days| (0..30).map(move |actor| Visit::of(actor, days).buys());
    world.take(events(calm(8))).await;
    world.take(events(calm(1))).await;
    world.take(events((100..110).map(|actor| Visit::of(actor, 1).rages()))).await;
    world.close().await;
    world
}

fn mean(values: &[f64]) -> f64 {
    let count = u32::try_from(values.len()).unwrap();
    values.iter().sum::<f64>() / f64::from(count)
}

fn assert_near(told: &Value, expected: f64) {
    let told = told.as_f64().unwrap();
    assert!((told - expected).abs() < 2e-6, "{told} for {expected}");
}

#[tokio::test]
async fn nothing_is_empty_and_no_number_is_invented() {
    let world = World::open().await;
    let told = world.ask(OVERVIEW, "").await;
    assert_eq!((&told["sessions"], &told["suppressed"]), (&json!(0), &json!(0)));
    for absent in ["frictionIndex", "efficiencyScore", "previous", "noteOfTheDay"] {
        assert_eq!(told.get(absent), None, "{absent}");
    }
    assert_eq!(
        (&told["from"], &told["to"]),
        (&json!("2025-10-03T00:00:00.000Z"), &json!("2025-10-10T00:00:00.000Z"))
    );
    assert_eq!(told["asOf"], "2025-10-09T08:53:20.000Z");
    for (path, list) in [
        (HOTSPOTS, "hotspots"),
        ("/v1/insights/trace", "pillars"),
        ("/v1/flows/top", "flows"),
        ("/v1/flows/graph", "edges"),
        ("/v1/flows/unusual", "sessions"),
        ("/v1/sessions", "sessions"),
        ("/v1/incidents", "incidents"),
    ] {
        assert_eq!(world.ask(path, "").await[list], json!([]), "{path}");
    }
}

#[tokio::test]
async fn an_overview_says_what_its_sessions_say() {
    let world = two_weeks().await;
    let told = world.ask(OVERVIEW, "").await;
    let listed = world.ask("/v1/sessions", "limit=200").await;
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!((sessions.len(), &told["sessions"]), (40, &json!(40)));
    let scores = |part: &str| -> Vec<f64> {
        sessions.iter().filter_map(|session| session[part]["score"].as_f64()).collect()
    };
    let sum = |name: &str| -> i64 {
        sessions.iter().map(|session| session["metrics"][name].as_i64().unwrap_or(0)).sum()
    };
    assert_near(&told["frictionIndex"], mean(&scores("frustration")));
    assert_near(&told["efficiencyScore"], mean(&scores("efficiency")));
    assert_eq!(told["efficiencySessions"], scores("efficiency").len());
    assert_eq!(
        (&told["events"], &told["activeMs"]),
        (&json!(sum("events")), &json!(sum("activeMs")))
    );
    let p90 = told["frictionP90"].as_f64().unwrap();
    let below = scores("frustration").iter().filter(|score| **score <= p90).count();
    assert!(
        below >= 36
            && scores("frustration").iter().filter(|score| **score <= p90 - 0.05).count() < 36
    );
    let incidents = world.ask("/v1/incidents", "limit=200").await;
    assert_eq!(told["incidents"], incidents["incidents"].as_array().unwrap().len());
    let parts: Vec<f64> = told["contributions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["points"].as_f64().unwrap())
        .collect();
    assert!((parts.iter().sum::<f64>() - told["frictionIndex"].as_f64().unwrap()).abs() < 1e-4);
    assert_eq!(
        (&told["models"], &told["thresholds"]["actorsMin"]),
        (&json!(["fr-1", "ef-1"]), &json!(5.0))
    );
}

#[tokio::test]
async fn what_changed_is_told_with_both_values() {
    let world = two_weeks().await;
    let told = world.ask(OVERVIEW, "").await;
    let (index, previous) = (&told["frictionIndex"], &told["previous"]);
    assert_eq!((&previous["sessions"], &previous["frictionIndex"]), (&json!(30), &json!(0.0)));
    assert_eq!(
        (&previous["to"], &previous["from"]),
        (&told["from"], &json!("2025-09-26T00:00:00.000Z"))
    );
    let note = &told["noteOfTheDay"];
    let largest = &told["contributions"][0];
    assert_eq!((&note["signal"], &note["points"]), (&largest["signal"], &largest["points"]));
    assert_eq!((&note["previousPoints"], &note["trend"]), (&json!(0.0), &json!("up")));
    assert!(note["text"].as_str().unwrap().starts_with(largest["signal"].as_str().unwrap()));
    assert!(index.as_f64().unwrap() > 0.05);
    let hotspot = &told["topHotspots"][0];
    assert_eq!((&hotspot["screenId"], &hotspot["trend"]), (&json!("/pay"), &json!("up")));
    assert_eq!(hotspot["impactSessions"], 40);
}

#[tokio::test]
async fn hotspots_are_what_hurt_on_them_and_small_screens_are_counted() {
    let world = two_weeks().await;
    let told = world.ask(HOTSPOTS, "").await;
    let screens = told["hotspots"].as_array().unwrap();
    let named: Vec<&str> =
        screens.iter().map(|screen| screen["screenId"].as_str().unwrap()).collect();
    assert_eq!(named, ["/pay", "/home", "/thanks"]);
    let pay = &screens[0];
    assert_eq!((&pay["sessions"], &pay["rageClickRate"]), (&json!(40), &json!(0.25)));
    assert_eq!((&pay["previousFriction"], &pay["previousSessions"]), (&json!(0.0), &json!(30)));
    assert_near(&pay["avgFriction"], pay["impact"].as_f64().unwrap() / 40.0);
    assert_eq!(screens[2]["dropoffRate"], 1.0);
    let few = world.ask(HOTSPOTS, "minSessions=35").await;
    assert_eq!(few["tooSmall"], 1, "thirty thanked");
    assert_eq!(few["thresholds"]["sessionsMin"], 35.0);
    assert_eq!(few["hotspots"][0].get("trend"), None, "thirty before are too few to say");
    assert_eq!(world.ask(HOTSPOTS, "limit=1").await["hotspots"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn four_people_are_left_out_of_everything_and_counted() {
    let world = World::open().await;
    let people = strangers(5);
    world.take(events(people[..4].iter().map(|actor| Visit::of(*actor, 1).rages()))).await;
    world.close().await;
    let told = world.ask(OVERVIEW, "").await;
    assert_eq!(told.get("sessions"), None);
    assert_eq!((&told["contributions"], &told["tasks"]), (&json!([]), &json!([])));
    assert!(told["suppressed"].as_u64().unwrap() > 3);
    for (path, list) in [
        ("/v1/insights/hotspots?minSessions=1", "hotspots"),
        ("/v1/insights/trace", "pillars"),
        ("/v1/flows/top", "flows"),
        ("/v1/flows/graph", "edges"),
    ] {
        let told = world.ask_at(path.split('?').next().unwrap(), path).await;
        assert_eq!(told[list], json!([]), "{path}");
        assert!(told["suppressed"].as_u64().unwrap() > 0, "{path}");
    }
    world.take(events([Visit::of(people[4], 2).rages()])).await;
    world.close().await;
    let told = world.ask(OVERVIEW, "").await;
    assert_eq!((&told["sessions"], &told["suppressed"]), (&json!(5), &json!(0)));
    assert_eq!(told["tasks"][0]["started"], 5);
    assert_eq!(world.ask(HOTSPOTS, "minSessions=5").await["hotspots"][0]["screenId"], "/pay");
}

#[tokio::test]
async fn pillars_weigh_what_they_caused() {
    let world = two_weeks().await;
    let told = world.ask("/v1/insights/trace", "").await;
    let pillars = told["pillars"].as_array().unwrap();
    let reasoning = pillars.iter().find(|row| row["pillar"] == "reasoning").unwrap();
    assert_eq!((&reasoning["sessions"], &told["source"]), (&json!(10), &json!("local")));
    assert!(reasoning["caused"].as_u64().unwrap() >= 30, "ten overrides of severity 3");
    for row in pillars {
        let number = |name: &str| row[name].as_i64().unwrap();
        assert_eq!(number("netImpact"), number("prevented") - number("caused"));
    }
}

#[tokio::test]
async fn flows_are_ranked_by_what_was_asked_for() {
    let world = two_weeks().await;
    let told = world.ask("/v1/flows/top", "").await;
    let buys = &told["flows"][0];
    assert_eq!(buys["path"], json!(["/home", "/pay", "/thanks"]));
    assert_eq!((&buys["flows"], &buys["completionRate"]), (&json!(30), &json!(1.0)));
    assert_eq!(
        (&buys["label"], &buys["share"], &told["totalFlows"]),
        (&json!("buy"), &json!(0.75), &json!(40))
    );
    let lost = world.ask("/v1/flows/top", "sort=impact&limit=1").await;
    assert_eq!(lost["flows"].as_array().unwrap().len(), 1);
    assert_eq!(lost["flows"][0]["path"], json!(["/home", "/pay"]));
    let graph = world.ask("/v1/flows/graph", "").await;
    let steps: u64 =
        graph["edges"].as_array().unwrap().iter().map(|edge| edge["steps"].as_u64().unwrap()).sum();
    assert_eq!(graph["totalSteps"], steps, "nothing is left out here");
    let one = world.ask("/v1/flows/graph", "limit=1").await;
    assert_eq!(one["beyond"], graph["edges"].as_array().unwrap().len() - 1);
}

#[tokio::test]
async fn a_product_and_a_time_are_all_that_is_counted() {
    let world = two_weeks().await;
    assert_eq!(world.ask(OVERVIEW, "productId=other").await["sessions"], 0);
    assert_eq!(world.ask(OVERVIEW, "productId=default").await["sessions"], 40);
    let both = "from=2025-09-28T12:00:00Z&to=2025-10-09T00:00:01%2B00:00";
    let told = world.ask(OVERVIEW, both).await;
    assert_eq!(
        (&told["sessions"], &told["from"]),
        (&json!(70), &json!("2025-09-28T00:00:00.000Z"))
    );
    assert_eq!(told["to"], "2025-10-10T00:00:00.000Z");
    assert_eq!(world.ask(OVERVIEW, "from=2025-09-28&to=2025-10-10").await, told);
    assert_eq!(world.get(&world.keys.bolt, OVERVIEW).await.json()["sessions"], 0);
}

#[tokio::test]
async fn ninety_two_days_are_answered() {
    let world = two_weeks().await;
    let told = world.ask(OVERVIEW, "from=2025-07-10T00:00:00Z&to=2025-10-10T00:00:00Z").await;
    assert_eq!(told["sessions"], 70);
}
