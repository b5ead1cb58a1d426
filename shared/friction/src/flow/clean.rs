//! Path-cleaning rules of a product: what its doors could not know to be the same screen.

use std::{borrow::Cow, collections::BTreeMap};

use contract::{Event, limits::SCREEN_BYTES_MAX};
use serde::{Deserialize, Serialize};

/// A rule: screens like `pattern` are the screen `screen`.
///
/// A pattern is compared segment by segment. `*` stands for one segment or for a part of one (`lead-*`), at most once in
/// each; `**` as the last segment for all that follow, also for none. In `screen` each `*` and `**` is what the one in its
/// turn stood for: `/shop/*/item-*` to `/shop/*/item` keeps the shop and drops the item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathRule {
    /// What screens look like.
    pub pattern: String,
    /// What they are.
    pub screen: String,
}

/// Rules in order: each is applied to what the one before it made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<PathRule>", into = "Vec<PathRule>")]
pub struct PathRules {
    rules: Vec<PathRule>,
}

/// Why rules are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPathRule {
    /// There are too many.
    #[error("at most {RULES_MAX} path rules")]
    TooMany,
    /// One is empty, too long, or holds a control character.
    #[error("a pattern and a screen have 1 to {SCREEN_BYTES_MAX} bytes and no control characters")]
    Text,
    /// A segment with two stars, or `**` before the end.
    #[error("one * in a segment at most, and ** only as the last one")]
    Stars,
    /// The screen refers to more than the pattern has.
    #[error("a screen has no more stars than its pattern, and ** only where its pattern has it")]
    Reference,
}

impl PathRules {
    /// The screen that `screen` is. What would become too long stays as it is.
    #[must_use]
    pub fn screen(&self, screen: &str) -> String {
        self.rules.iter().fold(screen.to_owned(), |screen, rule| {
            rule.apply(&screen).filter(|new| new.len() <= SCREEN_BYTES_MAX).unwrap_or(screen)
        })
    }

    /// Events with their screens cleaned. Meant to be done once: a rule may mean what another one made.
    #[must_use]
    pub fn cleaned<'a>(&self, events: &'a [Event]) -> Cow<'a, [Event]> {
        if self.rules.is_empty() {
            return Cow::Borrowed(events);
        }
        let mut events = events.to_vec();
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for screen in events.iter_mut().filter_map(|event| event.screen.as_mut()) {
            let clean = match known.get(screen.as_str()) {
                Some(clean) => clean.clone(),
                None => {
                    let clean = self.screen(screen);
                    known.insert(screen.clone(), clean.clone());
                    clean
                }
            };
            *screen = clean;
        }
        Cow::Owned(events)
    }
}

impl TryFrom<Vec<PathRule>> for PathRules {
    type Error = BadPathRule;
    fn try_from(rules: Vec<PathRule>) -> Result<Self, BadPathRule> {
        if rules.len() > RULES_MAX {
            return Err(BadPathRule::TooMany);
        }
        rules.iter().try_for_each(PathRule::check)?;
        Ok(Self { rules })
    }
}

impl From<PathRules> for Vec<PathRule> {
    fn from(rules: PathRules) -> Self {
        rules.rules
    }
}

impl PathRule {
    fn check(&self) -> Result<(), BadPathRule> {
        for text in [&self.pattern, &self.screen] {
            let sized = (1..=SCREEN_BYTES_MAX).contains(&text.len());
            if !sized || text.chars().any(char::is_control) {
                return Err(BadPathRule::Text);
            }
            let last = text.split('/').count();
            let bad = |(at, segment): (usize, &str)| {
                let stars = segment.matches('*').count();
                stars > 1 && !(segment == REST && at + 1 == last)
            };
            if text.split('/').enumerate().any(bad) {
                return Err(BadPathRule::Stars);
            }
        }
        let stars = |text: &str| text.split('/').filter(|s| s.contains('*') && *s != REST).count();
        let rest = |text: &str| text.split('/').any(|segment| segment == REST);
        let refers = stars(&self.screen) > stars(&self.pattern)
            || rest(&self.screen) && !rest(&self.pattern);
        if refers { Err(BadPathRule::Reference) } else { Ok(()) }
    }

    fn apply(&self, screen: &str) -> Option<String> {
        let (caught, rest) = self.caught(screen)?;
        let mut caught = caught.into_iter();
        let segments = self.screen.split('/').map(|segment| {
            if segment == REST {
                return rest.clone();
            }
            match segment.split_once('*') {
                Some((before, after)) => {
                    format!("{before}{}{after}", caught.next().unwrap_or_default())
                }
                None => segment.to_owned(),
            }
        });
        let made = segments.collect::<Vec<_>>().join("/");
        // A rest of nothing leaves no slash behind, but of a path at least one.
        let ends_in_nothing = self.screen.ends_with(REST) && rest.is_empty() && made.len() > 1;
        Some(if ends_in_nothing { made.trim_end_matches('/').to_owned() } else { made })
            .filter(|made| !made.is_empty())
    }

    /// What each star of the pattern stands for, and the rest; nothing when `screen` is not like it.
    fn caught<'a>(&self, screen: &'a str) -> Option<(Vec<&'a str>, String)> {
        let mut segments = screen.split('/');
        let mut caught = Vec::new();
        for pattern in self.pattern.split('/') {
            if pattern == REST {
                return Some((caught, segments.collect::<Vec<_>>().join("/")));
            }
            let segment = segments.next()?;
            match pattern.split_once('*') {
                Some((before, after)) => {
                    let part = segment.strip_prefix(before)?.strip_suffix(after)?;
                    caught.push(Some(part).filter(|part| !part.is_empty())?);
                }
                None if pattern == segment => {}
                None => return None,
            }
        }
        segments.next().is_none().then_some((caught, String::new()))
    }
}

