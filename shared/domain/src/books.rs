//! An organisation's books: its amounts by name, and whether the law of the ledger holds.
//!
//! The law has two halves, kept apart so that two faults cannot hide each other:
//!
//! ```text
//! acceptedForward = delivered + parked + pending + erasedForward      what is to reach the connector is somewhere
//! accepted        = acceptedForward + counted                         everything else has ended
//! ```
//!
//! Which half may be open while records are in flight depends on where an event is booked as accepted: see
//! [`booked_at_the_door`] and [`booked_when_counted`].

use std::collections::BTreeMap;

use contract::ledger::{Balance, OrgLedger};

/// How far each half of the law is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// `acceptedForward − (delivered + parked + pending + erasedForward)`.
    pub forward: i64,
    /// `accepted − acceptedForward − counted`.
    pub ends_here: i64,
}

/// What is under way while books are read in which an event is booked when it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InFlight {
    /// Stream records that the processor has not finished.
    pub records: u64,
    /// Staged events that are to be forwarded and were not counted. The stream may not tell of them yet.
    pub uncounted: u64,
    /// True when a second look showed other amounts than the first.
    pub moving: bool,
}

/// An organisation's row: what was booked, what was measured, and what `judge` says of what is open.
pub fn row(
    org: &str,
    amounts: &BTreeMap<String, i64>,
    pending: u64,
    judge: impl FnOnce(Open) -> Balance,
) -> OrgLedger {
    let amount = |name: &str| amounts.get(name).copied().unwrap_or(0);
    let count = |name: &str| u64::try_from(amount(name)).unwrap_or(0);
    let open = open(amounts, pending);
    let state = judge(open);
    OrgLedger {
        org: org.to_owned(),
        accepted: count(ACCEPTED),
        accepted_forward: count(ACCEPTED_FORWARD),
        counted: count(COUNTED),
        duplicates: count(DUPLICATES),
        rejected: by_code(amounts, REJECTED),
        quarantined: by_code(amounts, QUARANTINED),
        suppressed: count(SUPPRESSED),
        formed: count(FORMED),
        delivered: count(DELIVERED),
        unconfirmed: count(UNCONFIRMED),
        parked: count(PARKED),
        pending,
        erased: count(ERASED),
        erased_forward: count(ERASED_FORWARD),
        state,
        difference: open.forward.saturating_add(open.ends_here),
        balanced: state == Balance::Balanced,
    }
}

/// How far the law is open.
#[must_use]
pub fn open(amounts: &BTreeMap<String, i64>, pending: u64) -> Open {
    let amount = |name: &str| amounts.get(name).copied().unwrap_or(0);
    let pending = i64::try_from(pending).unwrap_or(i64::MAX);
    let somewhere = [DELIVERED, PARKED, ERASED_FORWARD]
        .into_iter()
        .fold(pending, |sum, name| sum.saturating_add(amount(name)));
    let forward = amount(ACCEPTED_FORWARD);
    Open {
        forward: forward.saturating_sub(somewhere),
        ends_here: amount(ACCEPTED).saturating_sub(forward).saturating_sub(amount(COUNTED)),
    }
}

/// The state of books in which a door books an event as accepted, in the transaction that makes it durable. What is on
/// its way to the connector is exact at every moment; what ends here is booked when the processor gets to it, so that it
/// may lag by the `lag` records in flight.
#[must_use]
pub fn booked_at_the_door(open: Open, lag: u64) -> Balance {
    if open.forward != 0 || open.ends_here.unsigned_abs() > lag {
        Balance::Broken
    } else if lag == 0 {
        Balance::Balanced
    } else {
        Balance::Settling
    }
}

/// The state of books in which the processor books an event as accepted, with its first marker, or quarantine does where
/// the event ends there.
///
/// How it ended is booked in the same transaction, so that the second half is never open. The first one is open in both
/// directions: below zero by events that are staged, batched or delivered before the processor gets to their records;
/// above zero by events whose row TTL removed, until the processor gets to the record that says so and puts them back.
/// Each of them has a record in the stream, except those staged so recently that the stream does not tell of them yet.
/// Amounts are read one after the other, so that only amounts that stand still prove anything.
#[must_use]
pub fn booked_when_counted(open: Open, in_flight: InFlight) -> Balance {
    let InFlight { records, uncounted, moving } = in_flight;
    let explained = if open.forward < 0 { records.saturating_add(uncounted) } else { records };
    if open.ends_here != 0 || (open.forward.unsigned_abs() > explained && !moving) {
        Balance::Broken
    } else if records == 0 && open.forward == 0 && !moving {
        Balance::Balanced
    } else {
        Balance::Settling
    }
}

fn by_code(amounts: &BTreeMap<String, i64>, name: &str) -> BTreeMap<String, u64> {
    let code = |(key, value): (&String, &i64)| {
        let code = key.strip_prefix(name)?.strip_prefix('.')?;
        // What was set aside and released again leaves a zero.
        let value = u64::try_from(*value).ok().filter(|value| *value > 0)?;
        Some((code.to_owned(), value))
    };
    amounts.iter().filter_map(code).collect()
}

