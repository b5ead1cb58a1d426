//! `tribo replay`: stored events through the suite again. What is done already stays done: ids, markers and the list of
//! forwarded events are the same as the first time.

mod pace;
mod source;

use std::collections::BTreeMap;

use anyhow::Context as _;
use contract::Timestamp;
use domain::profile::Profile;
use ports::{
    accounts::Accounts,
    archive::{Archive, Quarantine},
    clock::{Clock as _, SystemClock},
    delivery::{Leases, Parking},
    keys::PseudonymKeys,
    ledger::Ledger,
    reference::Organisations,
    staging::Staging,
    stream::EventStream,
};
use serde::Serialize;

use self::pace::Pace;
use crate::{
    cli::{self, ReplayArgs, ReplaySource, ReplayTarget, ReplayTo},
    open::{self, at},
    output,
};

/// What a replay did, or would do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplayReport {
    org: String,
    from: Timestamp,
    to: Timestamp,
    /// Events that the source holds.
    found: u64,
    /// Events that go through again.
    replayed: u64,
    /// Events that do not, by reason.
    skipped: BTreeMap<&'static str, u64>,
    dry_run: bool,
}

/// Replays.
pub(crate) async fn run(args: ReplayArgs) -> anyhow::Result<u8> {
    let (to, target) = end_and_target(&args.to)?;
    if to <= args.from {
        return Err(cli::wrong("--to must be later than --from"));
    }
    let profile = Profile::parse(&args.profile).context("--profile")?;
    let json = args.place.json;
    let report = at!(args.place.place.existing()?, world => {
        replay(world, args, profile, (to, target)).await?
    });
    print(&report, json)?;
    Ok(0)
}

/// Everything that a replay reads and writes.
trait World:
    Accounts
    + Archive
    + EventStream
    + Leases
    + Ledger
    + Organisations
    + Parking
    + PseudonymKeys
    + Quarantine
    + Staging
{
}

impl<
    W: Accounts
        + Archive
        + EventStream
        + Leases
        + Ledger
        + Organisations
        + Parking
        + PseudonymKeys
        + Quarantine
        + Staging,
> World for W
{
}

async fn replay<W: World>(
    world: W,
    args: ReplayArgs,
    profile: Profile,
    (to, target): (Timestamp, ReplayTarget),
) -> anyhow::Result<ReplayReport> {
    open::known(&world, Some(&args.org)).await?;
    let report = ReplayReport {
        org: args.org.to_string(),
        from: args.from,
        to,
        found: 0,
        replayed: 0,
        skipped: BTreeMap::new(),
        dry_run: args.dry_run,
    };
    let mut replay = Replay {
        world,
        org: args.org,
        profile,
        now: SystemClock.now(),
        pace: Pace::of(args.rate),
        report,
    };
    match args.source {
        ReplaySource::Archive => replay.archive(args.from, to, target).await?,
        ReplaySource::Quarantine => replay.quarantine(args.from, to, target).await?,
        ReplaySource::Parked => replay.parked(args.from, to, target).await?,
    }
    Ok(replay.report)
}

/// A replay under way.
struct Replay<W> {
    world: W,
    org: contract::OrgId,
    profile: Profile,
    now: Timestamp,
    pace: Pace,
    report: ReplayReport,
}

impl<W> Replay<W> {
    fn skip(&mut self, reason: &'static str) {
        *self.report.skipped.entry(reason).or_default() += 1;
    }
}

fn end_and_target(given: &[ReplayTo]) -> anyhow::Result<(Timestamp, ReplayTarget)> {
    let mut times = given.iter().filter_map(|to| match to {
        ReplayTo::Time(at) => Some(*at),
        ReplayTo::Target(_) => None,
    });
    let mut targets = given.iter().filter_map(|to| match to {
        ReplayTo::Target(target) => Some(*target),
        ReplayTo::Time(_) => None,
    });
    match (times.next(), times.next(), targets.next(), targets.next()) {
        (Some(time), None, Some(target), None) => Ok((time, target)),
        _ => Err(cli::wrong(
            "--to is given twice: once with a time, once with `counters` or `forward`",
        )),
    }
}

fn print(report: &ReplayReport, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(report);
    }
    let verb = if report.dry_run { "would go" } else { "go" };
    output::line(&format!("{} found, {} {verb} through again", report.found, report.replayed))?;
    for (reason, count) in &report.skipped {
        output::line(&format!("  {count:>8} stay: {reason}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_and_the_target_are_both_given_as_to_in_any_order() {
        let time = ReplayTo::Time(Timestamp::from_ms(1));
        let target = ReplayTo::Target(ReplayTarget::Forward);
        let expected = (Timestamp::from_ms(1), ReplayTarget::Forward);
        assert_eq!(end_and_target(&[time, target]).unwrap(), expected);
        assert_eq!(end_and_target(&[target, time]).unwrap(), expected);
        for bad in [&[][..], &[time], &[target], &[time, time], &[time, target, target]] {
            assert!(end_and_target(bad).is_err());
        }
    }
}
