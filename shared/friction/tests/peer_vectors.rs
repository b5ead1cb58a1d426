//! What the tests of others expect of their detectors, asked of ours under their configuration, as far as a server can see it.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::indexing_slicing, reason = "a vector has the documented form")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use contract::{Event, ProductId, Timestamp, incident::Rule};
use friction::{
    detect::{Ending, Finding, detect},
    rules::{RuleSet, presets},
};
use serde_json::{Value, json};

#[test]
fn rage_clicks_fire_where_posthog_fires() {
    let Some(vectors) = vectors("posthog-rageclick.json") else { return };
    for vector in &vectors {
        let set = configured(&vector["config"]);
        let events = events(vector);
        let findings = found(&events, &set, Ending::Closed, Rule::RageClick);
        let rules = set.for_product(&ProductId::default());
        let fires = |at: &Event| {
            // They fire at the click that completes a burst; we name the burst with all its clicks.
            let completes = |finding: &Finding| {
                finding.event_ids.get(rules.thresholds.rage_click.min_clicks - 1)
                    == Some(&at.event_id)
            };
            findings.iter().any(completes)
        };
        let fired: Vec<bool> = events.iter().map(fires).collect();
        assert_eq!(json!(fired), vector["expected"]["rage_at_event"], "{}", vector["name"]);
    }
    assert_eq!(vectors.len(), 14);
}

#[test]
fn dead_clicks_are_dead_where_posthog_says_so() {
    let Some(vectors) = vectors("posthog-deadclick.json") else { return };
    let (seen, unseen): (Vec<_>, Vec<_>) = vectors.iter().partition(|vector| is_seen(vector));
    for vector in &seen {
        let events = events(vector);
        let dead = |ending| found(&events, &presets::posthog(), ending, Rule::DeadClick).len();
        let expected = &vector["expected"];
        let closed = dead(Ending::Closed);
        let (name, verdict) = (&vector["name"], expected["verdict"].as_str());
        if let Some(verdict) = verdict {
            let now = Timestamp::from_ms(vector["checked_at_ms"].as_i64().unwrap());
            let verdict_here = match (dead(Ending::Open { now }), closed) {
                (0, 0) => "alive",
                (0, _) => "pending",
                _ => "dead",
            };
            assert_eq!(verdict_here, verdict, "{name}");
        } else if let Some(candidate) = expected["candidate"].as_bool() {
            assert_eq!(closed == 1, candidate, "{name}");
        } else {
            assert_eq!(json!(closed), expected["candidates"], "{name}");
        }
    }
    // Two with a change of the page, two with one of the selection, four with a modifier key: only a client knows.
    assert_eq!((seen.len(), unseen.len()), (27, 8));
}

fn is_seen(vector: &Value) -> bool {
    vector["events"].as_array().unwrap().iter().all(|event| {
        let kind = event["type"].as_str().unwrap();
        !matches!(kind, "mutation" | "selectionchange") && event.get("modifier").is_none()
    })
}

fn found(events: &[Event], set: &RuleSet, ending: Ending, rule: Rule) -> Vec<Finding> {
    let rules = set.for_product(&ProductId::default());
    detect(events, &rules, ending).into_iter().filter(|finding| finding.rule == rule).collect()
}

/// PostHog's rules with a vector's settings. They say "under", we say "at most".
fn configured(config: &Value) -> RuleSet {
    let under = |ms: &Value| ms.as_i64().map(|ms| ms - 1);
    let settings = [
        ("minClicks", config.get("click_count").cloned()),
        ("gapMs", config.get("timeout_ms").and_then(under).map(Value::from)),
        ("distancePx", config.get("threshold_px").cloned()),
        ("enabled", config.get("disabled").map(|disabled| json!(disabled != &json!(true)))),
    ];
    let said = settings.into_iter().filter_map(|(name, value)| Some((name, value?)));
    said.fold(presets::posthog(), |set, (name, value)| {
        set.with(Rule::RageClick, &format!("{name}={value}")).unwrap()
    })
}

fn events(vector: &Value) -> Vec<Event> {
    let steps = vector["events"].as_array().unwrap();
    steps.iter().enumerate().map(|(at, step)| event(at, step)).collect()
}

fn event(at: usize, step: &Value) -> Event {
    let kind = match step["type"].as_str().unwrap() {
        "click" => "ui.click",
        "scroll" => "ui.scroll",
        "visibilitychange" | "focus" | "blur" => "ui.focus_change",
        other => panic!("nothing that a server sees: {other}"),
    };
    let element = json!({
        "key": step["element"].as_str().unwrap_or("body"), "kind": step["element"],
        "x": step["x"], "y": step["y"],
    });
    serde_json::from_value(json!({
        "eventId": format!("e{at:03}"),
        "eventType": kind,
        "occurredAt": Timestamp::from_ms(step["t_ms"].as_i64().unwrap()),
        "orgId": "acme",
        "element": (kind == "ui.click").then_some(element),
    }))
    .unwrap()
}

fn vectors(name: &str) -> Option<Vec<Value>> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("TRIBOMETER_DATA").map_or_else(beside, PathBuf::from);
    let Ok(text) = fs::read_to_string(folder.join("vectors").join(name)) else {
        eprintln!("skipped: there is no vectors/{name} in the recorded data");
        return None;
    };
    let mut file: Value = serde_json::from_str(&text).unwrap();
    Some(serde_json::from_value(file["vectors"].take()).unwrap())
}
