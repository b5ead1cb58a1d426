//! `tribo rescore`: sessions derived again from their events, under the rules and baselines of today.

mod kept;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use contract::{OrgId, Timestamp, session::SessionId};
use friction::{change::SessionState, owner::Owner, policy::SessionPolicy};
use ports::{
    clock::{Clock as _, SystemClock},
    reference::Organisations,
    sessions::{Arming, SessionQuery, Span, Understanding},
};
use serde::Serialize;
use sessionizer::World;

use self::kept::{Change, Kept};
use super::{
    rules,
    sessions::pages,
    sweeping::{self, Rehearsal},
};
use crate::{
    cli::RescoreArgs,
    open::{self, at},
    output,
};

/// `tribo rescore --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RescoreReport {
    org: OrgId,
    from: Timestamp,
    to: Timestamp,
    dry_run: bool,
    rules_version: u32,
    /// Whose sessions were derived again: those that have one that began within the time.
    owners: usize,
    /// Sessions that began within the time and do not change any more: their events may be gone.
    frozen: usize,
    /// Closed sessions that are under other rules still: more came to them, and they change when they are closed again.
    waiting: usize,
    /// What became of the others, and of those that follow them.
    #[serde(flatten)]
    change: Change,
}

/// Rescores.
pub(crate) async fn run(args: RescoreArgs) -> anyhow::Result<u8> {
    let RescoreArgs { place, org, span, dry_run } = args;
    let (from, to) = span.bounds()?;
    let world = place.place.existing()?;
    let policy = world.session_policy();
    let span = Span { org, product: None, from, to };
    let report = at!(world, world => rescore(world, policy, span, dry_run).await?);
    if place.json {
        output::json(&report)?;
    } else {
        output::line(text(&report).trim_end())?;
    }
    Ok(0)
}

async fn rescore<W>(
    world: W,
    policy: SessionPolicy,
    span: Span,
    dry_run: bool,
) -> anyhow::Result<RescoreReport>
where
    W: World + Understanding + Organisations + Clone,
{
    open::known(&world, Some(&span.org)).await?;
    let (owners, frozen) = owners(&world, &policy, &span).await?;
    let before = Kept::of(&world, &owners).await?;
    let (rules_version, after) = if dry_run {
        again(&Rehearsal::new(world), policy, &span.org, (&owners, 1)).await?
    } else {
        again(&world, policy, &span.org, (&owners, ROUNDS)).await?
    };
    Ok(RescoreReport {
        org: span.org,
        from: span.from,
        to: span.to,
        dry_run,
        rules_version,
        owners: owners.len(),
        frozen,
        waiting: after.not_under(rules_version).into_values().sum(),
        change: Change::between(&before, &after),
    })
}

/// Whoever has sessions in the span that may change, with the beginning of the first; and how many may not.
async fn owners<W: Understanding>(
    world: &W,
    policy: &SessionPolicy,
    span: &Span,
) -> anyhow::Result<(BTreeMap<Owner, Timestamp>, usize)> {
    let frozen_before = SystemClock.now().plus_ms(-policy.frozen_ms);
    let mut frozen = 0;
    let mut found: Vec<(Timestamp, SessionId)> = Vec::new();
    let query = SessionQuery { span: span.clone(), state: None, after: None, limit: pages::SIZE };
    pages::sessions(world, query, |held| {
        let session = held.session;
        if held.state == SessionState::Closed && session.started_at < frozen_before {
            frozen += 1;
        } else {
            found.push((session.started_at, session.session_id));
        }
    })
    .await?;
    let mut owners: BTreeMap<Owner, Timestamp> = BTreeMap::new();
    for (at, id) in found {
        // A session that is gone meanwhile was derived again meanwhile.
        if let Some((owner, _)) = world.session(&span.org, &id).await? {
            let first = owners.entry(owner).or_insert(at);
            *first = at.min(*first);
        }
    }
    Ok((owners, frozen))
}

/// Derives everything again, and says under which rules, and what is kept then.
async fn again<W: World + Clone>(
    world: &W,
    policy: SessionPolicy,
    org: &OrgId,
    (owners, rounds): (&BTreeMap<Owner, Timestamp>, u32),
) -> anyhow::Result<(u32, Kept)> {
    let mut left: BTreeSet<Owner> = owners.keys().cloned().collect();
    let mut round = 1;
    loop {
        arm(world, owners, &left).await?;
        sweeping::settle(world, policy, left).await?;
        let version = rules::of(world, org).await?.version;
        let kept = Kept::of(world, owners).await?;
        // A server's sweep that began before the rules changed goes by those before, and may have come first.
        left = kept.not_under(version).into_keys().collect();
        if left.is_empty() || round == rounds {
            return Ok((version, kept));
        }
        tokio::time::sleep(PAUSE * round).await;
        round += 1;
    }
}

async fn arm<W: World>(
    world: &W,
    owners: &BTreeMap<Owner, Timestamp>,
    chosen: &BTreeSet<Owner>,
) -> anyhow::Result<()> {
    let due_at = SystemClock.now();
    let arming = |(owner, from): (&Owner, &Timestamp)| Arming {
        owner: owner.clone(),
        dirty_from: *from,
        due_at,
    };
    let armings: Vec<Arming> =
        owners.iter().filter(|(owner, _)| chosen.contains(*owner)).map(arming).collect();
    for armings in armings.chunks(ARMINGS) {
        world.arm(armings).await?;
    }
    Ok(())
}

fn text(report: &RescoreReport) -> String {
    let RescoreReport { rules_version, owners, frozen, waiting, dry_run, change, .. } = report;
    let (were, differ) = if *dry_run { ("would be", "would differ") } else { ("were", "differ") };
    let mut text = format!(
        "{} closed sessions of {owners} owners {were} derived again under rules of version {rules_version}: \
         {} {differ}, {} of them in a score or an incident\n",
        change.sessions.before, change.revised, change.changed
    );
    let score = |score: Option<f64>| score.map_or_else(|| "-".to_owned(), |s| format!("{s:.4}"));
    let row = |name: &str, before: String, after: String| vec![name.to_owned(), before, after];
    let rows = [
        row("sessions", change.sessions.before.to_string(), change.sessions.after.to_string()),
        row("incidents", change.incidents.before.to_string(), change.incidents.after.to_string()),
        row("mean frustration", score(change.frustration.before), score(change.frustration.after)),
    ];
    text.push_str(&output::table(&["closed sessions", "before", "after"], &rows));
    if *frozen > 0 {
        text.push_str(&format!(
            "{frozen} sessions stay: they began too long ago to change, and their events may be gone\n"
        ));
    }
    if *waiting > 0 {
        text.push_str(&format!(
            "{waiting} sessions go on since they were closed: they change when they are closed again\n"
        ));
    }
    text
}

const ROUNDS: u32 = 4;
/// Before the second round; before each further one more.
const PAUSE: Duration = Duration::from_millis(500);
const ARMINGS: usize = 500;
