//! The names of what can happen, their families, and the TRACE pillars.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $family:ident;)*) => {
        /// A type of event. Written as its dotted name; read from that name or from an accepted alias.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType { $($(#[$doc])* $variant,)* }

        impl EventType {
            /// Every type that a door accepts.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The dotted name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The family: the part before the dot.
            #[must_use]
            pub fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* }
            }

            fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

event_types! {
    /// A user replaced an AI result.
    UserOverride = "friction.user_override", Friction;
    /// A task was left unfinished.
    Abandon = "friction.abandon", Friction;
    /// A user disputes an answer.
    Challenge = "friction.challenge", Friction;
    /// A rating was given.
    Feedback = "friction.feedback", Friction;
    /// A rule stopped the action.
    ComplianceBlock = "friction.compliance_block", Friction;
    /// From AI to a human, or back.
    Handoff = "friction.handoff", Friction;
    /// "Why?" was asked.
    ExplanationRequest = "friction.explanation_request", Friction;
    /// The session ended right after a burst.
    RageQuit = "friction.rage_quit", Friction;
    /// The user left for another tool mid-task.
    ContextSwitch = "friction.context_switch", Friction;
    /// The knowledge graph answered below its threshold.
    KgLowConfidence = "friction.kg_low_confidence", Friction;
    /// A press on an element.
    UiClick = "ui.click", Ui;
    /// A scroll.
    UiScroll = "ui.scroll", Ui;
    /// An input was used; never what was typed.
    UiInputMeta = "ui.input_meta", Ui;
    /// Another screen was opened.
    UiNavigation = "ui.navigation", Ui;
    /// The window or the tab changed.
    UiFocusChange = "ui.focus_change", Ui;
    /// A press that changed nothing.
    UiDeadClick = "ui.dead_click", Ui;
    /// An error was shown.
    UiError = "ui.error", Ui;
    /// Anything else a product measures.
    UiCustom = "ui.custom", Ui;
    /// A task began.
    TaskStarted = "task.started", Task;
    /// A task was finished.
    TaskCompleted = "task.completed", Task;
    /// A task was cancelled on purpose.
    TaskCancelled = "task.cancelled", Task;
    /// A user looked at an object.
    UserViewed = "knowledge.user_viewed", Knowledge;
    /// A user marked a passage.
    UserHighlighted = "knowledge.user_highlighted", Knowledge;
    /// A chat message was written.
    ChatMessageCreated = "knowledge.chat_message_created", Knowledge;
    /// A source was captured.
    SourceCaptured = "knowledge.source_captured", Knowledge;
    /// A claim was added or changed.
    ClaimUpserted = "knowledge.claim_upserted", Knowledge;
    /// A recommendation was made.
    RecommendationGenerated = "knowledge.recommendation_generated", Knowledge;
    /// A crawler collected an item.
    CrawlItemCollected = "crawl.item_collected", Crawl;
    /// A crawler failed on an item.
    CrawlItemFailed = "crawl.item_failed", Crawl;
    /// A backend failed.
    BackendError = "backend.error", Backend;
    /// A backend tried again.
    BackendRetry = "backend.retry", Backend;
    /// A backend ran out of time.
    BackendTimeout = "backend.timeout", Backend;
}

impl EventType {
    /// Reads the dotted name, a bare friction name (`user_override`), a bare interface name (`click`) or a seed
    /// spelling (`UserViewed`).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::from_name(name).or_else(|| {
            if name.contains('.') || name.len() > LONGEST_ALIAS {
                return None;
            }
            let snake = snake_case(name);
            ALIAS_FAMILIES.iter().find_map(|family| Self::from_name(&format!("{family}.{snake}")))
        })
    }

    /// The usual pillar of a friction type: a default for the emitter's helpers, never filled in silently.
    #[must_use]
    pub fn usual_pillar(self) -> Option<Pillar> {
        self.friction_defaults().map(|(pillar, _)| pillar)
    }

    /// The severity of an event that states none: 0 to 5. Feedback is 0 here; a negative one is 2.
    #[must_use]
    pub fn default_severity(self) -> u8 {
        self.friction_defaults().map_or(0, |(_, severity)| severity)
    }

    /// The bare name, without its family.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        self.as_str().split_once('.').map_or(self.as_str(), |(_, name)| name)
    }

    fn friction_defaults(self) -> Option<(Pillar, u8)> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "only the ten friction types have a row in the table"
        )]
        match self {
            Self::UserOverride => Some((Pillar::Reasoning, 3)),
            Self::Abandon => Some((Pillar::Transparency, 4)),
            Self::Challenge => Some((Pillar::Reasoning, 2)),
            Self::Feedback => Some((Pillar::Explainability, 0)),
            Self::ComplianceBlock => Some((Pillar::Compliance, 3)),
            Self::Handoff => Some((Pillar::Auditability, 3)),
            Self::ExplanationRequest => Some((Pillar::Explainability, 1)),
            Self::RageQuit => Some((Pillar::Transparency, 5)),
            Self::ContextSwitch => Some((Pillar::Transparency, 2)),
            Self::KgLowConfidence => Some((Pillar::Reasoning, 2)),
            _ => None,
        }
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, c) in name.char_indices() {
        if c.is_ascii_uppercase() && at > 0 && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| de::Error::custom(UNKNOWN_EVENT_TYPE))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for EventType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<&str> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
        schemars::json_schema!({ "type": "string", "enum": names })
    }
}

/// The part of an event type before its dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// The ten types of the connector contract.
    Friction,
    /// What happened on a screen.
    Ui,
    /// Tasks.
    Task,
    /// Knowledge work.
    Knowledge,
    /// Crawled items.
    Crawl,
    /// Backends.
    Backend,
}

/// A TRACE component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Pillar {
    /// Can the user see what happens?
    Transparency,
    /// Can the user follow why?
    Reasoning,
    /// Can it be checked afterwards?
    Auditability,
    /// Is it allowed?
    Compliance,
    /// Can it be explained?
    Explainability,
}

impl Pillar {
    /// All five.
    pub const ALL: &'static [Self] = &[
        Self::Transparency,
        Self::Reasoning,
        Self::Auditability,
        Self::Compliance,
        Self::Explainability,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transparency => "transparency",
            Self::Reasoning => "reasoning",
            Self::Auditability => "auditability",
            Self::Compliance => "compliance",
            Self::Explainability => "explainability",
        }
    }

    /// Reads the name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|pillar| pillar.as_str() == name)
    }
}

/// The message of a failed read of an event type, by which a reader tells it from other faults.
pub const UNKNOWN_EVENT_TYPE: &str = "unknown event type";
/// Families whose names stand for themselves in the seeds' spelling, first match wins.
const ALIAS_FAMILIES: &[&str] = &["friction", "ui", "knowledge"];
const LONGEST_ALIAS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_type() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.as_str()), Some(*kind));
        }
    }

    #[test]
    fn seed_spellings_are_accepted_and_unknown_names_are_not() {
        assert_eq!(EventType::parse("user_override"), Some(EventType::UserOverride));
        assert_eq!(EventType::parse("UserViewed"), Some(EventType::UserViewed));
        assert_eq!(EventType::parse("click"), Some(EventType::UiClick));
        for unknown in
            ["friction.User_Override", "session.closed", "", "long_session", "ui.", "UI.CLICK"]
        {
            assert_eq!(EventType::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn exactly_the_friction_types_have_a_usual_pillar() {
        for kind in EventType::ALL {
            assert_eq!(kind.usual_pillar().is_some(), kind.family() == Family::Friction, "{kind}");
        }
    }
}
