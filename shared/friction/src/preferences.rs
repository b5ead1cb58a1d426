//! What a person prefers, folded from their events in their order: the user-preferences projector `pref-1`.
//!
//! Reading is as in [`crate::context`]: in order, and all over again when something comes before what was read.
//! The explanation level is the one stated last, since it is a setting. Features and kinds of objects are weighed by their
//! part of all uses, and the device is the one used most, since those are habits.

use std::collections::BTreeMap;

use contract::{
    Event, OrgId, ProductId,
    projection::{DeviceType, ExplanationLevel, Preference, UserPreferences},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::{Folded, Read, in_order, sequence};

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

    /// What is said about the person of the token `actor`.
    #[must_use]
    pub fn preferences(&self, org: &OrgId, product: &ProductId, actor: &str) -> UserPreferences {
        let last = self.read.last();
        UserPreferences {
            actor_id: actor.to_owned(),
            org_id: org.clone(),
            product_id: product.clone(),
            model: MODEL.to_owned(),
            explanation_level: self.explanation_level,
            features: self.features.first(PREFERENCES_MAX),
            object_kinds: self.object_kinds.first(PREFERENCES_MAX),
            device_type: self
                .devices
                .first(1)
                .first()
                .and_then(|most| DeviceType::parse(&most.name)),
            events: self.read.events(),
            last_seq: last.as_ref().map(sequence),
            updated_at: last.map(|last| last.at),
        }
    }

    fn learn(&mut self, event: &Event) {
        let now = self.read.events();
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{context::tests::any_event, sample::event};

    fn with(at: i64, context: Value, object: Option<&str>) -> Event {
        let object = object
            .map(|kind| contract::event::ObjectRef { kind: kind.to_owned(), id: "1".to_owned() });
        let context = context.as_object().unwrap().clone();
        Event { context, object, ..event(&format!("e{at:04}"), at) }
    }

    fn said(state: &PreferencesState) -> UserPreferences {
        let org = OrgId::parse("acme").unwrap();
        state.preferences(&org, &ProductId::default(), "u1:k1:00")
    }

    fn preferences(events: &[Event]) -> UserPreferences {
        said(&PreferencesState::project(events))
    }

    fn named(preferences: &[Preference]) -> Vec<(&str, u32, f64)> {
        preferences.iter().map(|one| (one.name.as_str(), one.uses, one.weight)).collect()
    }

    #[test]
    fn the_level_stated_last_counts_whatever_came_first_here() {
        let level = |at, level: &str| with(at, json!({ "explanationLevel": level }), None);
        let events = [level(3, "expert"), level(9, "intermediate"), level(5, "beginner")];
        let said = preferences(&events);
        assert_eq!(said.explanation_level, Some(ExplanationLevel::Intermediate));
        assert_eq!(said.last_seq.as_deref(), Some("1970-01-01T00:00:00.009Z#e0009"));
        let odd = preferences(&[level(1, "expert"), level(2, "wizard")]);
        assert_eq!(odd.explanation_level, Some(ExplanationLevel::Expert));
    }

    #[test]
    fn features_and_kinds_are_weighed_by_their_part_of_all_uses() {
        let used = |at, feature: &str, kind| with(at, json!({ "feature": feature }), kind);
        let said = preferences(&[
            used(1, "search", Some("claim")),
            used(2, "chat", None),
            used(3, "search", Some("pdf")),
            used(4, "export", Some("pdf")),
        ]);
        assert_eq!(
            named(&said.features),
            [("search", 2, 0.5), ("export", 1, 0.25), ("chat", 1, 0.25)]
        );
        assert_eq!(named(&said.object_kinds), [("pdf", 2, 2.0 / 3.0), ("claim", 1, 1.0 / 3.0)]);
    }

    #[test]
    fn the_device_is_the_one_used_most_and_of_equals_the_last() {
        let on = |at, device: &str| with(at, json!({ "deviceType": device }), None);
        let of = |devices: &[&str]| {
            let events: Vec<_> = (0..).zip(devices).map(|(at, device)| on(at, device)).collect();
            preferences(&events).device_type
        };
        assert_eq!(of(&["mobile", "mobile", "desktop"]), Some(DeviceType::Mobile));
        assert_eq!(of(&["mobile", "desktop"]), Some(DeviceType::Desktop));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn ten_features_are_told_and_many_are_not_kept() {
        let used = |at: i64| with(at, json!({ "feature": format!("f{at:064}") }), None);
        let state = PreferencesState::project(&(0..2_000).map(used).collect::<Vec<_>>());
        assert_eq!(said(&state).features.len(), 10);
        assert!(serde_json::to_string(&state).unwrap().len() < 32 * 1024);
    }

    proptest! {
        #[test]
        fn folding_in_order_is_projecting_everything(
            events in prop::collection::vec(any_event(), 0..40).prop_shuffle(),
            stored in any::<prop::sample::Index>(),
        ) {
            let mut state = PreferencesState::default();
            let restart = stored.index(events.len() + 1);
            for (at, event) in in_order(&events).into_iter().enumerate() {
                if at == restart {
                    state = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
                }
                prop_assert_eq!(state.fold(event), Folded::New);
            }
            prop_assert_eq!(state, PreferencesState::project(&events));
        }
    }
}
