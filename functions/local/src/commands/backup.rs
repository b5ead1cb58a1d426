//! `tribo backup`: a consistent copy of a data directory while the server runs.

use serde_json::json;

use crate::{cli::BackupArgs, open, output};

/// Copies the directory.
pub(crate) async fn run(args: BackupArgs) -> anyhow::Result<u8> {
    let world = open::existing(&args.data_dir)?;
    world.backup(&args.dir).await?;
    if args.json {
        output::json(&json!({ "from": args.data_dir, "to": args.dir }))?;
    } else {
        output::line(&format!(
            "{} now holds a copy; start it with `tribo local --data-dir`",
            args.dir.display()
        ))?;
    }
    Ok(0)
}