/// Stands for the organisation of records that did not tell it; no organisation's name has a tilde.
pub const UNKNOWN_ORG: &str = "~unknown";
/// Events made durable, each once.
pub const ACCEPTED: &str = "accepted";
/// Those of them on their way to the connector.
pub const ACCEPTED_FORWARD: &str = "acceptedForward";
/// Those of them that ended without being forwarded.
pub const COUNTED: &str = "counted";
/// Sent again and recognised.
pub const DUPLICATES: &str = "duplicates";
/// Not kept or not forwarded for want of consent.
pub const SUPPRESSED: &str = "suppressed";
/// Moved into batches.
pub const FORMED: &str = "formed";
/// Taken by the connector.
pub const DELIVERED: &str = "delivered";
/// Taken without the connector saying so per event.
pub const UNCONFIRMED: &str = "unconfirmed";
/// Never taken by the connector.
pub const PARKED: &str = "parked";
/// Refused at a door; followed by a dot and the code.
pub const REJECTED: &str = "rejected";
/// Set aside; followed by a dot and the reason.
pub const QUARANTINED: &str = "quarantined";
/// Erased on request.
pub const ERASED: &str = "erased";
/// Those of them that were on their way to the connector.
pub const ERASED_FORWARD: &str = "erasedForward";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amounts(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
        pairs.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect()
    }

    #[test]
    fn a_row_shows_every_amount_and_what_is_open() {
        let amounts = amounts(&[
            (ACCEPTED, 10),
            (ACCEPTED_FORWARD, 6),
            (COUNTED, 3),
            (DELIVERED, 2),
            (UNCONFIRMED, 1),
            (PARKED, 1),
            (ERASED_FORWARD, 1),
            (FORMED, 4),
            ("quarantined.late", 2),
            ("quarantined.no_key", 0),
            ("rejected.late", 7),
        ]);
        let row = row("acme", &amounts, 1, |open| {
            assert_eq!(open, Open { forward: 1, ends_here: 1 });
            Balance::Settling
        });
        assert_eq!((row.accepted, row.delivered, row.pending, row.difference), (10, 2, 1, 2));
        assert_eq!(row.quarantined, BTreeMap::from([("late".to_owned(), 2)]));
        assert_eq!(row.rejected, BTreeMap::from([("late".to_owned(), 7)]));
        assert!(!row.balanced);
    }

    #[test]
    fn at_the_door_only_what_ends_here_may_lag() {
        let judge = |forward, ends_here, lag| booked_at_the_door(Open { forward, ends_here }, lag);
        assert_eq!(judge(0, 0, 0), Balance::Balanced);
        assert_eq!(judge(0, 3, 3), Balance::Settling);
        assert_eq!(judge(0, 0, 1), Balance::Settling);
        assert_eq!(judge(0, 4, 3), Balance::Broken);
        assert_eq!(judge(1, -1, 9), Balance::Broken);
    }

    #[test]
    fn when_counted_only_what_is_forwarded_may_lag() {
        let judge = |forward, records, uncounted| {
            let in_flight = InFlight { records, uncounted, moving: false };
            booked_when_counted(Open { forward, ends_here: 0 }, in_flight)
        };
        assert_eq!(judge(0, 0, 0), Balance::Balanced);
        assert_eq!(judge(0, 1, 0), Balance::Settling);
        // Staged and not counted.
        assert_eq!(judge(-3, 2, 1), Balance::Settling);
        assert_eq!(judge(-3, 0, 3), Balance::Settling);
        assert_eq!(judge(-4, 2, 1), Balance::Broken);
        // Removed by TTL and not put back: only the stream can tell of it.
        assert_eq!(judge(2, 2, 0), Balance::Settling);
        assert_eq!(judge(2, 1, 5), Balance::Broken);
    }

    #[test]
    fn amounts_that_move_prove_nothing_but_that_they_move() {
        let moving = InFlight { moving: true, ..InFlight::default() };
        let open = |forward, ends_here| Open { forward, ends_here };
        assert_eq!(booked_when_counted(open(0, 0), moving), Balance::Settling);
        assert_eq!(booked_when_counted(open(-9, 0), moving), Balance::Settling);
        assert_eq!(booked_when_counted(open(0, 1), moving), Balance::Broken);
    }

    proptest! {
        /// Any history of a lawful installation, read at any moment: never broken, and balanced once nothing is in flight.
        #[test]
        fn a_lawful_history_is_never_broken(
            counted in 0_i64..50,
            uncounted_staged in 0_u64..20,
            uncounted_elsewhere in 0_u64..20,
            removed in 0_u64..20,
            ended in 0_i64..50,
        ) {
            let elsewhere = i64::try_from(uncounted_elsewhere).unwrap();
            let removed_now = i64::try_from(removed).unwrap().min(counted);
            let amounts = amounts(&[
                (ACCEPTED, counted + ended),
                (ACCEPTED_FORWARD, counted),
                (COUNTED, ended),
                (DELIVERED, counted - removed_now + elsewhere),
            ]);
            let in_flight = InFlight {
                // The stream tells of all that is not staged any more, and of rows that TTL removed.
                records: uncounted_elsewhere + u64::try_from(removed_now).unwrap(),
                uncounted: uncounted_staged,
                moving: false,
            };
            let state = booked_when_counted(open(&amounts, uncounted_staged), in_flight);
            prop_assert_ne!(state, Balance::Broken);
            if in_flight == InFlight::default() {
                prop_assert_eq!(state, Balance::Balanced);
            }
        }
    }
}
