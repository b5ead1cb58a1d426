//! What is understood of the recorded data: sessions, rage clicks under two products' rules, ways back, abandonments, and
//! that the order of sending does not matter.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use contract::{
    Timestamp,
    incident::Rule,
    limits::{DAY_MS, HOUR_MS},
};
use flate2::{Compression, write::GzEncoder};
use friction::rules::{RuleSet, presets};
use serde_json::{Value, json};

use super::{Conversion, Dataset, Window, flows};
use crate::local::{self, Local};

/// A figure, and what it must be.
#[derive(Debug)]
pub struct Figure {
    /// What was counted.
    pub what: String,
    /// By whom or in what.
    pub of: String,
    /// What the server says.
    pub found: u64,
    /// What is known.
    pub known: u64,
}

/// One sending of a source under an organisation's rules.
pub(super) struct Sending {
    pub(super) org: &'static str,
    pub(super) dataset: Dataset,
    pub(super) rules: Option<RuleSet>,
    pub(super) order: fn(&mut [String]),
}

/// Sends recorded data to a server of its own and reads what is understood.
///
/// # Errors
/// The data cannot be read, or the server cannot be used; figures that differ are no error.
pub fn figures(data: &Path, anchor: Timestamp) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("data");
    let store = store.to_str().context("a temporary path that is text")?;
    // An hour ago every session is over.
    let window = Window::before(anchor.plus_ms(-HOUR_MS), super::WINDOW_DAYS);
    let mut conversions: BTreeMap<Dataset, Conversion> = BTreeMap::new();
    for dataset in [Dataset::Balabit, Dataset::Wikispeedia, Dataset::Apache] {
        conversions.insert(dataset, dataset.convert(data, &window)?);
    }
    let mut records = Dataset::Rpm.convert(data, &window)?;
    let runs = flows::runs(&records)?;
    records.lines = runs.iter().flatten().map(Value::to_string).collect();
    conversions.insert(Dataset::Rpm, records);
    let mut keys = Vec::new();
    for sending in sendings()? {
        let key = prepare(&sending, folder.path(), store)?;
        keys.push((sending, key));
    }
    let server = Local::start(Path::new(store), &["--tick", "1s", "--session-grace", "1s"])?;
    for (sending, key) in &keys {
        let conversion = conversions.get(&sending.dataset).context("a conversion per source")?;
        let file = write(sending, conversion, folder.path())?;
        let sent = local::json(&["send", &file, "--url", &server.url, "--key", key, "--json"])?;
        let accepted = sent.get("accepted").and_then(Value::as_u64);
        if accepted != Some(u64::try_from(conversion.lines.len())?) {
            bail!("{}: not every event was accepted: {sent}", sending.org);
        }
    }
    let orgs: Vec<&str> = keys.iter().map(|(sending, _)| sending.org).collect();
    settle(store, &orgs)?;
    let mut figures = read(store, &conversions)?;
    let key = keys.iter().find(|(sending, _)| sending.dataset == Dataset::Rpm);
    let (_, key) = key.context("a key of the forms")?;
    let (from, to) = (anchor.plus_ms(-30 * DAY_MS), anchor.plus_ms(DAY_MS));
    figures.extend(ways(&flows::Asking { url: &server.url, key, from, to }, &runs)?);
    server.terminate(Duration::from_secs(60))?;
    Ok(figures)
}

/// The figures as people read them.
#[must_use]
pub fn table(figures: &[Figure]) -> String {
    let mut text = format!("{:<38} {:<30} {:>8} {:>8}\n", "what", "of", "found", "known");
    for Figure { what, of, found, known } in figures {
        let mark = if found == known { "" } else { "  DIFFERS" };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{what:<38} {of:<30} {found:>8} {known:>8}{mark}");
    }
    text
}

fn sendings() -> anyhow::Result<Vec<Sending>> {
    // Of the ways back, the recorded figure knows no limit of time.
    let any_time = RuleSet::default().with(Rule::Backtrack, "withinMs=43200000")?;
    let any_time = numbered(&any_time)?;
    let as_recorded = |_: &mut [String]| {};
    Ok(vec![
        Sending {
            org: "balabit-posthog",
            dataset: Dataset::Balabit,
            rules: Some(presets::posthog()),
            order: as_recorded,
        },
        Sending {
            org: "balabit-datadog",
            dataset: Dataset::Balabit,
            rules: Some(presets::datadog()),
            order: as_recorded,
        },
        Sending {
            org: "wikispeedia",
            dataset: Dataset::Wikispeedia,
            rules: Some(any_time),
            order: as_recorded,
        },
        Sending { org: APACHE, dataset: Dataset::Apache, rules: None, order: as_recorded },
        Sending {
            org: APACHE_BACKWARDS,
            dataset: Dataset::Apache,
            rules: None,
            order: |lines| lines.reverse(),
        },
        Sending { org: APACHE_MIXED, dataset: Dataset::Apache, rules: None, order: mix },
        Sending { org: "forms", dataset: Dataset::Rpm, rules: None, order: mix },
    ])
}

