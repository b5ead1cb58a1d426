//! Rules as a document: read with the place of whatever is wrong, and written back.

use std::collections::BTreeMap;

use contract::{ProductId, incident::Rule};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value, json};

use super::{
    Layer, Overrides, RuleSet, Thresholds, error::Wrong, matching::Matcher, naming::FlowNames,
    setting::Setting as _,
};
use crate::flow::{PathRule, PathRules};

impl Serialize for RuleSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RuleSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::parse(&value.to_string()).map_err(de::Error::custom)
    }
}

pub(super) fn read(value: &Value) -> Result<RuleSet, Wrong> {
    let fields = object(value, DOCUMENT)?;
    let version = fields.get("version").ok_or(Wrong::Expected("a version").at("version"))?;
    let version = i64::read(version, Some((1.0, u32::MAX.into())))
        .and_then(|version| u32::try_from(version).map_err(|_| Wrong::Expected("a version")))
        .map_err(|wrong| wrong.at("version"))?;
    Ok(RuleSet {
        version,
        layer: layer(fields)?,
        products: products(fields.get("products")).map_err(|wrong| wrong.at("products"))?,
    })
}

pub(super) fn write(set: &RuleSet) -> Value {
    let mut document = write_layer(&set.layer);
    document.insert("version".to_owned(), json!(set.version));
    if !set.products.is_empty() {
        let products = set.products.iter().map(|(product, layer)| {
            (product.as_str().to_owned(), Value::Object(write_layer(layer)))
        });
        document.insert("products".to_owned(), Value::Object(products.collect()));
    }
    Value::Object(document)
}

fn products(value: Option<&Value>) -> Result<BTreeMap<ProductId, Layer>, Wrong> {
    let Some(value) = value else { return Ok(BTreeMap::new()) };
    let said = value.as_object().ok_or(Wrong::Expected("an object of products"))?;
    if said.len() > ENTRIES_MAX {
        return Err(Wrong::TooMany(ENTRIES_MAX));
    }
    let read = |(name, value): (&String, &Value)| {
        let product = ProductId::parse(name.clone());
        let product = product.map_err(|_| Wrong::Expected("the id of a product"))?;
        Ok((product, layer(object(value, LAYER)?)?))
    };
    said.iter()
        .map(|(name, value)| read((name, value)).map_err(|wrong: Wrong| wrong.at(name)))
        .collect()
}

fn layer(fields: &Map<String, Value>) -> Result<Layer, Wrong> {
    let rules = fields.get("rules").map(|value| overrides(value, Rule::ALL)).transpose();
    let elements = fields.get("elements").map(elements).transpose();
    Ok(Layer {
        rules: rules.map_err(|wrong| wrong.at("rules"))?.unwrap_or_default(),
        elements: elements.map_err(|wrong| wrong.at("elements"))?.unwrap_or_default(),
        paths: fields.get("paths").map(paths).transpose().map_err(|wrong| wrong.at("paths"))?,
        flows: fields
            .get("flows")
            .map(FlowNames::read)
            .transpose()
            .map_err(|wrong| wrong.at("flows"))?,
    })
}

fn paths(value: &Value) -> Result<PathRules, Wrong> {
    let said = value.as_array().ok_or(Wrong::Expected("a list of path rules"))?;
    let read = |value: &Value| {
        let fields = object(value, PATH)?;
        let text = |name: &'static str| {
            let text = fields.get(name).and_then(Value::as_str);
            text.map(str::to_owned).ok_or_else(|| Wrong::Expected("a path").at(name))
        };
        let rule = PathRule { pattern: text("pattern")?, screen: text("screen")? };
        // Each on its own first, so that what is wrong has a place.
        PathRules::try_from(vec![rule.clone()]).map_err(Wrong::Path)?;
        Ok(rule)
    };
    let numbered = (0_usize..).zip(said);
    let rules: Vec<PathRule> = numbered
        .map(|(at, value)| read(value).map_err(|wrong: Wrong| wrong.at(&at.to_string())))
        .collect::<Result<_, _>>()?;
    PathRules::try_from(rules).map_err(Wrong::Path)
}

