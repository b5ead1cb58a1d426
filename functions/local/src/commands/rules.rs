//! `tribo rules`: what counts as friction for an organisation.

use std::{fs, io::Read as _, path::Path};

use anyhow::{Context as _, bail};
use contract::{OrgId, ProductId};
use friction::{
    flow::{PathRule, PathRules},
    rules::{BUILT_IN_VERSION, RuleSet},
};
use ports::{reference::Organisations, rules::RuleBook};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    cli::RulesCommand,
    open::{self, at},
    output,
};

/// `tribo rules show --json`.
#[derive(Debug, Serialize)]
struct ShownRules {
    org: OrgId,
    /// 1 is the built-in rules.
    version: u32,
    /// What differs from the built-in rules, as `tribo rules set` takes it.
    document: Value,
    /// Every setting that holds, by rule; elements may have their own.
    effective: Value,
    /// Which screens are the same one.
    paths: PathRules,
    /// What flows are called.
    flows: Value,
}

/// `tribo rules set --json` and `tribo rules reset --json`.
#[derive(Debug, Serialize)]
struct ChangedRules {
    org: OrgId,
    version: u32,
    /// The version before.
    previous: u32,
}

/// Runs the subcommand.
pub(crate) async fn run(command: RulesCommand) -> anyhow::Result<u8> {
    match command {
        RulesCommand::Show { place, org, product } => {
            let product = product.unwrap_or_default();
            let shown = at!(place.place.existing()?, world => show(&world, org, product).await?);
            print_shown(&shown, place.json)?;
        }
        RulesCommand::Set { file, place, org } => {
            // Before anything is read: without the organisation there is nothing to do.
            let changed = at!(place.place.existing()?, world => {
                open::known(&world, Some(&org)).await?;
                set(&world, org, &parsed(&file)?).await?
            });
            print_changed(&changed, place.json)?;
        }
        RulesCommand::Reset { place, org } => {
            let changed = at!(place.place.existing()?, world => {
                open::known(&world, Some(&org)).await?;
                reset(&world, org).await?
            });
            print_changed(&changed, place.json)?;
        }
    }
    Ok(0)
}

async fn show<W: RuleBook + Organisations>(
    world: &W,
    org: OrgId,
    product: ProductId,
) -> anyhow::Result<ShownRules> {
    open::known(world, Some(&org)).await?;
    let rules = of(world, &org).await?;
    let holds = rules.for_product(&product);
    Ok(ShownRules {
        org,
        version: rules.version,
        document: rules.to_json(),
        effective: holds.to_json(),
        flows: holds.flows_json(),
        paths: holds.paths,
    })
}

/// The rules of `org`: the built-in ones where it has none of its own.
pub(super) async fn of<W: RuleBook>(world: &W, org: &OrgId) -> anyhow::Result<RuleSet> {
    Ok(world.rules(org).await?.unwrap_or_default())
}

async fn set<W: RuleBook>(world: &W, org: OrgId, rules: &RuleSet) -> anyhow::Result<ChangedRules> {
    let previous = of(world, &org).await?.version;
    if world.put_rules(&org, rules).await? {
        return Ok(ChangedRules { org, version: rules.version, previous });
    }
    // Somebody else may have put some meanwhile.
    let now = of(world, &org).await?.version;
    bail!(
        "the rules of {org} are of version {now}, and these are of version {}: each change needs a higher one",
        rules.version
    )
}

/// Puts the built-in rules under a version of their own, so that what was found under others is told apart.
async fn reset<W: RuleBook>(world: &W, org: OrgId) -> anyhow::Result<ChangedRules> {
    let held = of(world, &org).await?;
    let previous = held.version;
    let built_in = |version| {
        let mut rules = RuleSet::default();
        rules.version = version;
        rules
    };
    if held == built_in(previous) {
        return Ok(ChangedRules { org, version: previous, previous });
    }
    let next = previous.checked_add(1).context("there is no higher version")?;
    set(world, org, &built_in(next)).await
}

fn parsed(file: &Path) -> anyhow::Result<RuleSet> {
    let what = if is_standard_input(file) { "standard input" } else { &file.to_string_lossy() };
    RuleSet::propose(&read(file)?).with_context(|| format!("{what} holds no rules"))
}

fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn read(file: &Path) -> anyhow::Result<String> {
    if is_standard_input(file) {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn print_shown(shown: &ShownRules, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(shown);
    }
    let ShownRules { org, version, document, effective, paths, flows } = shown;
    if *version == BUILT_IN_VERSION {
        output::line(&format!("{org} has the built-in rules (version {BUILT_IN_VERSION})"))?;
    } else {
        output::line(&format!("{org} has rules of version {version}:"))?;
        output::line(&serde_json::to_string_pretty(document)?)?;
    }
    let mut rows = Vec::new();
    for (rule, settings) in effective.as_object().into_iter().flatten() {
        let settings = settings.as_object().into_iter().flatten();
        rows.extend(settings.map(|(name, value)| vec![format!("{rule} {name}"), cell(value)]));
    }
    for PathRule { pattern, screen } in Vec::from(paths.clone()) {
        rows.push(vec![format!("screens {}", output::plain(&pattern)), output::plain(&screen)]);
    }
    for flow in flows.as_array().into_iter().flatten() {
        let name = flow.get("name").and_then(Value::as_str).unwrap_or_default();
        rows.push(vec![format!("flows {}", output::plain(name)), meaning(flow)]);
    }
    output::line(output::table(&["setting", "value"], &rows).trim_end())
}

/// Which flows a name means.
fn meaning(flow: &Value) -> String {
    let screens = flow.get("path").and_then(Value::as_array).into_iter().flatten();
    let path = screens.filter_map(Value::as_str).collect::<Vec<_>>().join(" → ");
    let task = flow.get("task").and_then(Value::as_str).map(|task| format!("task {task}"));
    let parts = task.into_iter().chain(Some(path).filter(|path| !path.is_empty()));
    output::plain(&parts.collect::<Vec<_>>().join(", "))
}

/// A setting's value in a table; lists are long.
fn cell(value: &Value) -> String {
    match value.as_array() {
        Some(entries) => format!("{} entries", entries.len()),
        None => value.as_str().map_or_else(|| value.to_string(), output::plain),
    }
}

fn print_changed(changed: &ChangedRules, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(&json!(changed));
    }
    let ChangedRules { org, version, previous } = changed;
    if version == previous {
        return output::line(&format!("{org} has the built-in rules already (version {version})"));
    }
    output::line(&format!("{org} has rules of version {version}; it was {previous}"))?;
    output::note(
        "Sessions that are closed stay as they are until `tribo rescore` derives them again.",
    );
    Ok(())
}
