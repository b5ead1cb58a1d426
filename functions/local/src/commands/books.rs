//! `tribo ledger`, `tribo where`, `tribo counters`: reading the books of a directory or of a running server.

use contract::{
    OrgId, Timestamp,
    ledger::{Balance, LedgerReport, OrgLedger, Whereabouts},
};
use domain::counters::{Cell, Count};
use ports::{
    PortResult,
    accounts::Accounts,
    clock::{Clock as _, SystemClock},
};
use serde::{Deserialize, Serialize};

use crate::{
    cli::{CountersArgs, LedgerArgs, WhereArgs},
    open::{self, at},
    output,
    remote::Server,
};

/// Prints the ledger. 5 when it does not balance.
pub(crate) async fn ledger(args: LedgerArgs) -> anyhow::Result<u8> {
    let org = args.org.as_ref();
    let report: LedgerReport = match Server::named(&args.store)? {
        Some(server) => server.get("/v1/ledger", &of(org)).await?,
        None => {
            let now = SystemClock.now();
            at!(args.store.place.existing()?, world => world.ledger(org, now).await)?
        }
    };
    if let (Some(org), true) = (org, report.orgs.is_empty()) {
        return Err(open::unknown(org));
    }
    if args.store.json {
        output::json(&report)?;
    } else {
        output::line(ledger_table(&report).trim_end())?;
    }
    Ok(if report.balanced { 0 } else { NOT_BALANCED })
}

/// The ledger as people read it.
pub(crate) fn ledger_table(report: &LedgerReport) -> String {
    let head = [
        "organisation",
        "accepted",
        "duplicates",
        "rejected",
        "quarantined",
        "suppressed",
        "to forward",
        "delivered",
        "parked",
        "pending",
        "state",
    ];
    let rows: Vec<Vec<String>> = report.orgs.iter().map(ledger_row).collect();
    let mut text = output::table(&head, &rows);
    for org in &report.orgs {
        for (what, reasons) in [("rejected", &org.rejected), ("quarantined", &org.quarantined)] {
            if !reasons.is_empty() {
                let reasons: Vec<String> =
                    reasons.iter().map(|(code, count)| format!("{code} {count}")).collect();
                text.push_str(&format!("{} {what}: {}\n", org.org, reasons.join(", ")));
            }
        }
    }
    if report.stream_lag > 0 {
        text.push_str(&format!(
            "{} records of the stream are not processed yet\n",
            report.stream_lag
        ));
    }
    let is_broken = report.orgs.iter().any(|org| org.state == Balance::Broken);
    text.push_str(match (report.balanced, is_broken) {
        (true, _) => "every ledger balances\n",
        (false, true) => "NOT balanced\n",
        (false, false) => "not settled yet: ask again in a moment\n",
    });
    text
}

fn ledger_row(org: &OrgLedger) -> Vec<String> {
    let state = match org.state {
        Balance::Balanced => "balanced".to_owned(),
        Balance::Settling => format!("settling ({:+})", org.difference),
        Balance::Broken => format!("BROKEN ({:+})", org.difference),
    };
    let sum = |reasons: &std::collections::BTreeMap<String, u64>| {
        reasons.values().sum::<u64>().to_string()
    };
    vec![
        org.org.clone(),
        org.accepted.to_string(),
        org.duplicates.to_string(),
        sum(&org.rejected),
        sum(&org.quarantined),
        org.suppressed.to_string(),
        org.accepted_forward.to_string(),
        org.delivered.to_string(),
        org.parked.to_string(),
        org.pending.to_string(),
        state,
    ]
}

/// Prints where an event is. 4 when nobody knows it.
pub(crate) async fn whereabouts(args: WhereArgs) -> anyhow::Result<u8> {
    let id = args.event_id.clone().canonical();
    let found: Vec<Whereabouts> = match Server::named(&args.store)? {
        Some(server) => {
            let path = format!("/v1/events/{id}");
            server.find(&path, &of(args.org.as_ref())).await?.into_iter().collect()
        }
        None => {
            let org = args.org.as_ref();
            at!(args.store.place.existing()?, world => {
                open::known(&world, org).await?;
                world.whereabouts(&id, org).await?
            })
        }
    };
    let [place] = found.as_slice() else {
        if found.is_empty() {
            output::note(&format!("no event {id} is known here"));
            return Ok(UNKNOWN_EVENT);
        }
        let orgs: Vec<&str> = found.iter().map(|place| place.org.as_str()).collect();
        anyhow::bail!(
            "several organisations know this id, choose one with --org: {}",
            orgs.join(", ")
        );
    };
    if args.store.json {
        output::json(place)?;
        return Ok(0);
    }
    output::line(&format!("{} of {}: {}", place.event_id, place.org, place.state))?;
    for station in &place.stations {
        output::line(&format!("  {}  {:<12} {}", station.at, station.station, station.detail))?;
    }
    Ok(0)
}

