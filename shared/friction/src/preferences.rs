//! What a person prefers, of what they did in their newest sessions: the user-preferences projector `pref-2`.
//!
//! A person's events lie in many sessions, which end, grow, merge and come late in any order. So the state holds what each
//! session adds, under its id: putting a session again replaces it, one that is a part of another leaves, and what is said is
//! a function of the sessions that are there, in whatever order they came.
//!
//! The explanation level is the one stated last, since it is a setting. Features and kinds of objects are weighed by their
//! part of all uses, and the device is the one used most, since those are habits.

use std::collections::BTreeMap;

use contract::{
    Event, EventId, OrgId, ProductId, Timestamp,
    projection::{DeviceType, ExplanationLevel, Preference, UserPreferences},
    session::SessionId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    context::sequence,
    owner::{Owner, Position},
};

/// What is known of a person so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PreferencesState {
    /// The newest sessions, by id.
    #[serde(default)]
    sessions: BTreeMap<SessionId, SessionUses>,
}

/// What a person did in one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionUses {
    /// When the session began.
    #[serde(rename = "b")]
    began: Timestamp,
    /// Whose session it is; it names nobody.
    #[serde(rename = "w")]
    whose: String,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    level: Option<(Timestamp, EventId, ExplanationLevel)>,
    #[serde(rename = "f", default, skip_serializing_if = "Uses::is_empty")]
    features: Uses,
    #[serde(rename = "o", default, skip_serializing_if = "Uses::is_empty")]
    object_kinds: Uses,
    #[serde(rename = "d", default, skip_serializing_if = "Uses::is_empty")]
    devices: Uses,
    /// The person's events.
    #[serde(rename = "n")]
    events: u32,
    #[serde(rename = "l")]
    last: (Timestamp, EventId),
}

/// What persons did in the closed sessions of one owner that lie within a time: everything that is said about that time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnersUses {
    whose: String,
    from: Timestamp,
    /// Nothing: for ever.
    until: Option<Timestamp>,
    persons: BTreeMap<String, BTreeMap<SessionId, SessionUses>>,
}

impl OwnersUses {
    /// Nothing, so far, for what lies from `from` on.
    #[must_use]
    pub fn new(owner: &Owner, from: Timestamp) -> Self {
        let hash = owner.hash(&["preferences"]);
        let whose = hash.iter().take(WHOSE_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Self { whose, from, until: None, persons: BTreeMap::new() }
    }

    /// The same of sessions that begin before `until`, if that is a time; nothing is said about what comes then.
    #[must_use]
    pub fn until(mut self, until: Option<Timestamp>) -> Self {
        self.until = until;
        for sessions in self.persons.values_mut() {
            sessions.retain(|_, uses| until.is_none_or(|until| uses.began < until));
        }
        self.persons.retain(|_, sessions| !sessions.is_empty());
        self
    }

    /// Adds the session `id` of `events`, which are in order. An event is of the person whose token it carries; of more than
    /// eight persons in one session the first eight count.
    pub fn add(&mut self, id: &SessionId, events: &[Event]) {
        let Some(began) = events.first().map(|event| event.occurred_at) else { return };
        let mut persons: BTreeMap<&str, SessionUses> = BTreeMap::new();
        for event in events {
            let Some(actor) = event.actor_id.as_deref() else { continue };
            let is_one_too_many = persons.len() == PERSONS_MAX && !persons.contains_key(actor);
            if !is_one_too_many {
                let new = || SessionUses::new(began, &self.whose, event);
                persons.entry(actor).or_insert_with(new).learn(event);
            }
        }
        for (actor, mut uses) in persons {
            uses.bound();
            if !uses.is_empty() {
                self.persons.entry(actor.to_owned()).or_default().insert(id.clone(), uses);
            }
        }
    }

    /// The persons who did something that tells what they prefer.
    pub fn persons(&self) -> impl Iterator<Item = &str> {
        self.persons.keys().map(String::as_str)
    }
}

/// Whose preferences may hold something of an owner's sessions, so that who is no longer in these is found: an event may be
/// struck out, and an earlier one come in between.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KnownPersons {
    /// By token, when the newest of these sessions began.
    persons: BTreeMap<String, Timestamp>,
}

