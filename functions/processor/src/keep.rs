//! The archive: exactly the records that will be acknowledged, duplicates included.

use contract::kinesis::{Record, RecordBatch};
use domain::{
    answer::is_before,
    archive::{self, Archived},
};
use ports::clock::Clock;

use crate::{
    BatchError, Processor, World,
    gzip::Gzip,
    work::{Item, Work},
};

/// Buffers that are worth keeping from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    lines: Vec<u8>,
    gzip: Gzip,
}

impl<W: World, C: Clock> Processor<W, C> {
    /// Archives the events before `cut`; false when that has to be tried again.
    pub(crate) async fn keep(
        &self,
        batch: &RecordBatch,
        work: &mut Work,
        cut: Option<&Record>,
    ) -> Result<bool, BatchError> {
        let mut scratch = self.take_scratch();
        scratch.lines.clear();
        let items = std::mem::take(&mut work.items);
        let kept = items.into_iter().filter(Item::is_done).filter(Item::is_kept);
        let kept = kept.filter_map(|item| {
            let record = batch.records.get(item.position).filter(|at| is_before(at, cut))?;
            let Record { sequence, arrived_at, .. } = record;
            Some(Archived { event: item.admitted.event, sequence, arrived_at: *arrived_at })
        });
        let parts = archive::render(&mut scratch.lines, &batch.shard, kept);
        for part in parts {
            let lines = scratch.lines.get(part.lines).unwrap_or_default();
            let packed = scratch.gzip.pack(lines);
            if let Err(error) = self.world.write(&part.key, packed).await {
                work.postpone(error, [])?;
                return Ok(false);
            }
            work.tally.archive_objects += 1;
            work.tally.archive_events += part.events;
            work.tally.archive_bytes += packed.len();
        }
        self.return_scratch(scratch);
        Ok(true)
    }
}
