//! What runs every minute: whoever listens without a key is hung up on, and what was missed is told.

use contract::Timestamp;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ports::{
    PortResult,
    clock::Clock,
    watches::{Listeners, Watch},
};

use crate::{Live, World, report, telling::Occasion};

/// What a minute found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TickReport {
    /// Watches that were looked at.
    pub watches: usize,
    /// Those that were ended.
    pub ended: usize,
    /// Those that failed; the next minute looks at them again.
    pub failed: usize,
    /// Those for which no time was left.
    pub left: usize,
}

/// What became of one watch.
enum Looked {
    Goes,
    Ended,
    Failed,
    Left,
}

impl<W: World, L: Listeners, C: Clock> Live<W, L, C> {
    /// Looks at every watch. What fails for one of them keeps nobody else from being looked at.
    ///
    /// # Errors
    /// Who listens cannot be read.
    pub async fn tick(&self, deadline: Timestamp) -> PortResult<TickReport> {
        let started = self.clock.now();
        let owners = self.world.watched(started).await?;
        let watches: Vec<Vec<Watch>> = stream::iter(owners)
            .map(|owner| async move { self.world.watches(&owner).await })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let looked: Vec<Looked> = stream::iter(watches.into_iter().flatten())
            .map(|watch| async move { self.look(&watch, deadline).await })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut report = TickReport { watches: looked.len(), ..TickReport::default() };
        for looked in looked {
            match looked {
                Looked::Goes => {}
                Looked::Ended => report.ended += 1,
                Looked::Failed => report.failed += 1,
                Looked::Left => report.left += 1,
            }
        }
        report::ticked(&report, self.clock.now().since_ms(started));
        Ok(report)
    }

    async fn look(&self, watch: &Watch, deadline: Timestamp) -> Looked {
        if self.clock.now().plus_ms(MARGIN_MS) >= deadline {
            return Looked::Left;
        }
        self.look_at(watch, deadline).await.unwrap_or_else(|error| {
            report::failed(&error);
            Looked::Failed
        })
    }

    async fn look_at(&self, watch: &Watch, deadline: Timestamp) -> PortResult<Looked> {
        if watch.until <= self.clock.now() {
            self.world.unwatch(&watch.connection).await?;
            return Ok(Looked::Ended);
        }
        if !self.may_listen(watch).await? {
            report::revoked();
            self.drop_watch(watch).await?;
            return Ok(Looked::Ended);
        }
        self.tell(watch, &Occasion::Checked, deadline).await?;
        Ok(Looked::Goes)
    }
}

/// Listeners that are looked at beside each other.
const AT_ONCE: usize = 16;
/// What is left of an invocation in which nothing new is begun.
const MARGIN_MS: i64 = 5_000;
