//! `tribo send`: a file of events into a server, in batches, safe to repeat and to interrupt.

mod progress;
mod reader;
mod request;

use std::{collections::BTreeMap, io::IsTerminal as _, sync::Arc, time::Instant};

use anyhow::Context as _;
use contract::command::SendReport;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use self::{
    progress::Progress,
    reader::{Batch, Lines},
    request::{Sender, Tally},
};
use crate::{cli::SendArgs, output, remote};

/// Sends the file. 0 when every event got an answer, 3 when some were rejected and `--strict`.
pub(crate) async fn run(args: SendArgs) -> anyhow::Result<u8> {
    let started = Instant::now();
    let resume = !args.no_resume && args.file.as_os_str() != "-";
    let url = remote::base(&args.url)?;
    let mut progress = Progress::open(&args.file, &url, &args.key, resume)?;
    if progress.lines_done > 0 {
        output::note(&format!("going on after line {}", progress.lines_done));
    }
    let mut lines = Lines::open(&args.file, usize::try_from(args.batch)?)?;
    let bar = bar(&args, lines.bytes_total);
    let sender = Arc::new(Sender::new(&url, &args.key, args.patience, bar.clone())?);
    let outcome = pump(&args, &mut lines, &mut progress, &sender, &bar).await;
    bar.finish_and_clear();
    let mut report = progress.report.clone();
    report.seconds = started.elapsed().as_secs_f64();
    if let Err(error) = outcome {
        progress.save()?;
        print(&args, &report)?;
        output::note(&format!("tribo: {error:#}"));
        output::note(hint(&args, &report));
        return Ok(1);
    }
    progress.finish()?;
    print(&args, &report)?;
    Ok(if args.strict && !report.rejected.is_empty() { 3 } else { 0 })
}

/// What to do after an interruption.
fn hint(args: &SendArgs, report: &SendReport) -> &'static str {
    if report.sent == 0 {
        "nothing was answered; it is safe to run the same command again"
    } else if args.no_resume || args.file.as_os_str() == "-" {
        "what was answered stays sent; sending it again only gives duplicates"
    } else {
        "what was answered stays sent; the same command goes on from there"
    }
}

/// Keeps `concurrency` requests in flight; progress moves on over the longest answered prefix of the file.
async fn pump(
    args: &SendArgs,
    lines: &mut Lines,
    progress: &mut Progress,
    sender: &Arc<Sender>,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut flights: JoinSet<anyhow::Result<(Batch, Tally)>> = JoinSet::new();
    let mut answered: BTreeMap<u64, (u64, Tally)> = BTreeMap::new();
    let mut exhausted = false;
    loop {
        while !exhausted && flights.len() < usize::try_from(args.concurrency)? {
            let Some(batch) = lines.next_batch(progress.lines_done)? else {
                exhausted = true;
                break;
            };
            let sender = Arc::clone(sender);
            flights.spawn(async move {
                let tally = sender.send(&batch).await?;
                Ok((batch, tally))
            });
        }
        let Some(flight) = flights.join_next().await else { return Ok(()) };
        let (batch, tally) = flight.context("a request stopped unexpectedly")??;
        answered.insert(batch.first_line, (batch.last_line, tally));
        while let Some(entry) = answered.first_entry() {
            // Only the prefix without gaps counts as done: after a crash everything behind it is sent again.
            if *entry.key() > progress.next_line() {
                break;
            }
            let (last_line, tally) = entry.remove();
            progress.add(last_line, &tally);
        }
        progress.save_now_and_then()?;
        bar.set_position(lines.bytes_read());
        bar.set_message(format!(
            "{} accepted, {} duplicates, {} rejected",
            progress.report.accepted,
            progress.report.duplicates,
            progress.report.rejected.values().sum::<u64>()
        ));
    }
}

fn bar(args: &SendArgs, bytes_total: Option<u64>) -> ProgressBar {
    if args.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let Some(total) = bytes_total else {
        return ProgressBar::new_spinner();
    };
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {elapsed}") {
        bar.set_style(style);
    }
    bar
}

fn print(args: &SendArgs, report: &SendReport) -> anyhow::Result<()> {
    if args.json {
        return output::json(report);
    }
    let rejected: u64 = report.rejected.values().sum();
    output::line(&format!(
        "{} sent: {} accepted, {} duplicates, {rejected} rejected in {:.1} s",
        report.sent, report.accepted, report.duplicates, report.seconds
    ))?;
    for (code, count) in &report.rejected {
        output::line(&format!("  {count:>8}  {code}"))?;
    }
    Ok(())
}
