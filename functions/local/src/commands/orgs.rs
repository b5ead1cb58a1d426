//! `tribo orgs`: organisations. Each gets a salt of its own, so that no identifier joins two of them.

use contract::OrgId;
use ports::reference::Organisations;
use serde_json::json;

use crate::{cli::OrgsCommand, open::at, output, remote::Server};

/// Runs the subcommand.
pub(crate) async fn run(command: OrgsCommand) -> anyhow::Result<u8> {
    match command {
        OrgsCommand::Create { org, place } => {
            let created =
                at!(place.place.or_create()?, world => Organisations::create(&world, &org).await?);
            if place.json {
                output::json(&json!({ "org": org, "created": created }))?;
            } else {
                output::line(&format!(
                    "{org} {}",
                    if created { "created" } else { "exists already" }
                ))?;
            }
        }
        OrgsCommand::List { store } => {
            let orgs: Vec<OrgId> = match Server::named(&store)? {
                Some(server) => server.get("/v1/orgs", &[]).await?,
                None => at!(store.place.existing()?, world => Organisations::list(&world).await?),
            };
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
