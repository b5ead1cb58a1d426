//! Which `context` keys each event type declares, and their bounds. What is not declared is dropped and counted.

use crate::{EventType, Family};

/// A declared key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContextKey {
    /// The key.
    pub name: &'static str,
    /// What it may hold.
    pub holds: Holds,
}

/// What a declared key may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Holds {
    /// A number between two bounds, both allowed.
    Number(f64, f64),
    /// A whole number between two bounds, both allowed.
    Integer(i64, i64),
    /// True or false.
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A short name of at most this many bytes: `[A-Za-z0-9._:/-]` and no identifier in it.
    Name(usize),
    /// A list of at most so many short names of at most so many bytes.
    Names(usize, usize),
    /// A raw identifier that the door turns into a token.
    Identifier,
    /// Free text of at most this many bytes, scrubbed at the door.
    Text(usize),
    /// A URL, reduced to a path template at the door.
    Url,
    /// An RFC 3339 time.
    Time,
}

const fn key(name: &'static str, holds: Holds) -> ContextKey {
    ContextKey { name, holds }
}

/// The key `name` as `event_type` declares it.
#[must_use]
pub fn declared(event_type: EventType, name: &str) -> Option<ContextKey> {
    [COMMON, family(event_type.family())]
        .into_iter()
        .flatten()
        .copied()
        .find(|key| key.name == name)
}

/// The keys of a family, beside the common ones.
#[must_use]
pub fn family(family: Family) -> &'static [ContextKey] {
    match family {
        Family::Friction => FRICTION,
        Family::Ui => UI,
        Family::Task => TASK,
        Family::Knowledge => KNOWLEDGE,
        Family::Crawl => CRAWL,
        Family::Backend => BACKEND,
    }
}

/// Keys that every event may carry.
pub const COMMON: &[ContextKey] = &[
    key("feature", Holds::Name(64)),
    key("teamId", Holds::Name(64)),
    key("deviceType", Holds::Word(&["desktop", "mobile", "tablet"])),
    key("agentId", Holds::Name(64)),
    key("appName", Holds::Name(64)),
    key("appVersion", Holds::Name(64)),
    key("sdkVersion", Holds::Name(64)),
    key("locale", Holds::Name(16)),
    key("userAction", Holds::Name(64)),
    key("sessionDurationSeconds", Holds::Number(0.0, 2_592_000.0)),
    key("aiConfidence", Holds::Number(0.0, 1.0)),
    key("industry", Holds::Name(64)),
    key("orgSize", Holds::Name(32)),
    key("deploymentAgeDays", Holds::Integer(0, 100_000)),
];

const FRICTION: &[ContextKey] = &[
    key("explanationLevel", Holds::Word(&["beginner", "intermediate", "expert"])),
    key("complianceFlags", Holds::Names(16, 64)),
    key("rating", Holds::Integer(0, 10)),
    key("modelId", Holds::Name(64)),
    key("promptVersion", Holds::Name(64)),
];

const UI: &[ContextKey] = &[
    key("os", Holds::Name(32)),
    key("browser", Holds::Name(32)),
    key("url", Holds::Url),
    key("referrer", Holds::Url),
    key("depthPercent", Holds::Number(0.0, 100.0)),
    key("inputLength", Holds::Integer(0, 1_000_000)),
    key("durationMs", Holds::Integer(0, 86_400_000)),
    key("visible", Holds::Boolean),
    key("name", Holds::Name(64)),
    key("value", Holds::Number(-1e15, 1e15)),
];

const TASK: &[ContextKey] = &[
    key("step", Holds::Name(64)),
    key("outcome", Holds::Name(64)),
    key("durationMs", Holds::Integer(0, 604_800_000)),
];

const KNOWLEDGE: &[ContextKey] = &[
    key("concepts", Holds::Names(20, 64)),
    key("claimId", Holds::Name(64)),
    key("sourceKind", Holds::Name(64)),
    key("messageLength", Holds::Integer(0, 1_000_000)),
    key("role", Holds::Word(&["user", "assistant", "system"])),
    key("rank", Holds::Integer(0, 10_000)),
    key("dwellMs", Holds::Integer(0, 86_400_000)),
];

const CRAWL: &[ContextKey] = &[
    key("jobId", Holds::Name(64)),
    key("batchIndex", Holds::Integer(0, 10_000_000)),
    key("taskType", Holds::Name(64)),
    key("keywordSource", Holds::Name(64)),
    key("crawledAt", Holds::Time),
    key("pipelineVersion", Holds::Name(64)),
    key("fetchStatus", Holds::Word(&["success", "error"])),
    key("fetchError", Holds::Text(256)),
    key("errorCode", Holds::Name(64)),
    key("errorDetails", Holds::Text(512)),
    key("platform", Holds::Name(32)),
    key("projectId", Holds::Name(64)),
];

const BACKEND: &[ContextKey] = &[
    key("operation", Holds::Name(64)),
    key("attempt", Holds::Integer(0, 1_000)),
    key("statusCode", Holds::Integer(0, 999)),
    key("latencyMs", Holds::Integer(0, 86_400_000)),
    key("dependency", Holds::Name(64)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_type_declares_a_key_twice() {
        for kind in EventType::ALL {
            let own = family(kind.family());
            assert!(
                own.iter().all(|key| !COMMON.iter().any(|common| common.name == key.name)),
                "{kind}"
            );
        }
    }

    #[test]
    fn an_undeclared_key_is_unknown() {
        assert!(declared(EventType::UiClick, "os").is_some());
        assert!(declared(EventType::UserOverride, "os").is_none());
        assert!(declared(EventType::UiClick, "__proto__").is_none());
    }
}
