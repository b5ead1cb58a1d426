//! The promises, checked after a run against what the clients were told and what the connector saw.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use contract::{
    Code, Event, EventId, OrgId, Timestamp,
    ledger::{Balance, LedgerReport},
};
use domain::{
    archive::{PREFIX, parse_lines},
    counters::{Cell, Count, deltas},
    pseudonym::connector_event_id,
};
use embedded::Store;
use flate2::read::MultiGzDecoder;
use ports::{
    accounts::Accounts,
    archive::{Archive, Quarantine},
    delivery::Parking,
    ledger::EventKey,
    stream::StreamSource,
};

use crate::{
    clients::{Kind, ORGS, Truth, org},
    connector::{Complaint, Hostile},
};

/// A promise that was broken, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Accepted, but neither archived nor set aside; or to be forwarded, but neither delivered nor parked.
    Lost(Vec<String>),
    /// Archived or delivered, but never accepted.
    Invented(Vec<String>),
    /// Counters that differ from what the distinct admissible events add.
    Miscounted(Vec<String>),
    /// In two batches, out of order, or changed on the way.
    Delivered(Vec<Complaint>),
    /// The ledger does not say what happened.
    Unbalanced(String),
    /// What should be in quarantine, or should not.
    SetAside(String),
    /// It never came to rest.
    Restless(String),
}

impl Broken {
    /// Which promise it is, whatever broke it.
    pub(crate) fn promise(&self) -> std::mem::Discriminant<Self> {
        std::mem::discriminant(self)
    }
}

/// What a run left behind.
pub(crate) struct Remains<'a> {
    pub(crate) store: &'a Store,
    pub(crate) truth: &'a Truth,
    pub(crate) connector: &'a Hostile,
    pub(crate) counters: BTreeMap<Cell, Count>,
    pub(crate) now: Timestamp,
    /// Records that are no event.
    pub(crate) garbage: usize,
}

