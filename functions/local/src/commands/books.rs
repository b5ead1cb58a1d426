//! `tribo ledger`, `tribo where`, `tribo counters`: reading the books of a directory or of a running server.

use contract::{
    Timestamp,
    ledger::{Balance, LedgerReport, OrgLedger, Whereabouts},
};
use domain::counters::{Cell, Count};
use ports::{
    accounts::Accounts as _,
    clock::{Clock as _, SystemClock},
};
use serde_json::json;

use crate::{
    cli::{CountersArgs, LedgerArgs, WhereArgs},
    open, output,
    remote::Server,
};

/// Prints the ledger. 5 when it does not balance.
pub(crate) async fn ledger(args: LedgerArgs) -> anyhow::Result<u8> {
    let report = match Server::named(&args.store)? {
        Some(server) => {
            let query: Vec<(&str, String)> =
                args.org.iter().map(|org| ("org", org.to_string())).collect();
            server
                .get("/v1/ledger", &query)
                .await?
                .ok_or_else(|| anyhow::anyhow!("this server keeps no ledger"))?
        }
        None => {
            open::existing(&args.store.data_dir)?
                .ledger(args.org.as_ref(), SystemClock.now())
                .await?
        }
    };
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
    text.push_str(if report.balanced { "every ledger balances\n" } else { "NOT balanced\n" });
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
            let query: Vec<(&str, String)> =
                args.org.iter().map(|org| ("org", org.to_string())).collect();
            server.get(&format!("/v1/events/{id}"), &query).await?.into_iter().collect()
        }
        None => open::existing(&args.store.data_dir)?.whereabouts(&id, args.org.as_ref()).await?,
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

/// Prints the counters, the largest first.
pub(crate) async fn counters(args: CountersArgs) -> anyhow::Result<u8> {
    let from = args.from.unwrap_or(Timestamp::from_ms(i64::MIN));
    let to = args.to.unwrap_or(Timestamp::from_ms(i64::MAX));
    if args.store.url.is_some() {
        anyhow::bail!("counters are read from the data directory: use --data-dir");
    }
    let rows = open::existing(&args.store.data_dir)?.counters(args.org.as_ref(), from, to).await?;
    let sums = over_hours(&rows);
    let shown = if args.top == 0 { sums.len() } else { args.top };
    if args.store.json {
        let counters: Vec<_> = sums
            .iter()
            .take(shown)
            .map(|((org, product, what), count)| {
                json!({ "org": org, "product": product, "dimension": what, "events": count.events, "severity": count.severity })
            })
            .collect();
        output::json(
            &json!({ "from": from, "to": to, "cells": rows.len(), "counters": counters }),
        )?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = sums
        .iter()
        .take(shown)
        .map(|((org, product, what), count)| {
            vec![
                format!("{org} {product} {what}"),
                count.events.to_string(),
                count.severity.to_string(),
            ]
        })
        .collect();
    output::line(output::table(&["counter", "events", "severity"], &rows).trim_end())?;
    Ok(0)
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
