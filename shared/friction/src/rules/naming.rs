//! Names that somebody gave to flows.

use serde_json::{Map, Value, json};

use super::{error::Wrong, matching::Pattern};

/// Names of flows, the first that means a flow is its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowNames(Vec<FlowName>);

/// A name, and which flows it means: everything that is said must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FlowName {
    name: String,
    /// The task's name.
    task: Option<Pattern>,
    /// The screens, from the first to the last.
    path: Option<Vec<Step>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// One screen.
    Screen(Pattern),
    /// As many as there are, also none.
    Any,
}

impl FlowNames {
    /// The name of the flow that serves `task` over `path`.
    #[must_use]
    pub fn of(&self, task: Option<&str>, path: &[String]) -> Option<&str> {
        let named = self.0.iter().find(|named| named.means(task, path))?;
        Some(&named.name)
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|named| named.name.as_str())
    }

    pub(super) fn read(value: &Value) -> Result<Self, Wrong> {
        let said = value.as_array().ok_or(Wrong::Expected("a list of names of flows"))?;
        if said.len() > NAMES_MAX {
            return Err(Wrong::TooMany(NAMES_MAX));
        }
        let named = (0_usize..).zip(said).map(|(at, value)| {
            FlowName::read(value).map_err(|wrong: Wrong| wrong.at(&at.to_string()))
        });
        named.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn write(&self) -> Value {
        self.0.iter().map(FlowName::write).collect()
    }
}

impl FlowName {
    fn means(&self, task: Option<&str>, path: &[String]) -> bool {
        let serves = |pattern: &Pattern| task.is_some_and(|task| pattern.means_name(task));
        self.task.as_ref().is_none_or(serves)
            && self.path.as_ref().is_none_or(|steps| leads(steps, path))
    }

    fn read(value: &Value) -> Result<Self, Wrong> {
        let fields = value.as_object().ok_or(Wrong::Expected("an object"))?;
        let known = ["name", "task", "path"];
        if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Wrong::Unknown(known.to_vec()).at(unknown));
        }
        let name = fields.get("name").and_then(Value::as_str).filter(|name| {
            (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
        });
        let name = name
            .ok_or(
                Wrong::Expected("a name: 1 to 128 bytes, no tabs and other control characters")
                    .at("name"),
            )?
            .to_owned();
        let task = fields.get("task").map(Pattern::read).transpose();
        let task = task.map_err(|wrong| wrong.at("task"))?;
        let path = fields.get("path").map(read_path).transpose();
        let path = path.map_err(|wrong| wrong.at("path"))?;
        if task.is_none() && path.is_none() {
            return Err(Wrong::Expected("a task or a path beside the name"));
        }
        Ok(Self { name, task, path })
    }

    fn write(&self) -> Value {
        let mut fields = Map::from_iter([("name".to_owned(), json!(self.name))]);
        if let Some(task) = &self.task {
            fields.insert("task".to_owned(), json!(task.written()));
        }
        if let Some(path) = &self.path {
            let steps = path.iter().map(|step| match step {
                Step::Screen(pattern) => pattern.written(),
                Step::Any => ANY,
            });
            fields.insert("path".to_owned(), steps.collect());
        }
        Value::Object(fields)
    }
}

fn read_path(value: &Value) -> Result<Vec<Step>, Wrong> {
    let said = value.as_array().filter(|steps| (1..=STEPS_MAX).contains(&steps.len()));
    let said = said.ok_or(Wrong::Expected("1 to 12 screens, or ** for any number of them"))?;
    let step = |(at, value): (usize, &Value)| match value.as_str() {
        Some(ANY) => Ok(Step::Any),
        Some(_) | None => {
            Pattern::read(value).map(Step::Screen).map_err(|wrong| wrong.at(&at.to_string()))
        }
    };
    said.iter().enumerate().map(step).collect()
}

/// True when `steps` mean `path`. Goes back to the last [`Step::Any`] only, so at worst steps × screens comparisons.
fn leads(steps: &[Step], path: &[String]) -> bool {
    let (mut s, mut p) = (0, 0);
    let mut any: Option<(usize, usize)> = None;
    while let Some(screen) = path.get(p) {
        match steps.get(s) {
            Some(Step::Any) => {
                any = Some((s, p));
                s += 1;
            }
            Some(Step::Screen(pattern)) if pattern.means_name(screen) => {
                s += 1;
                p += 1;
            }
            Some(Step::Screen(_)) | None => match any {
                Some((at, taken)) => {
                    any = Some((at, taken + 1));
                    s = at + 1;
                    p = taken + 1;
                }
                None => return false,
            },
        }
    }
    steps.get(s..).unwrap_or_default().iter().all(|rest| *rest == Step::Any)
}