impl KnownPersons {
    /// Adds the persons of `uses`; answers the last event of theirs when that says anything new. Then those are forgotten of
    /// whom every session began before `frozen` and does not change any more, and of very many those whose are oldest.
    pub fn learn(&mut self, uses: &OwnersUses, frozen: Timestamp) -> Option<Position> {
        let mut is_new = false;
        for (actor, sessions) in &uses.persons {
            let newest = sessions.values().map(|uses| uses.began).max();
            if newest > self.persons.get(actor).copied() {
                is_new = true;
                self.persons.extend(newest.map(|newest| (actor.clone(), newest)));
            }
        }
        if !is_new {
            return None;
        }
        self.persons.retain(|_, newest| *newest >= frozen);
        if self.persons.len() > KNOWN_MAX {
            let mut newest: Vec<Timestamp> = self.persons.values().copied().collect();
            newest.sort_unstable_by(|a, b| b.cmp(a));
            let least = newest.get(KNOWN_MAX - 1).copied().unwrap_or(frozen);
            self.persons.retain(|_, newest| *newest >= least);
        }
        let last = uses.persons.values().flat_map(BTreeMap::values).map(|uses| &uses.last).max();
        last.map(|(at, id)| Position { at: *at, id: id.clone() })
    }

    /// Those of whom a session began at `from` or later.
    pub fn since(&self, from: Timestamp) -> impl Iterator<Item = &str> {
        let newest = self.persons.iter().filter(move |(_, newest)| **newest >= from);
        newest.map(|(actor, _)| actor.as_str())
    }
}

impl PreferencesState {
    /// Puts what `uses` says of the person of the token `actor` in the place of what was said of the same owner and time.
    /// False when that is what was said.
    pub fn put(&mut self, actor: &str, uses: &OwnersUses) -> bool {
        let before = self.sessions.clone();
        let is_theirs = |held: &SessionUses| {
            held.whose == uses.whose
                && held.began >= uses.from
                && uses.until.is_none_or(|until| held.began < until)
        };
        self.sessions.retain(|_, held| !is_theirs(held));
        self.sessions.extend(uses.persons.get(actor).cloned().unwrap_or_default());
        let mut newest: Vec<(Timestamp, SessionId)> =
            self.sessions.iter().map(|(id, held)| (held.began, id.clone())).collect();
        newest.sort_by(|a, b| b.cmp(a));
        for (_, id) in newest.iter().skip(KEPT_MAX) {
            self.sessions.remove(id);
        }
        self.sessions != before
    }

    /// What is known of the same person elsewhere as well, to be told and not to be kept.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.sessions.extend(other.sessions);
        self
    }

    /// The last event of the person that is known; nothing when none is.
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        let last = self.told().into_iter().map(|uses| &uses.last).max()?;
        Some(Position { at: last.0, id: last.1.clone() })
    }

    /// What is said about the person of the token `actor` in `product`, or in all of them; nothing when nothing is known.
    #[must_use]
    pub fn preferences(
        &self,
        org: &OrgId,
        product: Option<&ProductId>,
        actor: &str,
    ) -> Option<UserPreferences> {
        let last = self.last()?;
        let told = self.told();
        let sum = |of: fn(&SessionUses) -> &Uses| {
            told.iter().fold(Uses::default(), |sum, uses| sum.plus(of(uses)))
        };
        let level = told.iter().filter_map(|uses| uses.level.as_ref());
        Some(UserPreferences {
            actor_id: actor.to_owned(),
            org_id: org.clone(),
            product_id: product.cloned(),
            model: MODEL.to_owned(),
            explanation_level: level.max_by_key(|(at, id, _)| (at, id)).map(|(.., level)| *level),
            features: sum(|uses| &uses.features).first(PREFERENCES_MAX),
            object_kinds: sum(|uses| &uses.object_kinds).first(PREFERENCES_MAX),
            device_type: sum(|uses| &uses.devices)
                .first(1)
                .first()
                .and_then(|most| DeviceType::parse(&most.name)),
            sessions: u32::try_from(told.len()).unwrap_or(u32::MAX),
            events: told.iter().fold(0, |sum, uses| uses.events.saturating_add(sum)),
            last_seq: Some(sequence(&last)),
            updated_at: Some(last.at),
        })
    }

    /// The newest sessions. A few more are kept, so that others move up when some turn out to be one.
    fn told(&self) -> Vec<&SessionUses> {
        let mut newest: Vec<(&SessionId, &SessionUses)> = self.sessions.iter().collect();
        newest.sort_by(|a, b| (b.1.began, b.0).cmp(&(a.1.began, a.0)));
        newest.into_iter().take(TOLD_MAX).map(|(_, uses)| uses).collect()
    }
}

