//! A moment that hurt: which rule saw it, under which thresholds, in which events.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{EventId, OrgId, Pillar, ProductId, Timestamp, session::SessionId};

/// One incident. Its id is a function of whose it is, the rule, and the event that began it: it stays the same when the
/// session around it grows, merges or is computed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Incident {
    /// `i_` and 32 hexadecimal digits.
    pub incident_id: String,
    /// The rule that saw it.
    pub rule: Rule,
    /// Version of the rules.
    pub rules_version: u32,
    /// The thresholds that were used, by name, each with its unit in the name.
    pub thresholds: BTreeMap<String, f64>,
    /// The tenant.
    pub org_id: OrgId,
    /// The tenant's product.
    pub product_id: ProductId,
    /// The session it lies in.
    pub session_id: SessionId,
    /// Time of its first event.
    pub started_at: Timestamp,
    /// Time of its last event, or when a timer found it.
    pub ended_at: Timestamp,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<String>,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// In which task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The pillar that its events name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_component: Option<Pillar>,
    /// How sure the rule is.
    pub confidence: Confidence,
    /// How many events it is made of.
    pub count: u32,
    /// Those events, the first 50 in order.
    pub event_ids: Vec<EventId>,
    /// What else the rule noticed: `uTurn`, `inferred`, `reported`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// How sure a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Confidence {
    /// It may be something else.
    Low,
    /// It usually is.
    Medium,
    /// Something else happened beside it that says so too.
    High,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A rule that finds incidents.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Rule {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

rules! {
    /// Several quick clicks on one thing.
    RageClick = "rage_click";
    /// A click that did nothing.
    DeadClick = "dead_click";
    /// A click that was followed by an error.
    ErrorClick = "error_click";
    /// There and back within 20 s.
    Backtrack = "backtrack";
    /// A task left open for 15 minutes.
    AbandonedTask = "abandoned_task";
    /// A form that was begun and not sent.
    FormAbandonment = "form_abandonment";
    /// Away from an open task and back.
    ContextSwitch = "context_switch";
    /// The same screens again and again.
    Loop = "loop";
    /// A backend operation that fails again and again.
    RetryStorm = "retry_storm";
    /// The same question in other words.
    Reformulation = "reformulation";
    /// Answers of the product replaced one after the other.
    OverrideBurst = "override_burst";
    /// Answers disputed one after the other.
    ChallengeBurst = "challenge_burst";
    /// Answers of low confidence one after the other.
    LowConfidenceBurst = "low_confidence_burst";
    /// The end of a session right after it hurt.
    RageQuit = "rage_quit";
    /// A mouse moved to and fro; only reported by clients.
    MouseThrash = "mouse_thrash";
    /// To and fro on one screen.
    ExcessiveScroll = "excessive_scroll";
}

impl Rule {
    /// Reads the name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.as_str() == name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Most event ids that an incident names.
pub const EVENT_IDS_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_reads_back_from_its_name() {
        for rule in Rule::ALL {
            assert_eq!(Rule::parse(rule.as_str()), Some(*rule));
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
        }
        assert_eq!(Rule::parse("rage-click"), None);
    }
}
