//! What happens in the demo, decided beforehand from a seed: who does what when, and what goes wrong with it.

use std::collections::BTreeSet;

use contract::{EventId, OrgId, Timestamp, event::Consent};
use serde_json::Value;

use super::{
    emitting::Occasion,
    events,
    personas::{self, Person},
};

/// Everything that will be sent.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Occasions, mishaps included.
    pub(crate) events: u64,
    /// People.
    pub(crate) people: usize,
    /// The organisations.
    pub(crate) orgs: Vec<OrgPlan>,
    /// Every identifier that must not be found afterwards.
    pub(crate) planted: BTreeSet<String>,
}

/// What one organisation sends.
#[derive(Debug)]
pub(crate) struct OrgPlan {
    /// The organisation.
    pub(crate) org: OrgId,
    /// Through the HTTP door, in this order.
    pub(crate) posted: Vec<Value>,
    /// Through the emitter, in this order.
    pub(crate) emitted: Vec<Occasion>,
}

impl Plan {
    /// Plans `events` occasions that end at `now`.
    pub(crate) fn new(seed: u64, events: u64, now: Timestamp) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut planted = BTreeSet::new();
        let mut orgs: Vec<OrgPlan> = ORGS
            .iter()
            .filter_map(|name| OrgId::parse(*name).ok())
            .map(|org| OrgPlan { org, posted: Vec::new(), emitted: Vec::new() })
            .collect();
        let count = orgs.len();
        for n in 0..events {
            // Organisations differ in size: the first makes half of all.
            let at = if rng.bool() { 0 } else { rng.usize(..count) };
            let person = personas::person(at, rng.usize(..PEOPLE), rng.usize(..SESSIONS));
            planted.extend([person.address.clone(), person.phone.clone(), person.session.clone()]);
            let moment = events::moment(&mut rng, now, n, events);
            let Some(plan) = orgs.get_mut(at) else { continue };
            if n % 2 == 0 {
                plan.post(&mut rng, &person, moment, now);
            } else {
                plan.emit(&mut rng, &person, moment);
            }
        }
        planted.extend(personas::FAMILY_NAMES.iter().map(|name| (*name).to_owned()));
        Self { events, people: PEOPLE * count, orgs, planted }
    }
}

impl OrgPlan {
    fn post(&mut self, rng: &mut fastrand::Rng, person: &Person, at: Timestamp, now: Timestamp) {
        let kind = person.next_type(rng);
        let event = events::event(rng, self.org.as_str(), person, kind, at);
        match rng.u32(..1_000) {
            0..12 => self.posted.push(events::malformed(rng, event)),
            12..16 => self.posted.push(events::unknown_type(event)),
            16..20 => self.posted.push(events::late(event, now)),
            20..24 => self.posted.push(events::ahead(event, now)),
            24..28 => {
                self.posted.push(event.clone());
                self.posted.push(events::collision(event));
            }
            28..36 => self.posted.push(events::without_consent(event, "analytics")),
            36..44 => self.posted.push(events::without_consent(event, "forward")),
            44..84 => {
                // Sent again, as a client does that did not get its answer.
                self.posted.push(event.clone());
                self.posted.push(event);
            }
            _ => self.posted.push(event),
        }
        // Out of order: now and then an event overtakes some of its elders.
        if rng.u32(..10) == 0 && self.posted.len() > 60 {
            let last = self.posted.len() - 1;
            self.posted.swap(last, last - rng.usize(1..50));
        }
    }

    fn emit(&mut self, rng: &mut fastrand::Rng, person: &Person, at: Timestamp) {
        let Ok(id) = EventId::parse(format!("host-{:016x}{:08x}", rng.u64(..), rng.u32(..))) else {
            return;
        };
        let consent = match rng.u32(..100) {
            0 => Some(Consent { analytics: false, forward: true }),
            1 => Some(Consent { analytics: true, forward: false }),
            _ => None,
        };
        let occasion = Occasion {
            id,
            kind: person.next_type(rng),
            at,
            person: person.clone(),
            consent,
            variety: rng.usize(..10_000),
        };
        if rng.u32(..25) == 0 {
            self.emitted.push(occasion.clone());
        }
        self.emitted.push(occasion);
    }
}

const ORGS: &[&str] = &["nordwind", "casa-verde", "atelier-7", "hafenamt"];
const PEOPLE: usize = 120;
const SESSIONS: usize = 6;
