//! `tribo tune`: what would be found under other thresholds, from the archive. Nothing is written.

mod compare;
mod text;

use std::collections::BTreeMap;

use contract::{
    Event, OrgId, ProductId, Timestamp,
    incident::Rule,
    limits::{CLOCK_AHEAD_MAX_MS, DEDUPE_HORIZON_MS},
};
use friction::{
    derive::{Baselines, Derived, derive},
    detect::Ending,
    owner::Owner,
    policy::SessionPolicy,
    rules::{RuleSet, Rules},
    split::{Before, Segment, split},
};
use ports::{
    archive::Archive,
    clock::{Clock as _, SystemClock},
    reference::Organisations,
    rules::RuleBook,
};
use serde::Serialize;
use serde_json::Value;

use self::compare::Comparison;
use super::{owned::Owned, rules};
use crate::{
    archived,
    cli::{self, TuneArgs},
    open::{self, at},
    output,
};

/// `tribo tune --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TuneReport {
    org: OrgId,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<ProductId>,
    from: Timestamp,
    to: Timestamp,
    rule: Rule,
    /// What is tried, by name, and what holds today.
    settings: BTreeMap<String, Setting>,
    /// Events of the sessions that are compared.
    events: usize,
    #[serde(flatten)]
    comparison: Comparison,
}

#[derive(Debug, Serialize)]
struct Setting {
    before: Value,
    after: Value,
}

/// Prints the comparison.
pub(crate) async fn run(args: TuneArgs) -> anyhow::Result<u8> {
    let world = args.place.place.existing()?;
    let as_json = args.place.json;
    let policy = world.session_policy();
    let report = at!(world, world => tune(&world, policy, args).await?);
    if as_json {
        output::json(&report)?;
    } else {
        output::line(text::of(&report).trim_end())?;
    }
    Ok(0)
}

async fn tune<W>(world: &W, policy: SessionPolicy, args: TuneArgs) -> anyhow::Result<TuneReport>
where
    W: Archive + Organisations + RuleBook,
{
    let TuneArgs { org, product, rule, set, from, to, examples, .. } = args;
    if to <= from {
        return Err(cli::wrong("--to must be later than --from"));
    }
    open::known(world, Some(&org)).await?;
    let today = rules::of(world, &org).await?;
    let tried = changed(&today, rule, &set)?;
    let mut trial = Trial {
        policy,
        now: SystemClock.now(),
        span: (from, to),
        today: Of::new(today),
        tried: Of::new(tried),
    };
    let settings = trial.settings(product.as_ref(), rule, &set);
    let owned = trial.read(world, &org, product.as_ref()).await?;
    let mut comparison = Comparison::new(examples);
    let mut events = 0;
    for (owner, own) in owned.owners {
        for segment in split(own, Before::Pause, &trial.policy) {
            if let Some((before, after)) = trial.both(&owner, &segment) {
                events += segment.events.len();
                comparison.add(&before, &after);
            }
        }
    }
    trial.note_what_stays(rule);
    comparison.finish();
    Ok(TuneReport { org, product, from, to, rule, settings, events, comparison })
}

fn changed(today: &RuleSet, rule: Rule, set: &[String]) -> anyhow::Result<RuleSet> {
    let tried = set.iter().try_fold(today.clone(), |rules, change| rules.with(rule, change));
    tried.map_err(|error| cli::wrong(&format!("--set: {error}")))
}

/// The same sessions, under the rules of today and under those that are tried.
struct Trial {
    policy: SessionPolicy,
    now: Timestamp,
    span: (Timestamp, Timestamp),
    today: Of,
    tried: Of,
}

/// Rules by product.
struct Of {
    set: RuleSet,
    products: BTreeMap<ProductId, Rules>,
}

impl Of {
    fn new(set: RuleSet) -> Self {
        Self { set, products: BTreeMap::new() }
    }

    fn product(&mut self, product: &ProductId) -> &Rules {
        let rules = || self.set.for_product(product);
        self.products.entry(product.clone()).or_insert_with(rules)
    }
}

impl Trial {
    /// The events of every session that began within the time, and of what lies around them: a session begins where none
    /// goes on, and it is cut where it goes on for too long.
    async fn read<W: Archive>(
        &self,
        world: &W,
        org: &OrgId,
        product: Option<&ProductId>,
    ) -> anyhow::Result<Owned> {
        let around = self.policy.cut_ms + self.policy.gap_ms + 1;
        let (from, to) = (self.span.0.plus_ms(-around), self.span.1.plus_ms(around));
        let (first, last) = (from.plus_ms(-CLOCK_AHEAD_MAX_MS), to.plus_ms(DEDUPE_HORIZON_MS));
        let wanted = |event: &Event| {
            (from..to).contains(&event.occurred_at)
                && product.is_none_or(|product| *product == event.product_id)
        };
        let archived = archived::read_some(world, Some(org), first, last, wanted).await?;
        Ok(Owned::of(archived, &self.policy))
    }

    /// The session under both; nothing for one that began outside the time.
    fn both(&mut self, owner: &Owner, segment: &Segment) -> Option<(Derived, Derived)> {
        let at = segment.first()?.at;
        if at < self.span.0 || at >= self.span.1 {
            return None;
        }
        let is_open = self.policy.closes_at(segment.last) > self.now;
        let ending = if is_open { Ending::Open { now: self.now } } else { Ending::Closed };
        // What tasks usually take is nothing that rules find.
        let usual = Baselines::new();
        let under = |rules: &Rules| derive(owner, segment, ending, rules, &usual);
        let before = under(self.today.product(&owner.product))?;
        Some((before, under(self.tried.product(&owner.product))?))
    }

    fn settings(
        &mut self,
        product: Option<&ProductId>,
        rule: Rule,
        set: &[String],
    ) -> BTreeMap<String, Setting> {
        let product = product.cloned().unwrap_or_default();
        let (before, after) =
            (self.today.product(&product).to_json(), self.tried.product(&product).to_json());
        let names = set.iter().filter_map(|change| Some(change.split_once('=')?.0.trim()));
        let value = |rules: &Value, name: &str| {
            rules.get(rule.as_str()).and_then(|rule| rule.get(name)).cloned().unwrap_or_default()
        };
        let setting =
            |name: &str| Setting { before: value(&before, name), after: value(&after, name) };
        names.map(|name| (name.to_owned(), setting(name))).collect()
    }

    /// Products that have their own settings keep them.
    fn note_what_stays(&mut self, rule: Rule) {
        let products: Vec<ProductId> = self.today.products.keys().cloned().collect();
        for product in products {
            if self.today.product(&product) == self.tried.product(&product) {
                output::note(&format!(
                    "nothing changes for the product {product}: what is tried holds there already, or it says otherwise for {rule}"
                ));
            }
        }
    }
}
