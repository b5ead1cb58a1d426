//! What can be asked with: each parameter's name, grammar and bounds, for the reader and for the description.

use contract::{
    incident::Rule,
    limits::{ID_BYTES_MAX, INSIGHT_DAYS_MAX, REPLAY_EVENTS_MAX},
};
use serde_json::{Value, json};

/// A query parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it may be.
    pub(crate) grammar: Grammar,
    /// What it does.
    pub(crate) about: &'static str,
}

/// What a parameter may be.
#[derive(Debug)]
pub(crate) enum Grammar {
    /// An organisation's or a product's id.
    Id,
    /// RFC 3339 with an offset, or a day for its beginning in UTC.
    Time,
    /// A whole number.
    Count {
        /// The least.
        min: usize,
        /// The most.
        max: usize,
        /// What it is when it is left out.
        usual: usize,
    },
    /// One of some words.
    Word(fn() -> Vec<&'static str>),
    /// A session's id.
    Session,
    /// What an earlier answer gave out.
    Cursor,
    /// How far a context had read.
    Sequence,
}

impl Parameter {
    /// What it should be, to go after "is".
    pub(crate) fn expects(&self) -> String {
        match &self.grammar {
            Grammar::Id if self.name == ORG.name => {
                "one of the organisations of this key, which needs to be named when there are several or all"
                    .to_owned()
            }
            Grammar::Id => format!("1 to {ID_BYTES_MAX} of A-Z, a-z, 0-9, _ and -"),
            Grammar::Time => "an RFC 3339 time with an offset, its + written as %2B, or a day as 2026-02-01, in UTC"
                    .to_owned(),
            Grammar::Count { min, max, .. } => format!("a whole number from {min} to {max}"),
            Grammar::Word(words) => format!("one of {}", words().join(", ")),
            Grammar::Session => "a session's id".to_owned(),
            Grammar::Cursor => "what the answer before gave out".to_owned(),
            Grammar::Sequence => "the lastSeq of a message, its # written as %23".to_owned(),
        }
    }

    /// Its schema.
    pub(crate) fn schema(&self) -> Value {
        match &self.grammar {
            Grammar::Id => {
                json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]+$", "minLength": 1, "maxLength": ID_BYTES_MAX })
            }
            Grammar::Time => json!({ "anyOf": [
                { "type": "string", "format": "date-time" },
                { "type": "string", "format": "date" },
            ] }),
            Grammar::Count { min, max, usual } => {
                json!({ "type": "integer", "minimum": min, "maximum": max, "default": usual })
            }
            Grammar::Word(words) => json!({ "type": "string", "enum": words() }),
            Grammar::Session => json!({ "type": "string", "pattern": "^s_[0-9a-f]{32}$" }),
            Grammar::Sequence => json!({ "type": "string", "pattern": SEQUENCE }),
            Grammar::Cursor => {
                json!({ "type": "string", "minLength": 1, "maxLength": CURSOR_CHARACTERS_MAX })
            }
        }
    }
}

/// Longest cursor that is looked at.
pub(crate) const CURSOR_CHARACTERS_MAX: usize = 256;

pub(crate) const ORG: Parameter = Parameter {
    name: "org",
    grammar: Grammar::Id,
    about: "The organisation, for a key that is bound to several. A key that operates the installation may name any.",
};
pub(crate) const ORG_OR_ALL: Parameter = Parameter {
    name: ORG.name,
    grammar: Grammar::Id,
    about: "The organisation, for a key that is bound to several. A key that operates the installation may name any; left out, it asks about all of them.",
};
pub(crate) const PRODUCT: Parameter = Parameter {
    name: "productId",
    grammar: Grammar::Id,
    about: "One product; left out: all of the organisation's.",
};
pub(crate) const PERSONS_PRODUCT: Parameter = Parameter {
    name: PRODUCT.name,
    grammar: Grammar::Id,
    about: "The product; left out: all of the organisation's together, and the answer names none.",
};
pub(crate) const FROM: Parameter = Parameter {
    name: "from",
    grammar: Grammar::Time,
    about: "Start of the time covered; left out: 7 days before its end. Sums cover whole UTC days.",
};
pub(crate) const TO: Parameter = Parameter {
    name: "to",
    grammar: Grammar::Time,
    about: "End of the time covered, exclusive, at most 92 days after its start; left out: the end of this UTC day.",
};
pub(crate) const LISTED_FROM: Parameter = Parameter {
    name: FROM.name,
    grammar: Grammar::Time,
    about: "Start of the time in which they began, to the millisecond; left out: 7 days before its end.",
};
pub(crate) const LISTED_TO: Parameter =
    Parameter { name: TO.name, grammar: Grammar::Time, about: TO.about };
