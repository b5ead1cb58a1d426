//! What waits for the transport: bounded in events and bytes, oldest first.

use std::collections::BTreeMap;

use contract::staged::StagedEvent;

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RingLimits {
    pub(crate) events_max: usize,
    pub(crate) bytes_max: usize,
}

/// Rows by the order in which they were emitted. When it is full the oldest go: they are the nearest to being late, and
/// what has just happened explains why the transport is down.
pub(crate) struct Ring {
    rows: BTreeMap<Place, StagedEvent>,
    bytes: usize,
    limits: RingLimits,
}

/// A row's place in the order of emission.
pub(crate) type Place = u64;

impl Ring {
    pub(crate) fn new(limits: RingLimits) -> Self {
        Self { rows: BTreeMap::new(), bytes: 0, limits }
    }

    /// Puts a row at its place and returns the places that had to go, its own perhaps among them.
    pub(crate) fn put(&mut self, place: Place, row: StagedEvent) -> Vec<Place> {
        self.bytes += row_bytes(&row);
        self.rows.insert(place, row);
        let mut dropped = Vec::new();
        while self.rows.len() > self.limits.events_max || self.bytes > self.limits.bytes_max {
            let Some((place, row)) = self.rows.pop_first() else { break };
            self.bytes -= row_bytes(&row);
            dropped.push(place);
        }
        dropped
    }

    /// Takes the oldest row.
    pub(crate) fn take(&mut self) -> Option<(Place, StagedEvent)> {
        let (place, row) = self.rows.pop_first()?;
        self.bytes -= row_bytes(&row);
        Some((place, row))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a row costs in memory, roughly: its texts and its fixed part.
pub(crate) fn row_bytes(row: &StagedEvent) -> usize {
    size_of::<StagedEvent>()
        + row.body.len()
        + row.org_id.as_str().len()
        + row.product_id.as_str().len()
        + row.event_id.as_str().len()
}

#[cfg(test)]
mod tests {
    use contract::{EventId, OrgId, ProductId, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn row(bytes: usize) -> StagedEvent {
        StagedEvent {
            org_id: OrgId::parse("acme").unwrap(),
            product_id: ProductId::default(),
            event_id: EventId::parse("e").unwrap(),
            body: "x".repeat(bytes),
            ck: 0,
            occurred_at: Timestamp::from_ms(0),
            staged_at: Timestamp::from_ms(0),
            expires_at: Timestamp::from_ms(0),
            rescues: 0,
        }
    }

    #[test]
    fn the_oldest_goes_when_it_is_full() {
        let mut ring = Ring::new(RingLimits { events_max: 2, bytes_max: usize::MAX });
        assert!(ring.put(0, row(1)).is_empty());
        assert!(ring.put(1, row(1)).is_empty());
        assert_eq!(ring.put(2, row(1)), [0]);
        assert_eq!(ring.take().unwrap().0, 1);
        assert!(ring.put(0, row(1)).is_empty(), "there is room again");
        assert_eq!(ring.take().unwrap().0, 0, "and it stands where it stood");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_doubled_and_no_limit_is_exceeded(
            sizes in prop::collection::vec(0_usize..3_000, 0..60),
            events_max in 1_usize..20,
            bytes_max in 1_usize..20_000,
            takes in prop::collection::vec(any::<bool>(), 60),
        ) {
            let mut ring = Ring::new(RingLimits { events_max, bytes_max });
            let mut left = Vec::new();
            for ((place, size), take) in (0..).zip(&sizes).zip(takes) {
                left.extend(ring.put(place, row(*size)));
                prop_assert!(ring.len() <= events_max && ring.bytes() <= bytes_max);
                if take {
                    left.extend(ring.take().map(|(place, _)| place));
                }
            }
            left.extend(std::iter::from_fn(|| ring.take()).map(|(place, _)| place));
            prop_assert_eq!(ring.bytes(), 0);
            let all: Vec<Place> = (0..).take(sizes.len()).collect();
            prop_assert_eq!(left, all, "they leave in the order in which they came");
        }
    }
}
