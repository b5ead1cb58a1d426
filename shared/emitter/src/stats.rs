//! What an emitter tells about itself.

use std::collections::BTreeMap;

use contract::Code;

/// Counters since [`crate::Emitter::connect`], read at one instant.
///
/// Always `emitted = sent + duplicates + rejected + dropped + held + in_flight`, where `rejected` is the sum over its
/// codes: no event disappears without a number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmitterStats {
    /// Events that the host handed over.
    pub emitted: u64,
    /// Events that the transport stored.
    pub sent: u64,
    /// Events that the transport had stored before.
    pub duplicates: u64,
    /// Events that are lost because of what they are, by code.
    pub rejected: BTreeMap<Code, u64>,
    /// Events that are lost because the ring was full.
    pub dropped: u64,
    /// Events in the ring now.
    pub held: u64,
    /// Bytes in the ring now.
    pub held_bytes: u64,
    /// Events that the transport is working on now.
    pub in_flight: u64,
    /// Events that `emit` could not get stored at once; the ring took them.
    pub spilled: u64,
    /// Sends that did not end within their budget.
    pub timeouts: u64,
    /// Sends that failed, panicked or timed out.
    pub failures: u64,
    /// Panics that did not reach the host.
    pub panics: u64,
    /// Context keys that their event's type does not declare.
    pub keys_dropped: u64,
}

impl EmitterStats {
    /// The sum over all codes.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }
}

/// What a [`crate::Emitter::flush`] achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlushReport {
    /// Events that this flush stored.
    pub sent: u64,
    /// Events that were stored before.
    pub duplicates: u64,
    /// Events that the transport refused for good; [`EmitterStats::rejected`] tells why.
    pub rejected: u64,
    /// Events that still wait in the ring: a host that freezes now may lose them.
    pub still_held: u64,
    /// Events that fell out of the full ring since the flush before.
    pub dropped: u64,
}