const ANY: &str = "**";
const NAMES_MAX: usize = 200;
const NAME_BYTES_MAX: usize = 128;
/// As many as a flow has screens.
const STEPS_MAX: usize = contract::limits::FLOW_SCREENS_MAX;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(screens: &str) -> Vec<String> {
        screens.split_whitespace().map(str::to_owned).collect()
    }

    fn names(value: &Value) -> FlowNames {
        FlowNames::read(value).unwrap()
    }

    #[test]
    fn a_name_means_flows_by_their_task_and_their_screens() {
        let named = names(&json!([
            { "name": "Express checkout", "task": "pay", "path": ["/cart", "/done"] },
            { "name": "Checkout", "task": "Pay*" },
            { "name": "Reading", "path": ["/docs*", "**"] },
            { "name": "Via help", "path": ["**", "/help", "**"] },
        ]));
        for (task, screens, name) in [
            (Some("pay"), "/cart /done", Some("Express checkout")),
            (Some("pay"), "/cart /address /done", Some("Checkout")),
            (Some("pay-later"), "/x /y", Some("Checkout")),
            (None, "/cart /done", None),
            (None, "/docs/a /b /c", Some("Reading")),
            (Some("read"), "/docs /b", Some("Reading")),
            (None, "/a /help", Some("Via help")),
            (None, "/help /a", Some("Via help")),
            (None, "/a /b", None),
        ] {
            assert_eq!(named.of(task, &path(screens)), name, "{task:?} {screens}");
        }
        assert_eq!(FlowNames::default().of(Some("pay"), &path("/a /b")), None);
    }

    #[test]
    fn names_are_written_as_they_were_read_and_refused_with_their_place() {
        let said = json!([{ "name": "A", "task": "Pay*", "path": ["/A", "**", "/b.c"] }]);
        assert_eq!(names(&said).write(), said);
        let long = vec!["/a"; STEPS_MAX + 1];
        for (bad, place) in [
            (json!({}), "the document"),
            (json!([7]), "/0"),
            (json!([{ "name": "A" }]), "/0"),
            (json!([{ "name": "", "task": "a" }]), "/0/name"),
            (json!([{ "name": "A\n", "task": "a" }]), "/0/name"),
            (json!([{ "name": "A", "task": 5 }]), "/0/task"),
            (json!([{ "name": "A", "path": [] }]), "/0/path"),
            (json!([{ "name": "A", "path": long }]), "/0/path"),
            (json!([{ "name": "A", "path": ["/a", ""] }]), "/0/path/1"),
            (json!([{ "name": "A", "task": "a", "if": 1 }]), "/0/if"),
        ] {
            let wrong = FlowNames::read(&bad).unwrap_err().below("").to_string();
            assert!(wrong.starts_with(&format!("{place}:")), "{place}: {wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_of_screens_means_what_the_same_pattern_of_letters_means(
            steps in "[ab*]{1,6}", screens in "[ab]{0,8}",
        ) {
            let written: Vec<String> = steps.chars().map(|c| if c == '*' { "**".to_owned() } else { format!("/{c}") }).collect();
            let path: Vec<String> = screens.chars().map(|c| format!("/{c}")).collect();
            let named = names(&json!([{ "name": "A", "path": written }]));
            // By brute force: some split of the screens over the stars.
            fn means(steps: &[char], screens: &[char]) -> bool {
                match steps.split_first() {
                    None => screens.is_empty(),
                    Some(('*', rest)) => (0..=screens.len()).any(|n| means(rest, &screens[n..])),
                    Some((step, rest)) => screens.split_first().is_some_and(|(s, left)| s == step && means(rest, left)),
                }
            }
            let (steps, screens): (Vec<char>, Vec<char>) = (steps.chars().collect(), screens.chars().collect());
            prop_assert_eq!(named.of(None, &path).is_some(), means(&steps, &screens));
        }
    }
}
