//! Sessions of archived events: those that there were, in a store that has none, and those that are missing in one that has.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::Context as _;
use contract::{
    Event, Timestamp,
    limits::{DAY_MS, MARKER_TTL_MS},
};
use friction::{
    owner::{Owner, Position},
    policy::SessionPolicy,
    reconcile,
};
use ports::{
    archive::Archive,
    clock::{Clock as _, SystemClock},
    reference::Organisations,
};
use sessionizer::{Sessionizer, World};

use super::{ReplayReport, pace::Pace};
use crate::{
    archived,
    cli::ReplayArgs,
    commands::{owned::Owned, sweeping},
    open, server,
};

/// For how long a place keeps the events of sessions.
pub(super) enum Kept {
    /// For as long as ids, but the server of this directory lets go of them then.
    Beside(PathBuf),
    /// For nine days, of which the last belong to what came late.
    #[cfg_attr(
        not(feature = "aws"),
        expect(dead_code, reason = "only a stage keeps them so, and only `aws` speaks to one")
    )]
    NineDays,
}

impl Kept {
    /// True for events of which some may be gone before all of them are there.
    fn is_short_of(&self, began: Timestamp, policy: &SessionPolicy) -> bool {
        match self {
            Self::Beside(_) => false,
            Self::NineDays => SystemClock.now().since_ms(began) > policy.late_ms,
        }
    }
}

/// Makes sessions of what arrived from `args.from` to `to`.
pub(super) async fn replay<W>(
    world: W,
    args: ReplayArgs,
    to: Timestamp,
    (policy, kept): (SessionPolicy, Kept),
) -> anyhow::Result<ReplayReport>
where
    W: World + Archive + Organisations + Clone,
{
    open::known(&world, Some(&args.org)).await?;
    let mut report = ReplayReport::of(&args, to);
    let archived = archived::read(&world, Some(&args.org), args.from, to).await?;
    report.found = u64::try_from(archived.events.len())?;
    let owned = Owned::of(archived, &policy);
    report.skip("too late for a session", owned.late);
    report.skip("of nobody, or not to be analysed", owned.ownerless);
    let mut waves: BTreeMap<Timestamp, Vec<Stretch>> = BTreeMap::new();
    for (owner, events) in owned.owners {
        for stretch in stretches(&owner, events, &policy) {
            if kept.is_short_of(stretch.began(), &policy) {
                report.skip("older than what a stage keeps for sessions", stretch.events.len());
                continue;
            }
            waves.entry(wave(stretch.began())).or_default().push(stretch);
        }
    }
    // A server lets go of events of this age, and what is made of a part of them would stay.
    let is_old = |began: &Timestamp| SystemClock.now().since_ms(*began) > KEPT_FOR_SURE_MS;
    let oldest = waves.keys().next().filter(|began| is_old(began) && !args.dry_run);
    let _alone = match (oldest, &kept) {
        (Some(_), Kept::Beside(directory)) => Some(server::only_server(directory).context(
            "the time holds events that are older than a running server keeps for sessions",
        )?),
        _ => None,
    };
    let sessionizer = Sessionizer::new(world.clone(), SystemClock, policy);
    let mut replay = Replay { world, sessionizer, policy, pace: Pace::of(args.rate), report };
    for wave in waves.into_values() {
        replay.wave(wave).await?;
    }
    Ok(replay.report)
}

/// Events of an owner that are to be seen together, in order.
///
/// What is older than any change stays as it is once it is stored, so that nothing may come in two parts that goes on
/// without a pause.
#[derive(Debug, PartialEq)]
struct Stretch {
    owner: Owner,
    events: Vec<Event>,
}

impl Stretch {
    fn began(&self) -> Timestamp {
        self.events.first().map(|event| event.occurred_at).unwrap_or_default()
    }

    fn ended(&self) -> Timestamp {
        self.events.last().map(|event| event.occurred_at).unwrap_or_default()
    }

    fn goes_on_at(&self, at: Timestamp, policy: &SessionPolicy) -> bool {
        at.since_ms(self.ended()) <= policy.gap_ms
    }
}

fn stretches(owner: &Owner, mut events: Vec<Event>, policy: &SessionPolicy) -> Vec<Stretch> {
    events.sort_by_cached_key(Position::of);
    let mut stretches: Vec<Stretch> = Vec::new();
    for event in events {
        match stretches.last_mut() {
            Some(last) if last.goes_on_at(event.occurred_at, policy) => last.events.push(event),
            Some(_) | None => {
                stretches.push(Stretch { owner: owner.clone(), events: vec![event] });
            }
        }
    }
    stretches
}

