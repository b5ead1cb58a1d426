//! How the connector misbehaves. Everything off is a connector without fault.

use std::collections::{BTreeMap, BTreeSet};

use contract::Timestamp;

/// Switchable misbehaviour. Counts run over all requests of the receiver; the same seed and the same requests give the
/// same answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quirks {
    /// Every so many requests are answered 429; zero is never.
    pub rate_limit_every: u64,
    /// The `Retry-After` of 429 and 503, in seconds.
    pub retry_after_s: Option<u64>,
    /// Larger batches are refused, with 413 and 422 in turn.
    pub max_batch_events: Option<usize>,
    /// Percentage of events that are refused, each for good and by its id.
    pub reject_percent: u8,
    /// Percentage of events that are called retryable when first seen.
    pub defer_percent: u8,
    /// Every so many requests are never answered; zero is never.
    pub hang_every: u64,
    /// Every so many batches are taken without the answer reaching the sender; zero is never.
    pub lose_2xx_every: u64,
    /// Nothing but 503 before this instant.
    pub down_until: Option<Timestamp>,
    /// Nothing but 500.
    pub always_500: bool,
    /// Organisations whose requests fail.
    pub dead_orgs: BTreeMap<String, Death>,
    /// A batch with one of these events is refused as a whole with 422.
    pub refuse_batch_with: BTreeSet<String>,
    /// A batch with one of these events is answered 500.
    pub crash_on: BTreeSet<String>,
    /// Answers name nothing per event: `accepted` is all they say.
    pub counts_only: bool,
    /// Chooses the events that are refused or deferred.
    pub seed: u64,
}

/// How an organisation's requests fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// With this status.
    Status(u16),
    /// Without an answer.
    Hang,
}

impl Quirks {
    /// Whether the `number`th request is one of `every`.
    pub(super) fn is_turn(every: u64, number: u64) -> bool {
        every > 0 && number.is_multiple_of(every)
    }

    /// Whether an event falls into the first `percent` of a hundred, by its id and the seed.
    pub(super) fn falls(&self, purpose: u64, id: &str, percent: u8) -> bool {
        let mut hash = self.seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for byte in id.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash ^= hash >> 32;
        hash.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32 < (u64::from(percent.min(100)) << 32) / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept_and_stays_the_same_by_seed() {
        let quirks = Quirks { seed: 7, ..Quirks::default() };
        let ids: Vec<String> = (0..2_000).map(|number| format!("evt_{number:016x}")).collect();
        let chosen = |quirks: &Quirks, percent| -> Vec<&String> {
            ids.iter().filter(|id| quirks.falls(1, id, percent)).collect()
        };
        assert!((100..300).contains(&chosen(&quirks, 10).len()), "{}", chosen(&quirks, 10).len());
        assert_eq!((chosen(&quirks, 0).len(), chosen(&quirks, 100).len()), (0, 2_000));
        assert_eq!(chosen(&quirks, 10), chosen(&quirks, 10));
        assert_ne!(chosen(&quirks, 10), chosen(&Quirks { seed: 8, ..quirks.clone() }, 10));
    }
}
