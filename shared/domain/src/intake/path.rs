//! Where a fault lies: a JSON pointer that holds declared names only, because any other name may be somebody's.

use contract::{Code, EventType, context};

use super::envelope;
use crate::admit::Fault;

/// A fault on its way up from where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    code: Code,
    /// From the inside out.
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segment {
    Name(&'static str),
    Index(usize),
}

impl Flaw {
    /// The fault lies in the member `name`.
    pub(super) fn under(mut self, name: &str) -> Self {
        match declared_name(name) {
            Some(name) => self.segments.push(Segment::Name(name)),
            None => self.segments.clear(),
        }
        self
    }

    /// The fault lies in an item of a list.
    pub(super) fn at_index(mut self, index: usize) -> Self {
        self.segments.push(Segment::Index(index));
        self
    }

    /// The fault with its pointer; a fault of the whole event has none.
    pub(super) fn fault(self) -> Fault {
        if self.segments.is_empty() {
            return Fault::new(self.code);
        }
        let path = self.segments.iter().rev().map(|segment| match segment {
            Segment::Name(name) => format!("/{name}"),
            Segment::Index(index) => format!("/{index}"),
        });
        Fault::at(self.code, path.collect::<String>())
    }
}

impl From<Code> for Flaw {
    fn from(code: Code) -> Self {
        Self { code, segments: Vec::new() }
    }
}

fn declared_name(name: &str) -> Option<&'static str> {
    let own = envelope::NAMES.iter().chain(NESTED).copied().find(|known| *known == name);
    own.or_else(|| {
        EventType::ALL.iter().find_map(|kind| context::declared(*kind, name).map(|key| key.name))
    })
}

/// The names of the objects in the envelope, and those of version N−1.
const NESTED: &[&str] = &[
    "key",
    "kind",
    "x",
    "y",
    "name",
    "id",
    "type",
    "code",
    "category",
    "latencyMs",
    "suggestedTaxonomy",
    "suggestedSeverity",
    "suggestedLayer",
    "confidence",
    "behavioralIndicators",
    "suggestedPattern",
    "description",
    "experimentId",
    "variantId",
    "assignedAt",
    "service",
    "version",
    "region",
    "analytics",
    "forward",
    "timestamp",
    "ts",
    "userId",
    "userHash",
    "frictionSignals",
    "sessionDuration",
];