fn elements(value: &Value) -> Result<Vec<(Vec<Matcher>, Overrides)>, Wrong> {
    let said = value.as_array().ok_or(Wrong::Expected("a list of elements"))?;
    if said.len() > ENTRIES_MAX {
        return Err(Wrong::TooMany(ENTRIES_MAX));
    }
    let read = |value| {
        let fields = object(value, ELEMENT)?;
        let matchers = fields.get("match").unwrap_or(&Value::Null);
        let matchers = Vec::<Matcher>::read(matchers, None).map_err(|wrong| wrong.at("match"))?;
        let rules = fields.get("rules").unwrap_or(&Value::Null);
        let rules = overrides(rules, OF_ELEMENTS).map_err(|wrong| wrong.at("rules"))?;
        Ok((matchers, rules))
    };
    let numbered = (0_usize..).zip(said);
    numbered
        .map(|(at, value)| read(value).map_err(|wrong: Wrong| wrong.at(&at.to_string())))
        .collect()
}

/// Every value is set once, on the built-in rules: what is kept can be set.
fn overrides(value: &Value, known: &[Rule]) -> Result<Overrides, Wrong> {
    let said = value.as_object().ok_or(Wrong::Expected("an object of rules"))?;
    let mut overrides = Overrides::new();
    for (name, value) in said {
        let of_rule = || {
            let rule = Rule::parse(name).filter(|rule| known.contains(rule));
            let rule = rule.ok_or_else(|| unknown_rule(known))?;
            let settings = value.as_object().ok_or(Wrong::Expected("an object of settings"))?;
            let mut tried = Thresholds::default();
            for (setting, value) in settings {
                tried.settings_mut(rule).set(setting, value)?;
            }
            Ok((rule, settings.clone()))
        };
        let (rule, settings) = of_rule().map_err(|wrong: Wrong| wrong.at(name))?;
        overrides.insert(rule, settings);
    }
    Ok(overrides)
}

fn unknown_rule(known: &[Rule]) -> Wrong {
    Wrong::Unknown(known.iter().map(|rule| rule.as_str()).collect())
}

fn write_layer(layer: &Layer) -> Map<String, Value> {
    let mut fields = Map::new();
    if !layer.rules.is_empty() {
        fields.insert("rules".to_owned(), write_overrides(&layer.rules));
    }
    if !layer.elements.is_empty() {
        let elements = layer.elements.iter().map(|(matchers, rules)| {
            json!({ "match": matchers.write(), "rules": write_overrides(rules) })
        });
        fields.insert("elements".to_owned(), elements.collect());
    }
    if let Some(paths) = &layer.paths {
        fields.insert("paths".to_owned(), json!(paths));
    }
    if let Some(flows) = &layer.flows {
        fields.insert("flows".to_owned(), flows.write());
    }
    fields
}

fn write_overrides(overrides: &Overrides) -> Value {
    let rules = overrides
        .iter()
        .map(|(rule, settings)| (rule.as_str().to_owned(), Value::Object(settings.clone())));
    Value::Object(rules.collect())
}

fn object<'a>(
    value: &'a Value,
    known: &'static [&'static str],
) -> Result<&'a Map<String, Value>, Wrong> {
    let fields = value.as_object().ok_or(Wrong::Expected("an object"))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(Wrong::Unknown(known.to_vec()).at(unknown)),
        None => Ok(fields),
    }
}

const DOCUMENT: &[&str] = &["version", "rules", "elements", "paths", "flows", "products"];
const LAYER: &[&str] = &["rules", "elements", "paths", "flows"];
const PATH: &[&str] = &["pattern", "screen"];
const ELEMENT: &[&str] = &["match", "rules"];
const OF_ELEMENTS: &[Rule] = &[Rule::RageClick, Rule::DeadClick, Rule::ErrorClick];
/// Most elements, and most products, of one document.
const ENTRIES_MAX: usize = 200;
