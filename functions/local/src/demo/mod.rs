//! `tribo demo`: the whole suite once, with a simulated product, a connector that misbehaves, and its books at the end.

mod driver;
mod emitting;
mod events;
mod leaks;
mod personas;
mod plan;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use contract::{
    command::{ArchiveSummary, DemoReport},
    limits::SECOND_MS,
};
use domain::{breaker::BreakerPolicy, delivery::DeliveryPolicy};
use ports::{
    accounts::Accounts as _,
    clock::{Clock as _, SystemClock},
};

use self::driver::Driver;
use crate::{
    cli::DemoArgs,
    commands::{audit, books},
    output,
    suite::{Suite, SuiteSettings, Target},
};

/// Runs the demo. 0 only when everything balances, every counter is proven and nothing leaked.
pub(crate) async fn run(args: DemoArgs, filter: &str) -> anyhow::Result<u8> {
    let started = Instant::now();
    let dir = folder(args.dir.as_deref())?;
    let progress = Progress { quiet: args.json };
    let log = dir.join(LOG);
    telemetry::init_to(std::fs::File::create(&log).context("cannot write the log")?, filter);
    progress.say(&format!("what the suite logs goes to {}", log.display()));
    progress.say("an installation of its own with a misbehaving connector; settle, timeout and back-off are shortened");
    let suite = Suite::start(settings(&dir)).await?;
    let plan = plan::Plan::new(args.seed, args.events, SystemClock.now());
    progress.say(&format!(
        "{} occasions of {} people in {} organisations",
        plan.events,
        plan.people,
        plan.orgs.len()
    ));
    let mut driver = Driver::new(&suite, plan).await?;
    driver.drive(&progress).await?;
    driver.settle(&suite, SETTLE_PATIENCE, &progress).await?;
    let report = verify(&suite, &driver, &dir, started, &progress).await?;
    let outcome = judge(&suite, &report)?;
    suite.stop(Duration::from_secs(10)).await?;
    print(&args, &report, &outcome)?;
    progress.say(&format!(
        "look around: tribo ledger --data-dir {0}; or remove it: rm -r {0}",
        dir.display()
    ));
    Ok(u8::from(!outcome.is_empty()))
}

/// Shortened times, so that a day of misbehaviour fits into seconds. Everything else is as `tribo local` runs it.
fn settings(dir: &Path) -> SuiteSettings {
    let policy = DeliveryPolicy {
        settle_ms: 200,
        request_timeout_ms: SECOND_MS,
        backoff_min_ms: 50,
        backoff_max_ms: 500,
        retry_after_min_ms: 100,
        retry_after_max_ms: 300,
        breaker: BreakerPolicy { failures_to_open: 5, open_min_ms: 200, open_max_ms: 500 },
        urgent_interval_ms: SECOND_MS,
        ..DeliveryPolicy::default()
    };
    SuiteSettings {
        policy,
        target: Target::Mock(connector::mock::Quirks {
            rate_limit_every: 23,
            retry_after_s: 1,
            max_batch_events: 40,
            reject_share: 0.01,
            hang_every: 97,
            lose_2xx_every: 31,
            seed: 11,
            ..connector::mock::Quirks::default()
        }),
        ..SuiteSettings::new(dir)
    }
}

