//! Rage clicks in recorded presses, under the rules of others: as many as independent readings of those rules find.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use contract::{Event, ProductId, Timestamp, incident::Rule};
use friction::{
    detect::{Ending, detect},
    rules::{RuleSet, Rules, presets},
};
use suite::recorded::{Dataset, WINDOW_DAYS, Window};

#[test]
fn recorded_presses_hold_the_rage_clicks_that_others_count() {
    let Some(sessions) = sessions() else { return };
    assert_eq!(sessions.len(), 65);
    assert_eq!(rage_clicks(&sessions, &presets::posthog()), 1_689);
    assert_eq!(rage_clicks(&sessions, &presets::datadog()), 1_313);
}

fn rage_clicks(sessions: &BTreeMap<String, Vec<Event>>, rules: &RuleSet) -> usize {
    let rules: Rules = rules.for_product(&ProductId::default());
    let findings = sessions.values().flat_map(|events| detect(events, &rules, Ending::Closed));
    findings.filter(|finding| finding.rule == Rule::RageClick).count()
}

/// Each recorded session's events, in order; nothing when nobody has put the recorded data there.
fn sessions() -> Option<BTreeMap<String, Vec<Event>>> {
    let anchor = Timestamp::parse("2026-02-01T00:00:00Z").unwrap();
    let window = Window::before(anchor, WINDOW_DAYS);
    let conversion = Dataset::Balabit.convert(&data()?, &window).unwrap();
    let mut sessions: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for line in &conversion.lines {
        let event: Event = serde_json::from_str(line).unwrap();
        sessions.entry(event.session_id.clone().unwrap()).or_default().push(event);
    }
    for events in sessions.values_mut() {
        events.sort_by(|a, b| (a.occurred_at, &a.event_id).cmp(&(b.occurred_at, &b.event_id)));
    }
    Some(sessions)
}

fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("TRIBOMETER_DATA").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        eprintln!("skipped: there is no recorded data at ../shared/data");
        return None;
    }
    Some(folder)
}
