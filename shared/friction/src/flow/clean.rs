//! Path-cleaning rules of a product: what its doors could not know to be the same screen.

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

    /// Cleans the screens of events.
    pub fn clean(&self, events: &mut [Event]) {
        if self.rules.is_empty() {
            return;
        }
        for screen in events.iter_mut().filter_map(|event| event.screen.as_mut()) {
            *screen = self.screen(screen);
        }
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
