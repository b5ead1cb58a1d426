//! The time an invocation has: new work starts only while there is enough left to finish and to answer.

use contract::{Timestamp, limits::SECOND_MS};

/// What is left of an invocation's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    deadline: Option<Timestamp>,
    longest_ms: i64,
}

impl Budget {
    /// The time until `deadline`; without one there is no hurry.
    #[must_use]
    pub fn new(deadline: Option<Timestamp>) -> Self {
        Self { deadline, longest_ms: 0 }
    }

    /// True while another transaction may start at `now`: it and what comes after it need [`RESERVE_MS`], or twice the
    /// longest transaction so far.
    #[must_use]
    pub fn allows(&self, now: Timestamp) -> bool {
        let reserve_ms = RESERVE_MS.max(self.longest_ms.saturating_mul(2));
        self.deadline.is_none_or(|deadline| deadline.since_ms(now) >= reserve_ms)
    }

    /// Remembers how long a transaction took.
    pub fn spent(&mut self, ms: i64) {
        self.longest_ms = self.longest_ms.max(ms);
    }
}

/// Least time left in which new work starts, ms.
pub const RESERVE_MS: i64 = 3 * SECOND_MS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_starts_within_the_reserve_and_slow_transactions_raise_it() {
        let at = Timestamp::from_ms;
        assert!(Budget::new(None).allows(at(i64::MAX)));
        let mut budget = Budget::new(Some(at(10_000)));
        assert!(budget.allows(at(7_000)));
        assert!(!budget.allows(at(7_001)));
        budget.spent(2_000);
        budget.spent(100);
        assert!(budget.allows(at(6_000)));
        assert!(!budget.allows(at(6_001)));
    }
}
