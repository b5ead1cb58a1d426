//! How many events a second `tribo local` takes durably while it processes them, beside what SQLite itself commits on the
//! same disk in the same run.
//!
//! `cargo run --release -p suite --bin intake-rate -- [--seconds 20] [--clients 4] [--batch 500] [--rate 6000]`
//!
//! Without `--rate` it asks for as much as the server takes, and the stream may grow; with it, whether so many events a
//! second are taken and processed for as long as one likes: then the lag at the end is what arrived in the last moments.
//! Starts the real server on a directory of its own, loads it from this process over loopback, waits until it has
//! processed everything, and proves with its own books that every acknowledged event is there once. Fails when they do
//! not balance or a counter differs from the archive.

mod events;
mod load;
mod process;
mod raw;

use std::{
    cell::RefCell,
    io::Write as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clap::Parser;
use contract::ledger::LedgerReport;
use serde_json::Value;
use suite::local::{self, Local};

use crate::{load::Plan, process::Memory, raw::Raw};

/// How many events a second `tribo local` takes durably.
#[derive(Debug, Parser)]
struct Args {
    /// How long to send.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(3..=600))]
    seconds: u64,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    clients: u32,
    /// Events per request.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=500))]
    batch: u32,
    /// Offer so many events a second, evenly; 0 sends as fast as the server answers.
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Fail below so many events a second.
    #[arg(long, default_value_t = 0)]
    at_least: u32,
    /// Where to write: a disk, not memory. `target/` of this workspace unless given.
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let base = args.dir.clone().unwrap_or_else(|| local::workspace().join("target"));
    let folder = tempfile::tempdir_in(base)?;
    local::tribo()?;
    let measured = measure(&args, folder.path())?;
    print(&args, &measured)?;
    let (rate, floor) = (measured.rate(), f64::from(args.at_least));
    ensure!(rate >= floor, "{rate:.0} events/s are fewer than {floor:.0}");
    Ok(())
}

/// What one run gave.
struct Measured {
    raw: Raw,
    seen: load::Seen,
    took: Duration,
    samples: Vec<Sample>,
    lag: u64,
    drained_in: Duration,
    cpu_drained: Duration,
    cpu_of_clients: Duration,
    drained: Memory,
    audit: Value,
}

/// The server at one moment.
#[derive(Clone, Copy)]
struct Sample {
    at: Duration,
    cpu: Duration,
    memory: Memory,
}

impl Measured {
    fn rate(&self) -> f64 {
        per_second(self.seen.acknowledged, self.took)
    }
}

fn measure(args: &Args, folder: &Path) -> anyhow::Result<Measured> {
    let data = folder.join("data");
    let data_text = data.to_str().context("the directory's name is text")?;
    let key = key(data_text)?;
    let bytes = events::Events::of(0).request(1_000).len() / 1_000;
    let raw_file = folder.join("raw.db");
    let raw_before = raw::measure(&raw_file, args.batch, bytes, RAW)?;
    let server = Local::start(&data, &[])?;
    let pid = server.pid();
    let (started, cpu_before) = (Instant::now(), process::cpu(std::process::id())?);
    let length = Duration::from_secs(args.seconds);
    let plan = Plan {
        url: server.url.clone(),
        key: key.clone(),
        clients: args.clients,
        batch: usize::try_from(args.batch)?,
        every: pause(args),
        started,
        until: started + length,
    };
    let samples = RefCell::new(Vec::new());
    let seen = load::run(&plan, || {
        for quarter in 0..=4 {
            let due = length * quarter / 4;
            thread::sleep(due.saturating_sub(started.elapsed()));
            let (cpu, memory) = (process::cpu(pid)?, process::memory(pid)?);
            samples.borrow_mut().push(Sample { at: started.elapsed(), cpu, memory });
        }
        Ok(())
    })?;
    let took = started.elapsed();
    let cpu_of_clients = process::cpu(std::process::id())?.saturating_sub(cpu_before);
    let lag = ledger(&server, &key)?.stream_lag;
    let report = drain(&server, &key, took)?;
    let drained_in = started.elapsed().saturating_sub(took);
    let (cpu_drained, drained) = (process::cpu(pid)?, process::memory(pid)?);
    server.terminate(Duration::from_secs(60))?;
    let audit = local::json(&["audit", "--json", "--data-dir", data_text])?;
    check(&report, &audit, seen.acknowledged)?;
    let raw = raw_before.mean(raw::measure(&raw_file, args.batch, bytes, RAW)?);
    let samples = samples.into_inner();
    Ok(Measured {
        raw,
        seen,
        took,
        samples,
        lag,
        drained_in,
        cpu_drained,
        cpu_of_clients,
        drained,
        audit,
    })
}

/// From one request of a client to its next.
fn pause(args: &Args) -> Duration {
    let requests = f64::from(args.rate) / f64::from(args.batch) / f64::from(args.clients);
    if args.rate == 0 { Duration::ZERO } else { Duration::from_secs_f64(1.0 / requests) }
}

fn key(data: &str) -> anyhow::Result<String> {
    let made = local::json(&[
        "keys",
        "create",
        "--org",
        events::ORG,
        "--scope",
        "ingest,admin",
        "--json",
        "--data-dir",
        data,
    ])?;
    Ok(made.get("key").and_then(Value::as_str).context("a made key is shown")?.to_owned())
}

fn ledger(server: &Local, key: &str) -> anyhow::Result<LedgerReport> {
    let request = ureq::get(format!("{}/v1/ledger", server.url));
    let mut response = request.header("authorization", format!("Bearer {key}")).call()?;
    Ok(serde_json::from_slice(&response.body_mut().read_to_vec()?)?)
}

/// Waits until the server has processed everything, at most ten times as long as it was loaded.
fn drain(server: &Local, key: &str, loaded: Duration) -> anyhow::Result<LedgerReport> {
    let started = Instant::now();
    loop {
        let report = ledger(server, key)?;
        if report.stream_lag == 0 {
            return Ok(report);
        }
        ensure!(started.elapsed() < loaded * 10, "{} records are left", report.stream_lag);
        thread::sleep(Duration::from_millis(50));
    }
}

/// Every acknowledged event is there, once, and every counter equals its recomputation from the archive.
fn check(report: &LedgerReport, audit: &Value, acknowledged: usize) -> anyhow::Result<()> {
    ensure!(report.balanced, "the ledger does not balance: {report:?}");
    let accepted: u64 = report.orgs.iter().map(|org| org.accepted).sum();
    ensure!(
        accepted == u64::try_from(acknowledged)?,
        "{accepted} accepted, {acknowledged} acknowledged"
    );
    let number = |place: &str| audit.pointer(place).and_then(Value::as_u64);
    ensure!(number("/counters/different") == Some(0), "counters differ: {audit}");
    ensure!(number("/archive/events") == Some(accepted), "the archive differs: {audit}");
    Ok(())
}

fn print(args: &Args, measured: &Measured) -> anyhow::Result<()> {
    let Measured { raw, seen, samples, .. } = measured;
    let mut out = std::io::stdout().lock();
    let cpus = thread::available_parallelism()?;
    writeln!(
        out,
        "{} s, {} clients, {} events of {} B per request, {cpus} CPUs, load average {}",
        args.seconds,
        args.clients,
        args.batch,
        seen.bytes / seen.acknowledged.max(1),
        process::load()
    )?;
    let rate = measured.rate();
    writeln!(
        out,
        "acknowledged      {} events, {rate:.0} events/s; {} requests deferred",
        seen.acknowledged, seen.deferred
    )?;
    writeln!(
        out,
        "raw SQLite        {:.0} rows/s, {:.0} commits/s (WAL, FULL, {} rows a commit)",
        raw.rows, raw.commits, args.batch
    )?;
    writeln!(out, "ratio             {:.3} of the raw rate", rate / raw.rows)?;
    let ms = |permille| seen.latency(permille).as_secs_f64() * 1_000.0;
    writeln!(
        out,
        "acknowledged in   p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        ms(500),
        ms(990),
        ms(1_000)
    )?;
    writeln!(
        out,
        "stream lag        {} records at the end, drained in {:.2} s",
        measured.lag,
        measured.drained_in.as_secs_f64()
    )?;
    let total = measured.took + measured.drained_in;
    writeln!(
        out,
        "acknowledged and processed  {:.0} events/s",
        per_second(seen.acknowledged, total)
    )?;
    let micros = |cpu: Duration| {
        cpu.as_secs_f64() * 1e6 / per_second(seen.acknowledged, Duration::from_secs(1))
    };
    let first = samples.first().map_or(Duration::ZERO, |sample| sample.cpu);
    let cpu = measured.cpu_drained.saturating_sub(first);
    writeln!(
        out,
        "CPU per event     server {:.1} us, clients {:.1} us",
        micros(cpu),
        micros(measured.cpu_of_clients)
    )?;
    for Sample { at, memory, cpu } in samples {
        writeln!(
            out,
            "at {:5.1} s        resident {} MiB (anonymous {} MiB), CPU {:.2} s",
            at.as_secs_f64(),
            memory.resident,
            memory.anonymous,
            cpu.as_secs_f64()
        )?;
    }
    writeln!(
        out,
        "drained           resident {} MiB (anonymous {} MiB)",
        measured.drained.resident, measured.drained.anonymous
    )?;
    writeln!(out, "ledger balanced; audit {}", measured.audit)?;
    Ok(())
}

fn per_second(count: usize, time: Duration) -> f64 {
    let count = u32::try_from(count).map_or(f64::INFINITY, f64::from);
    count / time.as_secs_f64().max(1e-9)
}

/// How long raw SQLite is measured, before the server and after it.
const RAW: Duration = Duration::from_secs(3);
