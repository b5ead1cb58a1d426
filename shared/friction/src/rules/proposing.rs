//! What is refused of a document that somebody proposes, though one that is kept may have it: it could only do harm.

use domain::{scrub::is_identifier_like, url_template::route_template};
use serde_json::Value;

use super::{Layer, RuleSet, RulesError, error::Wrong};
use crate::{
    cells::{ENTRY, EXIT, OTHER},
    flow::PathRule,
};

impl RuleSet {
    /// Reads a document that is to be kept from now on. Beyond what [`Self::parse`] refuses: the last version that there
    /// is, texts that identify somebody or hold control characters, and names and screens that mean something else.
    pub fn propose(json: &str) -> Result<Self, RulesError> {
        let set = Self::parse(json)?;
        if set.version == u32::MAX {
            return Err(RulesError::LastVersion);
        }
        texts(&set.to_json()).map_err(|wrong| wrong.below(""))?;
        set.judged().map_err(|wrong| wrong.below(""))?;
        Ok(set)
    }

    fn judged(&self) -> Result<(), Wrong> {
        self.layer.judged()?;
        self.products.iter().try_for_each(|(product, layer)| {
            let judged = layer.judged().map_err(|wrong| wrong.at(product.as_str()));
            judged.map_err(|wrong| wrong.at("products"))
        })
    }
}

impl Layer {
    fn judged(&self) -> Result<(), Wrong> {
        let rules = self.paths.clone().map(Vec::from).unwrap_or_default();
        each(&rules, |rule| target(rule).map_err(|wrong| wrong.at("screen")))
            .map_err(|wrong| wrong.at("paths"))?;
        let names: Vec<&str> = self.flows.iter().flat_map(|flows| flows.names()).collect();
        each(&names, |name| unreserved(name).map_err(|wrong| wrong.at("name")))
            .map_err(|wrong| wrong.at("flows"))
    }
}

/// Every text of the document, wherever it stands.
fn texts(value: &Value) -> Result<(), Wrong> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => plain(text),
        Value::Array(entries) => each(entries, texts),
        Value::Object(fields) => {
            fields.iter().try_for_each(|(name, value)| texts(value).map_err(|wrong| wrong.at(name)))
        }
    }
}

fn plain(text: &str) -> Result<(), Wrong> {
    if text.chars().any(char::is_control) {
        return Err(Wrong::Expected("a text without tabs and other control characters"));
    }
    match is_identifier_like(text) {
        Some(kind) => Err(Wrong::Identifies(kind)),
        None => Ok(()),
    }
}

/// What a screen is turned into has to be one that could have come through the door.
fn target(rule: &PathRule) -> Result<(), Wrong> {
    let PathRule { pattern, screen } = rule;
    unreserved(screen)?;
    if pattern.starts_with('/') && !screen.starts_with('/') {
        return Err(Wrong::Expected("a screen that begins with /, as its pattern does"));
    }
    if route_template(screen) != screen.as_str() {
        return Err(Wrong::Expected(
            "a screen as events have it: the path alone, nothing between two slashes left empty, and {id} for what may name somebody",
        ));
    }
    Ok(())
}

/// Among the steps of flows these are the beginning, the end, and whatever is rare.
fn unreserved(name: &str) -> Result<(), Wrong> {
    if [ENTRY, EXIT, OTHER].contains(&name) || name.starts_with('\\') {
        return Err(Wrong::Expected(
            "another name: ^, $, ~other and what begins with \\ have a meaning of their own",
        ));
    }
    Ok(())
}