/// The same rules as an organisation's own: its versions begin after the built-in one.
fn numbered(rules: &RuleSet) -> anyhow::Result<RuleSet> {
    let mut document = rules.to_json();
    let version = document.get_mut("version").context("a document has a version")?;
    *version = json!(2);
    Ok(RuleSet::parse(&document.to_string())?)
}

/// An order that has nothing to do with the recorded one, and is always the same.
fn mix(lines: &mut [String]) {
    lines.sort_by_cached_key(|line| crc(line.as_bytes()));
}

fn crc(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(2_166_136_261, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619))
}

pub(super) fn prepare(sending: &Sending, folder: &Path, store: &str) -> anyhow::Result<String> {
    let arguments = [
        "keys",
        "create",
        "--org",
        sending.org,
        "--scope",
        "ingest,read",
        "--json",
        "--data-dir",
        store,
    ];
    let key = local::json(&arguments)?;
    if let Some(rules) = &sending.rules {
        let file = folder.join(format!("{}.rules.json", sending.org));
        fs::write(&file, rules.to_json().to_string())?;
        let file = file.to_str().context("a temporary path that is text")?;
        let set = ["rules", "set", file, "--org", sending.org, "--json", "--data-dir", store];
        local::json(&set)?;
    }
    Ok(key.get("key").and_then(Value::as_str).context("a key")?.to_owned())
}

pub(super) fn write(
    sending: &Sending,
    conversion: &Conversion,
    folder: &Path,
) -> anyhow::Result<String> {
    let mut lines = Vec::with_capacity(conversion.lines.len());
    for line in &conversion.lines {
        let mut event: Value = serde_json::from_str(line)?;
        *event.get_mut("orgId").context("an event has an organisation")? = json!(sending.org);
        lines.push(event.to_string());
    }
    (sending.order)(&mut lines);
    let path = folder.join(format!("{}.ndjson.gz", sending.org));
    let mut file = GzEncoder::new(fs::File::create(&path)?, Compression::fast());
    for line in &lines {
        std::io::Write::write_all(&mut file, line.as_bytes())?;
        std::io::Write::write_all(&mut file, b"\n")?;
    }
    file.finish()?;
    Ok(path.to_str().context("a temporary path that is text")?.to_owned())
}

/// Waits until the stream is processed and no session is open: all of the data is older than a pause. A sweep on a busy
/// machine takes its time, so each organisation has sessions by then, and none of them more for a while.
pub(super) fn settle(store: &str, orgs: &[&str]) -> anyhow::Result<()> {
    let (started, mut before, mut unchanged) = (Instant::now(), Vec::new(), 0);
    while started.elapsed() < PATIENCE {
        let ledger = local::json(&["ledger", "--json", "--data-dir", store])?;
        let closed = orgs.iter().map(|org| Ok(sessions(store, org)?.len()));
        let now = closed.collect::<anyhow::Result<Vec<usize>>>()?;
        let is_taken = ledger.get("streamLag").and_then(Value::as_u64) == Some(0);
        let is_same = is_taken && now == before && now.iter().all(|sessions| *sessions > 0);
        unchanged = if is_same { unchanged + 1 } else { 0 };
        if unchanged == UNCHANGED_READINGS {
            return Ok(());
        }
        before = now;
        std::thread::sleep(Duration::from_secs(7));
    }
    bail!("the server did not settle within {} s", PATIENCE.as_secs())
}

fn read(store: &str, conversions: &BTreeMap<Dataset, Conversion>) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut add = |what: &str, of: &str, found: usize, known: usize| {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (what, of) = (what.to_owned(), of.to_owned());
        figures.push(Figure { what, of, found: number(found), known: number(known) });
    };
    for (org, of, known) in [
        ("balabit-posthog", "balabit, PostHog's rule", 1_689),
        ("balabit-datadog", "balabit, Datadog's rule", 1_313),
    ] {
        add("rage clicks", of, incidents(store, org, "rage_click")?.len(), known);
        add("sessions", of, sessions(store, org)?.len(), 88);
    }
    let games = sessions(store, "wikispeedia")?;
    let back = conversions.get(&Dataset::Wikispeedia).map_or(0, games_with_a_way_back);
    add("games with A → B → A", "wikispeedia", having(&games, "/session/metrics/backtracks"), back);
    let explicit = having(&games, "/session/metrics/frictionEvents/friction.abandon");
    add("explicit abandonments", "wikispeedia, restarts", explicit, 2_869);
    let inferred = games.iter().filter(|game| {
        count(game, "/session/metrics/tasksAbandoned") > 0
            && count(game, "/session/metrics/frictionEvents/friction.abandon") == 0
    });
    add("inferred abandonments", "wikispeedia, timeouts", inferred.count(), 2_131);
    let recorded = shapes(&sessions(store, APACHE)?);
    // The requests for pages are a third of the log; how many sessions they make is counted beside the conversion.
    let pages = conversions.get(&Dataset::Apache).map_or(0, |conversion| conversion.sessions);
    add("sessions", "apache-logs, requests for pages", recorded.len(), pages);
    for (org, of) in [(APACHE_BACKWARDS, "backwards"), (APACHE_MIXED, "in a mixed order")] {
        let other = shapes(&sessions(store, org)?);
        let same = recorded.iter().zip(&other).filter(|(a, b)| a == b).count();
        add("the same sessions", &format!("apache-logs, {of}"), same, recorded.len());
    }
    Ok(figures)
}

