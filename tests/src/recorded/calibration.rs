//! How the scores lie on recorded data, and what other thresholds would change: what a change of a model has to show.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

use anyhow::Context as _;
use contract::{
    Timestamp,
    limits::{DAY_MS, HOUR_MS},
};
use serde_json::Value;

use super::{
    Dataset, Window,
    sessions::{Sending, incidents, prepare, sessions, settle, write},
};
use crate::local::{self, Local};

/// Sends the recorded data to a server of its own, and tells of each source how its scores lie, how many incidents each rule
/// finds, whether abandoned tasks score higher than completed ones, and what other thresholds would change.
///
/// # Errors
/// The data cannot be read, or the server cannot be used.
pub fn report(data: &Path, anchor: Timestamp) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("data");
    let store = store.to_str().context("a temporary path that is text")?;
    let window = Window::before(anchor.plus_ms(-HOUR_MS), super::WINDOW_DAYS);
    let mut keys = Vec::new();
    for (org, dataset) in SOURCES {
        let sending = Sending { org, dataset, rules: None, order: |_| {} };
        keys.push((prepare(&sending, folder.path(), store)?, sending));
    }
    let server = Local::start(Path::new(store), &["--tick", "1s", "--session-grace", "1s"])?;
    for (key, sending) in &keys {
        let file = write(sending, &sending.dataset.convert(data, &window)?, folder.path())?;
        local::json(&["send", &file, "--url", &server.url, "--key", key, "--json"])?;
    }
    settle(store, &SOURCES.map(|(org, _)| org))?;
    server.terminate(Duration::from_secs(120))?;
    let mut text = String::new();
    for (org, _) in SOURCES {
        scores(&mut text, store, org)?;
    }
    let span = (anchor.plus_ms(-30 * DAY_MS), anchor.plus_ms(DAY_MS));
    text +=
        "\nother thresholds                        incidents       sessions with another score\n";
    for (org, rule, set) in TRIALS {
        trial(&mut text, store, (org, rule, set), span)?;
    }
    Ok(text)
}

/// How the scores of one source lie. Writing to a text cannot fail.
fn scores(text: &mut String, store: &str, org: &str) -> anyhow::Result<()> {
    let sessions = sessions(store, org)?;
    let all = |pointer| sessions.iter().filter_map(|session| number(session, pointer)).collect();
    let _ = writeln!(text, "\n{org}: {} sessions", sessions.len());
    for (name, pointer) in [("fr-1", FRUSTRATION), ("ef-1", "/efficiency/score")] {
        let mut scores: Vec<f64> = all(pointer);
        scores.sort_by(f64::total_cmp);
        let at =
            |part| quantile(&scores, part).map_or_else(|| "—".to_owned(), |v| format!("{v:.2}"));
        let _ = writeln!(
            text,
            "  {name} of {:>5}: p10 {} p25 {} p50 {} p75 {} p90 {} p99 {}",
            scores.len(),
            at(0.1),
            at(0.25),
            at(0.5),
            at(0.75),
            at(0.9),
            at(0.99)
        );
    }
    let tier = |tier: &str| {
        let has = |session: &&Value| {
            inner(session, "/frustration/tier").and_then(Value::as_str) == Some(tier)
        };
        100.0 * ratio(sessions.iter().filter(has).count(), sessions.len())
    };
    let tiers = ["none", "low", "medium", "high"].map(|name| format!("{name} {:.1} %", tier(name)));
    let _ = writeln!(text, "  tiers: {}", tiers.join(" · "));
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    for incident in incidents(store, org, "")? {
        let rule = incident.get("rule").and_then(Value::as_str).unwrap_or_default();
        *rules.entry(rule.to_owned()).or_default() += 1;
    }
    let each =
        rules.iter().map(|(rule, n)| format!("{rule} {:.0}", 1_000.0 * ratio(*n, sessions.len())));
    let _ =
        writeln!(text, "  incidents per 1,000 sessions: {}", each.collect::<Vec<_>>().join(" · "));
    let having = |pointer: &str| -> Vec<f64> {
        let with =
            sessions.iter().filter(|session| number(session, pointer).is_some_and(|n| n > 0.0));
        with.filter_map(|session| number(session, FRUSTRATION)).collect()
    };
    let (lost, done) = (having("/metrics/tasksAbandoned"), having("/metrics/tasksCompleted"));
    let auc = auc(&lost, &done).map_or_else(|| "—".to_owned(), |auc| format!("{auc:.3}"));
    let _ = writeln!(
        text,
        "  an abandoned task scores above a completed one: {auc} ({} and {})",
        lost.len(),
        done.len()
    );
    Ok(())
}

