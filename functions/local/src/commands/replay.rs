//! `tribo replay`: stored events through the suite again. What is done already stays done: ids, markers and the list of
//! forwarded events are the same as the first time.

mod pace;
mod sessions;
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

use self::{pace::Pace, sessions::Kept};
use crate::{
    cli::{self, ReplayArgs, ReplaySource, ReplayTarget, ReplayTo},
    open::{self, Place, at},
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

impl ReplayReport {
    /// Nothing is done yet.
    fn of(args: &ReplayArgs, to: Timestamp) -> Self {
        Self {
            org: args.org.to_string(),
            from: args.from,
            to,
            found: 0,
            replayed: 0,
            skipped: BTreeMap::new(),
            dry_run: args.dry_run,
        }
    }

    fn skip(&mut self, reason: &'static str, events: usize) {
        if events > 0 {
            let count = self.skipped.entry(reason).or_default();
            *count = count.saturating_add(u64::try_from(events).unwrap_or(u64::MAX));
        }
    }
}

/// Replays.
pub(crate) async fn run(args: ReplayArgs) -> anyhow::Result<u8> {
    let (to, goal) = end_and_goal(&args.to)?;
    if to <= args.from {
        return Err(cli::wrong("--to must be later than --from"));
    }
    let profile = Profile::parse(&args.profile).context("--profile")?;
    let json = args.place.json;
    let report = match goal {
        Goal::Again(target) => at!(args.place.place.existing()?, world => {
            replay(world, args, profile, (to, target)).await?
        }),
        Goal::Sessions if args.source == ReplaySource::Archive => replay_sessions(args, to).await?,
        Goal::Sessions => return Err(cli::wrong("--to sessions takes --source archive")),
    };
    print(&report, json)?;
    Ok(0)
}

/// Makes sessions of the archive.
async fn replay_sessions(args: ReplayArgs, to: Timestamp) -> anyhow::Result<ReplayReport> {
    let place = args.place.place.existing()?;
    let policy = place.session_policy();
    match place {
        Place::Directory(world) => {
            let kept = Kept::Beside(world.directory().to_owned());
            sessions::replay(world, args, to, (policy, kept)).await
        }
        #[cfg(feature = "aws")]
        Place::Stage(world) => sessions::replay(world, args, to, (policy, Kept::NineDays)).await,
    }
}

/// What a replay is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// That events go through the suite again.
    Again(ReplayTarget),
    /// That sessions are made of them.
    Sessions,
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
    let report = ReplayReport::of(&args, to);
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
        self.report.skip(reason, 1);
    }
}

fn end_and_goal(given: &[ReplayTo]) -> anyhow::Result<(Timestamp, Goal)> {
    let time = |to: &ReplayTo| match to {
        ReplayTo::Time(at) => Some(*at),
        ReplayTo::Target(_) | ReplayTo::Sessions => None,
    };
    let goal = |to: &ReplayTo| match to {
        ReplayTo::Time(_) => None,
        ReplayTo::Target(target) => Some(Goal::Again(*target)),
        ReplayTo::Sessions => Some(Goal::Sessions),
    };
    let (mut times, mut goals) = (given.iter().filter_map(time), given.iter().filter_map(goal));
    match (times.next(), times.next(), goals.next(), goals.next()) {
        (Some(time), None, Some(goal), None) => Ok((time, goal)),
        _ => Err(cli::wrong(
            "--to is given twice: once with a time, once with `counters`, `forward` or `sessions`",
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
        let forward = (ReplayTo::Target(ReplayTarget::Forward), Goal::Again(ReplayTarget::Forward));
        for (target, goal) in [forward, (ReplayTo::Sessions, Goal::Sessions)] {
            let expected = (Timestamp::from_ms(1), goal);
            assert_eq!(end_and_goal(&[time, target]).unwrap(), expected);
            assert_eq!(end_and_goal(&[target, time]).unwrap(), expected);
            for bad in [&[][..], &[time], &[target], &[time, time], &[time, target, target]] {
                assert!(end_and_goal(bad).is_err());
            }
        }
    }
}