/// The ways through the forms, as a server tells them and as they are counted beside it.
fn ways(asking: &flows::Asking<'_>, runs: &[Vec<Value>]) -> anyhow::Result<Vec<Figure>> {
    let known = flows::ways(runs);
    let (total, found) = asking.ways()?;
    let figure = |what: &str, found: usize, known: usize| -> anyhow::Result<Figure> {
        let (found, known) = (u64::try_from(found)?, u64::try_from(known)?);
        Ok(Figure { what: what.to_owned(), of: "rpm-uilogs".to_owned(), found, known })
    };
    // Each visit is one of somebody else here, so that a way of fewer than five visits is one of fewer than five people.
    let told: BTreeMap<_, _> = known.iter().filter(|(_, runs)| **runs >= PEOPLE_MIN).collect();
    let same = found.iter().filter(|(way, runs)| told.get(way) == Some(runs)).count();
    let steps: usize = known.iter().map(|(way, runs)| (way.len() + 1) * runs).sum();
    Ok(vec![
        figure("runs of the task", total, known.values().sum())?,
        figure("ways that were gone", found.len(), told.len())?,
        figure("of these gone as often", same, told.len())?,
        figure("steps from screen to screen", asking.steps()?, steps)?,
    ])
}

/// Games of which the source says that the player went back.
fn games_with_a_way_back(conversion: &Conversion) -> usize {
    let mut games = std::collections::BTreeSet::new();
    for line in &conversion.lines {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        if event.pointer("/context/userAction").and_then(Value::as_str) == Some("back") {
            games.extend(event.get("sessionId").and_then(Value::as_str).map(str::to_owned));
        }
    }
    games.len()
}

pub(super) fn sessions(store: &str, org: &str) -> anyhow::Result<Vec<Value>> {
    list(
        &["sessions", "--org", org, "--state", "closed", "--json", "--data-dir", store],
        "sessions",
    )
}

/// The incidents of one rule, or of all when none is named.
pub(super) fn incidents(store: &str, org: &str, rule: &str) -> anyhow::Result<Vec<Value>> {
    let rule = if rule.is_empty() { vec![] } else { vec!["--rule", rule] };
    let place = ["incidents", "--org", org, "--json", "--data-dir", store];
    list(&[&place, rule.as_slice()].concat(), "incidents")
}

fn list(arguments: &[&str], name: &str) -> anyhow::Result<Vec<Value>> {
    let mut found = local::json(arguments)?;
    match found.get_mut(name).map(Value::take) {
        Some(Value::Array(list)) => Ok(list),
        Some(_) | None => bail!("tribo {} lists no {name}", arguments.join(" ")),
    }
}

fn having(sessions: &[Value], pointer: &str) -> usize {
    sessions.iter().filter(|session| count(session, pointer) > 0).count()
}

fn count(session: &Value, pointer: &str) -> u64 {
    let inner = pointer.strip_prefix("/session").unwrap_or(pointer);
    let found = session.pointer(pointer).or_else(|| session.pointer(inner));
    found.and_then(Value::as_u64).unwrap_or_default()
}

/// Everything that sessions say but the identities, which differ from organisation to organisation.
fn shapes(sessions: &[Value]) -> Vec<String> {
    let mut shapes: Vec<String> = sessions
        .iter()
        .map(|stored| {
            let mut session = stored.get("session").unwrap_or(stored).clone();
            if let Some(fields) = session.as_object_mut() {
                for identity in ["sessionId", "orgId", "incidents", "revision", "actorSlot"] {
                    fields.remove(identity);
                }
            }
            session.to_string()
        })
        .collect();
    shapes.sort();
    shapes
}

const PEOPLE_MIN: usize = 5;
const APACHE: &str = "apache";
const APACHE_BACKWARDS: &str = "apache-backwards";
const APACHE_MIXED: &str = "apache-mixed";
const PATIENCE: Duration = Duration::from_secs(900);
const UNCHANGED_READINGS: u32 = 2;
