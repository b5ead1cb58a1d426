//! Which elements, screens and tasks a rule means: patterns over names, folded so that spellings do not matter.

use contract::Event;
use serde_json::{Map, Value};

use super::error::Wrong;

/// A name with `*` for any run of characters. Case does not matter, and neither does what separates words: `Next-Page`,
/// `next_page` and `next.page` are one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    written: String,
    folded: String,
}

impl Pattern {
    /// Reads a pattern of 1 to [`PATTERN_BYTES_MAX`] bytes.
    pub(super) fn read(value: &Value) -> Result<Self, Wrong> {
        let written = value.as_str().filter(|text| (1..=PATTERN_BYTES_MAX).contains(&text.len()));
        written.map(Self::of).ok_or(Wrong::Expected("a pattern: 1 to 128 bytes, * for anything"))
    }

    pub(super) fn of(written: &str) -> Self {
        Self { written: written.to_owned(), folded: fold(written) }
    }

    /// True when it means `name`.
    pub(super) fn means_name(&self, name: &str) -> bool {
        self.means(&fold(name))
    }

    /// As it was written.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// True when it means `name`, which is folded.
    fn means(&self, name: &str) -> bool {
        glob(self.folded.as_bytes(), name.as_bytes())
    }
}

/// What a rule means: everything that is said must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matcher {
    /// The element's key.
    pub key: Option<Pattern>,
    /// The element's kind.
    pub kind: Option<Pattern>,
    /// The screen.
    pub screen: Option<Pattern>,
    /// The task's name.
    pub task: Option<Pattern>,
}

impl Matcher {
    /// Means elements of this kind.
    #[must_use]
    pub fn kind(pattern: &str) -> Self {
        Self { kind: Some(Pattern::of(pattern)), ..Self::default() }
    }

    /// Means elements with this key.
    #[must_use]
    pub fn key(pattern: &str) -> Self {
        Self { key: Some(Pattern::of(pattern)), ..Self::default() }
    }

    /// Means this screen.
    #[must_use]
    pub fn screen(pattern: &str) -> Self {
        Self { screen: Some(Pattern::of(pattern)), ..Self::default() }
    }

    fn means(&self, names: &Names) -> bool {
        let holds = |pattern: &Option<Pattern>, name: &Option<String>| {
            pattern.as_ref().is_none_or(|p| name.as_ref().is_some_and(|name| p.means(name)))
        };
        holds(&self.key, &names.key)
            && holds(&self.kind, &names.kind)
            && holds(&self.screen, &names.screen)
            && holds(&self.task, &names.task)
    }

    pub(super) fn read(value: &Value) -> Result<Self, Wrong> {
        let fields = value.as_object().filter(|fields| !fields.is_empty());
        let fields = fields.ok_or(Wrong::Expected("an object with key, kind, screen or task"))?;
        let mut matcher = Self::default();
        for (name, value) in fields {
            let field = match name.as_str() {
                "key" => &mut matcher.key,
                "kind" => &mut matcher.kind,
                "screen" => &mut matcher.screen,
                "task" => &mut matcher.task,
                _ => return Err(Wrong::Unknown(vec!["key", "kind", "screen", "task"]).at(name)),
            };
            *field = Some(Pattern::read(value).map_err(|wrong| wrong.at(name))?);
        }
        Ok(matcher)
    }

    pub(super) fn write(&self) -> Value {
        let fields = [
            ("key", &self.key),
            ("kind", &self.kind),
            ("screen", &self.screen),
            ("task", &self.task),
        ];
        let said = fields.into_iter().filter_map(|(name, pattern)| {
            Some((name.to_owned(), Value::from(pattern.as_ref()?.written.clone())))
        });
        Value::Object(said.collect::<Map<_, _>>())
    }
}

/// The folded names in an event, so that they are folded once for all patterns.
#[derive(Debug, Clone, Default)]
pub struct Names {
    key: Option<String>,
    kind: Option<String>,
    screen: Option<String>,
    task: Option<String>,
}

impl Names {
    /// Those of `event`.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let element = event.element.as_ref();
        Self {
            key: element.map(|element| fold(&element.key)),
            kind: element.and_then(|element| element.kind.as_deref()).map(fold),
            screen: event.screen.as_deref().map(fold),
            task: event.task.as_ref().map(|task| fold(&task.name)),
        }
    }

    /// The same on this screen.
    #[must_use]
    pub fn on_screen(self, screen: Option<&str>) -> Self {
        Self { screen: screen.map(fold), ..self }
    }

    /// The same with this key: what names itself elsewhere.
    #[must_use]
    pub fn with_key(self, key: &str) -> Self {
        Self { key: Some(fold(key)), ..self }
    }

    /// The same in this task.
    #[must_use]
    pub fn in_task(self, task: &str) -> Self {
        Self { task: Some(fold(task)), ..self }
    }

    /// True when one of `matchers` means them.
    #[must_use]
    pub fn are_in(&self, matchers: &[Matcher]) -> bool {
        matchers.iter().any(|matcher| matcher.means(self))
    }
}

fn fold(name: &str) -> String {
    let fold =
        |c: char| if matches!(c, '-' | '.' | ':' | ' ') { '_' } else { c.to_ascii_lowercase() };
    name.chars().map(fold).collect()
}

/// `*` is any run of bytes. Goes back to the last `*` only, so at worst pattern × name steps.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(expected) if expected == byte => {
                p += 1;
                n += 1;
            }
            Some(_) | None => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|rest| *rest == b'*')
}

/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_means_every_spelling_of_a_name_and_no_other_name() {
        for (pattern, name, means) in [
            ("next", "Next", true),
            ("next", "next_offer", false),
            ("*_next", "list.pager-Next", true),
            ("*_next", "context", false),
            ("next_page", "next-page", true),
            ("*", "", true),
            ("a*b*c", "a--b--c", true),
            ("a*b*c", "acb", false),
            ("/orders/*", "/orders/{id}", true),
            ("ä*", "äh", true),
        ] {
            assert_eq!(Pattern::of(pattern).means(&fold(name)), means, "{pattern} {name}");
        }
    }

    #[test]
    fn a_matcher_holds_when_all_it_says_holds() {
        let event = |json| serde_json::from_value::<Written>(json).unwrap().names();
        let both = Matcher { kind: Some(Pattern::of("button")), ..Matcher::key("pay*") };
        assert!(
            event(json!({"key": "pay.now", "kind": "Button"})).are_in(std::slice::from_ref(&both))
        );
        assert!(!event(json!({"key": "pay.now"})).are_in(&[both]));
    }

    #[derive(serde::Deserialize)]
    struct Written {
        key: Option<String>,
        kind: Option<String>,
    }

    impl Written {
        fn names(self) -> Names {
            Names {
                key: self.key.as_deref().map(fold),
                kind: self.kind.as_deref().map(fold),
                ..Names::default()
            }
        }
    }

    proptest! {
        #[test]
        fn a_name_means_itself_and_every_part_of_it_between_stars(name in "[a-z_/{}]{0,20}", cut in 0_usize..20) {
            let cut = cut.min(name.len());
            prop_assert!(Pattern::of(&name).means(&fold(&name)));
            let part = format!("*{}*", &name[cut..]);
            prop_assert!(Pattern::of(&part).means(&fold(&name)));
        }
    }
}
