//! What the events of one request are to each other, and what each of them is answered.

use std::collections::HashMap;

use contract::{
    Code, EventId, OrgId,
    collision::CollidedRecord,
    ingest::{EventAnswer, EventStatus},
    staged::SealedRecord,
};

use super::{Course, Outcome, Ready, Rejected};

/// The verdict on one event of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The organisation it named, if it is one of the caller's.
    pub org: Option<OrgId>,
    /// What it is answered, unless the store knows more.
    pub answer: EventAnswer,
    /// What is stored of it.
    pub kept: Kept,
}

/// What is stored of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// Nothing: it was rejected, or stands in the request already.
    Nothing,
    /// The event.
    Event(Box<Ready>),
    /// Its sealed bytes.
    Sealed(Box<SealedRecord>),
}

/// One verdict per outcome, in order. Of events with one id the first wins; others are duplicates when they say the
/// same, else `id_collision`: the client is told, and the body travels on behind the first, so that it is quarantined.
#[must_use]
pub fn plan(outcomes: Vec<Outcome>) -> Vec<Verdict> {
    let mut seen: HashMap<(OrgId, EventId), String> = HashMap::with_capacity(outcomes.len());
    outcomes
        .into_iter()
        .enumerate()
        .map(|(index, outcome)| {
            let mut verdict = verdict(index, outcome);
            let Some((key, ck)) = identity(&verdict.kept) else { return verdict };
            match seen.get(&key) {
                None => _ = seen.insert(key, ck),
                Some(first) => verdict.repeat(*first == ck),
            }
            verdict
        })
        .collect()
}

impl Verdict {
    fn repeat(&mut self, says_the_same: bool) {
        (self.answer.status, self.answer.code, self.answer.path) = if says_the_same {
            self.kept = Kept::Nothing;
            (EventStatus::Duplicate, None, None)
        } else {
            (EventStatus::Rejected, Some(Code::IdCollision), Some("/eventId".to_owned()))
        };
    }
}

/// The stream record of an event whose id belongs to another body, of the record that the event would have been.
#[must_use]
pub fn collided(org: &OrgId, id: &EventId, record: &[u8]) -> Vec<u8> {
    let encoded = serde_json::from_slice(record).and_then(|collided| {
        serde_json::to_vec(&CollidedRecord { org_id: org.clone(), event_id: id.clone(), collided })
    });
    // What nobody can read is quarantined as it is.
    encoded.unwrap_or_else(|_| record.to_vec())
}

fn verdict(index: usize, outcome: Outcome) -> Verdict {
    let answer = |id: Option<&EventId>, status, code| EventAnswer {
        index,
        event_id: id.map(ToString::to_string),
        status,
        code,
        path: None,
    };
    match outcome {
        Outcome::Ready(ready) => {
            let (status, code) = match ready.course {
                Course::Admitted(_) => (EventStatus::Accepted, None),
                Course::Late => (EventStatus::Quarantined, Some(Code::Late)),
            };
            Verdict {
                org: Some(ready.event.org_id.clone()),
                answer: answer(Some(&ready.event.event_id), status, code),
                kept: Kept::Event(ready),
            }
        }
        Outcome::Sealed(record) => Verdict {
            org: Some(record.org_id.clone()),
            answer: answer(Some(&record.event_id), EventStatus::Quarantined, Some(record.reason)),
            kept: Kept::Sealed(record),
        },
        Outcome::Rejected(Rejected { org, event_id, fault }) => Verdict {
            org,
            answer: EventAnswer {
                path: fault.path,
                ..answer(event_id.as_ref(), EventStatus::Rejected, Some(fault.code))
            },
            kept: Kept::Nothing,
        },
    }
}

fn identity(kept: &Kept) -> Option<((OrgId, EventId), String)> {
    match kept {
        Kept::Nothing => None,
        Kept::Event(ready) => {
            let event = &ready.event;
            let ck = event.ck.clone().unwrap_or_default();
            Some(((event.org_id.clone(), event.event_id.clone()), ck))
        }
        Kept::Sealed(record) => {
            Some(((record.org_id.clone(), record.event_id.clone()), record.ck.clone()))
        }
    }
}
