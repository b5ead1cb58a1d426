//! Form: staged rows become numbered batches. Never needs the connector.

use std::collections::BTreeSet;

use contract::Timestamp;
use domain::{
    batching::{self, Plan, sequence},
    profile::Slot,
};
use ports::{
    PortResult,
    clock::{Clock, Entropy},
    delivery::FormOutcome,
};

use crate::{
    Batcher, Connector, World,
    report::Ended,
    work::{Shift, Step},
};

impl<W: World, E: Connector, C: Clock, R: Entropy> Batcher<W, E, C, R> {
    /// Forms until staging is empty or it is `until`; what is left waits for the next tick.
    pub(crate) async fn form(&self, shift: &mut Shift, until: Timestamp) -> PortResult<Step> {
        let caps = self.settings.profile.caps();
        let mut forwarded = BTreeSet::new();
        let mut stale_in_a_row = 0;
        while self.clock.now() <= until && stale_in_a_row < STALE_IN_A_ROW_MAX {
            if let Step::End(ended) = self.keep(shift).await? {
                return Ok(Step::End(ended));
            }
            let org = &shift.lease.org;
            let now = self.clock.now();
            // `staged` answers what lies strictly before: without a settling time, this very moment too.
            let settled_before = now.plus_ms(1 - shift.settle_ms);
            let rows = self.world.staged(org, settled_before, caps.events).await?;
            if rows.is_empty() {
                break;
            }
            let slot = Slot { org, seq: sequence(shift.lease.next_seq) };
            let Plan { batch, dropped, .. } =
                batching::next(&rows, &forwarded, &slot, &self.settings.profile, caps);
            let formed = batch.as_ref().map(|batch| batch.events.len());
            match self.world.form(&shift.lease, batch, &dropped, now).await? {
                FormOutcome::Formed => {
                    shift.formed(formed, dropped.len());
                    forwarded.clear();
                    stale_in_a_row = 0;
                }
                FormOutcome::Stale { forwarded: known, .. } => {
                    forwarded.extend(known);
                    stale_in_a_row += 1;
                }
                FormOutcome::Fenced => return Ok(Step::End(Ended::LeaseLost)),
            }
        }
        Ok(Step::GoOn)
    }
}

impl Shift {
    fn formed(&mut self, events: Option<usize>, dropped: usize) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        if let Some(events) = events {
            self.lease.next_seq += 1;
            self.work.batches_formed += 1;
            self.work.events_formed += count(events);
        }
        self.work.rows_dropped += count(dropped);
    }
}

/// Rows may vanish under our hands (TTL) or turn out to have been forwarded; more often than this in a row, somebody
/// else is at work and the next tick is soon enough.
const STALE_IN_A_ROW_MAX: u32 = 8;
