//! What was done, for people and for alarms: one line each, numbers and codes only.

use contract::{OrgId, Timestamp};
use ports::PortError;

/// How the work on one organisation ended.
#[derive(Debug)]
pub enum Ended {
    /// Nothing is left to send.
    Done,
    /// The first batch is not due yet, or its last attempt just failed.
    Waiting,
    /// The breaker is open.
    BreakerOpen,
    /// Out of time: the next tick goes on.
    OutOfTime,
    /// Somebody else holds the lease.
    Busy,
    /// Somebody else took the lease over.
    LeaseLost,
    /// The connector's credentials cannot be had; nothing was sent.
    NoCredentials,
    /// An urgent delivery came too early; it may be repeated from then on.
    Deferred(Timestamp),
    /// The store failed.
    Failed(PortError),
}

/// What was done for one organisation.
#[derive(Debug)]
pub struct OrgReport {
    /// The organisation.
    pub org: OrgId,
    /// What was done.
    pub work: Work,
    /// How it ended.
    pub ended: Ended,
    /// Age of the first batch that waits, ms since it was formed; zero when none waits.
    pub oldest_ms: i64,
}

/// Numbers of one organisation, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Batches made.
    pub batches_formed: u64,
    /// Events in them.
    pub events_formed: u64,
    /// Rows dropped: refused, withheld, or forwarded before.
    pub rows_dropped: u64,
    /// Requests sent, probes included.
    pub posts: u64,
    /// Batches of which the connector took everything.
    pub batches_delivered: u64,
    /// Events that the connector took.
    pub events_delivered: u64,
    /// Those of them that it took without saying so.
    pub events_unconfirmed: u64,
    /// Events that it will never take.
    pub events_parked: u64,
    /// Batches that were made smaller.
    pub batches_split: u64,
    /// Attempts that failed and will be repeated.
    pub retries: u64,
    /// Attempts refused because of the configuration.
    pub refusals: u64,
}

/// What a tick did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TickReport {
    /// Organisations that had something.
    pub orgs: u64,
    /// Organisations with nothing left to send.
    pub orgs_done: u64,
    /// Organisations whose breaker is open.
    pub breakers_open: u64,
    /// Organisations that ran out of time.
    pub orgs_out_of_time: u64,
    /// Organisations that somebody else worked on.
    pub orgs_busy: u64,
    /// Organisations for which the store failed.
    pub orgs_failed: u64,
    /// Organisations without credentials.
    pub orgs_without_credentials: u64,
    /// What was done for all of them.
    pub work: Work,
    /// Age of the oldest batch that waits, ms.
    pub oldest_ms: i64,
    /// How long it took, ms.
    pub duration_ms: i64,
}

impl OrgReport {
    pub(crate) fn ended(org: OrgId, ended: Ended) -> Self {
        Self { org, work: Work::default(), ended, oldest_ms: 0 }
    }

    pub(crate) fn tell(&self) {
        let mut tick = TickReport::default();
        tick.add(self);
        tick.tell();
    }
}

impl Work {
    fn add(&mut self, other: &Self) {
        self.batches_formed += other.batches_formed;
        self.events_formed += other.events_formed;
        self.rows_dropped += other.rows_dropped;
        self.posts += other.posts;
        self.batches_delivered += other.batches_delivered;
        self.events_delivered += other.events_delivered;
        self.events_unconfirmed += other.events_unconfirmed;
        self.events_parked += other.events_parked;
        self.batches_split += other.batches_split;
        self.retries += other.retries;
        self.refusals += other.refusals;
    }
}

impl TickReport {
    pub(crate) fn add(&mut self, org: &OrgReport) {
        self.orgs += 1;
        self.work.add(&org.work);
        self.oldest_ms = self.oldest_ms.max(org.oldest_ms);
        match &org.ended {
            Ended::Done => self.orgs_done += 1,
            Ended::BreakerOpen => self.breakers_open += 1,
            Ended::OutOfTime => self.orgs_out_of_time += 1,
            Ended::Busy | Ended::LeaseLost => self.orgs_busy += 1,
            Ended::NoCredentials => self.orgs_without_credentials += 1,
            Ended::Waiting | Ended::Deferred(_) => {}
            Ended::Failed(error) => {
                self.orgs_failed += 1;
                tracing::error!(
                    org = %org.org,
                    %error,
                    "the store failed while working on {}: {error}",
                    org.org
                );
            }
        }
    }

    pub(crate) fn tell(&self) {
        let work = &self.work;
        tracing::info!(
            target: METRICS,
            stage = STAGE,
            orgs = self.orgs,
            orgs_done = self.orgs_done,
            breakers_open = self.breakers_open,
            orgs_out_of_time = self.orgs_out_of_time,
            orgs_busy = self.orgs_busy,
            orgs_failed = self.orgs_failed,
            orgs_without_credentials = self.orgs_without_credentials,
            batches_formed = work.batches_formed,
            events_formed = work.events_formed,
            rows_dropped = work.rows_dropped,
            posts = work.posts,
            batches_delivered = work.batches_delivered,
            events_delivered = work.events_delivered,
            events_unconfirmed = work.events_unconfirmed,
            events_parked = work.events_parked,
            batches_split = work.batches_split,
            retries = work.retries,
            refusals = work.refusals,
            oldest_undelivered_ms = self.oldest_ms,
            duration_ms = self.duration_ms,
        );
        tracing::debug!(
            tick.orgs = self.orgs,
            tick.events_delivered = work.events_delivered,
            tick.duration_ms = self.duration_ms,
            "delivered {} events of {} organisations",
            work.events_delivered,
            self.orgs
        );
    }
}

/// The target that is written as metrics.
const METRICS: &str = "metrics";
const STAGE: &str = "batcher";
