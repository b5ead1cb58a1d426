//! `tribo warehouse load`: rows of what is kept, as if it came again.

use connector::warehouse::ClickHouse;
use contract::{OrgId, Timestamp, limits::DAY_MS};
use embedded::Store;
use friction::change::SessionState;
use ports::{
    clock::{Clock as _, SystemClock},
    reference::Organisations,
    sessions::{IncidentQuery, SessionQuery, Span, Understanding as _},
};
use serde::Serialize;
use warehouse::{
    Filled, Sink,
    rows::{self, Row},
    standalone::Standalone,
};

use crate::{archived, cli::LoadArgs, commands::sessions::pages, open, output};

/// `tribo warehouse load --json`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct LoadReport {
    events: usize,
    sessions: usize,
    incidents: usize,
    /// Rows that the warehouse refused for what they hold; they are set aside in the archive.
    refused: usize,
}

pub(super) async fn run(args: LoadArgs) -> anyhow::Result<u8> {
    let client = args.warehouse.needed()?;
    let (from, to) = args.span.bounds()?;
    let world = args.place.directory()?;
    open::known(&world, args.org.as_ref()).await?;
    let orgs = match args.org {
        Some(org) => vec![org],
        None => Organisations::list(&world).await?,
    };
    let sink = Sink::new(client, world.clone(), SystemClock);
    let mut load = Load { world, sink, report: LoadReport::default() };
    for org in orgs {
        load.events(&org, from, to).await?;
        let span = Span { org, product: None, from, to };
        load.sessions(&span).await?;
        load.incidents(&span).await?;
    }
    print(&load.report, args.json)?;
    Ok(0)
}

struct Load {
    world: Store,
    sink: Standalone<ClickHouse>,
    report: LoadReport,
}

impl Load {
    async fn events(&mut self, org: &OrgId, from: Timestamp, to: Timestamp) -> anyhow::Result<()> {
        // The table forgets what is older.
        let from = from.max(SystemClock.now().plus_ms(-EVENTS_DAYS * DAY_MS));
        let archived = archived::read(&self.world, Some(org), from, to).await?;
        let plain = archived.events.into_values().map(|mut event| {
            event.record = None;
            rows::event(&event)
        });
        self.report.events += self.insert(plain.collect()).await?.stored;
        Ok(())
    }

    async fn sessions(&mut self, span: &Span) -> anyhow::Result<()> {
        let state = Some(SessionState::Closed);
        let mut query = SessionQuery { span: span.clone(), state, after: None, limit: pages::SIZE };
        loop {
            let page = self.world.sessions(&query).await?;
            let Some(last) = page.last() else { return Ok(()) };
            query.after = Some((last.session.started_at, last.session.session_id.clone()));
            let rows = page.iter().map(rows::session).collect();
            self.report.sessions += self.insert(rows).await?.stored;
        }
    }

    async fn incidents(&mut self, span: &Span) -> anyhow::Result<()> {
        let span = span.clone();
        let mut query =
            IncidentQuery { span, rule: None, session: None, after: None, limit: pages::SIZE };
        loop {
            let page = self.world.incidents(&query).await?;
            let Some(last) = page.last() else { return Ok(()) };
            query.after = Some((last.incident.started_at, last.incident.incident_id.clone()));
            let rows = page.iter().map(rows::incident).collect();
            self.report.incidents += self.insert(rows).await?.stored;
        }
    }

    async fn insert(&mut self, rows: Vec<Row>) -> anyhow::Result<Filled> {
        let mut filled = Filled::default();
        for part in rows.chunks(ROWS_AT_ONCE) {
            filled += self.sink.insert(part.to_vec()).await?;
        }
        self.report.refused += filled.refused;
        Ok(filled)
    }
}

fn print(report: &LoadReport, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(report);
    }
    let LoadReport { events, sessions, incidents, refused } = report;
    output::line(&format!(
        "{events} events, {sessions} sessions and {incidents} incidents are in the warehouse; {refused} rows were refused"
    ))
}

/// How long the warehouse keeps events.
const EVENTS_DAYS: i64 = 35;
const ROWS_AT_ONCE: usize = 5_000;
