//! What runs once a day: keeps the flows of each day bounded, see [`friction::flow::compact`].

use contract::{OrgId, ProductId, Timestamp, limits::DAY_MS};
use friction::{
    cells::{Cell, CellKey, CellKind},
    flow,
};
use ports::{
    PortResult,
    clock::Clock,
    sessions::{Amendments, Span, Sums},
};

use crate::{Sessionizer, report};

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactReport {
    /// Products looked at, each of them once for each day.
    pub products: usize,
    /// Those whose cells were amended now.
    pub amended: usize,
    /// Cells that lost their name.
    pub folded: usize,
    /// Days and products that could not be read or amended; the next compaction does.
    pub failed: usize,
    /// The time was over before everything was looked at; the next compaction goes on.
    pub unfinished: bool,
}

impl<W: Sums + Amendments, C: Clock> Sessionizer<W, C> {
    /// Compacts each day that is over and on which a session may have changed since the last time, the newest first, until
    /// `deadline`. Meant to run once a day. A compaction that is interrupted, repeated or runs twice at a time changes no
    /// total: what it adds to a product's day adds up to nothing, and is added once for each day it runs on.
    ///
    /// # Errors
    /// The products of a day cannot be listed. What was amended stays.
    pub async fn compact(&self, deadline: Option<Timestamp>) -> PortResult<CompactReport> {
        let started = self.clock.now();
        let is_time = || deadline.is_none_or(|deadline| self.clock.now() < deadline);
        let mut report = CompactReport::default();
        'days: for ago in 1..=self.days() {
            let day = started.day().plus_ms(-ago * DAY_MS);
            for (org, product) in self.world.products(day).await? {
                if !is_time() {
                    report.unfinished = true;
                    break 'days;
                }
                report.products += 1;
                match self.compact_day(&org, &product, (day, started.day())).await {
                    Ok(folded) => {
                        report.amended += usize::from(folded > 0);
                        report.folded += folded;
                    }
                    Err(error) => {
                        report.failed += 1;
                        tracing::warn!(port.operation = error.operation, %error, "left a day for the next compaction: {error}");
                    }
                }
            }
        }
        report::compacted(&report, self.clock.now().since_ms(started));
        Ok(report)
    }

    /// Days that may have changed since they were compacted last, with two in which nobody may have come by.
    fn days(&self) -> i64 {
        self.policy.frozen_ms.div_euclid(DAY_MS) + 3
    }

    /// How many cells lost their name now.
    async fn compact_day(
        &self,
        org: &OrgId,
        product: &ProductId,
        (day, run_day): (Timestamp, Timestamp),
    ) -> PortResult<usize> {
        let span = Span {
            org: org.clone(),
            product: Some(product.clone()),
            from: day,
            to: day.plus_ms(DAY_MS),
        };
        let mut cells: Vec<(CellKey, Cell)> = Vec::new();
        for kind in [CellKind::Variant, CellKind::Edge] {
            cells.extend(self.world.cells(&span, kind).await?);
        }
        let change = flow::compact(&cells);
        if change.is_empty() {
            return Ok(0);
        }
        // Whoever read before somebody else's change was visible has the same name for his own.
        let name = format!("compact:{org}:{product}:{}:{}", date(day), date(run_day));
        let is_new = self.world.amend(&name, &change).await?;
        let folded = change.keys().filter(|key| key.name != friction::cells::OTHER).count();
        Ok(if is_new { folded } else { 0 })
    }
}

/// `2026-02-12`.
fn date(day: Timestamp) -> String {
    day.to_string().chars().take_while(|c| *c != 'T').collect()
}
