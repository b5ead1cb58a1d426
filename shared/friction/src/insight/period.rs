//! Time in whole UTC days, since sums are kept per day.

use contract::{Timestamp, limits::DAY_MS};

/// Whole UTC days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Start of the first one.
    pub from: Timestamp,
    /// End of the last one, exclusive.
    pub to: Timestamp,
}

impl Period {
    /// The days that hold some of what lies between `from` and `to`.
    #[must_use]
    pub fn covering(from: Timestamp, to: Timestamp) -> Self {
        let to = if to.day() == to { to } else { to.day().plus_ms(DAY_MS) };
        Self { from: from.day(), to }
    }

    /// The period of the same length right before.
    #[must_use]
    pub fn previous(self) -> Self {
        Self { from: self.from.plus_ms(-self.to.since_ms(self.from)), to: self.from }
    }

    /// True for the start of one of its days.
    #[must_use]
    pub fn holds(self, day: Timestamp) -> bool {
        self.from <= day && day < self.to
    }

    /// How many days it has.
    #[must_use]
    pub fn days(self) -> i64 {
        self.to.since_ms(self.from).div_euclid(DAY_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_covers_the_days_it_touches_and_the_one_before_is_as_long() {
        let at = |days: i64, ms: i64| Timestamp::from_ms(days * DAY_MS + ms);
        for (from, to, days) in [
            (at(3, 0), at(4, 0), 1),
            (at(3, 5), at(3, 6), 1),
            (at(3, 5), at(4, 0), 1),
            (at(3, DAY_MS - 1), at(4, 1), 2),
            (at(-2, 1), at(1, 0), 3),
        ] {
            let period = Period::covering(from, to);
            assert_eq!(period.days(), days, "{from} to {to}");
            assert_eq!(period.previous().days(), days);
            assert_eq!(period.previous().to, period.from);
            assert!(period.holds(from.day()) && !period.holds(period.to));
            assert!(!period.previous().holds(from.day()));
        }
    }
}
