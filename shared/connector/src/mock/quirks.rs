//! How the connector misbehaves. Everything off is a connector without fault.

use std::collections::{BTreeMap, BTreeSet};

use contract::Timestamp;

/// Switchable misbehaviour. Counts run over all requests of the receiver; the same seed and the same requests give the
/// same answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quirks {
    /// Every so many requests are answered 429; zero is never.
    pub rate_limit_every: u64,
    /// The `Retry-After` of 429 and 503, in seconds; zero sends none.
    pub retry_after_s: u64,
    /// Larger batches are refused, with 413 and 422 in turn; zero is no limit.
    pub max_batch_events: usize,
    /// Share of the events (0 to 1) that are refused, each for good and by its id.
    pub reject_share: f64,
    /// Share of the events (0 to 1) that are called retryable when first seen.
    pub defer_share: f64,
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

    /// Whether an event falls into the given share, by its id and the seed.
    pub(super) fn falls(&self, purpose: u64, id: &str, share: f64) -> bool {
        let mut hash = self.seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for byte in id.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash ^= hash >> 32;
        let drawn = u32::try_from(hash.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32).unwrap_or(0);
        f64::from(drawn) / (f64::from(u32::MAX) + 1.0) < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept_and_stays_the_same_by_seed() {
        let quirks = Quirks { seed: 7, ..Quirks::default() };
        let ids: Vec<String> = (0..2_000).map(|number| format!("evt_{number:016x}")).collect();
        let chosen = |quirks: &Quirks, share| -> Vec<&String> {
            ids.iter().filter(|id| quirks.falls(1, id, share)).collect()
        };
        assert!((100..300).contains(&chosen(&quirks, 0.1).len()), "{}", chosen(&quirks, 0.1).len());
        assert_eq!((chosen(&quirks, 0.0).len(), chosen(&quirks, 1.0).len()), (0, 2_000));
        assert_eq!(chosen(&quirks, 0.1), chosen(&quirks, 0.1));
        assert_ne!(chosen(&quirks, 0.1), chosen(&Quirks { seed: 8, ..quirks.clone() }, 0.1));
    }
}
