//! What a person prefers, folded from their events in their order: the user-preferences projector `pref-1`.
//!
//! Reading is as in [`crate::context`]: in order, and all over again when something comes before what was read.
//! The explanation level is the one stated last, since it is a setting. Features and kinds of objects are weighed by their
//! part of all uses, and the device is the one used most, since those are habits.

use std::collections::BTreeMap;

use contract::{
    Event,
    projection::{DeviceType, ExplanationLevel, Preference, UserPreferences},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    context::{Folded, Read, in_order},
    owner::Owner,
};

/// What is known of a person so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreferencesState {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    explanation_level: Option<ExplanationLevel>,
    #[serde(default)]
    features: Uses,
    #[serde(default)]
    object_kinds: Uses,
    #[serde(default)]
    devices: Uses,
    #[serde(default)]
    read: Read,
}

impl PreferencesState {
    /// What is known after `events` of one person, in whatever order and however often they are given.
    #[must_use]
    pub fn project(events: &[Event]) -> Self {
        let mut state = Self::default();
        for event in in_order(events) {
            state.fold(event);
        }
        state
    }

    /// Reads one more event.
    pub fn fold(&mut self, event: &Event) -> Folded {
        let folded = self.read.advance(event);
        if folded == Folded::New {
            self.learn(event);
        }
        folded
    }

    /// How far it has read.
    #[must_use]
    pub fn read(&self) -> &Read {
        &self.read
    }

    /// What is said about the person of the token `actor`, an actor of `owner`'s product.
    #[must_use]
    pub fn preferences(&self, owner: &Owner, actor: &str) -> UserPreferences {
        UserPreferences {
            actor_id: actor.to_owned(),
            org_id: owner.org.clone(),
            product_id: owner.product.clone(),
            model: MODEL.to_owned(),
            explanation_level: self.explanation_level,
            features: self.features.first(PREFERENCES_MAX),
            object_kinds: self.object_kinds.first(PREFERENCES_MAX),
            device_type: self
                .devices
                .first(1)
                .first()
                .and_then(|most| DeviceType::parse(&most.name)),
            events: self.read.events,
            last_seq: self.read.last_seq.clone(),
            updated_at: self.read.at,
        }
    }

    fn learn(&mut self, event: &Event) {
        let now = self.read.events;
        let word = |key: &str| event.context.get(key).and_then(Value::as_str);
        if let Some(level) = word("explanationLevel").and_then(ExplanationLevel::parse) {
            self.explanation_level = Some(level);
        }
        if let Some(feature) = word("feature") {
            self.features.count(feature, now);
        }
        if let Some(device) = word("deviceType") {
            self.devices.count(device, now);
        }
        if let Some(object) = &event.object {
            self.object_kinds.count(&object.kind, now);
        }
    }
}

/// How often names were used, and when last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Uses {
    #[serde(rename = "n", default)]
    named: BTreeMap<String, Used>,
    /// All uses, of forgotten names too.
    #[serde(rename = "a", default)]
    all: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
struct Used {
    #[serde(rename = "c")]
    times: u32,
    /// Number of the event that used it last.
    #[serde(rename = "t")]
    last: u32,
}

impl Uses {
    fn count(&mut self, name: &str, now: u32) {
        self.all = self.all.saturating_add(1);
        let used = self.named.entry(name.to_owned()).or_default();
        *used = Used { times: used.times.saturating_add(1), last: now };
        if self.named.len() > NAMES_MAX {
            let least = self.named.iter().min_by_key(|(_, used)| **used);
            let least = least.map(|(name, _)| name.clone());
            least.and_then(|name| self.named.remove(&name));
        }
    }

    /// The most used, of equals the one used last.
    fn first(&self, count: usize) -> Vec<Preference> {
        let mut named: Vec<(&String, &Used)> = self.named.iter().collect();
        named.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let weight = |used: &Used| f64::from(used.times) / f64::from(self.all.max(1));
        let preference = |(name, used): (&String, &Used)| Preference {
            name: name.clone(),
            uses: used.times,
            weight: weight(used),
        };
        named.into_iter().take(count).map(preference).collect()
    }
}

const MODEL: &str = "pref-1";
const PREFERENCES_MAX: usize = 10;
/// Beyond these the least used go, so that a person's state stays small whatever they use.
const NAMES_MAX: usize = 256;
