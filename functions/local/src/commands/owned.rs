//! Archived events as the sessionizer took them: by owner, without those that came too late for a session.

use std::collections::BTreeMap;

use contract::{Event, Timestamp};
use friction::{owner::Owner, policy::SessionPolicy};

use crate::archived::Archived;

/// Events of owners, and what is none.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// In no particular order.
    pub(super) owners: BTreeMap<Owner, Vec<Event>>,
    /// Events that came too late for a session.
    pub(super) late: usize,
    /// Events that name neither a session nor an actor, or may not be analysed.
    pub(super) ownerless: usize,
}

impl Owned {
    /// Sorts out what was archived. How late an event came is judged by when it arrived.
    pub(super) fn of(archived: Archived, policy: &SessionPolicy) -> Self {
        let mut owned = Self::default();
        for mut event in archived.events.into_values() {
            let arrived_at = event.record.take().map(|record| record.arrived_at);
            if is_late(&event, arrived_at, policy) {
                owned.late += 1;
            } else if let Some(owner) = Owner::of(&event) {
                owned.owners.entry(owner).or_default().push(event);
            } else {
                owned.ownerless += 1;
            }
        }
        owned
    }
}

/// Of an event that does not say when it arrived nobody can say that it was late.
fn is_late(event: &Event, arrived_at: Option<Timestamp>, policy: &SessionPolicy) -> bool {
    arrived_at.is_some_and(|arrived_at| policy.is_late(event.occurred_at, arrived_at))
}
