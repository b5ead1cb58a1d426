//! `tribo warehouse`: its tables, what it has not got yet, and filling it from what is kept.

mod load;

use anyhow::Context as _;
use contract::Timestamp;
use ports::clock::{Clock as _, SystemClock};
use serde::Serialize;
use warehouse::{schema::STATEMENTS, standalone::CONSUMER};

use crate::{
    cli::{PlaceArgs, WarehouseArgs, WarehouseCommand},
    output,
};

/// Runs the command.
pub(crate) async fn run(command: WarehouseCommand) -> anyhow::Result<u8> {
    match command {
        WarehouseCommand::Apply { warehouse, print, json } => apply(&warehouse, print, json).await,
        WarehouseCommand::Status { place, json } => status(&place, json).await,
        WarehouseCommand::Load(args) => load::run(*args).await,
    }
}

async fn apply(warehouse: &WarehouseArgs, print: bool, json: bool) -> anyhow::Result<u8> {
    if print {
        STATEMENTS.iter().try_for_each(|statement| output::line(statement.sql))?;
        return Ok(0);
    }
    let client = warehouse.needed()?;
    for statement in STATEMENTS {
        let made = client.run(statement.sql.trim_end().trim_end_matches(';'), &[]).await;
        made.with_context(|| format!("{} was not made", statement.name))?;
    }
    let names: Vec<&str> = STATEMENTS.iter().map(|statement| statement.name).collect();
    if json {
        output::json(&serde_json::json!({ "applied": names }))?;
    } else {
        output::line(&format!("the warehouse has {}", names.join(", ")))?;
    }
    Ok(0)
}

/// `tribo warehouse status --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// Whether the server was started with a warehouse when it was last started.
    fed: bool,
    /// Records of the stream that are not in it.
    records: u64,
    /// Announcements that it has not heard.
    announcements: u64,
    /// When the oldest of either came.
    oldest: Option<Timestamp>,
}

async fn status(place: &PlaceArgs, json: bool) -> anyhow::Result<u8> {
    let world = place.directory()?;
    let behind = world.backlog(CONSUMER).await?;
    let status = Status {
        fed: world.knows_consumer(CONSUMER).await?,
        records: behind.records,
        announcements: behind.announcements,
        oldest: behind.oldest,
    };
    if json {
        output::json(&status)?;
        return Ok(0);
    }
    if !status.fed {
        output::line("no warehouse is fed from here: `tribo local --warehouse URL` would")?;
        return Ok(0);
    }
    let Some(oldest) = status.oldest else {
        output::line("the warehouse has everything")?;
        return Ok(0);
    };
    let waited = output::lasting(SystemClock.now().since_ms(oldest).max(0));
    output::line(&format!(
        "{} records and {} announcements are not in the warehouse, the oldest for {waited}",
        status.records, status.announcements
    ))?;
    Ok(0)
}
