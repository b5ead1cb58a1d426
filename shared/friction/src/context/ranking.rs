//! Names with weights, the heaviest first, never more than a bounded number of them.

use serde::{Deserialize, Serialize};

/// Names with weights in hundredths. Of equal weights the one that was touched last comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Ranking<T> {
    held: Vec<Held<T>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Held<T> {
    #[serde(rename = "n")]
    name: T,
    #[serde(rename = "w")]
    hundredths: u16,
    /// Number of the event that touched it last.
    #[serde(rename = "t")]
    touched: u32,
}

impl<T> Default for Ranking<T> {
    fn default() -> Self {
        Self { held: Vec::new() }
    }
}

impl<T: Ord> Ranking<T> {
    /// Adds to the weight of `name`, up to 1.
    pub(crate) fn raise(&mut self, name: T, hundredths: u16, now: u32) {
        let before = self.held.iter().find(|held| held.name == name);
        let weight = before.map_or(0, |held| held.hundredths).saturating_add(hundredths);
        self.hold(name, weight.min(FULL), now);
    }

    /// Makes `hundredths` the weight of `name`, unless it has more.
    pub(crate) fn hold(&mut self, name: T, hundredths: u16, now: u32) {
        match self.held.iter_mut().find(|held| held.name == name) {
            Some(held) => {
                held.hundredths = held.hundredths.max(hundredths);
                held.touched = now;
            }
            None => self.held.push(Held { name, hundredths, touched: now }),
        }
        self.held.sort_by(|a, b| {
            let heavier = b.hundredths.cmp(&a.hundredths);
            heavier.then(b.touched.cmp(&a.touched)).then_with(|| a.name.cmp(&b.name))
        });
        self.held.truncate(HELD_MAX);
    }

    /// The first `count` with their weights, 0 to 1.
    pub(crate) fn first(&self, count: usize) -> impl Iterator<Item = (&T, f64)> {
        let weight = |held: &Held<T>| f64::from(held.hundredths) / f64::from(FULL);
        self.held.iter().take(count).map(move |held| (&held.name, weight(held)))
    }
}

const FULL: u16 = 100;
/// Beyond these the lightest go, so that a session's state stays small whatever it names.
const HELD_MAX: usize = 256;
