//! What counts as friction: an organisation's thresholds and what it leaves out, as one versioned document.
//!
//! A document says what differs from the built-in rules, which are version 1:
//!
//! ```json
//! {
//!   "version": 2,
//!   "rules": { "rage_click": { "gapMs": 800 }, "loop": { "enabled": false } },
//!   "elements": [ { "match": [{ "key": "like*" }], "rules": { "rage_click": { "minClicks": 6 } } } ],
//!   "products": { "crm": { "rules": { "abandoned_task": { "openMs": 1800000 } } } }
//! }
//! ```
//!
//! What holds for a product is built in layers: the built-in rules, the organisation's, the product's; and where a rule looks
//! at an element, the first entry that means it: of the product, of the organisation, of the built-in rules. A list that a
//! layer gives replaces the list below it.
//!
//! Beside rules a layer can say which screens are the same one ([`PathRules`], as `paths`), which is decided before anything
//! else is, so that matchers mean screens as they are then; and what flows are called ([`FlowNames`], as `flows`):
//!
//! ```json
//! {
//!   "version": 3,
//!   "paths": [ { "pattern": "/leads/*", "screen": "/leads/{id}" } ],
//!   "flows": [ { "name": "Checkout", "task": "pay", "path": ["/cart", "**", "/done"] } ]
//! }
//! ```

mod defaults;
mod document;
mod error;
mod matching;
mod naming;
pub mod presets;
mod proposing;
mod reading;
mod schema;
mod setting;
mod settings;

use std::collections::BTreeMap;

use contract::{Event, ProductId, incident::Rule};
use serde_json::{Map, Value};

pub use self::{
    error::RulesError,
    matching::{Matcher, Names, PATTERN_BYTES_MAX, Pattern},
    naming::FlowNames,
    schema::schema,
    setting::{Bound, MATCHERS_MAX, Metric},
    settings::{
        AbandonedTask, Backtrack, ChallengeBurst, ContextSwitch, DeadClick, ErrorClick,
        ExcessiveScroll, FormAbandonment, Loop, LowConfidenceBurst, MouseThrash, OverrideBurst,
        RageClick, RageQuit, Reformulation, RetryStorm, Settings, Thresholds,
    },
};
use crate::flow::PathRules;

/// An organisation's rules. Two that are equal say the same; what was read is written back as it was meant.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSet {
    /// Counts the organisation's changes. 1 is the built-in rules.
    pub version: u32,
    layer: Layer,
    products: BTreeMap<ProductId, Layer>,
}

/// The rules that hold for one product.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Of the document they come from.
    pub version: u32,
    /// Every rule's settings.
    pub thresholds: Thresholds,
    /// Which screens are the same one.
    pub paths: PathRules,
    /// What flows are called.
    pub flows: FlowNames,
    /// Where an element has its own, the first that means it.
    elements: Vec<(Vec<Matcher>, ElementRules)>,
    plain: ElementRules,
}

/// The rules that can differ from one element to the next.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ElementRules {
    /// Several quick clicks on one thing.
    pub rage_click: RageClick,
    /// A click that did nothing.
    pub dead_click: DeadClick,
    /// A click that was followed by an error.
    pub error_click: ErrorClick,
}

/// What a document says on one level.
#[derive(Debug, Clone, PartialEq, Default)]
struct Layer {
    rules: Overrides,
    elements: Vec<(Vec<Matcher>, Overrides)>,
    /// Nothing: what the layer below says.
    paths: Option<PathRules>,
    /// Nothing: what the layer below says.
    flows: Option<FlowNames>,
}

type Overrides = BTreeMap<Rule, Map<String, Value>>;

impl Default for RuleSet {
    fn default() -> Self {
        Self { version: BUILT_IN_VERSION, layer: Layer::default(), products: BTreeMap::new() }
    }
}

impl Default for Rules {
    fn default() -> Self {
        RuleSet::default().for_product(&ProductId::default())
    }
}

impl RuleSet {
    /// Reads a document. Unknown names, names given twice and values out of bounds are refused, with where they stand.
    pub fn parse(json: &str) -> Result<Self, RulesError> {
        let value = reading::read(json)?;
        let set = document::read(&value).map_err(|wrong| wrong.below(""))?;
        let differs = set != Self { version: set.version, ..Self::default() };
        if differs && set.version == BUILT_IN_VERSION {
            return Err(RulesError::BuiltInVersion);
        }
        Ok(set)
    }