/// `tribo counters` and `GET /v1/counters`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CounterReport {
    from: Timestamp,
    to: Timestamp,
    /// Counters by hour that were added up.
    cells: usize,
    /// The largest first.
    counters: Vec<CounterRow>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CounterRow {
    org: String,
    /// `*` for all of the organisation's.
    product: String,
    dimension: String,
    events: u64,
    severity: u64,
}

/// Which counters are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CounterQuery {
    pub(crate) org: Option<OrgId>,
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
    /// Only the largest so many; none or 0 for all.
    pub(crate) top: Option<usize>,
}

/// Prints the counters, the largest first.
pub(crate) async fn counters(args: CountersArgs) -> anyhow::Result<u8> {
    let CountersArgs { store, org, from, to, top } = args;
    let report: CounterReport = match Server::named(&store)? {
        Some(server) => {
            let mut query = of(org.as_ref());
            query.extend(from.map(|at| ("from", at.to_string())));
            query.extend(to.map(|at| ("to", at.to_string())));
            query.push(("top", top.to_string()));
            server.get("/v1/counters", &query).await?
        }
        None => {
            let query = CounterQuery { org, from, to, top: Some(top) };
            at!(store.place.existing()?, world => {
                open::known(&world, query.org.as_ref()).await?;
                counted(&world, &query, |_| true).await?
            })
        }
    };
    if store.json {
        output::json(&report)?;
        return Ok(0);
    }
    let row = |row: &CounterRow| {
        let name = format!("{} {} {}", row.org, row.product, row.dimension);
        vec![name, row.events.to_string(), row.severity.to_string()]
    };
    let rows: Vec<Vec<String>> = report.counters.iter().map(row).collect();
    output::line(output::table(&["counter", "events", "severity"], &rows).trim_end())?;
    Ok(0)
}

/// Adds up the counters of the organisations that the asker sees.
pub(crate) async fn counted<W: Accounts>(
    world: &W,
    query: &CounterQuery,
    sees: impl Fn(&str) -> bool,
) -> PortResult<CounterReport> {
    let from = query.from.unwrap_or(Timestamp::from_ms(i64::MIN));
    let to = query.to.unwrap_or(Timestamp::from_ms(i64::MAX));
    let mut cells = world.counters(query.org.as_ref(), from, to).await?;
    cells.retain(|(cell, _)| sees(cell.org.as_str()));
    let shown = query.top.filter(|top| *top > 0).unwrap_or(usize::MAX);
    let counters = over_hours(&cells)
        .into_iter()
        .take(shown)
        .map(|((org, product, dimension), count)| CounterRow {
            org,
            product,
            dimension,
            events: count.events,
            severity: count.severity,
        })
        .collect();
    Ok(CounterReport { from, to, cells: cells.len(), counters })
}

/// The query that names an organisation.
pub(super) fn of(org: Option<&OrgId>) -> Vec<(&'static str, String)> {
    org.map(|org| ("org", org.to_string())).into_iter().collect()
}

/// Organisation, product (`*` for all) and dimension.
pub(crate) type Name = (String, String, String);

/// Adds the hours up, the largest first.
pub(crate) fn over_hours(rows: &[(Cell, Count)]) -> Vec<(Name, Count)> {
    let mut sums = std::collections::BTreeMap::<Name, Count>::new();
    for (cell, count) in rows {
        let product = cell.product.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string);
        let sum =
            sums.entry((cell.org.to_string(), product, cell.dimension.to_text())).or_default();
        sum.events += count.events;
        sum.severity += count.severity;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.events.cmp(&a.1.events).then_with(|| a.0.cmp(&b.0)));
    sums
}

/// Exit code of a ledger that does not balance.
pub(crate) const NOT_BALANCED: u8 = 5;
const UNKNOWN_EVENT: u8 = 4;
