//! Intake and staging.

use contract::{OrgId, staged::StagedEvent};

use super::{Fault, Faulty, lost};
use crate::{
    PortResult,
    intake::{Intake, Receipt, Submission},
    staging::{Staged, Staging},
};

impl<W: Intake> Intake for Faulty<W> {
    /// Half-way, the first events are durable and the idempotency answer is not, as the trait allows.
    async fn submit(&self, submission: Submission) -> PortResult<Receipt> {
        const NAME: &str = "intake.submit";
        match self.plan.next(NAME) {
            Fault::Pass => self.run(|| self.world.submit(submission)).await,
            Fault::Before => self.refuse(NAME).await,
            Fault::Permanent => self.forbid(NAME).await,
            Fault::After => {
                self.run(|| self.world.submit(submission)).await?;
                Err(lost(NAME))
            }
            Fault::Partial => {
                let mut some = Submission { idempotency: None, ..submission };
                some.entries.truncate(self.plan.below(some.entries.len()));
                self.run(|| self.world.submit(some)).await?;
                Err(lost(NAME))
            }
        }
    }
}

impl<W: Staging> Staging for Faulty<W> {
    async fn stage(&self, rows: &[StagedEvent]) -> PortResult<Vec<Staged>> {
        self.call_each("staging.stage", rows, |some| async move { self.world.stage(&some).await })
            .await
    }

    async fn rescue(&self, rows: &[StagedEvent]) -> PortResult<()> {
        self.call_each("staging.rescue", rows, |some| async move { self.world.rescue(&some).await })
            .await
    }

    async fn organisations(&self) -> PortResult<Vec<OrgId>> {
        self.call("staging.organisations", || self.world.organisations()).await
    }
}