pub(crate) const PERCENTILE_MIN: Parameter = Parameter {
    name: "minPercentile",
    grammar: Grammar::Count { min: 0, max: 100, usual: 99 },
    about: "Only sessions that are more unusual than at least so many in a hundred flows.",
};
pub(crate) const SESSIONS_MIN: Parameter = Parameter {
    name: "minSessions",
    grammar: Grammar::Count { min: 1, max: 1_000_000, usual: 20 },
    about: "Only screens that at least so many sessions saw. Fewer than 20 say little; below 5 actors nothing is told in any case.",
};
pub(crate) const HOTSPOTS: Parameter = Parameter {
    name: "limit",
    grammar: Grammar::Count { min: 1, max: 100, usual: 20 },
    about: "At most so many screens.",
};
pub(crate) const SORT: Parameter = Parameter {
    name: "sort",
    grammar: Grammar::Word(|| vec!["frequency", "impact"]),
    about: "By how often they were gone, as when this is left out, or by how many × how much it hurts × how rarely it is completed.",
};
pub(crate) const FLOWS: Parameter = Parameter {
    name: "limit",
    grammar: Grammar::Count { min: 1, max: 100, usual: 10 },
    about: "At most so many ways.",
};
pub(crate) const UNUSUAL: Parameter = Parameter {
    name: "limit",
    grammar: Grammar::Count { min: 1, max: 100, usual: 10 },
    about: "At most so many sessions.",
};
pub(crate) const EDGES: Parameter = Parameter {
    name: "limit",
    grammar: Grammar::Count { min: 1, max: 1_000, usual: 200 },
    about: "At most so many edges.",
};
pub(crate) const PAGE: Parameter = Parameter {
    name: "limit",
    grammar: Grammar::Count { min: 1, max: 200, usual: 50 },
    about: "At most so many in one answer. It may differ from page to page.",
};
pub(crate) const EVENTS: Parameter = Parameter {
    name: "limit",
    grammar: Grammar::Count { min: 1, max: REPLAY_EVENTS_MAX, usual: REPLAY_EVENTS_MAX },
    about: "At most so many events in one answer, and at most 4 MiB of them. It may differ from page to page.",
};
pub(crate) const CURSOR: Parameter = Parameter {
    name: "cursor",
    grammar: Grammar::Cursor,
    about: "nextCursor of the answer before. It goes with the same parameters only, but for limit.",
};
pub(crate) const STATE: Parameter = Parameter {
    name: "state",
    grammar: Grammar::Word(|| vec!["open", "closed"]),
    about: "Only sessions that may go on, or only those that ended.",
};
pub(crate) const RULE: Parameter = Parameter {
    name: "rule",
    grammar: Grammar::Word(|| Rule::ALL.iter().map(|rule| rule.as_str()).collect()),
    about: "Only incidents of this rule.",
};
pub(crate) const SESSION: Parameter = Parameter {
    name: "session",
    grammar: Grammar::Session,
    about: "Only incidents of this session.",
};
pub(crate) const AFTER: Parameter = Parameter {
    name: "after_ts",
    grammar: Grammar::Time,
    about: "Only events after this time. Events at one time are told apart by the cursor alone.",
};

pub(crate) const AFTER_SEQUENCE: Parameter = Parameter {
    name: "after",
    grammar: Grammar::Sequence,
    about: "The lastSeq of the last message that was seen: the first message is the first that has read more.",
};

/// A time, an event's id, and how many events were read.
const SEQUENCE: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z#[A-Za-z0-9._-]{1,64}(#[0-9]{6,9})?$";
/// The days that are covered when nothing is said.
pub(crate) const USUAL_DAYS: i64 = 7;
/// The most days that one question covers.
pub(crate) const DAYS_MAX: i64 = INSIGHT_DAYS_MAX;
