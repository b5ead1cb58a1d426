//! A stage deployed to AWS: which things are its, and the way to them.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, bail};
use aws::{
    Cloud,
    access::Access,
    resources::{Resource, Resources},
};

/// Opens a stage. Its file names its things, and where a stand-in takes a service's place; the environment, which may
/// also override a name, holds the credentials.
pub(crate) fn open(stage: &str) -> anyhow::Result<Cloud> {
    let file = Path::new(DIRECTORY).join(format!("{stage}.env"));
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "{} does not exist; `scripts/deploy --stage {stage} --outputs` writes it",
            file.display()
        ),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", file.display()));
        }
    };
    let named = parse(&text).with_context(|| format!("{} is malformed", file.display()))?;
    let variable = |name: &str| {
        let own = std::env::var(name).ok().filter(|value| !value.is_empty());
        own.or_else(|| named.get(name).cloned())
    };
    let resources = Resources::read(&Resource::ALL, variable)
        .with_context(|| format!("{} does not name everything", file.display()))?;
    let access = Access::read(variable).context(
        "credentials are taken from the environment; `aws configure export-credentials --format env` prints them",
    )?;
    Ok(Cloud::new(&access, resources))
}

/// Lines of `NAME=value`; empty ones and those that begin with `#` say nothing.
fn parse(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| match line.split_once('=') {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => bail!("expected NAME=value"),
        })
        .collect()
}

const DIRECTORY: &str = ".tribo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_things_and_anything_else_is_malformed() {
        let named = parse("# a stage\n\nS3_BUCKET = archive-1\nEVENT_BUS=a=b\n").unwrap();
        assert_eq!(named["S3_BUCKET"], "archive-1");
        assert_eq!(named["EVENT_BUS"], "a=b");
        assert!(parse("S3_BUCKET").is_err());
    }
}
