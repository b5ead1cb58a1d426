//! `tribo audit`: every counter against its recomputation from the archive.

use std::collections::{BTreeMap, BTreeSet};

use contract::{OrgId, Timestamp, command::CounterSummary};
use domain::counters::{self, Cell, Count};
use ports::{accounts::Accounts, archive::Archive, ledger::Ledger};
use serde_json::json;

use super::books::over_hours;
use crate::{
    archived::{self, Archived},
    cli::AuditArgs,
    open, output,
};

/// Prints the comparison. 5 when any counter differs.
pub(crate) async fn run(args: AuditArgs) -> anyhow::Result<u8> {
    let world = open::existing(&args.data_dir)?;
    let (summary, archived) = compare(&world, args.org.as_ref()).await?;
    if args.json {
        let archive = json!({ "objects": archived.objects, "lines": archived.lines, "events": archived.events.len() });
        output::json(&json!({ "counters": summary, "archive": archive }))?;
    } else {
        output::line(&format!(
            "{} events in {} objects; {} counters compared, {} differ",
            archived.events.len(),
            archived.objects,
            summary.compared,
            summary.different
        ))?;
    }
    Ok(if summary.different == 0 { 0 } else { super::books::NOT_BALANCED })
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
