//! `tribo audit`: every counter against its recomputation from the archive.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::bail;
use contract::{OrgId, Timestamp, command::CounterSummary};
use domain::counters::{self, Cell, Count};
use ports::{
    accounts::Accounts,
    archive::Archive,
    clock::{Clock as _, SystemClock},
    ledger::Ledger,
};
use serde::{Deserialize, Serialize};

use super::books::over_hours;
use crate::{
    archived::{self, Archived},
    cli::AuditArgs,
    open::{self, at},
    output,
    remote::Server,
};

/// `tribo audit` and `GET /v1/audit`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AuditReport {
    counters: CounterSummary,
    archive: AuditedArchive,
}

#[derive(Debug, Serialize, Deserialize)]
struct AuditedArchive {
    objects: u64,
    /// Copies of an event are lines of their own.
    lines: u64,
    events: usize,
}

/// Prints the comparison. 5 when any counter differs.
pub(crate) async fn run(args: AuditArgs) -> anyhow::Result<u8> {
    let org = args.org.as_ref();
    let report: AuditReport = match Server::named(&args.store)? {
        Some(server) => server.get("/v1/audit", &super::books::of(org)).await?,
        None => {
            at!(args.store.place.existing()?, world => {
                open::known(&world, org).await?;
                at_rest(&world, org).await?
            })
        }
    };
    let AuditReport { counters, archive } = &report;
    if args.store.json {
        output::json(&report)?;
    } else {
        output::line(&format!(
            "{} events in {} objects; {} counters compared, {} differ",
            archive.events, archive.objects, counters.compared, counters.different
        ))?;
    }
    Ok(if counters.different == 0 { 0 } else { super::books::NOT_BALANCED })
}

/// Compares until nothing was under way meanwhile: an event that is archived before its counters are read and counted
/// after, or the other way round, is no fault.
pub(crate) async fn at_rest<W: Accounts + Archive + Ledger>(
    world: &W,
    org: Option<&OrgId>,
) -> anyhow::Result<AuditReport> {
    for _ in 0..TRIES {
        let before = under_way(world).await?;
        let (counters, archived) = compare(world, org).await?;
        let after = under_way(world).await?;
        if counters.different == 0 || (before == after && after.0 == 0) {
            let Archived { objects, lines, events } = archived;
            let archive = AuditedArchive { objects, lines, events: events.len() };
            return Ok(AuditReport { counters, archive });
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!(
        "events are under way, so the counters never held still: try again when fewer come, and with the server running"
    )
}

/// Records that wait to be processed, and events that were accepted.
async fn under_way<W: Accounts>(world: &W) -> anyhow::Result<(u64, u64)> {
    let ledger = world.ledger(None, SystemClock.now()).await?;
    Ok((ledger.stream_lag, ledger.orgs.iter().map(|org| org.accepted).sum()))
}

/// Recomputes the counters of `org`, or of all, and compares.
pub(crate) async fn compare<W: Accounts + Archive + Ledger>(
    world: &W,
    org: Option<&OrgId>,
) -> anyhow::Result<(CounterSummary, Archived)> {
    let (always, never) = (Timestamp::from_ms(i64::MIN), Timestamp::from_ms(i64::MAX));
    let archived = archived::read(world, org, always, never).await?;
    let keys: BTreeSet<_> = archived.events.values().map(counters::dictionary_key).collect();
    let dictionaries = world.dictionaries(&keys.into_iter().collect::<Vec<_>>()).await?;
    let expected = counters::deltas(archived.events.values(), &dictionaries).counts;
    let stored: BTreeMap<Cell, Count> =
        world.counters(org, always, never).await?.into_iter().collect();
    let cells: BTreeSet<&Cell> = expected.keys().chain(stored.keys()).collect();
    let different = cells.iter().filter(|cell| expected.get(*cell) != stored.get(*cell)).count();
    let rows: Vec<(Cell, Count)> =
        stored.iter().map(|(cell, count)| (cell.clone(), *count)).collect();
    let top = over_hours(&rows)
        .into_iter()
        .take(TOP)
        .map(|((org, product, what), count)| (format!("{org} {product} {what}"), count.events))
        .collect();
    let summary = CounterSummary {
        compared: u64::try_from(cells.len())?,
        different: u64::try_from(different)?,
        top,
    };
    Ok((summary, archived))
}

const TOP: usize = 12;
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);
