//! What a batcher remembers between ticks. All of it may be lost: it only makes verdicts bolder and nudges rarer.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use contract::{OrgId, Timestamp};

/// Shared by the organisations of one process, which are worked on side by side: hence the lock, held for a look only.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last time the connector took something, of the two organisations for which it did so last.
    taken: Vec<(OrgId, Timestamp)>,
    /// When an organisation was last worked on urgently.
    urgent: BTreeMap<OrgId, Timestamp>,
    /// Single events of an organisation that were refused since the connector last took something of it.
    refused: BTreeMap<OrgId, u32>,
}

impl Memory {
    /// The connector took something of `org`.
    pub(crate) fn saw_taken(&self, org: &OrgId, at: Timestamp) {
        let mut state = self.state();
        state.refused.remove(org);
        let taken = &mut state.taken;
        taken.retain(|(known, _)| known != org);
        taken.insert(0, (org.clone(), at));
        taken.truncate(WITNESSES);
    }

    /// The connector refused a single event of `org`; answers how many there were in a row.
    pub(crate) fn saw_refused(&self, org: &OrgId) -> u32 {
        let mut state = self.state();
        let refused = state.refused.entry(org.clone()).or_default();
        *refused = refused.saturating_add(1);
        *refused
    }

    /// Whether the connector took something of another organisation since `since`.
    pub(crate) fn others_pass(&self, org: &OrgId, since: Timestamp) -> bool {
        self.state().taken.iter().any(|(other, at)| other != org && *at >= since)
    }

    /// Until when an urgent delivery has to wait; nothing when it may begin, which is then remembered.
    pub(crate) fn defers(
        &self,
        org: &OrgId,
        now: Timestamp,
        interval_ms: i64,
    ) -> Option<Timestamp> {
        let urgent = &mut self.state().urgent;
        urgent.retain(|_, at| now.since_ms(*at) < interval_ms);
        if let Some(last) = urgent.get(org) {
            return Some(last.plus_ms(interval_ms));
        }
        urgent.insert(org.clone(), now);
        None
    }

    /// A panic elsewhere leaves a state that is as good as an older one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two: one of them is another organisation than any given one.
const WITNESSES: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn org(name: &str) -> OrgId {
        OrgId::parse(name).unwrap()
    }

    #[test]
    fn only_another_organisation_is_a_witness_and_only_for_a_while() {
        let memory = Memory::default();
        let at = Timestamp::from_ms;
        memory.saw_taken(&org("a"), at(10));
        assert!(!memory.others_pass(&org("a"), at(0)), "nobody is a witness in its own cause");
        assert!(memory.others_pass(&org("b"), at(10)));
        assert!(!memory.others_pass(&org("b"), at(11)));
        memory.saw_taken(&org("b"), at(20));
        memory.saw_taken(&org("b"), at(30));
        assert!(memory.others_pass(&org("b"), at(10)), "the other one is not forgotten");
    }

    #[test]
    fn urgent_deliveries_keep_their_distance_per_organisation() {
        let memory = Memory::default();
        let at = Timestamp::from_ms;
        assert_eq!(memory.defers(&org("a"), at(0), 30), None);
        assert_eq!(memory.defers(&org("a"), at(29), 30), Some(at(30)));
        assert_eq!(memory.defers(&org("b"), at(29), 30), None);
        assert_eq!(memory.defers(&org("a"), at(30), 30), None);
    }
}