async fn verify(
    suite: &Suite,
    driver: &Driver,
    dir: &Path,
    started: Instant,
    progress: &Progress,
) -> anyhow::Result<DemoReport> {
    progress.say("recomputing every counter from the archive");
    let (counters, archived) = audit::compare(&suite.world, None).await?;
    progress.say("looking for planted identifiers in every file");
    let found = leaks::count(dir, driver.planted())?;
    for place in &found.places {
        output::note(&format!("a planted identifier is in {place}"));
    }
    Ok(DemoReport {
        ledger: suite.world.ledger(None, SystemClock.now()).await?,
        counters,
        archive: ArchiveSummary {
            objects: archived.objects,
            events: u64::try_from(archived.events.len())?,
            location: dir.join(ARCHIVE).join(domain::archive::PREFIX).display().to_string(),
        },
        leaks: u64::try_from(found.places.len())?,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// What is wrong, in words; empty when nothing is.
fn judge(suite: &Suite, report: &DemoReport) -> anyhow::Result<Vec<String>> {
    let mut wrong = faults(report);
    let mock = suite.mock().context("the demo delivers to the mock connector")?;
    let delivered: u64 = report.ledger.orgs.iter().map(|org| org.delivered).sum();
    let books = mock.books();
    let taken = u64::try_from(books.events_taken())?;
    if delivered != taken {
        wrong.push(format!(
            "{delivered} events are booked as delivered, the connector took {taken}"
        ));
    }
    wrong.extend(
        books.violations.iter().map(|violation| format!("the connector complains: {violation:?}")),
    );
    Ok(wrong)
}

/// What the report itself shows to be wrong.
fn faults(report: &DemoReport) -> Vec<String> {
    let mut wrong = Vec::new();
    if !report.ledger.balanced {
        wrong.push("a ledger does not balance".to_owned());
    }
    if report.counters.different > 0 {
        wrong.push(format!("{} counters differ from the archive", report.counters.different));
    }
    if report.leaks > 0 {
        wrong.push(format!("planted identifiers were found in {} files", report.leaks));
    }
    wrong
}

fn print(args: &DemoArgs, report: &DemoReport, wrong: &[String]) -> anyhow::Result<()> {
    if args.json {
        output::json(report)?;
    } else {
        output::line("")?;
        output::line(&books::ledger_table(&report.ledger))?;
        output::line("the largest counters:")?;
        for (name, count) in &report.counters.top {
            output::line(&format!("  {count:>8}  {name}"))?;
        }
        output::line(&format!(
            "\n{} counters equal their recomputation from {} archived events in {} objects; {} differ",
            report.counters.compared - report.counters.different,
            report.archive.events,
            report.archive.objects,
            report.counters.different
        ))?;
        output::line(&format!("planted identifiers found in any file: {}", report.leaks))?;
        output::line(&format!("archive: {}", report.archive.location))?;
        output::line(&format!("{:.1} s", report.seconds))?;
    }
    for what in wrong {
        output::note(&format!("WRONG: {what}"));
    }
    Ok(())
}

/// Tells what is going on, on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    quiet: bool,
}

impl Progress {
    /// One step.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            output::note(&format!("· {text}"));
        }
    }
}

/// Where the demo writes: a folder of its own, which stays, whatever the outcome, for looking around.
fn folder(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let Some(dir) = given else {
        return Ok(tempfile::Builder::new().prefix("tribo-demo-").tempdir()?.keep());
    };
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty", dir.display());
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir.to_owned())
}

const LOG: &str = "demo.log";
/// The archive's folder in the data directory.
const ARCHIVE: &str = "archive";
const SETTLE_PATIENCE: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use contract::{Timestamp, command::CounterSummary, ledger::LedgerReport};

    use super::*;

    #[test]
    fn a_leak_a_wrong_counter_and_an_open_ledger_each_fail_the_demo() {
        let good = DemoReport {
            ledger: LedgerReport {
                as_of: Timestamp::from_ms(0),
                stream_lag: 0,
                orgs: Vec::new(),
                balanced: true,
            },
            counters: CounterSummary { compared: 9, different: 0, top: Vec::new() },
            archive: ArchiveSummary { objects: 1, events: 1, location: String::new() },
            leaks: 0,
            seconds: 1.0,
        };
        assert_eq!(faults(&good), Vec::<String>::new());
        let mut bad = good.clone();
        bad.leaks = 1;
        assert_eq!(faults(&bad).len(), 1);
        bad.counters.different = 1;
        assert_eq!(faults(&bad).len(), 2);
        bad.ledger.balanced = false;
        assert_eq!(faults(&bad).len(), 3);
    }
}
