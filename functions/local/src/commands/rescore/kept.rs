//! What is kept of sessions before and after, in as little as a comparison needs.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Timestamp, session::SessionId};
use friction::{
    change::{SessionState, StoredSession},
    owner::Owner,
};
use ports::{PortResult, sessions::Sessions};
use serde::Serialize;

use crate::commands::sessions::mean_score;

/// What is kept of owners' sessions.
#[derive(Debug, Default)]
pub(super) struct Kept {
    closed: BTreeMap<Owner, BTreeMap<SessionId, Told>>,
    /// Those that go on.
    open: BTreeSet<SessionId>,
}

/// What a comparison needs of a session.
#[derive(Debug, PartialEq)]
struct Told {
    revision: u32,
    rules_version: u32,
    numbers: Numbers,
}

#[derive(Debug, PartialEq)]
struct Numbers {
    frustration: f64,
    efficiency: Option<f64>,
    incidents: Vec<String>,
}

/// What is different.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    pub(super) sessions: Both<usize>,
    /// Sessions of which anything is different, the version of the rules included.
    pub(super) revised: usize,
    /// Sessions of which a score or an incident is different.
    pub(super) changed: usize,
    pub(super) incidents: Both<usize>,
    /// Means over sessions; nothing where there are none.
    pub(super) frustration: Both<Option<f64>>,
}

/// A number before and after.
#[derive(Debug, Serialize)]
pub(super) struct Both<T> {
    pub(super) before: T,
    pub(super) after: T,
}

impl Kept {
    /// What is kept of each owner's sessions from the given time on.
    pub(super) async fn of<W: Sessions>(
        world: &W,
        owners: &BTreeMap<Owner, Timestamp>,
    ) -> PortResult<Self> {
        let mut kept = Self::default();
        for (owner, from) in owners {
            let stored = world.stored(owner, *from).await?.sessions;
            let mut closed = BTreeMap::new();
            for held in stored.into_iter().filter(|held| held.session.started_at >= *from) {
                match held.state {
                    SessionState::Open => _ = kept.open.insert(held.session.session_id),
                    SessionState::Closed => closed.extend([told(held)]),
                    SessionState::Superseded => {}
                }
            }
            kept.closed.insert(owner.clone(), closed);
        }
        Ok(kept)
    }

    /// Whoever has sessions that were derived under rules of another version, and how many.
    pub(super) fn not_under(&self, version: u32) -> BTreeMap<Owner, usize> {
        let others = |sessions: &BTreeMap<SessionId, Told>| {
            sessions.values().filter(|told| told.rules_version != version).count()
        };
        let counted = self.closed.iter().map(|(owner, sessions)| (owner.clone(), others(sessions)));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    fn sessions(&self) -> BTreeMap<&SessionId, &Told> {
        self.closed.values().flatten().collect()
    }
}

impl Change {
    /// What is different; that time passed and a session ended is no difference.
    pub(super) fn between(before: &Kept, after: &Kept) -> Self {
        let (open, before, mut after) = (&before.open, before.sessions(), after.sessions());
        after.retain(|id, _| !open.contains(*id));
        let ids: BTreeSet<&&SessionId> = before.keys().chain(after.keys()).collect();
        let differ = |what: &dyn Fn(&Told, &Told) -> bool| {
            let differs = |id: &&&&SessionId| match (before.get(**id), after.get(**id)) {
                (Some(before), Some(after)) => what(before, after),
                (Some(_) | None, _) => true,
            };
            ids.iter().filter(differs).count()
        };
        Self {
            sessions: Both { before: before.len(), after: after.len() },
            revised: differ(&|before, after| before != after),
            changed: differ(&|before, after| before.numbers != after.numbers),
            incidents: Both { before: incidents(&before), after: incidents(&after) },
            frustration: Both { before: mean(&before), after: mean(&after) },
        }
    }
}

fn told(held: StoredSession) -> (SessionId, Told) {
    let StoredSession { session, revision, .. } = held;
    let numbers = Numbers {
        frustration: session.frustration.score,
        efficiency: session.efficiency.score,
        incidents: session.incidents,
    };
    (session.session_id, Told { revision, rules_version: session.rules_version, numbers })
}

fn incidents(sessions: &BTreeMap<&SessionId, &Told>) -> usize {
    sessions.values().map(|told| told.numbers.incidents.len()).sum()
}

fn mean(sessions: &BTreeMap<&SessionId, &Told>) -> Option<f64> {
    mean_score(sessions.values().map(|told| told.numbers.frustration).sum(), sessions.len())
}

#[cfg(test)]
mod tests {
    use contract::{OrgId, ProductId};

    use super::*;

    fn kept(sessions: &[(u8, u32, f64, &[&str])]) -> Kept {
        let owner = Owner {
            org: OrgId::parse("acme").unwrap(),
            product: ProductId::default(),
            token: "t".to_owned(),
        };
        let one = |(id, version, score, incidents): &(u8, u32, f64, &[&str])| {
            let numbers = Numbers {
                frustration: *score,
                efficiency: None,
                incidents: incidents.iter().map(|id| (*id).to_owned()).collect(),
            };
            let told = Told { revision: *version, rules_version: *version, numbers };
            (SessionId::of([*id; 16]), told)
        };
        let closed = BTreeMap::from([(owner, sessions.iter().map(one).collect())]);
        Kept { closed, open: BTreeSet::new() }
    }

    #[test]
    fn a_session_is_revised_by_anything_and_changed_by_its_numbers() {
        let before = kept(&[(1, 1, 0.5, &["a"]), (2, 1, 0.25, &[]), (3, 1, 0.0, &[])]);
        let after = kept(&[(1, 2, 0.5, &["a"]), (2, 2, 0.75, &["b", "c"]), (4, 2, 0.0, &[])]);
        let change = Change::between(&before, &after);
        assert_eq!((change.revised, change.changed), (4, 3), "3 went and 4 came");
        assert_eq!((change.incidents.before, change.incidents.after), (1, 3));
        assert_eq!(change.frustration.before, Some(0.25));
        let nothing = Change::between(&before, &before);
        assert_eq!((nothing.revised, nothing.changed), (0, 0));
        assert_eq!(Change::between(&kept(&[]), &kept(&[])).frustration.after, None);
        let ended = Kept { open: BTreeSet::from([SessionId::of([4; 16])]), ..before };
        assert_eq!(Change::between(&ended, &after).sessions.after, 2);
    }

    #[test]
    fn whoever_is_not_under_the_rules_of_today_is_named() {
        let two = kept(&[(1, 2, 0.0, &[]), (2, 1, 0.0, &[])]);
        let counts = |version| two.not_under(version).into_values().collect::<Vec<_>>();
        assert_eq!((counts(2), counts(3)), (vec![1], vec![2]));
        assert!(kept(&[(1, 2, 0.0, &[])]).not_under(2).is_empty());
    }
}
