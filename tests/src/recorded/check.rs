//! All recorded data through a running server, twice: what was counted, and that the second time changes nothing.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use contract::Timestamp;
use serde_json::Value;

use super::{Dataset, Window};
use crate::local::{self, Local};

/// What came of the data.
#[derive(Debug, Default)]
pub struct Check {
    /// One row per source.
    pub rows: Vec<Row>,
    /// Everything that is not as it must be.
    pub wrong: Vec<String>,
}

/// What came of one source.
#[derive(Debug)]
pub struct Row {
    /// The source.
    pub dataset: Dataset,
    /// Events converted.
    pub events: u64,
    /// What `tribo send` reported the first and the second time.
    pub sent: [Value; 2],
    /// Events by type, as counted by the server.
    pub counted: BTreeMap<String, u64>,
}

/// Converts the data below `data`, sends all of it twice to a server of its own, and reads the books.
///
/// # Errors
/// The data cannot be read, or the server cannot be used; figures that are wrong are no error but [`Check::wrong`].
pub fn check(data: &Path, anchor: Timestamp) -> anyhow::Result<Check> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("data");
    let store_text = store.to_str().context("a temporary path that is text")?;
    let mut keys = BTreeMap::new();
    for dataset in Dataset::ALL {
        let org = dataset.to_string();
        let arguments = [
            "keys",
            "create",
            "--org",
            &org,
            "--scope",
            "ingest",
            "--json",
            "--data-dir",
            store_text,
        ];
        let key = local::json(&arguments)?
            .get("key")
            .and_then(Value::as_str)
            .context("a key")?
            .to_owned();
        keys.insert(org, key);
    }
    let server = Local::start(&store, &["--tick", "1s"])?;
    let mut check = Check::default();
    let window = Window::before(anchor, super::WINDOW_DAYS);
    for dataset in Dataset::ALL {
        let conversion = dataset.convert(data, &window)?;
        let file = conversion.write(folder.path())?;
        let key = keys.get(&dataset.to_string()).context("a key per source")?;
        let send = || send(&file, &server.url, key);
        let sent = [send()?, send()?];
        let events = u64::try_from(conversion.lines.len())?;
        check.judge_sending(*dataset, events, &sent);
        check.rows.push(Row { dataset: *dataset, events, sent, counted: BTreeMap::new() });
    }
    check.settle(store_text)?;
    for row in &mut check.rows {
        row.counted = counted(store_text, row.dataset)?;
    }
    check.judge_books(store_text)?;
    server.terminate(Duration::from_secs(60))?;
    Ok(check)
}

impl Check {
    fn judge_sending(&mut self, dataset: Dataset, events: u64, [first, second]: &[Value; 2]) {
        let number = |report: &Value, field: &str| report.get(field).and_then(Value::as_u64);
        if number(first, "accepted") != Some(events) {
            self.wrong
                .push(format!("{dataset}: of {events} events the first sending reports {first}"));
        }
        if number(second, "accepted") != Some(0) || number(second, "duplicates") != Some(events) {
            self.wrong.push(format!("{dataset}: the second sending changes something: {second}"));
        }
    }

    /// Waits until nothing is in flight or pending.
    fn settle(&mut self, store: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let ledger = local::json(&["ledger", "--json", "--data-dir", store])?;
            let pending = |org: &Value| org.get("pending").and_then(Value::as_u64) != Some(0);
            let orgs = ledger.get("orgs").and_then(Value::as_array).cloned().unwrap_or_default();
            if ledger.get("streamLag").and_then(Value::as_u64) == Some(0)
                && !orgs.iter().any(pending)
            {
                if ledger.get("balanced").and_then(Value::as_bool) != Some(true) {
                    self.wrong.push(format!("the ledger does not balance: {ledger}"));
                }
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        bail!("the server did not settle within {} s", PATIENCE.as_secs())
    }

    fn judge_books(&mut self, store: &str) -> anyhow::Result<()> {
        let audit = local::json(&["audit", "--json", "--data-dir", store])?;
        if audit.pointer("/counters/different").and_then(Value::as_u64) != Some(0) {
            self.wrong.push(format!("counters differ from the archive: {audit}"));
        }
        for row in &self.rows {
            if row.counted.values().sum::<u64>() != row.events {
                self.wrong.push(format!(
                    "{}: {} events, counted {:?}",
                    row.dataset, row.events, row.counted
                ));
            }
        }
        let clicks = self.rows.iter().find(|row| row.dataset == Dataset::Balabit);
        let clicks = clicks.and_then(|row| row.counted.get("ui.click").copied());
        if clicks != Some(BALABIT_CLICKS) {
            self.wrong.push(format!(
                "balabit: {clicks:?} clicks counted, {BALABIT_CLICKS} were recorded"
            ));
        }
        Ok(())
    }

    /// The figures as people read them.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<12} {:>7} {:>9} {:>9} {:>9} {:>10} {:>9}  counted\n",
            "source", "events", "accepted", "rejected", "again: new", "duplicates", "events/s"
        );
        for row in &self.rows {
            let [first, second] = &row.sent;
            let number = |report: &Value, field: &str| {
                report.get(field).and_then(Value::as_u64).unwrap_or(0)
            };
            let rejected = |report: &Value| {
                let codes = report.get("rejected").and_then(Value::as_object);
                codes.map_or(0, |codes| codes.values().filter_map(Value::as_u64).sum::<u64>())
            };
            let seconds = first.get("seconds").and_then(Value::as_f64).unwrap_or(f64::INFINITY);
            let rate = f64::from(u32::try_from(row.events).unwrap_or(u32::MAX)) / seconds;
            let counted: Vec<String> =
                row.counted.iter().map(|(kind, events)| format!("{kind} {events}")).collect();
            // Writing to a text cannot fail.
            let _ = writeln!(
                text,
                "{:<12} {:>7} {:>9} {:>9} {:>10} {:>10} {:>9.0}  {}",
                row.dataset.to_string(),
                row.events,
                number(first, "accepted"),
                rejected(first),
                number(second, "accepted"),
                number(second, "duplicates"),
                rate,
                counted.join(", ")
            );
        }
        text
    }
}

fn send(file: &Path, url: &str, key: &str) -> anyhow::Result<Value> {
    let file = file.to_str().context("a temporary path that is text")?;
    local::json(&["send", file, "--url", url, "--key", key, "--json"])
}

fn counted(store: &str, dataset: Dataset) -> anyhow::Result<BTreeMap<String, u64>> {
    let org = dataset.to_string();
    let counters =
        local::json(&["counters", "--json", "--top", "0", "--org", &org, "--data-dir", store])?;
    let rows = counters.get("counters").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut by_type = BTreeMap::new();
    for row in rows {
        let dimension = row.get("dimension").and_then(Value::as_str).unwrap_or_default();
        if let Some(kind) = dimension.strip_prefix("type ") {
            let events = row.get("events").and_then(Value::as_u64).unwrap_or(0);
            *by_type.entry(kind.to_owned()).or_default() += events;
        }
    }
    Ok(by_type)
}

const BALABIT_CLICKS: u64 = 75_524;
const PATIENCE: Duration = Duration::from_secs(120);