    /// The document.
    #[must_use]
    pub fn to_json(&self) -> Value {
        document::write(self)
    }

    /// The same rules with one setting changed for the whole organisation, as `gapMs=800` says it. Meant for trying out: the
    /// version stays, and products that say otherwise still do.
    pub fn with(mut self, rule: Rule, change: &str) -> Result<Self, RulesError> {
        let path = format!("/rules/{rule}");
        let (name, text) = change.split_once('=').ok_or_else(|| RulesError::Expected {
            path: path.clone(),
            expected: "name=value".to_owned(),
        })?;
        let (name, text) = (name.trim(), text.trim());
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        Thresholds::default()
            .settings_mut(rule)
            .set(name, &value)
            .map_err(|wrong| wrong.below(&path))?;
        self.layer.rules.entry(rule).or_default().insert(name.to_owned(), value);
        Ok(self)
    }

    /// The rules that hold for `product`.
    #[must_use]
    pub fn for_product(&self, product: &ProductId) -> Rules {
        let own = self.products.get(product);
        let mut thresholds = Thresholds::default();
        let layers = [Some(&self.layer), own];
        for layer in layers.into_iter().flatten() {
            apply(&layer.rules, &mut thresholds);
        }
        let built_in = built_in_elements();
        let said = own.into_iter().chain([&self.layer]).flat_map(|layer| &layer.elements);
        let elements = said.chain(&built_in).map(|(matchers, overrides)| {
            let mut own = thresholds.clone();
            apply(overrides, &mut own);
            (matchers.clone(), ElementRules::of(own))
        });
        Rules {
            version: self.version,
            elements: elements.collect(),
            plain: ElementRules::of(thresholds.clone()),
            thresholds,
            paths: last(own, &self.layer, |layer| layer.paths.as_ref()),
            flows: last(own, &self.layer, |layer| layer.flows.as_ref()),
        }
    }

    /// What flows are called: of `product`, or of all products together.
    #[must_use]
    pub fn flow_names(&self, product: Option<&ProductId>) -> FlowNames {
        let own = product.and_then(|product| self.products.get(product));
        last(own, &self.layer, |layer| layer.flows.as_ref())
    }
}

impl Rules {
    /// The rules for presses on the element of `event`, whose folded names are `names`.
    #[must_use]
    pub fn on(&self, names: &Names) -> &ElementRules {
        let own = self.elements.iter().find(|(matchers, _)| names.are_in(matchers));
        own.map_or(&self.plain, |(_, rules)| rules)
    }

    /// What flows are called, in the form of a document's `flows`.
    #[must_use]
    pub fn flows_json(&self) -> Value {
        self.flows.write()
    }

    /// Everything that holds for the whole product, in the form of a document's `rules`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let all = Rule::ALL.iter().map(|rule| {
            (rule.as_str().to_owned(), Value::Object(self.thresholds.settings(*rule).write()))
        });
        Value::Object(all.collect())
    }

    /// True when `event` is one that `matchers` mean.
    #[must_use]
    pub fn mean(matchers: &[Matcher], event: &Event) -> bool {
        !matchers.is_empty() && Names::of(event).are_in(matchers)
    }
}

impl ElementRules {
    fn of(thresholds: Thresholds) -> Self {
        Self {
            rage_click: thresholds.rage_click,
            dead_click: thresholds.dead_click,
            error_click: thresholds.error_click,
        }
    }
}

/// What the uppermost layer says that says something.
fn last<T: Clone + Default>(
    own: Option<&Layer>,
    below: &Layer,
    said: impl Fn(&Layer) -> Option<&T>,
) -> T {
    own.and_then(&said).or_else(|| said(below)).cloned().unwrap_or_default()
}

/// Text is selected with three clicks, so there it takes a fourth.
fn built_in_elements() -> Vec<(Vec<Matcher>, Overrides)> {
    let four = Map::from_iter([("minClicks".to_owned(), Value::from(4))]);
    vec![(defaults::text_kinds(), Overrides::from([(Rule::RageClick, four)]))]
}

fn apply(overrides: &Overrides, thresholds: &mut Thresholds) {
    for (rule, settings) in overrides {
        for (name, value) in settings {
            // Every value was set once when it was read, so it can be set again.
            let _ = thresholds.settings_mut(*rule).set(name, value);
        }
    }
}

/// Version of the built-in rules.
pub const BUILT_IN_VERSION: u32 = 1;

#[cfg(test)]
mod tests;
