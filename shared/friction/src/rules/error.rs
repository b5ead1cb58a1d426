//! Why rules are refused: where, and what would have been right.

use domain::scrub::EntityKind;

use crate::flow::BadPathRule;

/// Rules that are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// It is not JSON, or says something twice.
    #[error("the rules cannot be read: {why}")]
    Unreadable {
        /// What is wrong, with its line and its column.
        why: String,
    },
    /// It is more than rules may be.
    #[error("{path}: more than {most} entries")]
    TooMany {
        /// JSON Pointer.
        path: String,
        /// How many there may be.
        most: usize,
    },
    /// Nothing has this name.
    #[error("{path}: unknown; known are {known}")]
    Unknown {
        /// JSON Pointer.
        path: String,
        /// What could stand there.
        known: String,
    },
    /// It is something else.
    #[error("{}: expected {expected}", place(path))]
    Expected {
        /// JSON Pointer.
        path: String,
        /// What should stand there.
        expected: String,
    },
    /// It is too small or too large.
    #[error("{path}: must be {least} to {most}")]
    Outside {
        /// JSON Pointer.
        path: String,
        /// The least.
        least: String,
        /// The most.
        most: String,
    },
    /// A path rule that means nothing.
    #[error("{path}: {why}")]
    Path {
        /// JSON Pointer.
        path: String,
        /// What would have been right.
        why: BadPathRule,
    },
    /// A text that is about somebody.
    #[error("{path}: rules are for everybody, and this looks like {}", kind.placeholder())]
    Identifies {
        /// JSON Pointer.
        path: String,
        /// What it looks like.
        kind: EntityKind,
    },
    /// Rules that nothing could follow.
    #[error("/version: {} is the last one, and each change needs a higher one", u32::MAX)]
    LastVersion,
    /// Rules that differ from the built-in ones under the number of the built-in ones.
    #[error("/version: 1 is the built-in rules; rules of your own begin with 2")]
    BuiltInVersion,
}

/// What is wrong, seen from where it stands; [`Self::at`] says where that is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wrong {
    Unknown(Vec<&'static str>),
    Expected(&'static str),
    Outside(f64, f64),
    TooMany(usize),
    Path(BadPathRule),
    Identifies(EntityKind),
    Within(String, Box<Self>),
}

impl Wrong {
    pub(super) fn at(self, name: &str) -> Self {
        let step = step(name);
        match self {
            Self::Within(rest, inner) => Self::Within(format!("{step}/{rest}"), inner),
            Self::Unknown(_)
            | Self::Expected(_)
            | Self::Outside(..)
            | Self::TooMany(_)
            | Self::Path(_)
            | Self::Identifies(_) => Self::Within(step, Box::new(self)),
        }
    }

    pub(super) fn below(self, path: &str) -> RulesError {
        let path = path.to_owned();
        match self {
            Self::Within(rest, inner) => inner.below(&format!("{path}/{rest}")),
            Self::Unknown(known) => RulesError::Unknown { path, known: known.join(", ") },
            Self::Expected(expected) => {
                RulesError::Expected { path, expected: expected.to_owned() }
            }
            Self::Outside(least, most) => {
                RulesError::Outside { path, least: least.to_string(), most: most.to_string() }
            }
            Self::TooMany(most) => RulesError::TooMany { path, most },
            Self::Path(why) => RulesError::Path { path, why },
            Self::Identifies(kind) => RulesError::Identifies { path, kind },
        }
    }
}

/// A name as a step of a JSON Pointer.
pub(super) fn step(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The pointer to the whole is empty.
fn place(path: &str) -> &str {
    if path.is_empty() { "the document" } else { path }
}