impl Remains<'_> {
    /// Every promise that was broken.
    pub(crate) async fn judge(&self) -> Vec<Broken> {
        let (archived, contradictory) = self.archived().await;
        let mut broken = Vec::new();
        broken.extend((!contradictory.is_empty()).then_some(Broken::Invented(contradictory)));
        broken.extend(self.nothing_is_lost(&archived).await);
        broken.extend(self.nothing_is_invented(&archived));
        broken.extend(self.everything_counts_once(&archived));
        let complaints = self.connector.seen(|seen| seen.complaints.clone());
        broken.extend((!complaints.is_empty()).then_some(Broken::Delivered(complaints)));
        broken.extend(self.the_ledger_balances().await);
        broken.extend(self.the_right_things_are_set_aside().await);
        let contradictions = &self.truth.contradictions;
        broken.extend((!contradictions.is_empty()).then(|| Broken::Lost(contradictions.clone())));
        broken
    }

    fn keys(&self, is: impl Fn(Kind) -> bool) -> BTreeSet<&EventKey> {
        self.truth.accepted.iter().filter(|(_, draft)| is(draft.kind)).map(|(key, _)| key).collect()
    }

    /// The archive's events by id, and ids under which it has two bodies: copies of one event are equal but for the
    /// record that carried them.
    async fn archived(&self) -> (BTreeMap<EventKey, Event>, Vec<String>) {
        let (mut events, mut contradictory) = (BTreeMap::new(), Vec::new());
        for key in self.store.list(PREFIX).await.unwrap() {
            let object = Archive::read(self.store, &key).await.unwrap().unwrap();
            let mut lines = Vec::new();
            MultiGzDecoder::new(object.as_slice()).read_to_end(&mut lines).unwrap();
            for event in parse_lines(&lines) {
                let event = Event { record: None, ..event.unwrap() };
                let key = EventKey { org: event.org_id.clone(), id: event.event_id.clone() };
                if *events.entry(key).or_insert_with(|| event.clone()) != event {
                    contradictory.push(format!("two bodies of {} are archived", event.event_id));
                }
            }
        }
        (events, contradictory)
    }

    async fn nothing_is_lost(&self, archived: &BTreeMap<EventKey, Event>) -> Option<Broken> {
        let mut lost = Vec::new();
        for key in self.keys(kept) {
            let same = archived.get(key).is_some_and(|event| {
                let screen = self.truth.accepted[key].json["screen"].as_str();
                event.screen.as_deref() == screen
            });
            if !same {
                lost.push(format!("{}/{} is not archived", key.org, key.id));
            }
        }
        let parked = self.parked().await;
        for key in self.keys(|kind| kind == Kind::Forward) {
            match (self.is_taken(key), parked.contains(key)) {
                (true, false) | (false, true) => {}
                (false, false) => lost.push(format!("{}/{} went nowhere", key.org, key.id)),
                (true, true) => lost.push(format!("{}/{} is taken and parked", key.org, key.id)),
            }
        }
        (!lost.is_empty()).then_some(Broken::Lost(lost))
    }

    fn nothing_is_invented(&self, archived: &BTreeMap<EventKey, Event>) -> Option<Broken> {
        let known = self.keys(kept);
        let mut invented: Vec<_> = archived
            .keys()
            .filter(|key| !known.contains(key))
            .map(|key| key.id.to_string())
            .collect();
        let forward: BTreeSet<_> = self
            .keys(|kind| kind == Kind::Forward)
            .into_iter()
            .map(|key| (key.org.to_string(), connector_event_id(&key.org, &key.id)))
            .collect();
        self.connector.seen(|seen| {
            let foreign = seen.taken.keys().filter(|taken| !forward.contains(taken));
            invented.extend(foreign.map(|(org, id)| format!("{org}/{id} was delivered")));
        });
        (!invented.is_empty()).then_some(Broken::Invented(invented))
    }

    /// The counters, recomputed from the distinct events of the archive that were accepted.
    fn everything_counts_once(&self, archived: &BTreeMap<EventKey, Event>) -> Option<Broken> {
        let distinct = archived.iter().filter(|(key, _)| self.truth.accepted.contains_key(key));
        let expected = deltas(distinct.map(|(_, event)| event), &BTreeMap::new()).counts;
        let cells: BTreeSet<_> = expected.keys().chain(self.counters.keys()).collect();
        let wrong: Vec<_> = cells
            .into_iter()
            .filter(|cell| expected.get(cell) != self.counters.get(cell))
            .map(|cell| {
                let (org, what) = (&cell.org, cell.dimension.to_text());
                let (is, should) = (self.counters.get(cell), expected.get(cell));
                format!("{org} {what}: {is:?} instead of {should:?}")
            })
            .collect();
        (!wrong.is_empty()).then_some(Broken::Miscounted(wrong))
    }

    async fn the_ledger_balances(&self) -> Option<Broken> {
        let report = self.store.ledger(None, self.now).await.unwrap();
        let parked = self.parked().await;
        if report.stream_lag != 0 || !report.balanced {
            return Some(Broken::Unbalanced(format!("{report:?}")));
        }
        for row in &report.orgs {
            let of = |is: &dyn Fn(Kind) -> bool| {
                let keys = self.keys(is);
                keys.into_iter().filter(|key| key.org.as_str() == row.org).count()
            };
            let own = |key: &&EventKey| key.org.as_str() == row.org;
            let taken = self.keys(|kind| kind == Kind::Forward);
            let taken = taken.into_iter().filter(own).filter(|key| self.is_taken(key)).count();
            let is: Vec<usize> = [
                row.accepted,
                row.accepted_forward,
                row.suppressed,
                row.delivered,
                row.parked,
                row.pending,
            ]
            .map(|booked| usize::try_from(booked).unwrap())
            .to_vec();
            let should = vec![
                of(&|_| true),
                of(&|kind| kind == Kind::Forward),
                of(&|kind| matches!(kind, Kind::Private | Kind::Suppressed)),
                taken,
                parked.iter().filter(own).count(),
                0,
            ];
            if is != should {
                return Some(Broken::Unbalanced(format!(
                    "{}: {is:?} instead of {should:?}",
                    row.org
                )));
            }
        }
        None
    }

    async fn the_right_things_are_set_aside(&self) -> Option<Broken> {
        let mut unknown = BTreeSet::new();
        for name in ORGS {
            let org = org(name);
            for (id, reason) in self.held(Some(&org)).await {
                let key = EventKey { org: org.clone(), id: id.unwrap() };
                let draft = self.truth.accepted.get(&key);
                let collides =
                    reason == Code::IdCollision && draft.is_some_and(|draft| draft.disputed);
                if reason == Code::UnknownEventType {
                    unknown.insert(key);
                } else if !collides {
                    return Some(Broken::SetAside(format!("{} for {reason}", key.id)));
                }
            }
        }
        let missing = self.keys(|kind| kind == Kind::Unknown);
        let missing: Vec<_> = missing.into_iter().filter(|key| !unknown.contains(key)).collect();
        if !missing.is_empty() {
            return Some(Broken::SetAside(format!("{missing:?} are not set aside")));
        }
        let (held, garbage) = (self.held(None).await.len(), self.garbage);
        (held != garbage).then(|| Broken::SetAside(format!("{held} of {garbage} bad records")))
    }

    /// What is in quarantine of an organisation, or of nobody.
    async fn held(&self, org: Option<&OrgId>) -> Vec<(Option<EventId>, Code)> {
        let held = self.store.held(org, Timestamp::from_ms(0), self.now.plus_ms(1)).await.unwrap();
        held.into_iter().map(|record| (record.event_id, record.reason)).collect()
    }

    async fn parked(&self) -> BTreeSet<EventKey> {
        let mut parked = BTreeSet::new();
        for name in ORGS {
            let org = org(name);
            let events =
                self.store.parked(&org, Timestamp::from_ms(0), self.now.plus_ms(1)).await.unwrap();
            parked.extend(
                events.into_iter().map(|event| EventKey { org: org.clone(), id: event.event_id }),
            );
        }
        parked
    }

    fn is_taken(&self, key: &EventKey) -> bool {
        let place = (key.org.to_string(), connector_event_id(&key.org, &key.id));
        self.connector.seen(|seen| seen.taken.contains_key(&place))
    }
}

/// While things are on their way the ledger may be settling, but never broken.
pub(crate) fn is_broken(report: &LedgerReport) -> Option<Broken> {
    let row = report.orgs.iter().find(|row| row.state == Balance::Broken)?;
    Some(Broken::Unbalanced(format!("in mid-flight, at lag {}: {row:?}", report.stream_lag)))
}

fn kept(kind: Kind) -> bool {
    match kind {
        Kind::Forward | Kind::Private | Kind::Click => true,
        Kind::Suppressed | Kind::Unknown => false,
    }
}

/// How many records of the stream are no events.
pub(crate) async fn garbage(store: &Store, is: impl Fn(&[u8]) -> bool) -> usize {
    let mut count = 0;
    for shard in store.shards().await.unwrap() {
        let records = store.read_shard(&shard).await;
        count += records.iter().filter(|data| is(data)).count();
    }
    count
}

/// All of a shard.
pub(crate) trait ReadShard {
    async fn read_shard(&self, shard: &str) -> Vec<Vec<u8>>;
}

impl ReadShard for Store {
    async fn read_shard(&self, shard: &str) -> Vec<Vec<u8>> {
        let records = StreamSource::read(self, shard, None, 100_000).await.unwrap();
        records.into_iter().map(|record| record.data).collect()
    }
}