impl SessionUses {
    fn new(began: Timestamp, whose: &str, first: &Event) -> Self {
        Self {
            began,
            whose: whose.to_owned(),
            level: None,
            features: Uses::default(),
            object_kinds: Uses::default(),
            devices: Uses::default(),
            events: 0,
            last: (first.occurred_at, first.event_id.clone()),
        }
    }

    fn learn(&mut self, event: &Event) {
        let at = event.occurred_at;
        self.events = self.events.saturating_add(1);
        self.last = (at, event.event_id.clone());
        let word = |key: &str| event.context.get(key).and_then(Value::as_str);
        if let Some(level) = word("explanationLevel").and_then(ExplanationLevel::parse) {
            self.level = Some((at, event.event_id.clone(), level));
        }
        if let Some(feature) = word("feature") {
            self.features.count(feature, at);
        }
        if let Some(device) = word("deviceType") {
            self.devices.count(device, at);
        }
        if let Some(object) = &event.object {
            self.object_kinds.count(&object.kind, at);
        }
    }

    fn bound(&mut self) {
        for uses in [&mut self.features, &mut self.object_kinds, &mut self.devices] {
            uses.bound();
        }
    }

    fn is_empty(&self) -> bool {
        let counted = [&self.features, &self.object_kinds, &self.devices];
        self.level.is_none() && counted.iter().all(|uses| uses.is_empty())
    }
}

/// How often names were used, and when last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Uses {
    #[serde(rename = "n", default)]
    named: BTreeMap<String, Used>,
    /// All uses, of names that are not kept too.
    #[serde(rename = "a", default)]
    all: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
struct Used {
    #[serde(rename = "c")]
    times: u32,
    #[serde(rename = "t")]
    last: Timestamp,
}

impl Uses {
    fn is_empty(&self) -> bool {
        self.all == 0
    }

    fn count(&mut self, name: &str, at: Timestamp) {
        self.all = self.all.saturating_add(1);
        let used = self.named.entry(name.to_owned()).or_default();
        *used = Used { times: used.times.saturating_add(1), last: at };
    }

    fn plus(mut self, other: &Self) -> Self {
        self.all = self.all.saturating_add(other.all);
        for (name, more) in &other.named {
            let used = self.named.entry(name.clone()).or_default();
            used.times = used.times.saturating_add(more.times);
            used.last = used.last.max(more.last);
        }
        self
    }

    /// Keeps the most used names.
    fn bound(&mut self) {
        let most: Vec<String> =
            self.ranked().into_iter().skip(NAMES_MAX).map(|(n, _)| n.clone()).collect();
        most.iter().for_each(|name| {
            self.named.remove(name);
        });
    }

    /// The most used first, of equals the one used last.
    fn ranked(&self) -> Vec<(&String, &Used)> {
        let mut named: Vec<(&String, &Used)> = self.named.iter().collect();
        named.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        named
    }

    fn first(&self, count: usize) -> Vec<Preference> {
        let weight = |used: &Used| f64::from(used.times) / f64::from(self.all.max(1));
        let preference = |(name, used): (&String, &Used)| Preference {
            name: name.clone(),
            uses: used.times,
            weight: weight(used),
        };
        self.ranked().into_iter().take(count).map(preference).collect()
    }
}

