//! Sessions written down for tests: one event a line, `<ms> <what> …`.
//!
//! ```text
//! 0     nav /cart
//! 100   click pay:button @10,20
//! 150   error E42
//! ```
//!
//! A line is on the screen that was opened last. What can happen: `nav SCREEN`, `click KEY[:KIND] [@X,Y]`, `dead KEY`,
//! `error CODE`, `input KEY[:KIND]`, `scroll PERCENT`, `lost`, `back`, `focus`, `custom NAME`, `start|done|cancel TASK[#ID]`,
//! `failed|retry|timeout OPERATION`, `user`, `assistant`, `viewed`, `liked`, `disliked`, and `friction TYPE`.

use contract::{Event, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    detect::{self, Ending, Finding},
    rules::Rules,
};

/// The events of a trace, in order; the n-th line's id is `e` and n, from `e000`.
pub(crate) fn trace(text: &str) -> Vec<Event> {
    let mut screen = None;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate();
    let mut events: Vec<Event> = lines.map(|(at, line)| event(at, line, &mut screen)).collect();
    events.sort_by(|a, b| (a.occurred_at, &a.event_id).cmp(&(b.occurred_at, &b.event_id)));
    events
}

/// What the built-in rules find in a closed session.
pub(crate) fn found(text: &str) -> Vec<Finding> {
    detect::detect(&trace(text), &Rules::default(), Ending::Closed)
}

/// The same in short: rule, times and count of each.
pub(crate) fn seen(text: &str) -> Vec<String> {
    found(text).iter().map(short).collect()
}

/// What the rule called `rule` finds, in short.
pub(crate) fn seen_by(rule: &str, text: &str) -> Vec<String> {
    found(text).iter().filter(|finding| finding.rule.as_str() == rule).map(short).collect()
}

/// A finding in short.
pub(crate) fn short(finding: &Finding) -> String {
    let (from, until) = (finding.started_at.ms(), finding.ended_at.ms());
    format!("{} {from}-{until} x{}", finding.rule, finding.count)
}

fn event(at: usize, line: &str, screen: &mut Option<String>) -> Event {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [ms, what, rest @ ..] = words.as_slice() else { panic!("not a line of a trace: {line}") };
    let ms: i64 = ms.parse().unwrap();
    let name = rest.first().copied().unwrap_or_default();
    if *what == "nav" {
        *screen = Some(name.to_owned());
    }
    let (kind, own) = happening(what, name, rest);
    let mut fields = Map::from_iter([
        ("eventId".to_owned(), json!(format!("e{at:03}"))),
        ("eventType".to_owned(), json!(kind)),
        ("occurredAt".to_owned(), json!(Timestamp::from_ms(ms))),
        ("orgId".to_owned(), json!("acme")),
        ("sessionId".to_owned(), json!("ses1:k1:0000000000000000000000")),
    ]);
    if let (Some(screen), true) = (screen, kind.starts_with("ui.")) {
        fields.insert("screen".to_owned(), json!(screen));
    }
    if let Value::Object(own) = own {
        fields.extend(own);
    }
    serde_json::from_value(Value::Object(fields)).unwrap()
}

fn happening(what: &str, name: &str, rest: &[&str]) -> (String, Value) {
    let element = || json!({ "element": element(rest) });
    let (kind, own) = match what {
        "nav" => ("ui.navigation", json!({})),
        "click" => ("ui.click", element()),
        "dead" => ("ui.dead_click", element()),
        "error" => ("ui.error", json!({ "error": { "code": name } })),
        "input" => ("ui.input_meta", element()),
        "scroll" => {
            ("ui.scroll", json!({ "context": { "depthPercent": name.parse::<f64>().unwrap() } }))
        }
        "lost" => ("ui.focus_change", json!({ "context": { "visible": false } })),
        "back" => ("ui.focus_change", json!({ "context": { "visible": true } })),
        "focus" => ("ui.focus_change", json!({})),
        "custom" => ("ui.custom", json!({ "context": { "name": name } })),
        "start" => ("task.started", task(name)),
        "done" => ("task.completed", task(name)),
        "cancel" => ("task.cancelled", task(name)),
        "failed" => {
            ("backend.error", json!({ "context": { "operation": name }, "error": { "code": "E" } }))
        }
        "retry" => ("backend.retry", json!({ "context": { "operation": name } })),
        "timeout" => ("backend.timeout", json!({ "context": { "operation": name } })),
        "user" => ("knowledge.chat_message_created", json!({ "context": { "role": "user" } })),
        "assistant" => {
            ("knowledge.chat_message_created", json!({ "context": { "role": "assistant" } }))
        }
        "viewed" => ("knowledge.user_viewed", json!({})),
        "liked" => ("friction.feedback", json!({ "context": { "userAction": "positive" } })),
        "disliked" => ("friction.feedback", json!({ "context": { "userAction": "negative" } })),
        "friction" => {
            return (format!("friction.{name}"), json!({ "traceComponent": "reasoning" }));
        }
        _ => panic!("nothing that can happen: {what}"),
    };
    (kind.to_owned(), own)
}

fn element(rest: &[&str]) -> Value {
    let (key, kind) = match rest[0].split_once(':') {
        Some((key, kind)) => (key, Some(kind)),
        None => (rest[0], None),
    };
    let at = rest.get(1).map(|at| at.trim_start_matches('@').split_once(',').unwrap());
    let [x, y] = [at.map(|(x, _)| x), at.map(|(_, y)| y)]
        .map(|pixels| pixels.map(|pixels| pixels.parse::<i32>().unwrap()));
    json!({ "key": key, "kind": kind, "x": x, "y": y })
}

fn task(name: &str) -> Value {
    let (name, id) = match name.split_once('#') {
        Some((name, id)) => (name, Some(id)),
        None => (name, None),
    };
    json!({ "task": { "name": name, "id": id } })
}
