//! Deliver: the first batch is posted, its answer judged and settled, then the next. Never needs staging.

use std::sync::Arc;

use contract::Timestamp;
use domain::{
    delivery::{Attempt, Health, Others, Pace, Verdict, verdict},
    profile::{Credentials, Slot},
};
use ports::{
    PortResult,
    bus::{Announcement, AnnouncementKind},
    clock::{Clock, Entropy},
    delivery::{NewBatch, ReadyBatch, SettleOutcome, Settlement},
    endpoint::{DeliveryAnswer, Freshness},
};

use crate::{
    Batcher, Connector, World,
    report::Ended,
    wire,
    work::{Shift, Step},
};

impl<W: World, E: Connector, C: Clock, R: Entropy> Batcher<W, E, C, R> {
    /// Delivers until nothing is left, the head of the line has to wait, or the time is over.
    pub(crate) async fn deliver(&self, shift: &mut Shift) -> PortResult<Ended> {
        if shift.breaker.is_open(self.clock.now()) {
            return Ok(Ended::BreakerOpen);
        }
        let mut credentials = None;
        loop {
            let Some(head) = self.world.head(&shift.lease.org).await? else {
                return Ok(Ended::Done);
            };
            if head.next_attempt_at > self.clock.now() {
                return Ok(Ended::Waiting);
            }
            if !self.has_time(shift) {
                return Ok(Ended::OutOfTime);
            }
            if let Step::End(ended) = self.keep(shift).await? {
                return Ok(ended);
            }
            if credentials.is_none() {
                credentials = self.credentials(shift, Freshness::Recent).await;
            }
            let Some(known) = &mut credentials else { return Ok(Ended::NoCredentials) };
            let answer = self.exchange(shift, &head.batch, known).await;
            if let Step::End(ended) = self.conclude(shift, &head, &answer, known).await? {
                return Ok(ended);
            }
        }
    }

    /// Posts a batch. Refused for its credentials, it is posted once more with fresh ones.
    async fn exchange(
        &self,
        shift: &mut Shift,
        batch: &NewBatch,
        credentials: &mut Arc<Credentials>,
    ) -> DeliveryAnswer {
        let answer = self.post(shift, batch, credentials).await;
        let is_refused = matches!(answer, DeliveryAnswer::Http { status: UNAUTHORISED, .. });
        if !is_refused || !self.has_time(shift) {
            return answer;
        }
        let Some(fresh) = self.credentials(shift, Freshness::Now).await else { return answer };
        *credentials = fresh;
        self.post(shift, batch, credentials).await
    }

    /// Whether one more request may start.
    fn has_time(&self, shift: &Shift) -> bool {
        self.clock.now() <= shift.ends_at
    }

    async fn post(
        &self,
        shift: &mut Shift,
        batch: &NewBatch,
        credentials: &Credentials,
    ) -> DeliveryAnswer {
        shift.work.posts += 1;
        let now = self.clock.now();
        let org = &shift.lease.org;
        self.connector.post(wire::request(&self.settings, org, batch, credentials, now)).await
    }

    async fn credentials(&self, shift: &Shift, freshness: Freshness) -> Option<Arc<Credentials>> {
        let org = &shift.lease.org;
        let found = self.connector.credentials(org, freshness).await;
        found
            .inspect_err(|error| {
                tracing::error!(%org, %error, "nothing is sent for {org}: {error}");
            })
            .ok()
    }

    /// Judges the answer, settles the batch, and says whether to go on.
    async fn conclude(
        &self,
        shift: &mut Shift,
        head: &ReadyBatch,
        answer: &DeliveryAnswer,
        credentials: &Credentials,
    ) -> PortResult<Step> {
        let verdict = self.judge(shift, head, answer, credentials).await;
        let verdict = self.doubted(shift, verdict);
        let now = self.clock.now();
        shift.breaker = verdict.health.applied(&shift.breaker, now, &self.settings.policy);
        self.tell(shift, head, &verdict);
        let facts = announcements(shift, head, &verdict.settlement, now);
        let pace = verdict.pace;
        let counted = shift.counted(head, &verdict);
        let lease = &shift.lease;
        match self.world.settle(lease, &head.batch.seq, verdict.settlement, now).await? {
            SettleOutcome::Settled => {
                if counted.events_delivered > shift.work.events_delivered {
                    self.memory.saw_taken(&lease.org, now);
                }
                shift.work = counted;
                shift.announcements.extend(facts);
            }
            // Somebody settled it before; what is first in line now is another batch.
            SettleOutcome::Gone => {}
            SettleOutcome::Fenced => return Ok(Step::End(Ended::LeaseLost)),
        }
        Ok(match pace {
            Pace::Continue => Step::GoOn,
            Pace::Stop => Step::End(Ended::Waiting),
        })
    }

    async fn judge(
        &self,
        shift: &mut Shift,
        head: &ReadyBatch,
        answer: &DeliveryAnswer,
        credentials: &Credentials,
    ) -> Verdict {
        let org = shift.lease.org.clone();
        let policy = &self.settings.policy;
        let attempt = Attempt {
            org: &org,
            batch: &head.batch,
            attempts: head.attempts,
            failing_since: head.failing_since,
            others: Others::Unknown,
            now: self.clock.now(),
            jitter: self.chance(),
        };
        let profile = &self.settings.profile;
        let first = verdict(answer, &attempt, profile, policy);
        if first.health != Health::Failed || !attempt.wants_witness(policy) {
            return first;
        }
        let others = self.others(shift, &attempt, credentials).await;
        verdict(answer, &Attempt { others, ..attempt }, profile, policy)
    }

