//! `tribo assign`: which experiment and variant an actor is in, for the processor's enrichment.

use std::io::{BufRead, BufReader};

use anyhow::{Context as _, bail};
use contract::{ProductId, Timestamp, event::Assignment, limits::NAME_BYTES_MAX};
use domain::pseudonym::Kind;
use ports::{
    keys::PseudonymKeys,
    reference::{Reference, Subject},
};
use serde::Deserialize;
use serde_json::json;

use crate::{cli::AssignArgs, open::at, output};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    #[serde(default)]
    product_id: ProductId,
    actor_id: String,
    experiment_id: String,
    variant_id: String,
    assigned_at: Timestamp,
}

/// Records the assignments of a file.
pub(crate) async fn run(args: AssignArgs) -> anyhow::Result<u8> {
    at!(args.place.place.existing()?, world => assign(&world, args).await)
}

async fn assign<W: PseudonymKeys + Reference>(world: &W, args: AssignArgs) -> anyhow::Result<u8> {
    let Some(pseudonymiser) = world.pseudonymiser(&args.org).await? else {
        bail!("no organisation {}; `tribo orgs create` makes it", args.org);
    };
    let input: Box<dyn BufRead> = if args.file.as_os_str() == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        let file = std::fs::File::open(&args.file)
            .with_context(|| format!("cannot read {}", args.file.display()))?;
        Box::new(BufReader::new(file))
    };
    let mut assignments = Vec::new();
    for (number, line) in input.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        // The cause may repeat the line, and the line holds an identifier: only its number is told.
        let Ok(line) = serde_json::from_str::<Line>(&line) else {
            bail!(
                "line {}: expected {{\"productId\",\"actorId\",\"experimentId\",\"variantId\",\"assignedAt\"}}",
                number + 1
            );
        };
        if [&line.experiment_id, &line.variant_id]
            .iter()
            .any(|name| name.is_empty() || name.len() > NAME_BYTES_MAX)
        {
            bail!(
                "line {}: experimentId and variantId take 1 to {NAME_BYTES_MAX} bytes",
                number + 1
            );
        }
        let actor = pseudonymiser.tokenise(Kind::User, &line.actor_id).into_string();
        assignments.push((
            Subject { org: args.org.clone(), product: line.product_id, actor },
            Assignment {
                experiment_id: line.experiment_id,
                variant_id: line.variant_id,
                assigned_at: line.assigned_at,
                time_since_assignment: None,
            },
        ));
    }
    world.assign(&assignments).await?;
    if args.place.json {
        output::json(&json!({ "org": args.org, "assigned": assignments.len() }))?;
    } else {
        output::line(&format!("{} assignments recorded", assignments.len()))?;
    }
    Ok(0)
}
