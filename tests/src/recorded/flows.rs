//! Which way people went, counted beside the recording and asked of a server.

use std::collections::BTreeMap;

use anyhow::Context as _;
use contract::Timestamp;
use serde_json::{Value, json};

use super::Conversion;

/// The runs of a task in a recording of one person, each as the visits of two people of its own: of fewer than five people
/// nothing is told, and nothing from which they would follow.
pub(super) fn runs(conversion: &Conversion) -> anyhow::Result<Vec<Vec<Value>>> {
    let mut runs: Vec<Vec<Value>> = Vec::new();
    for line in &conversion.lines {
        let mut event: Value = serde_json::from_str(line)?;
        if kind(&event) == "task.started" {
            runs.push(Vec::new());
        }
        let number = runs.len();
        // What lies before the first run belongs to none.
        let Some(run) = runs.last_mut() else { continue };
        let fields = event.as_object_mut().context("an event is an object")?;
        fields.insert("sessionId".to_owned(), json!(format!("run-{number}")));
        fields.insert("actorId".to_owned(), json!(format!("person-{number}")));
        run.push(event);
    }
    let others: Vec<Vec<Value>> = runs
        .iter()
        .map(|run| run.iter().cloned().map(of_somebody_else).collect::<anyhow::Result<_>>())
        .collect::<anyhow::Result<_>>()?;
    runs.extend(others);
    Ok(runs)
}

fn of_somebody_else(mut event: Value) -> anyhow::Result<Value> {
    for field in ["eventId", "sessionId", "actorId"] {
        let field = event.get_mut(field).context("an event names its run")?;
        *field = json!(format!("{}.other", field.as_str().context("a text")?));
    }
    Ok(event)
}

/// How often each way was gone from a task's start to its end: screens, repeats collapsed, at most twelve, more than one. The
/// first is the one on which it started; what has the time of the start is before it or after it by its id.
pub(super) fn ways(runs: &[Vec<Value>]) -> BTreeMap<Vec<String>, usize> {
    let mut ways = BTreeMap::new();
    for run in runs {
        let mut run: Vec<&Value> = run.iter().collect();
        run.sort_by_key(|event| (text(event, "occurredAt"), text(event, "eventId")));
        let start = run.iter().position(|event| kind(event) == "task.started");
        let (before, after) = run.split_at(start.unwrap_or(run.len()));
        let screen = |event: &&Value| event.get("screen")?.as_str().map(str::to_owned);
        let during = after.iter().take_while(|event| kind(event) != "task.completed");
        let mut way: Vec<String> = before.iter().rev().find_map(screen).into_iter().collect();
        way.extend(during.filter_map(screen));
        way.dedup();
        way.truncate(SCREENS_MAX);
        if way.len() > 1 {
            *ways.entry(way).or_default() += 1;
        }
    }
    ways
}

/// Asks a server about an organisation's flows.
pub(super) struct Asking<'a> {
    pub(super) url: &'a str,
    /// May read for the organisation.
    pub(super) key: &'a str,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Asking<'_> {
    /// How many flows there are, and how often each way was gone that is told of.
    pub(super) fn ways(&self) -> anyhow::Result<(usize, BTreeMap<Vec<String>, usize>)> {
        let found = self.get("top?limit=100")?;
        let mut ways = BTreeMap::new();
        for flow in found.get("flows").and_then(Value::as_array).context("flows")? {
            let path = flow.get("path").cloned().context("a path")?;
            ways.insert(serde_json::from_value(path)?, number(flow, "flows")?);
        }
        Ok((number(&found, "totalFlows")?, ways))
    }

    /// The steps in all, entry and exit among them.
    pub(super) fn steps(&self) -> anyhow::Result<usize> {
        number(&self.get("graph?limit=1")?, "totalSteps")
    }

    fn get(&self, what: &str) -> anyhow::Result<Value> {
        let Self { url, key, from, to } = self;
        let url = format!("{url}/v1/flows/{what}&from={from}&to={to}");
        let request = ureq::get(url).header("Authorization", format!("Bearer {key}"));
        Ok(serde_json::from_reader(request.call()?.into_body().into_reader())?)
    }
}

fn number(value: &Value, name: &str) -> anyhow::Result<usize> {
    let number = value.get(name).and_then(Value::as_u64).context("a number")?;
    Ok(usize::try_from(number)?)
}

fn kind(event: &Value) -> &str {
    text(event, "eventType")
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event.get(field).and_then(Value::as_str).unwrap_or_default()
}

const SCREENS_MAX: usize = 12;
