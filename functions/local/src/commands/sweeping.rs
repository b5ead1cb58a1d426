//! Working up chosen owners at once, beside whatever server runs: versions of heads see to it that whoever comes second
//! changes nothing.

mod chosen;
mod rehearsal;

use std::{collections::BTreeSet, time::Duration};

use anyhow::bail;
use friction::{owner::Owner, policy::SessionPolicy};
use ports::{clock::SystemClock, sessions::Lane};
use sessionizer::{Sessionizer, World};

use self::chosen::Chosen;
pub(super) use self::rehearsal::Rehearsal;

/// Sweeps until none of `owners` is due any more, whoever sweeps them. What comes of it is announced by the sweeper of the
/// server: its listeners are there.
pub(super) async fn settle<W: World + Clone>(
    world: &W,
    policy: SessionPolicy,
    owners: BTreeSet<Owner>,
) -> anyhow::Result<()> {
    let chosen = Chosen::new(world.clone(), owners);
    let sessionizer = Sessionizer::new(chosen.clone(), SystemClock, policy);
    let mut tries = 0;
    loop {
        let report = sessionizer.sweep(EVERYBODY, None).await?;
        if chosen.are_done().await? {
            return Ok(());
        }
        if report.owners > report.stale + report.failed {
            tries = 0;
            continue;
        }
        tries += 1;
        if tries == TRIES {
            bail!(
                "{} owners of sessions could not be worked up yet; they stay due, and whoever sweeps next does it",
                chosen.len()
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

const EVERYBODY: Lane = Lane { index: 0, of: 1 };
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);
