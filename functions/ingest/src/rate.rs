//! How much a key may send: a bucket of events per key, in this process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use contract::Timestamp;

use crate::config::Rate;

/// The buckets of all keys. A lock, because every request changes one for a moment; nothing waits while it is held.
#[derive(Debug)]
pub(crate) struct Buckets {
    rate: Rate,
    by_key: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Events left; negative after a request that was larger than what was left.
    events: f64,
    at: Timestamp,
}

impl Buckets {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, by_key: Mutex::default() }
    }

    /// Is there room for a request? Otherwise the seconds until there is.
    pub(crate) fn check(&self, key_id: &str, now: Timestamp) -> Result<(), u64> {
        self.charge(key_id, now, 0).map_or(Ok(()), Err)
    }

    /// Takes `events` out of the bucket; the seconds until a next request has room, if it has not at once. A request is
    /// let in whole or not at all, so that the bucket may be overdrawn by one request, which the next ones wait for.
    pub(crate) fn charge(&self, key_id: &str, now: Timestamp, events: usize) -> Option<u64> {
        let mut buckets = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(key_id) {
            buckets.retain(|_, bucket| bucket.refilled(self.rate, now).events < self.rate.burst());
        }
        let full = Bucket { events: self.rate.burst(), at: now };
        let bucket = buckets.entry(key_id.to_owned()).or_insert(full);
        *bucket = bucket.refilled(self.rate, now);
        bucket.events -= f64::from(u32::try_from(events).unwrap_or(u32::MAX));
        bucket.wait_seconds(self.rate)
    }
}

impl Bucket {
    fn refilled(self, rate: Rate, now: Timestamp) -> Self {
        let elapsed_ms = u32::try_from(now.since_ms(self.at).max(0)).unwrap_or(u32::MAX);
        let gained = f64::from(elapsed_ms) / 1_000.0 * f64::from(rate.events_per_second);
        Self { events: (self.events + gained).min(rate.burst()), at: now.max(self.at) }
    }

    fn wait_seconds(self, rate: Rate) -> Option<u64> {
        if self.events >= 1.0 {
            return None;
        }
        let seconds = ((1.0 - self.events) / f64::from(rate.events_per_second)).ceil();
        #[expect(clippy::as_conversions, reason = "a float cast saturates, and the range is small")]
        Some(seconds.clamp(1.0, WAIT_SECONDS_MAX) as u64)
    }
}

/// Full buckets are forgotten from here on: a new one is as full.
const BUCKETS_MAX: usize = 10_000;
const WAIT_SECONDS_MAX: f64 = 3_600.0;

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { events_per_second: 100, burst: 200 };

    #[test]
    fn an_overdrawn_bucket_says_when_there_is_room_again() {
        let buckets = Buckets::new(RATE);
        let at = |ms| Timestamp::from_ms(ms);
        assert_eq!(buckets.check("a", at(0)), Ok(()));
        assert_eq!(buckets.charge("a", at(0), 500), Some(4));
        assert_eq!(buckets.check("a", at(0)), Err(4));
        assert_eq!(buckets.check("b", at(0)), Ok(()));
        assert_eq!(buckets.check("a", at(3_000)), Err(1));
        assert_eq!(buckets.check("a", at(3_010)), Ok(()));
    }

    #[test]
    fn a_bucket_holds_no_more_than_the_burst_and_a_clock_set_back_gives_nothing() {
        let buckets = Buckets::new(RATE);
        assert_eq!(buckets.charge("a", Timestamp::from_ms(1_000_000), 199), None);
        assert_eq!(buckets.charge("a", Timestamp::from_ms(0), 1), Some(1));
        assert_eq!(buckets.charge("a", Timestamp::from_ms(9_000_000), 200), Some(1));
    }

    #[test]
    fn full_buckets_are_forgotten_before_there_are_too_many() {
        let buckets = Buckets::new(RATE);
        for key in 0..BUCKETS_MAX + 5 {
            buckets.charge(&key.to_string(), Timestamp::from_ms(0), usize::from(key == 3));
        }
        let known = buckets.by_key.lock().unwrap();
        assert!(known.len() < 10 && known.contains_key("3"), "{}", known.len());
    }
}
