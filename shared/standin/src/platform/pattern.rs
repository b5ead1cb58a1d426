//! Which events of a bus a rule is for: exact values and beginnings, as the template's patterns have them. A pattern that says more
//! is refused, so that no rule is taken for one that matches less or more.

use std::collections::BTreeMap;

use serde_json::Value;

/// The pattern of a rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pattern {
    /// Each of these fields is there and matches.
    Fields(BTreeMap<String, Pattern>),
    /// The value is one of these.
    OneOf(Vec<Leaf>),
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Leaf {
    Exactly(Value),
    Beginning(String),
}

/// A pattern that this stand-in cannot judge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stand-in's bus does not know the pattern {0}")]
pub(crate) struct UnknownPattern(String);

impl Pattern {
    pub(crate) fn parse(pattern: &Value) -> Result<Self, UnknownPattern> {
        match pattern {
            Value::Object(fields) if !fields.is_empty() => {
                let field =
                    |(name, value): (&String, &Value)| Ok((name.clone(), Self::parse(value)?));
                Ok(Self::Fields(fields.iter().map(field).collect::<Result<_, _>>()?))
            }
            Value::Array(leaves) if !leaves.is_empty() => {
                Ok(Self::OneOf(leaves.iter().map(Leaf::parse).collect::<Result<_, _>>()?))
            }
            Value::Object(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => Err(UnknownPattern(pattern.to_string())),
        }
    }

    pub(crate) fn matches(&self, event: &Value) -> bool {
        match self {
            Self::Fields(fields) => fields
                .iter()
                .all(|(name, pattern)| event.get(name).is_some_and(|value| pattern.matches(value))),
            // Of a list one element is enough.
            Self::OneOf(leaves) => match event {
                Value::Array(values) => {
                    values.iter().any(|value| leaves.iter().any(|leaf| leaf.matches(value)))
                }
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_) => leaves.iter().any(|leaf| leaf.matches(event)),
            },
        }
    }
}

impl Leaf {
    fn parse(leaf: &Value) -> Result<Self, UnknownPattern> {
        let unknown = || UnknownPattern(leaf.to_string());
        match leaf {
            Value::Object(said) => match (said.len(), said.get("prefix")) {
                (1, Some(Value::String(beginning))) => Ok(Self::Beginning(beginning.clone())),
                _ => Err(unknown()),
            },
            Value::Array(_) => Err(unknown()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Ok(Self::Exactly(leaf.clone()))
            }
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Exactly(expected) => value == expected,
            Self::Beginning(beginning) => {
                value.as_str().is_some_and(|text| text.starts_with(beginning))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(pattern: &Value, event: &Value) -> bool {
        Pattern::parse(pattern).unwrap().matches(event)
    }

    #[test]
    fn a_rule_is_for_events_that_have_one_of_the_values_in_every_field() {
        let pattern = json!({
            "source": ["tribometer"], "detail-type": ["session.closed", {"prefix": "incident."}],
        });
        for (kind, expected) in [
            ("session.closed", true),
            ("incident.rage_click", true),
            ("session.closed.", false),
            ("incident", false),
        ] {
            let event = json!({"source": "tribometer", "detail-type": kind, "detail": {}});
            assert_eq!(matches(&pattern, &event), expected, "{kind}");
        }
        let other = json!({"source": "somebody", "detail-type": "session.closed"});
        assert!(!matches(&pattern, &other));
        assert!(!matches(&pattern, &json!({"source": "tribometer"})));
    }

    #[test]
    fn what_lies_deeper_is_looked_for_there_and_of_a_list_one_is_enough() {
        let pattern = json!({"detail": {"org": ["acme"], "tags": ["urgent", 5]}});
        assert!(matches(&pattern, &json!({"detail": {"org": "acme", "tags": ["late", 5]}})));
        assert!(!matches(&pattern, &json!({"detail": {"org": "acme", "tags": ["late"]}})));
        assert!(!matches(&pattern, &json!({"org": "acme", "tags": 5})));
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        for pattern in [
            json!({}),
            json!("tribometer"),
            json!({"source": "tribometer"}),
            json!({"source": []}),
            json!({"source": [{"suffix": "meter"}]}),
            json!({"source": [{"prefix": "t", "suffix": "r"}]}),
            json!({"$or": [{"source": ["a"]}]}),
        ] {
            assert!(Pattern::parse(&pattern).is_err(), "{pattern}");
        }
    }
}
