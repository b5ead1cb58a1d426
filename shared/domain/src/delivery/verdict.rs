//! The verdict: one table from the connector's answer to what becomes of the batch.

use std::collections::BTreeSet;

use contract::{Code, EventId, OrgId, Timestamp};

use super::{
    Confirmation, DeliveryAnswer, DeliveryFailure, DeliveryPolicy, ParkedEvent, Settlement,
    answer::{Reading, cleaned},
    retry_after_ms,
};
use crate::{
    batching::{self, NewBatch, Subset, UnreadableBatch, remainders},
    breaker::Breaker,
    profile::Profile,
};

/// One attempt at a batch, as far as the verdict depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The organisation.
    pub org: &'a OrgId,
    /// The batch that was sent.
    pub batch: &'a NewBatch,
    /// Attempts before this one.
    pub attempts: u32,
    /// When the connector first failed on it.
    pub failing_since: Option<Timestamp>,
    /// How the connector treats everything else meanwhile.
    pub others: Others,
    /// When the answer came.
    pub now: Timestamp,
    /// Draws the pause.
    pub jitter: u64,
}

/// How the connector treats everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// It is alive: it answered a probe of this organisation's, or takes other organisations' batches.
    Pass,
    /// Not known.
    Unknown,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// For the batch.
    pub settlement: Settlement,
    /// For the organisation's breaker.
    pub health: Health,
    /// For the batches behind it.
    pub pace: Pace,
}

/// How the connector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It took a decision: whatever was wrong is over.
    Answered,
    /// It failed.
    Failed,
    /// It refuses the organisation or is not where it should be: somebody has to act.
    Refused,
}

impl Health {
    /// The breaker after this.
    #[must_use]
    pub fn applied(self, breaker: &Breaker, now: Timestamp, policy: &DeliveryPolicy) -> Breaker {
        match self {
            Self::Answered => Breaker::succeeded(),
            Self::Failed => breaker.failed(now, &policy.breaker),
            Self::Refused => breaker.refused(now, &policy.breaker),
        }
    }
}

/// Whether to go on with the organisation's next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    Continue,
    /// Not in this tick: the head of the line waits, and everything behind it.
    Stop,
}

/// What `answer` means for the batch that was sent.
///
/// | answer | meaning |
/// | --- | --- |
/// | 2xx | per-event results are honoured: rejected events park, retryable ones and those that a partial count leaves open become a remainder, the rest is delivered; without results all is delivered |
/// | 208, 409 | the same, but delivered without confirmation, since they speak of an earlier attempt |
/// | 408, 425, 429, 5xx, no answer, and every other 3xx and 4xx | again after `Retry-After`, else after a drawn pause; the breaker counts |
/// | 400, 413, 422 | split; a single event parks `connector_rejected` |
/// | 401, 403, 404, 410, an address that is not allowed | the breaker opens, the attempt does not count |
///
/// After `suspect_attempts` failures on the batch itself (5xx, or connected without an answer) over `suspect_after`,
/// while others pass, the batch is split as for 422; a single event parks `connector_error`.
#[must_use]
pub fn verdict(
    answer: &DeliveryAnswer,
    attempt: &Attempt<'_>,
    profile: &Profile,
    policy: &DeliveryPolicy,
) -> Verdict {
    let trial = Trial { attempt, profile, policy };
    match answer {
        DeliveryAnswer::Failed(DeliveryFailure::Refused) => {
            trial.refused(DeliveryFailure::Refused.as_str().to_owned())
        }
        DeliveryAnswer::Failed(failure) => {
            let blame = match failure {
                DeliveryFailure::Timeout | DeliveryFailure::Broken => Blame::PerhapsTheBatch,
                DeliveryFailure::Connect | DeliveryFailure::Tls | DeliveryFailure::Refused => {
                    Blame::TheConnector
                }
            };
            trial.failed(failure.as_str().to_owned(), None, blame)
        }
        DeliveryAnswer::Http { status, retry_after, body } => {
            trial.answered(*status, retry_after.as_deref(), body)
        }
    }
}

/// Whom a failure may be due to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    TheConnector,
    PerhapsTheBatch,
}