/// The first that is wrong, with its number.
fn each<T>(entries: &[T], judge: impl Fn(&T) -> Result<(), Wrong>) -> Result<(), Wrong> {
    (0_usize..)
        .zip(entries)
        .try_for_each(|(at, entry)| judge(entry).map_err(|wrong| wrong.at(&at.to_string())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(pattern: &str, screen: &str) -> Value {
        json!({ "version": 2, "paths": [{ "pattern": pattern, "screen": screen }] })
    }

    fn flow(name: &str) -> Value {
        json!({ "version": 2, "flows": [{ "name": name, "task": "pay" }] })
    }

    fn refusal(document: &Value) -> String {
        RuleSet::propose(&document.to_string()).unwrap_err().to_string()
    }

    /// What is kept was proposed to somebody who did not look as closely, and is read all the same.
    fn refused_and_read(document: &Value, expected: &str) {
        let why = refusal(document);
        assert!(why.starts_with(expected), "{expected:?}: {why:?}");
        assert!(RuleSet::parse(&document.to_string()).is_ok(), "{document}");
    }

    #[test]
    fn a_screen_is_turned_into_one_that_could_have_come_through_the_door() {
        for (pattern, screen) in [
            ("/leads/*", "/leads/{id}"),
            ("/shop/*/item-*", "/shop/*/item-*"),
            ("/**", "/**"),
            ("**", "home"),
            ("Start page", "Home"),
            ("/~anna", "/~{id}"),
            ("/api/batch", "/api/$batch"),
        ] {
            let document = path(pattern, screen).to_string();
            assert!(RuleSet::propose(&document).is_ok(), "{pattern} to {screen}");
        }
        for (pattern, screen, expected) in [
            ("**", "~other", "another name"),
            ("**", "^", "another name"),
            ("**", "$", "another name"),
            ("**", "\\^", "another name"),
            ("/leads/*", "leads", "a screen that begins with /"),
            ("/**", "**", "a screen that begins with /"),
            ("/leads/*", "/leads/4711", "a screen as events have it"),
            ("/leads/*", "/leads?tab=1", "a screen as events have it"),
            ("/leads/*", "//leads", "a screen as events have it"),
            ("/leads/*", "/le\u{200b}ads", "a screen as events have it"),
            ("/leads/*", "/leads\\all", "a screen as events have it"),
            ("**", "https://shop.example/leads", "a screen as events have it"),
        ] {
            let expected = format!("/paths/0/screen: expected {expected}");
            refused_and_read(&path(pattern, screen), &expected);
        }
    }

    #[test]
    fn what_identifies_somebody_is_no_part_of_rules() {
        let matched = json!({ "version": 2, "products": { "crm": { "rules": { "loop": {
            "ignore": [{ "screen": "/a" }, { "task": "anna@example.org" }] } } } } });
        let way = json!({ "version": 2, "flows": [{ "name": "A", "path": ["/a", "/anna@example.org"] }] });
        for (document, place) in [
            (path("/users/anna@example.org", "/users/{id}"), "/paths/0/pattern"),
            (path("/users/*", "/users/anna@example.org"), "/paths/0/screen"),
            (flow("Anna <anna@example.org>"), "/flows/0/name"),
            (flow("Call +49 30 901820"), "/flows/0/name"),
            (way, "/flows/0/path/1"),
            (matched, "/products/crm/rules/loop/ignore/1/task"),
        ] {
            let expected = format!("{place}: rules are for everybody, and this looks like ");
            refused_and_read(&document, &expected);
        }
        assert!(!refusal(&flow("Anna <anna@example.org>")).contains("anna"));
    }

    #[test]
    fn names_of_flows_are_no_steps_and_nothing_that_is_not_seen() {
        for name in ["^", "$", "~other", "\\^", "\\n"] {
            refused_and_read(&flow(name), "/flows/0/name: expected another name");
        }
        for name in ["A\tB", "\u{7f}", "A\n"] {
            let expected = "/flows/0/name: expected a name: 1 to 128 bytes, no tabs and other control characters";
            assert_eq!(refusal(&flow(name)), expected);
        }
        let task = json!({ "version": 2, "flows": [{ "name": "A", "task": "pay\tnow" }] });
        refused_and_read(&task, "/flows/0/task: expected a text without tabs");
        let product = json!({ "version": 2, "products": { "crm": { "flows": [{ "name": "$", "task": "a" }] } } });
        refused_and_read(&product, "/products/crm/flows/0/name: expected another name");
    }

    #[test]
    fn the_last_version_is_not_taken_since_no_change_could_follow_it() {
        refused_and_read(&json!({ "version": u32::MAX }), "/version: 4294967295 is the last one");
        let before = json!({ "version": u32::MAX - 1 }).to_string();
        assert!(RuleSet::propose(&before).is_ok());
    }
}
