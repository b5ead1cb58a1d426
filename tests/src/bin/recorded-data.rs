//! Turns the recorded data into files of events, says what had to be made up, and sends all of it through a server.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use contract::Timestamp;
use suite::recorded::{
    Conversion, Dataset, WINDOW_DAYS, Window, calibration, check::check, sessions,
};

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Convert(convert) => {
            convert.run(&mut io::stdout().lock(), &mut io::stderr().lock())
        }
        Command::Check(arguments) => arguments.run(&mut io::stdout().lock()),
        Command::Sessions(arguments) => arguments.sessions(&mut io::stdout().lock()),
        Command::Calibration(arguments) => arguments.calibration(&mut io::stdout().lock()),
    }
}

/// Recorded data as events.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write `<source>.ndjson.gz` files and print what is in them.
    Convert(Convert),
    /// Convert, send everything twice into a running `tribo local`, and print what was counted. Fails when the second
    /// time changes anything or a count is not the recorded one.
    Check(Check),
    /// Convert, send to a running `tribo local`, and print what it understands beside what is known of the data: sessions,
    /// rage clicks under two products' rules, ways back, abandonments. Fails when a figure differs.
    Sessions(Check),
    /// Convert, send to a running `tribo local`, and print how the scores lie, how many incidents each rule finds, and what
    /// other thresholds would change.
    Calibration(Check),
}

#[derive(Debug, Args)]
struct Check {
    /// The folder of recorded data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// No event is later than this, RFC 3339; now, unless given.
    #[arg(long, value_parser = timestamp)]
    anchor: Option<Timestamp>,
}

impl Check {
    fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let outcome = check(&self.data, self.anchor())?;
        write!(out, "{}", outcome.table())?;
        if outcome.wrong.is_empty() {
            writeln!(out, "the second sending changed nothing; every count is the recorded one")?;
            return Ok(());
        }
        bail!("{}", outcome.wrong.join("; "))
    }

    fn sessions(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let figures = sessions::figures(&self.data, self.anchor())?;
        write!(out, "{}", sessions::table(&figures))?;
        if figures.iter().any(|figure| figure.found != figure.known) {
            bail!("a figure is not the known one");
        }
        Ok(())
    }

    fn calibration(&self, out: &mut impl Write) -> anyhow::Result<()> {
        Ok(write!(out, "{}", calibration::report(&self.data, self.anchor())?)?)
    }

    fn anchor(&self) -> Timestamp {
        let now = || {
            let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
            Timestamp::from_ms(i64::try_from(since).unwrap_or(i64::MAX))
        };
        self.anchor.unwrap_or_else(now)
    }
}

#[derive(Debug, Args)]
struct Convert {
    /// The folder of recorded data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The folder to write into; created when missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// No event is later than this, RFC 3339.
    #[arg(long, value_parser = timestamp)]
    anchor: Timestamp,
    /// No event is earlier than this many days before the anchor.
    #[arg(long, default_value_t = WINDOW_DAYS, value_parser = clap::value_parser!(u8).range(1..=25))]
    days: u8,
    /// Only these sources.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Dataset>,
}

impl Convert {
    fn run(&self, table: &mut impl Write, notes: &mut impl Write) -> anyhow::Result<()> {
        fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot create {}", self.out.display()))?;
        let window = Window::before(self.anchor, self.days);
        let chosen = |dataset: &&Dataset| self.only.is_empty() || self.only.contains(dataset);
        writeln!(
            table,
            "{:<12} {:>7} {:>8} {:>10}  by type",
            "source", "events", "sessions", "inventions"
        )?;
        for dataset in Dataset::ALL.iter().filter(chosen) {
            let conversion = convert(*dataset, &self.data, &window, &self.out)?;
            writeln!(table, "{}", row(&conversion))?;
            for invention in dataset.inventions() {
                writeln!(notes, "{dataset}: invented: {invention}")?;
            }
            for (reason, rows) in &conversion.left_out {
                writeln!(notes, "{dataset}: left out: {rows} rows, {reason}")?;
            }
        }
        Ok(())
    }
}

fn convert(
    dataset: Dataset,
    data: &Path,
    window: &Window,
    out: &Path,
) -> anyhow::Result<Conversion> {
    let conversion =
        dataset.convert(data, window).with_context(|| format!("cannot convert {dataset}"))?;
    conversion.write(out)?;
    Ok(conversion)
}

fn row(conversion: &Conversion) -> String {
    let by_type: Vec<String> =
        conversion.by_type.iter().map(|(kind, events)| format!("{kind} {events}")).collect();
    format!(
        "{:<12} {:>7} {:>8} {:>10}  {}",
        conversion.dataset,
        conversion.lines.len(),
        conversion.sessions,
        conversion.dataset.inventions().len(),
        by_type.join(", ")
    )
}

fn timestamp(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("expected an RFC 3339 time with an offset")
}