struct Trial<'a> {
    attempt: &'a Attempt<'a>,
    profile: &'a Profile,
    policy: &'a DeliveryPolicy,
}

impl Attempt<'_> {
    /// Whether knowing how the connector treats others would change the verdict on a failure.
    #[must_use]
    pub fn wants_witness(&self, policy: &DeliveryPolicy) -> bool {
        self.others == Others::Unknown
            && (policy.suspects(self.attempts, self.failing_since, self.now)
                || policy.suspects_unmoved(remainders(&self.batch.seq)))
    }
}

impl Trial<'_> {
    fn answered(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Verdict {
        let error = || format!("http {status}");
        let read = || self.profile.dialect.read(body, self.attempt.batch);
        match status {
            208 | 409 => self.taken(Reading { accepted: None, ..read() }, false),
            200..=299 => {
                let mut reading = read();
                if reading.failed && reading.rejected.is_empty() && reading.retryable.is_empty() {
                    let error = format!("{}, called a failure", error());
                    return self.failed(error, retry_after, Blame::PerhapsTheBatch);
                }
                if reading.failed {
                    // What a failure does not name was not taken.
                    reading.accepted = reading.accepted.or(Some(reading.named.len()));
                }
                let plain = self.profile.dialect.plain_success == Confirmation::Confirmed;
                let says = reading.accepted.is_some() || !reading.rejected.is_empty();
                let confirmed = says || (plain && !reading.is_noise);
                self.taken(reading, confirmed)
            }
            400 | 413 | 422 => {
                self.smaller(Code::ConnectorRejected, &self.refusal(status, &read()))
            }
            401 | 403 | 404 | 410 => self.refused(error()),
            500..=599 => self.failed(error(), retry_after, Blame::PerhapsTheBatch),
            _ => self.failed(error(), retry_after, Blame::TheConnector),
        }
    }

    /// The connector took the batch, or part of it.
    fn taken(&self, reading: Reading, confirmed: bool) -> Verdict {
        let ids = || self.attempt.batch.events.iter().map(|event| &event.event_id);
        let is_open =
            |id: &&EventId| !reading.rejected.contains_key(*id) && !reading.retryable.contains(*id);
        let open: BTreeSet<EventId> = ids().filter(is_open).cloned().collect();
        let is_complete = reading.accepted.is_none_or(|accepted| accepted >= open.len());
        let delivered = if is_complete { open.clone() } else { reading.named.clone() };
        if delivered.len() == self.attempt.batch.events.len() {
            let enrichment = reading.enrichment;
            return Verdict {
                settlement: Settlement::Delivered { confirmed, enrichment },
                health: Health::Answered,
                pace: Pace::Continue,
            };
        }
        if delivered.is_empty() && reading.rejected.is_empty() {
            return self.unmoved(&reading);
        }
        self.partly(reading, &delivered)
    }

    fn partly(&self, reading: Reading, delivered: &BTreeSet<EventId>) -> Verdict {
        let settle = || -> Result<Settlement, UnreadableBatch> {
            let rejected: BTreeSet<EventId> = reading.rejected.keys().cloned().collect();
            let done: BTreeSet<EventId> = delivered.union(&rejected).cloned().collect();
            let detail = |id: &EventId| reading.rejected.get(id).cloned().unwrap_or_default();
            let (batch, org) = (self.attempt.batch, self.attempt.org);
            Ok(Settlement::Partial {
                delivered: in_order(batch, delivered),
                parked: self.parked(Subset::Only(&rejected), Code::ConnectorRejected, detail)?,
                remainder: batching::remainder(batch, Subset::Without(&done), org, self.profile)?,
                enrichment: reading
                    .enrichment
                    .iter()
                    .filter(|(id, _)| delivered.contains(id))
                    .cloned()
                    .collect(),
            })
        };
        let pace = if reading.retryable.is_empty() { Pace::Continue } else { Pace::Stop };
        self.settled(settle(), Health::Answered, pace)
    }

    /// The connector answered, and nothing of the batch is done. Some events may be at fault: a count that names none
    /// is narrowed down by splitting. Otherwise everything is sent again under a new idempotency key, since the old one
    /// might only repeat the answer; the breaker sets the pace, and after many rounds the batch is suspected.
    fn unmoved(&self, reading: &Reading) -> Verdict {
        let batch = self.attempt.batch;
        let is_suspect = self.policy.suspects_unmoved(remainders(&batch.seq))
            && self.attempt.others == Others::Pass;
        if is_suspect || reading.accepted.is_some_and(|accepted| accepted > 0) {
            return self.smaller(Code::ConnectorError, "accepted none of it");
        }
        let nothing = BTreeSet::new();
        let again =
            batching::remainder(batch, Subset::Without(&nothing), self.attempt.org, self.profile)
                .map(|remainder| Settlement::Partial {
                    delivered: Vec::new(),
                    parked: Vec::new(),
                    remainder,
                    enrichment: Vec::new(),
                });
        self.settled(again, Health::Failed, Pace::Stop)
    }

    /// Halves, or a parked single event.
    fn smaller(&self, reason: Code, detail: &str) -> Verdict {
        let settle = || {
            let halves = batching::split(self.attempt.batch, self.attempt.org, self.profile)?;
            if !halves.is_empty() {
                return Ok(Settlement::Split(halves));
            }
            let all = BTreeSet::new();
            let parked = self.parked(Subset::Without(&all), reason, |_| detail.to_owned())?;
            Ok(Settlement::Partial {
                delivered: Vec::new(),
                parked,
                remainder: None,
                enrichment: Vec::new(),
            })
        };
        self.settled(settle(), Health::Answered, Pace::Continue)
    }

    fn failed(&self, error: String, retry_after: Option<&str>, blame: Blame) -> Verdict {
        let Attempt { attempts, failing_since, others, now, jitter, .. } = *self.attempt;
        let is_suspect = blame == Blame::PerhapsTheBatch
            && self.policy.suspects(attempts, failing_since, now)
            && others == Others::Pass;
        if is_suspect {
            return self.smaller(Code::ConnectorError, &error);
        }
        let asked = retry_after.and_then(|header| retry_after_ms(header, now, self.policy));
        let pause_ms = asked.unwrap_or_else(|| self.policy.backoff_ms(attempts, jitter));
        Verdict {
            settlement: Settlement::Retry { at: now.plus_ms(pause_ms), counts: true, error },
            health: Health::Failed,
            pace: Pace::Stop,
        }
    }

    fn refused(&self, error: String) -> Verdict {
        let at = self.attempt.now.plus_ms(self.policy.breaker.open_max_ms);
        Verdict {
            settlement: Settlement::Retry { at, counts: false, error },
            health: Health::Refused,
            pace: Pace::Stop,
        }
    }

    /// A stored batch that cannot be read back is kept as it is and tried again: somebody has to look at it.
    fn settled(
        &self,
        settlement: Result<Settlement, UnreadableBatch>,
        health: Health,
        pace: Pace,
    ) -> Verdict {
        match settlement {
            Ok(settlement) => Verdict { settlement, health, pace },
            Err(unreadable) => self.refused(unreadable.to_string()),
        }
    }

    fn parked(
        &self,
        subset: Subset<'_>,
        reason: Code,
        detail: impl Fn(&EventId) -> String,
    ) -> Result<Vec<ParkedEvent>, UnreadableBatch> {
        let events = batching::part(self.attempt.batch, subset, self.profile)?;
        let park = |event: crate::profile::RenderedEvent| ParkedEvent {
            reason,
            detail: detail(&event.event_id),
            body: event.json.into_bytes(),
            event_id: event.event_id,
        };
        Ok(events.into_iter().map(park).collect())
    }

    /// Why a single event was refused: the connector's words, where it found any.
    fn refusal(&self, status: u16, reading: &Reading) -> String {
        let said = reading.rejected.values().next().filter(|detail| !detail.is_empty());
        cleaned(
            &said.map_or_else(
                || format!("http {status}"),
                |detail| format!("http {status}: {detail}"),
            ),
        )
    }
}

fn in_order(batch: &NewBatch, ids: &BTreeSet<EventId>) -> Vec<EventId> {
    let all = batch.events.iter().map(|event| &event.event_id);
    all.filter(|id| ids.contains(*id)).cloned().collect()
}
