//! What a session and a person are about by what was read so far. Each says how far it has read, so that nobody takes an
//! old answer for a new one.

use serde::{Deserialize, Serialize};

use crate::{OrgId, ProductId, Timestamp, session::SessionId};

/// What a session is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionContext {
    /// The session.
    pub session_id: SessionId,
    /// The tenant.
    pub org_id: OrgId,
    /// The tenant's product.
    pub product_id: ProductId,
    /// The projector and its weights.
    pub model: String,
    /// What is on the person's mind, the most active first, at most 10.
    pub active_concepts: Vec<ActiveConcept>,
    /// What the person works with, the most active first, at most 20.
    pub active_objects: Vec<ActiveObject>,
    /// How little is known: 1 (nothing) to 0.2.
    pub uncertainty: f64,
    /// Events that were read.
    pub events: u32,
    /// Those of them that tell what the session is about; uncertainty goes by them.
    pub evidence: u32,
    /// The last event that was read and how many were, as `time#id#events`: of two answers the one with the greater value has
    /// read more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<String>,
    /// When that event happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// That the contexts of somebody's sessions changed: the detail of `session.context_updated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextUpdated {
    /// The tenant's product.
    pub product_id: ProductId,
    /// The token under which the sessions' events lie.
    pub token: String,
}

/// Something on a person's mind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ActiveConcept {
    /// Its name.
    pub concept: String,
    /// How active it is, above 0 to 1.
    pub weight: f64,
}

/// Something a person works with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ActiveObject {
    /// What kind of thing.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    pub id: String,
    /// How active it is, above 0 to 1.
    pub weight: f64,
}

/// What a person prefers, by what they did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserPreferences {
    /// The person's token.
    pub actor_id: String,
    /// The tenant.
    pub org_id: OrgId,
    /// The tenant's product; absent for all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<ProductId>,
    /// The projector.
    pub model: String,
    /// How much they want explained, as last stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation_level: Option<ExplanationLevel>,
    /// Features they use, the most used first, at most 10.
    pub features: Vec<Preference>,
    /// Kinds of objects they work with, the most frequent first, at most 10.
    pub object_kinds: Vec<Preference>,
    /// The device they mostly use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_type: Option<DeviceType>,
    /// The sessions it is made of: the newest that are over, at most 50.
    pub sessions: u32,
    /// The person's events in them.
    pub events: u32,
    /// The last of those events, as `time#id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<String>,
    /// When that event happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// Something a person comes back to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Preference {
    /// Its name.
    pub name: String,
    /// How often.
    pub uses: u32,
    /// Its part of all uses of its kind, above 0 to 1.
    pub weight: f64,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$word_doc])* #[serde(rename = $text)] $word,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$word,)*];

            /// The name on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }

            /// Reads the name on the wire.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == name)
            }
        }
    };
}

words! {
    /// How much a person wants explained.
    ExplanationLevel {
        /// Everything.
        Beginner = "beginner",
        /// What is not usual.
        Intermediate = "intermediate",
        /// Little.
        Expert = "expert",
    }
}

words! {
    /// What a person uses.
    DeviceType {
        /// A computer.
        Desktop = "desktop",
        /// A telephone.
        Mobile = "mobile",
        /// A tablet.
        Tablet = "tablet",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        EventType,
        context::{Holds, declared},
    };

    #[test]
    fn the_words_are_those_that_events_may_carry() {
        let allowed = |kind, name| declared(kind, name).map(|key| key.holds);
        let levels: Vec<_> = ExplanationLevel::ALL.iter().map(|level| level.as_str()).collect();
        let devices: Vec<_> = DeviceType::ALL.iter().map(|device| device.as_str()).collect();
        let word = |holds| match holds {
            Some(Holds::Word(words)) => words.to_vec(),
            _ => Vec::new(),
        };
        assert_eq!(levels, word(allowed(EventType::Feedback, "explanationLevel")));
        assert_eq!(devices, word(allowed(EventType::UiClick, "deviceType")));
        for level in ExplanationLevel::ALL {
            assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
            assert_eq!(ExplanationLevel::parse(level.as_str()), Some(*level));
        }
    }
}