const REST: &str = "**";
const RULES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(rules: &[(&str, &str)]) -> Result<PathRules, BadPathRule> {
        let rule = |(pattern, screen): &(&str, &str)| PathRule {
            pattern: (*pattern).to_owned(),
            screen: (*screen).to_owned(),
        };
        rules.iter().map(rule).collect::<Vec<_>>().try_into()
    }

    #[test]
    fn screens_like_a_pattern_are_one_screen() {
        for (pattern, screen, before, after) in [
            ("/leads/*", "/leads/{id}", "/leads/anna", "/leads/{id}"),
            ("/leads/*", "/leads/{id}", "/leads/anna/edit", "/leads/anna/edit"),
            ("/leads/*", "/leads/{id}", "/leads", "/leads"),
            ("/leads/*", "/leads/{id}", "/leads/", "/leads/"),
            ("/leads/lead-*", "/leads/{id}", "/leads/lead-anna", "/leads/{id}"),
            ("/leads/lead-*", "/leads/{id}", "/leads/client", "/leads/client"),
            ("/a*z/b", "/az", "/a-to-z/b", "/az"),
            ("/a*a", "/x", "/a", "/a"),
            ("/shop/*/item-*", "/shop/*/item", "/shop/north/item-hat", "/shop/north/item"),
            ("/docs/**", "/docs", "/docs/a/b/c", "/docs"),
            ("/docs/**", "/docs", "/docs", "/docs"),
            ("/docs/**", "/help/**", "/docs/a/b", "/help/a/b"),
            ("/docs/**", "/help/**", "/docs", "/help"),
            ("/**", "/**", "/", "/"),
            ("**", "/all", "anything/at/all", "/all"),
            ("/checkout", "/cart/pay", "/checkout", "/cart/pay"),
        ] {
            let rules = rules(&[(pattern, screen)]).unwrap();
            assert_eq!(rules.screen(before), after, "{pattern} to {screen}");
        }
    }

    #[test]
    fn each_rule_sees_what_the_one_before_it_made() {
        let rules = rules(&[("/v1/**", "/**"), ("/leads/*", "/leads/{id}")]).unwrap();
        assert_eq!(rules.screen("/v1/leads/anna"), "/leads/{id}");
        assert_eq!(rules.screen("/leads/anna"), "/leads/{id}");
    }

    #[test]
    fn rules_that_mean_nothing_are_refused() {
        let long = "x".repeat(SCREEN_BYTES_MAX + 1);
        for (pattern, screen, why) in [
            ("", "/a", BadPathRule::Text),
            ("/a", "", BadPathRule::Text),
            ("/a\tb", "/a", BadPathRule::Text),
            ("/a", long.as_str(), BadPathRule::Text),
            ("/*-*", "/a", BadPathRule::Stars),
            ("/**/b", "/b", BadPathRule::Stars),
            ("/a**", "/b", BadPathRule::Stars),
            ("/*", "/*/*", BadPathRule::Reference),
            ("/*", "/**", BadPathRule::Reference),
        ] {
            assert_eq!(rules(&[(pattern, screen)]), Err(why), "{pattern:?} to {screen:?}");
        }
        assert_eq!(rules(&[("/a", "/b"); RULES_MAX + 1]), Err(BadPathRule::TooMany));
    }

    #[test]
    fn rules_are_read_from_a_list_and_refused_there_too() {
        let text = r#"[{"pattern":"/leads/*","screen":"/leads/{id}"}]"#;
        let rules: PathRules = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&rules).unwrap(), text);
        let bad = text.replace("/leads/*", "/*/**/x");
        assert!(serde_json::from_str::<PathRules>(&bad).is_err());
    }

    #[test]
    fn the_screens_of_events_are_cleaned_once_and_without_rules_nothing_is_copied() {
        let events = crate::trace::trace("0 nav /leads/anna\n1 click ok\n2 start pay");
        let cleaned = |rules: &PathRules| {
            let events = rules.cleaned(&events);
            let screens = events.iter().map(|event| event.screen.clone());
            (matches!(events, Cow::Borrowed(_)), screens.collect::<Vec<_>>())
        };
        let screen = |screen: &str| Some(screen.to_owned());
        let chain = rules(&[("/leads/{id}", "/gone"), ("/leads/*", "/leads/{id}")]).unwrap();
        let expected = vec![screen("/leads/{id}"), screen("/leads/{id}"), None];
        assert_eq!(cleaned(&chain), (false, expected));
        let as_they_are = vec![screen("/leads/anna"), screen("/leads/anna"), None];
        assert_eq!(cleaned(&PathRules::default()), (true, as_they_are));
    }

    proptest! {
        #[test]
        fn whatever_a_screen_is_it_stays_one(
            pattern in "(/[a-c*]{0,2}){1,3}(/\\*\\*)?",
            screen in "(/[a-c*]{0,2}){1,3}(/\\*\\*)?",
            before in "(/[a-c]{0,3}){1,4}",
        ) {
            if let Ok(rules) = rules(&[(&pattern, &screen)]) {
                let after = rules.screen(&before);
                prop_assert!((1..=SCREEN_BYTES_MAX).contains(&after.len()));
                prop_assert!(!after.contains('*'), "{} to {}: {}", pattern, screen, after);
            }
        }
    }
}