const MODEL: &str = "pref-2";
const PREFERENCES_MAX: usize = 10;
/// Sessions of which preferences are made.
const TOLD_MAX: usize = 50;
const KEPT_MAX: usize = 64;
const PERSONS_MAX: usize = 8;
/// Of one owner: more than this share a session token only when everybody does.
const KNOWN_MAX: usize = 1_000;
/// Of one session, of each sort: so a person's state stays small whatever they use.
const NAMES_MAX: usize = 16;
const WHOSE_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::sample::event;

    const ACTOR: &str = "u1.1.00000000000000000000000000";

    fn with(at: i64, context: Value, object: Option<&str>) -> Event {
        let object = object
            .map(|kind| contract::event::ObjectRef { kind: kind.to_owned(), id: "1".to_owned() });
        let context = context.as_object().unwrap().clone();
        let actor_id = Some(ACTOR.to_owned());
        Event { context, object, actor_id, ..event(&format!("e{at:04}"), at) }
    }

    fn owner(token: &str) -> Owner {
        Owner { token: token.to_owned(), ..Owner::of(&event("e", 0)).unwrap() }
    }

    fn id(n: u8) -> SessionId {
        SessionId::of([n; 16])
    }

    /// What one owner's sessions say, all of them.
    fn uses(token: &str, sessions: &[(u8, Vec<Event>)]) -> OwnersUses {
        let mut uses = OwnersUses::new(&owner(token), Timestamp::from_ms(0));
        sessions.iter().for_each(|(n, events)| uses.add(&id(*n), events));
        uses
    }

    fn said(state: &PreferencesState) -> Option<UserPreferences> {
        let org = OrgId::parse("acme").unwrap();
        state.preferences(&org, Some(&ProductId::default()), ACTOR)
    }

    fn preferences(events: &[Event]) -> Option<UserPreferences> {
        let mut state = PreferencesState::default();
        state.put(ACTOR, &uses("a", &[(1, events.to_vec())]));
        said(&state)
    }

    fn named(preferences: &[Preference]) -> Vec<(&str, u32, f64)> {
        preferences.iter().map(|one| (one.name.as_str(), one.uses, one.weight)).collect()
    }

    #[test]
    fn the_level_stated_last_counts_whichever_session_came_first_here() {
        let level = |at, level: &str| with(at, json!({ "explanationLevel": level }), None);
        let mut state = PreferencesState::default();
        state.put(ACTOR, &uses("a", &[(1, vec![level(3, "expert"), level(9, "intermediate")])]));
        state.put(ACTOR, &uses("b", &[(2, vec![level(5, "beginner"), level(6, "wizard")])]));
        let said = said(&state).unwrap();
        assert_eq!(said.explanation_level, Some(ExplanationLevel::Intermediate));
        assert_eq!(said.last_seq.as_deref(), Some("1970-01-01T00:00:00.009Z#e0009"));
        assert_eq!((said.sessions, said.events, said.model.as_str()), (2, 4, "pref-2"));
    }

    #[test]
    fn features_and_kinds_are_weighed_by_their_part_of_all_uses() {
        let used = |at, feature: &str, kind| with(at, json!({ "feature": feature }), kind);
        let said = preferences(&[
            used(1, "search", Some("claim")),
            used(2, "chat", None),
            used(3, "search", Some("pdf")),
            used(4, "export", Some("pdf")),
        ])
        .unwrap();
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
            preferences(&events).and_then(|said| said.device_type)
        };
        assert_eq!(of(&["mobile", "mobile", "desktop"]), Some(DeviceType::Mobile));
        assert_eq!(of(&["mobile", "desktop"]), Some(DeviceType::Desktop));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn who_did_nothing_that_tells_anything_is_not_known() {
        assert_eq!(preferences(&[with(1, json!({}), None)]), None);
        let mut nobody = with(1, json!({ "feature": "search" }), None);
        nobody.actor_id = None;
        assert_eq!(uses("a", &[(1, vec![nobody])]).persons().count(), 0);
    }

    #[test]
    fn each_person_of_a_session_has_their_own_events() {
        let by = |at, actor: &str, feature: &str| Event {
            actor_id: Some(actor.to_owned()),
            ..with(at, json!({ "feature": feature }), None)
        };
        let both = uses("a", &[(1, vec![by(1, "x", "search"), by(2, "y", "chat")])]);
        assert_eq!(both.persons().collect::<Vec<_>>(), ["x", "y"]);
        let mut state = PreferencesState::default();
        state.put("y", &both);
        let (org, product) = (OrgId::parse("acme").unwrap(), ProductId::default());
        let said = state.preferences(&org, Some(&product), "y").unwrap();
        assert_eq!((named(&said.features), said.events), (vec![("chat", 1, 1.0)], 1));
        let crowd: Vec<_> = (0..20).map(|n| by(n, &format!("p{n:02}"), "search")).collect();
        assert_eq!(uses("a", &[(1, crowd)]).persons().count(), 8);
    }

    #[test]
    fn a_session_that_is_a_part_of_another_leaves_and_what_is_out_of_reach_stays() {
        let used = |at, feature: &str| with(at, json!({ "feature": feature }), None);
        let mut state = PreferencesState::default();
        state.put(ACTOR, &uses("other", &[(9, vec![used(1, "export")])]));
        let apart = [(1, vec![used(10, "search")]), (2, vec![used(20, "chat")])];
        assert!(state.put(ACTOR, &uses("a", &apart)));
        assert!(!state.put(ACTOR, &uses("a", &apart)), "again it says nothing new");
        let one = [(1, vec![used(10, "search"), used(15, "menu"), used(20, "chat")])];
        assert!(state.put(ACTOR, &uses("a", &one)));
        let features = |state: &PreferencesState| said(state).unwrap().features.len();
        assert_eq!((said(&state).unwrap().sessions, features(&state)), (2, 4));
        // A look at a later time says nothing about what was before.
        let at = Timestamp::from_ms;
        assert!(!state.put(ACTOR, &OwnersUses::new(&owner("a"), at(11))));
        let until = |from, to| OwnersUses::new(&owner("a"), at(from)).until(Some(at(to)));
        assert!(!state.put(ACTOR, &until(0, 10)));
        assert!(state.put(ACTOR, &until(10, 11)));
        assert_eq!(features(&state), 1);
    }

    #[test]
    fn what_is_known_of_two_products_is_told_as_of_one() {
        let click = |at, feature: &str| with(at, json!({ "feature": feature }), None);
        let (mut shop, mut till) = (PreferencesState::default(), PreferencesState::default());
        shop.put(ACTOR, &uses("a", &[(1, vec![click(1, "x"), click(2, "x")])]));
        till.put(ACTOR, &uses("b", &[(2, vec![click(3, "y")])]));
        let both = said(&shop.clone().and(till.clone())).unwrap();
        assert_eq!((both.sessions, both.events), (2, 3));
        assert_eq!(Some(&both), said(&till.and(shop.clone())).as_ref(), "in whatever order");
        assert_eq!(said(&shop.clone().and(PreferencesState::default())), said(&shop));
    }

    #[test]
    fn fifty_sessions_are_told_and_a_state_stays_small_whatever_is_used() {
        let mut state = PreferencesState::default();
        for n in 0..100_u8 {
            let at = i64::from(n) * 1_000;
            let used = |k: i64| {
                let name = format!("f{n:03}{k:060}");
                with(at + k, json!({ "feature": name, "explanationLevel": "expert" }), Some(&name))
            };
            let events: Vec<_> = (0..40).map(used).collect();
            state.put(ACTOR, &uses(&format!("t{n}"), &[(n, events)]));
        }
        let said = said(&state).unwrap();
        assert_eq!((said.sessions, said.events, said.features.len()), (50, 2_000, 10));
        assert!(said.features.iter().all(|feature| feature.name.as_str() >= "f050"));
        assert!(serde_json::to_string(&state).unwrap().len() < 300 * 1024);
    }

    proptest! {
        #[test]
        fn the_order_in_which_owners_are_looked_at_does_not_matter(
            looks in prop::collection::vec((0..6_u8, prop::collection::vec((0..500_i64, 0..4_u8), 1..6)), 1..30),
            order in any::<prop::sample::Index>(),
        ) {
            // The newest look at each owner counts; those before it are repeats of less.
            let look = |(token, events): &(u8, Vec<(i64, u8)>)| {
                let mut events = events.clone();
                events.sort();
                let events = events.iter().map(|(at, n)| with(*at, json!({ "feature": format!("f{n}") }), None));
                uses(&format!("t{token}"), &[(*token, events.collect())])
            };
            let mut last: BTreeMap<u8, OwnersUses> = BTreeMap::new();
            let mut state = PreferencesState::default();
            for one in &looks {
                state.put(ACTOR, &look(one));
                last.insert(one.0, look(one));
                let text = serde_json::to_string(&state).unwrap();
                state = serde_json::from_str(&text).unwrap();
            }
            let mut other = PreferencesState::default();
            let mut last: Vec<_> = last.into_values().collect();
            let at = order.index(last.len());
            last.rotate_left(at);
            last.iter().for_each(|uses| {
                other.put(ACTOR, uses);
            });
            prop_assert_eq!(said(&state), said(&other));
        }
    }
}
