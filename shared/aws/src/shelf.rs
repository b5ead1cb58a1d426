//! What a process remembers of what it read: bounded, and the last used things stay.

use std::{collections::HashMap, hash::Hash};

/// Things by key, up to a weight.
#[derive(Debug)]
pub(crate) struct Shelf<K, V> {
    things: HashMap<K, Kept<V>>,
    weight: usize,
    weight_max: usize,
    uses: u64,
}

#[derive(Debug)]
struct Kept<V> {
    thing: V,
    weight: usize,
    used: u64,
}

impl<K: Clone + Ord + Hash, V> Shelf<K, V> {
    /// An empty one.
    pub(crate) fn new(weight_max: usize) -> Self {
        Self { things: HashMap::new(), weight: 0, weight_max, uses: 0 }
    }

    /// The thing, which is used thereby.
    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        self.uses += 1;
        let kept = self.things.get_mut(key)?;
        kept.used = self.uses;
        Some(&mut kept.thing)
    }

    /// Puts a thing in the place of whatever was there. What was not used for longest makes room, a quarter of all at a
    /// time, so that it happens seldom.
    pub(crate) fn put(&mut self, key: K, thing: V, weight: usize) {
        self.take(&key);
        self.uses += 1;
        self.weight += weight;
        self.things.insert(key, Kept { thing, weight, used: self.uses });
        if self.weight > self.weight_max {
            self.make_room();
        }
    }

    /// Removes a thing.
    pub(crate) fn take(&mut self, key: &K) -> Option<V> {
        let kept = self.things.remove(key)?;
        self.weight = self.weight.saturating_sub(kept.weight);
        Some(kept.thing)
    }

    fn make_room(&mut self) {
        let mut by_use: Vec<(u64, K)> =
            self.things.iter().map(|(key, kept)| (kept.used, key.clone())).collect();
        by_use.sort_unstable();
        for (_, key) in by_use {
            if self.weight <= self.weight_max / 4 * 3 {
                break;
            }
            self.take(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays() {
        let mut shelf = Shelf::new(100);
        for key in 0..10 {
            shelf.put(key, key, 10);
        }
        assert_eq!(shelf.get(&0), Some(&mut 0));
        shelf.put(10, 10, 10);
        let there: Vec<_> = (0..=10).filter(|key| shelf.get(key).is_some()).collect();
        assert_eq!(there, [0, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn a_thing_that_is_replaced_or_taken_weighs_nothing() {
        let mut shelf = Shelf::new(100);
        for _ in 0..100 {
            shelf.put("one", 1, 90);
        }
        shelf.put("other", 2, 10);
        assert_eq!(shelf.take(&"one"), Some(1));
        shelf.put("third", 3, 90);
        assert_eq!((shelf.take(&"other"), shelf.take(&"third")), (Some(2), Some(3)));
        assert_eq!(shelf.weight, 0);
    }

    #[test]
    fn a_thing_too_heavy_is_not_kept() {
        let mut shelf = Shelf::new(10);
        shelf.put(1, 1, 11);
        assert_eq!(shelf.get(&1), None);
    }
}
