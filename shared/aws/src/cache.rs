//! What was read, kept for a while in this process.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Values by key, each for as long as it is fresh; bounded.
pub(crate) struct Cache<K, V> {
    entries: Mutex<HashMap<K, (V, Instant)>>,
    fresh: Duration,
    entries_max: usize,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new(fresh: Duration, entries_max: usize) -> Self {
        Self { entries: Mutex::default(), fresh, entries_max }
    }

    /// The value, if it is fresh.
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, since) = entries.get(key)?;
        (since.elapsed() < self.fresh).then(|| value.clone())
    }

    /// The value, fresh or not.
    #[cfg(feature = "secrets")]
    pub(crate) fn last<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).map(|(value, _)| value.clone())
    }

    /// Keeps a value from now on.
    pub(crate) fn keep(&self, key: K, value: V) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.entries_max && !entries.contains_key(&key) {
            entries.retain(|_, (_, since)| since.elapsed() < self.fresh);
        }
        // All of them are fresh: reading some again costs less than keeping an order of use.
        if entries.len() >= self.entries_max && !entries.contains_key(&key) {
            entries.clear();
        }
        entries.insert(key, (value, Instant::now()));
    }

    /// Forgets a value.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_value_is_kept_while_it_is_fresh() {
        let cache = Cache::new(Duration::from_secs(60), 9);
        cache.keep("a", 1);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!((cache.get("a"), cache.get("b")), (Some(1), None));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(cache.get("a"), None);
        cache.keep("a", 2);
        assert_eq!(cache.get("a"), Some(2));
        cache.forget("a");
        assert_eq!(cache.get("a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn it_never_grows_beyond_its_bound_and_stale_values_go_first() {
        let cache = Cache::new(Duration::from_secs(60), 3);
        let kept = |cache: &Cache<i32, i32>| cache.entries.lock().unwrap().len();
        cache.keep(0, 0);
        tokio::time::advance(Duration::from_secs(60)).await;
        for number in 1..=3 {
            cache.keep(number, number);
        }
        assert_eq!((kept(&cache), cache.get(&1)), (3, Some(1)));
        cache.keep(3, 30);
        assert_eq!((kept(&cache), cache.get(&3)), (3, Some(30)));
        cache.keep(4, 4);
        assert!(kept(&cache) <= 3);
        assert_eq!(cache.get(&4), Some(4));
    }
}