fn trial(
    text: &mut String,
    store: &str,
    (org, rule, set): (&str, &str, &str),
    (from, to): (Timestamp, Timestamp),
) -> anyhow::Result<()> {
    let (from, to) = (from.to_string(), to.to_string());
    let found = local::json(&[
        "tune",
        "--org",
        org,
        "--rule",
        rule,
        "--set",
        set,
        "--from",
        &from,
        "--to",
        &to,
        "--data-dir",
        store,
        "--json",
    ])?;
    let count = |pointer: &str| found.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    let incidents =
        (count(&format!("/rules/{rule}/before")), count(&format!("/rules/{rule}/after")));
    let _ = writeln!(
        text,
        "{:<40}{:>6} → {:<6} {:>6} of {}",
        format!("{org}, {rule} {set}"),
        incidents.0,
        incidents.1,
        count("/affected"),
        count("/sessions")
    );
    Ok(())
}

/// How often a value of `above` is greater than one of `below`; equal ones count half.
fn auc(above: &[f64], below: &[f64]) -> Option<f64> {
    let pairs = above.len().checked_mul(below.len()).filter(|pairs| *pairs > 0)?;
    let won = above.iter().flat_map(|a| below.iter().map(move |b| a.total_cmp(b)));
    let halves: usize = won
        .map(|order| match order {
            std::cmp::Ordering::Greater => 2,
            std::cmp::Ordering::Equal => 1,
            std::cmp::Ordering::Less => 0,
        })
        .sum();
    Some(ratio(halves, 2 * pairs))
}

/// The value below which `part` of the sorted ones lie.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let below = sorted.len().checked_sub(1)?;
    sorted
        .iter()
        .enumerate()
        .find(|(n, _)| ratio(*n, below.max(1)) >= part)
        .or(sorted.iter().enumerate().next_back())
        .map(|(_, value)| *value)
}

fn ratio(part: usize, of: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    number(part) / number(of.max(1))
}

fn number(session: &Value, pointer: &str) -> Option<f64> {
    inner(session, pointer)?.as_f64()
}

/// A session is listed on its own, or beside its state.
fn inner<'a>(session: &'a Value, pointer: &str) -> Option<&'a Value> {
    session.get("session").unwrap_or(session).pointer(pointer)
}

const FRUSTRATION: &str = "/frustration/score";
const SOURCES: [(&str, Dataset); 5] = [
    ("balabit", Dataset::Balabit),
    ("wikispeedia", Dataset::Wikispeedia),
    ("rpm", Dataset::Rpm),
    ("apache", Dataset::Apache),
    ("convai2", Dataset::Convai2),
];
const TRIALS: [(&str, &str, &str); 7] = [
    ("balabit", "rage_click", "gapMs=500"),
    ("balabit", "rage_click", "gapMs=1500"),
    ("balabit", "rage_click", "minClicks=4"),
    ("wikispeedia", "backtrack", "withinMs=10000"),
    ("wikispeedia", "backtrack", "withinMs=40000"),
    ("wikispeedia", "abandoned_task", "openMs=1800000"),
    ("apache", "backtrack", "withinMs=40000"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = [0.0, 0.1, 0.2, 0.3, 0.4];
        assert_eq!(quantile(&values, 0.5), Some(0.2));
        assert_eq!(quantile(&values, 0.99), Some(0.4));
        assert_eq!((quantile(&values, 0.0), quantile(&[], 0.5)), (Some(0.0), None));
    }

    #[test]
    fn who_always_scores_above_wins_and_equals_share() {
        assert_eq!(auc(&[0.5, 0.6], &[0.1, 0.2]), Some(1.0));
        assert_eq!(auc(&[0.1], &[0.1, 0.2, 0.0]), Some(0.5));
        assert_eq!(auc(&[], &[0.1]), None);
    }
}
