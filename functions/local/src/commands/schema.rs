//! `tribo schema`: the JSON Schemas, generated from the types that read and write.

use anyhow::Context as _;
use serde_json::{Map, Value};

use crate::{cli::SchemaArgs, output};

/// Prints or writes the schemas.
pub(crate) fn run(args: &SchemaArgs) -> anyhow::Result<u8> {
    let mut schemas = contract::schema::all();
    schemas.push(("rules.schema.json", friction::rules::schema()));
    if let Some(dir) = &args.out {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        for (name, schema) in &schemas {
            let path = dir.join(name);
            let text = serde_json::to_string_pretty(schema)? + "\n";
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            output::note(&path.display().to_string());
        }
    }
    if args.json || args.out.is_none() {
        let by_name: Map<String, Value> =
            schemas.into_iter().map(|(name, schema)| (name.to_string(), schema)).collect();
        output::json(&by_name)?;
    }
    Ok(0)
}
