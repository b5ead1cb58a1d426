//! Places for streams: so many in all, and of them a share for each organisation and for each key.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use contract::OrgId;

/// How many streams may be open at once. A share is a bound and reserves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// In all.
    pub in_all: usize,
    /// About one organisation's sessions.
    pub per_org: usize,
    /// Opened with one key.
    pub per_key: usize,
}

impl Default for Shares {
    /// It takes four organisations, and three keys of each, to leave no place for anybody else.
    fn default() -> Self {
        Self { in_all: 1_000, per_org: 250, per_key: 100 }
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("This key has {0} streams open, which is the most that one may.")]
    OfKey(usize),
    #[error("{0} streams are open for this organisation, which is the most that one may.")]
    OfOrg(usize),
    #[error("{0} streams are open here, which is the most that there may be.")]
    Altogether(usize),
}

/// Who holds how many places.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_org: BTreeMap<OrgId, usize>,
    by_key: BTreeMap<String, usize>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    org: OrgId,
    key_id: String,
}

impl Places {
    /// Takes a place for a stream about `org` that was opened with the key `key_id`. What is full is named as narrowly as it
    /// can be, so that whoever is refused knows whether it is its own doing.
    pub(crate) fn take(
        self: &Arc<Self>,
        shares: Shares,
        org: &OrgId,
        key_id: &str,
    ) -> Result<Place, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.by_key.get(key_id).is_some_and(|held| *held >= shares.per_key) {
            return Err(Full::OfKey(shares.per_key));
        }
        if taken.by_org.get(org).is_some_and(|held| *held >= shares.per_org) {
            return Err(Full::OfOrg(shares.per_org));
        }
        if taken.in_all >= shares.in_all {
            return Err(Full::Altogether(shares.in_all));
        }
        taken.in_all += 1;
        *taken.by_org.entry(org.clone()).or_default() += 1;
        *taken.by_key.entry(key_id.to_owned()).or_default() += 1;
        Ok(Place { places: Arc::clone(self), org: org.clone(), key_id: key_id.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.in_all = taken.in_all.saturating_sub(1);
        give_back(&mut taken.by_org, &self.org);
        give_back(&mut taken.by_key, &self.key_id);
    }
}

/// Whoever holds none is forgotten: keys come and go.
fn give_back<K: Ord>(held: &mut BTreeMap<K, usize>, by: &K) {
    if let Some(count) = held.get_mut(by) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            held.remove(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: Shares = Shares { in_all: 5, per_org: 3, per_key: 2 };

    fn org(name: &str) -> OrgId {
        OrgId::parse(name).unwrap()
    }

    #[test]
    fn each_share_is_a_bound_and_the_narrowest_that_is_full_is_named() {
        let places = Arc::new(Places::default());
        let take = |of: &str, key: &str| places.take(SHARES, &org(of), key);
        let mut held = vec![take("a", "a1").unwrap(), take("a", "a1").unwrap()];
        assert_eq!(take("a", "a1").err(), Some(Full::OfKey(2)));
        // One key of several organisations has one share.
        assert_eq!(take("b", "a1").err(), Some(Full::OfKey(2)));
        held.push(take("a", "a2").unwrap());
        assert_eq!(take("a", "a2").err(), Some(Full::OfOrg(3)));
        held.push(take("b", "b1").unwrap());
        held.push(take("b", "b1").unwrap());
        assert_eq!(take("c", "c1").err(), Some(Full::Altogether(5)));
        drop(held);
        assert!(take("c", "c1").is_ok());
    }

    #[test]
    fn nobody_is_remembered_who_holds_nothing() {
        let places = Arc::new(Places::default());
        let refused = Shares { in_all: 0, ..SHARES };
        drop(places.take(SHARES, &org("a"), "a1").unwrap());
        assert_eq!(places.take(refused, &org("a"), "a1").err(), Some(Full::Altogether(0)));
        let taken = places.taken.lock().unwrap();
        assert!(taken.in_all == 0 && taken.by_org.is_empty() && taken.by_key.is_empty());
    }
}