    /// A connector that refuses one single event after the other, and takes nothing of anybody meanwhile, speaks of the
    /// configuration rather than of the events. They park as the verdict says, but one per pause.
    fn doubted(&self, shift: &Shift, verdict: Verdict) -> Verdict {
        let Settlement::Partial { delivered, parked, remainder: None, .. } = &verdict.settlement
        else {
            return verdict;
        };
        let org = &shift.lease.org;
        if !delivered.is_empty() || parked.len() != 1 {
            return verdict;
        }
        let policy = &self.settings.policy;
        let since = self.clock.now().plus_ms(-policy.witness_ms);
        if self.memory.saw_refused(org) < policy.refusals_in_a_row_max
            || self.memory.others_pass(org, since)
        {
            return verdict;
        }
        tracing::error!(%org, "the connector refuses everything: is the profile the right one?");
        Verdict { health: Health::Refused, pace: Pace::Stop, ..verdict }
    }

    /// Whether the connector is alive while it fails on one batch. Other organisations' batches prove it only after
    /// days: what it fails on may be the organisation as a whole, and then no batch of it is at fault.
    async fn others(
        &self,
        shift: &mut Shift,
        attempt: &Attempt<'_>,
        credentials: &Credentials,
    ) -> Others {
        let (now, policy) = (attempt.now, &self.settings.policy);
        let is_old = attempt
            .failing_since
            .is_some_and(|since| now.since_ms(since) >= policy.suspect_without_sign_ms);
        let witnessed = || self.memory.others_pass(attempt.org, now.plus_ms(-policy.witness_ms));
        let is_alive = self.has_time(shift) && self.is_alive(shift, credentials).await;
        if is_alive || (is_old && witnessed()) { Others::Pass } else { Others::Unknown }
    }

    /// Asks for a sign of life: a batch without events. Taking it and refusing it as empty are signs; everything else
    /// is none.
    async fn is_alive(&self, shift: &mut Shift, credentials: &Credentials) -> bool {
        let seq = format!("probe-{}", self.clock.now().ms());
        let empty = self.settings.profile.assemble(&Slot { org: &shift.lease.org, seq }, &[]);
        let answer = self.post(shift, &empty, credentials).await;
        matches!(answer, DeliveryAnswer::Http { status: 200..=299 | 400 | 409 | 413 | 422, .. })
    }

    fn tell(&self, shift: &Shift, head: &ReadyBatch, verdict: &Verdict) {
        let (org, seq) = (&shift.lease.org, &head.batch.seq);
        match &verdict.settlement {
            Settlement::Retry { at, counts: true, error } => tracing::warn!(
                %org,
                batch.seq = %seq,
                batch.attempts = head.attempts + 1,
                batch.next_attempt_at = %at,
                delivery.error = %error,
                "batch {seq} of {org} was not delivered: {error}"
            ),
            Settlement::Retry { at, counts: false, error } => tracing::error!(
                %org,
                batch.seq = %seq,
                batch.next_attempt_at = %at,
                delivery.error = %error,
                "the connector refuses {org}, somebody has to act: {error}"
            ),
            Settlement::Partial { parked, .. } if !parked.is_empty() => tracing::error!(
                %org,
                batch.seq = %seq,
                parked.events = parked.len(),
                parked.reason = parked.first().map(|event| event.reason.as_str()),
                "parked {} events of batch {seq} of {org}",
                parked.len()
            ),
            Settlement::Split(_) => tracing::warn!(
                %org,
                batch.seq = %seq,
                batch.events = head.batch.events.len(),
                "split batch {seq} of {org}"
            ),
            Settlement::Delivered { .. } | Settlement::Partial { .. } => {}
        }
    }
}

impl Shift {
    fn counted(&self, head: &ReadyBatch, verdict: &Verdict) -> crate::report::Work {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let mut work = self.work;
        match &verdict.settlement {
            Settlement::Delivered { confirmed, .. } => {
                let events = count(head.batch.events.len());
                work.batches_delivered += 1;
                work.events_delivered += events;
                work.events_unconfirmed += if *confirmed { 0 } else { events };
            }
            Settlement::Retry { counts: true, .. } => work.retries += 1,
            Settlement::Retry { counts: false, .. } => work.refusals += 1,
            Settlement::Split(_) => work.batches_split += 1,
            Settlement::Partial { delivered, parked, .. } => {
                work.events_delivered += count(delivered.len());
                work.events_parked += count(parked.len());
            }
        }
        work
    }
}

fn announcements(
    shift: &Shift,
    head: &ReadyBatch,
    settlement: &Settlement,
    now: Timestamp,
) -> Vec<Announcement> {
    let (delivered, parked) = match settlement {
        Settlement::Delivered { .. } => (true, false),
        Settlement::Partial { delivered, parked, .. } => {
            (!delivered.is_empty(), !parked.is_empty())
        }
        Settlement::Retry { .. } | Settlement::Split(_) => (false, false),
    };
    let kinds =
        [(delivered, AnnouncementKind::BatchDelivered), (parked, AnnouncementKind::BatchParked)];
    let org = &shift.lease.org;
    let announcement = |kind: AnnouncementKind| Announcement {
        id: format!("{}/{org}/{}", kind.as_str(), head.batch.seq),
        kind,
        org: org.clone(),
        at: now,
        detail: None,
    };
    kinds.into_iter().filter(|(is, _)| *is).map(|(_, kind)| announcement(kind)).collect()
}

const UNAUTHORISED: u16 = 401;
