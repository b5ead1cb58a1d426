//! The rules of others, as configurations of ours. Where they only differ in what a server cannot see, ours hold.

use contract::incident::Rule;
use serde_json::{Value, json};

use super::{BTreeMap, Layer, Matcher, Overrides, RuleSet};

/// PostHog: 3 clicks, each less than 1,000 ms after and less than 30 px (|Δx| + |Δy|) from the one before. A dead click is one
/// that nothing answers in less than 2,500 ms, on anything but links; what changes the page without an event is not seen.
#[must_use]
pub fn posthog() -> RuleSet {
    let not_candidates = ["a", "a>*", "html", "#text", "*ph_no_deadclick", "*ph_no_capture"];
    preset(&[
        (
            Rule::RageClick,
            json!({
                "minClicks": 3, "gapMs": 999, "spanMs": NO_SPAN_MS,
                "metric": "manhattan", "distancePx": 30, "distanceBound": "below", "ignore": [],
            }),
        ),
        (
            Rule::DeadClick,
            json!({
                "responseMs": 2_499, "scrollMs": 99, "focusMs": 1_000, "repeatMs": 999,
                "interactive": [{ "kind": "*" }],
                "ignore": not_candidates.map(|kind| json!({ "kind": kind })),
            }),
        ),
    ])
}

/// Datadog: clicks less than 1,000 ms after and at most 100 px from the one before, 3 of them within 1,000 ms.
#[must_use]
pub fn datadog() -> RuleSet {
    preset(&[(
        Rule::RageClick,
        json!({
            "minClicks": 3, "gapMs": 999, "spanMs": 1_000,
            "metric": "euclidean", "distancePx": 100, "distanceBound": "atMost", "ignore": [],
        }),
    )])
}

fn preset(rules: &[(Rule, Value)]) -> RuleSet {
    let settings = |(rule, value): &(Rule, Value)| Some((*rule, value.as_object()?.clone()));
    let layer = Layer {
        rules: rules.iter().filter_map(settings).collect(),
        // Nothing takes more or fewer clicks than anything else.
        elements: vec![(vec![Matcher::key("*")], Overrides::new())],
        ..Layer::default()
    };
    RuleSet { version: PRESET_VERSION, layer, products: BTreeMap::new() }
}

const NO_SPAN_MS: i64 = 600_000;
const PRESET_VERSION: u32 = 2;