/// What tasks usually take on a day is known from days long before: those are to be complete before the day comes.
fn wave(began: Timestamp) -> Timestamp {
    Timestamp::from_ms(began.ms().div_euclid(WAVE_MS) * WAVE_MS)
}

/// A replay under way.
struct Replay<W> {
    world: W,
    sessionizer: Sessionizer<W, SystemClock>,
    policy: SessionPolicy,
    pace: Pace,
    report: ReplayReport,
}

impl<W: World + Clone> Replay<W> {
    async fn wave(&mut self, stretches: Vec<Stretch>) -> anyhow::Result<()> {
        let mut owners: BTreeSet<Owner> = BTreeSet::new();
        let mut events: Vec<Event> = Vec::new();
        for stretch in stretches {
            if self.is_frozen(&stretch).await? {
                self.report.skip("of a time that does not change any more", stretch.events.len());
                continue;
            }
            owners.insert(stretch.owner);
            events.extend(stretch.events);
            if events.len() >= self.pace.at_once(CHUNK) {
                self.take(std::mem::take(&mut events)).await?;
            }
        }
        self.take(events).await?;
        if !self.report.dry_run {
            sweeping::settle(&self.world, self.policy, owners).await?;
        }
        Ok(())
    }

    /// True for events that no sweep would look at: they lie before the end of sessions that do not change any more.
    async fn is_frozen(&self, stretch: &Stretch) -> anyhow::Result<bool> {
        let (began, now) = (stretch.began(), SystemClock.now());
        if now.since_ms(began) <= self.policy.frozen_ms - self.policy.cut_ms {
            return Ok(false);
        }
        let from = reconcile::stored_from(began, &self.policy);
        let stored = self.world.stored(&stretch.owner, from).await?;
        Ok(reconcile::reading(began, &stored.sessions, &self.policy, now).from > began)
    }

    async fn take(&mut self, events: Vec<Event>) -> anyhow::Result<()> {
        let count = events.len();
        self.report.replayed += u64::try_from(count)?;
        if !self.report.dry_run && count > 0 {
            self.pace.wait().await;
            self.pace.sent(count);
            self.sessionizer.take_events(events).await?;
        }
        Ok(())
    }
}

const WAVE_MS: i64 = 7 * DAY_MS;
/// A wave begins up to a week before its first event.
const KEPT_FOR_SURE_MS: i64 = MARKER_TTL_MS - DAY_MS;
const CHUNK: usize = 500;

#[cfg(test)]
mod tests {
    use contract::limits::{HOUR_MS, MINUTE_MS};
    use serde_json::json;

    use super::*;

    fn event(at_ms: i64) -> Event {
        let at = Timestamp::from_ms(at_ms);
        let event = json!({
            "eventId": format!("e.{at_ms}"), "eventType": "ui.click", "occurredAt": at, "orgId": "acme",
            "actorId": "usr1:k1:0000000000000000000000",
        });
        serde_json::from_value(event).unwrap()
    }

    fn lengths(times: impl IntoIterator<Item = i64>) -> Vec<usize> {
        let policy = SessionPolicy { events_max: 10, ..SessionPolicy::whole_horizon() };
        let events: Vec<Event> = times.into_iter().map(event).collect();
        let owner = Owner::of(&events[0]).unwrap();
        stretches(&owner, events, &policy).iter().map(|stretch| stretch.events.len()).collect()
    }

    #[test]
    fn a_stretch_ends_at_a_pause_whatever_the_order() {
        let gap = 30 * MINUTE_MS;
        assert_eq!(lengths([0, gap, 2 * gap + 1, 3 * gap + 1]), [2, 2]);
        assert_eq!(lengths([3 * gap + 1, 0, 2 * gap + 1, gap]), [2, 2]);
    }

    #[test]
    fn what_goes_on_for_more_than_one_session_is_seen_together() {
        assert_eq!(lengths((0..25).chain([HOUR_MS])), [25, 1]);
    }

    #[test]
    fn a_server_keeps_the_events_of_all_that_is_replayed_beside_it() {
        assert!(KEPT_FOR_SURE_MS < embedded::Retention::default().session_events_ms);
    }

    #[test]
    fn waves_are_shorter_than_the_days_between_a_day_and_its_baseline() {
        let policy = SessionPolicy::whole_horizon();
        let day = Timestamp::from_ms(20_000 * DAY_MS);
        let (_, to) = friction::baseline::window(day, &policy);
        assert!(day.since_ms(to) >= WAVE_MS + DAY_MS);
        assert!(wave(day) <= day && day < wave(day).plus_ms(WAVE_MS));
        assert_eq!(wave(wave(day).plus_ms(WAVE_MS - 1)), wave(day));
        assert_eq!(wave(Timestamp::from_ms(-1)), Timestamp::from_ms(-WAVE_MS));
    }
}
