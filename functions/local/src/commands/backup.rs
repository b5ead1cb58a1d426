//! `tribo backup`: a consistent copy of a data directory while the server runs.

use anyhow::bail;
use serde_json::json;

use crate::{cli::BackupArgs, open, output, suite};

/// Copies the directory.
pub(crate) async fn run(args: BackupArgs) -> anyhow::Result<u8> {
    let from = &args.data_dir;
    let world = open::existing(from)?;
    if std::fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty", args.dir.display());
    }
    let copied = world.backup(&args.dir).await?;
    suite::copy_signing_secret(from, &args.dir)?;
    if args.json {
        output::json(&json!({
            "from": from,
            "to": args.dir,
            "databaseBytes": copied.database_bytes,
            "objects": copied.objects,
        }))?;
    } else {
        output::line(&format!(
            "{0} holds a copy, keys included; `tribo local --data-dir {0}` starts it",
            args.dir.display()
        ))?;
    }
    Ok(0)
}
