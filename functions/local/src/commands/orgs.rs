//! `tribo orgs`: organisations. Each gets a salt of its own, so that no identifier joins two of them.

use anyhow::bail;
use ports::reference::Organisations;
use serde_json::json;

use crate::{cli::OrgsCommand, open, output};

/// Runs the subcommand.
pub(crate) async fn run(command: OrgsCommand) -> anyhow::Result<u8> {
    match command {
        OrgsCommand::Create { org, store } => {
            if store.url.is_some() {
                bail!("organisations are made in the data directory: use --data-dir without --url");
            }
            let created = Organisations::create(&open::or_create(&store.data_dir)?, &org).await?;
            if store.json {
                output::json(&json!({ "org": org, "created": created }))?;
            } else {
                output::line(&format!(
                    "{org} {}",
                    if created { "created" } else { "exists already" }
                ))?;
            }
        }
        OrgsCommand::List { store } => {
            let orgs = Organisations::list(&open::existing(&store.data_dir)?).await?;
            if store.json {
                output::json(&json!({ "orgs": orgs }))?;
            } else {
                for org in orgs {
                    output::line(org.as_str())?;
                }
            }
        }
    }
    Ok(0)
}
