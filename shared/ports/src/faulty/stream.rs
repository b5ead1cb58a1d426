//! The log, its reader, its checkpoints and its on-failure destination.

use super::{Fault, Faulty, decorate, lost};
use crate::{
    PortResult,
    stream::{
        Checkpoints, EventStream, FailedInvocation, OnFailure, SourceRecord, StreamRecord,
        StreamSource,
    },
};

impl<W: EventStream> EventStream for Faulty<W> {
    /// Half-way, any of the records may be missing, and the answer says so.
    async fn append(&self, records: &[StreamRecord]) -> PortResult<Vec<usize>> {
        const NAME: &str = "stream.append";
        match self.plan.next(NAME) {
            Fault::Pass => self.run(|| self.world.append(records)).await,
            Fault::Before => self.refuse(NAME).await,
            Fault::Permanent => self.forbid(NAME).await,
            Fault::After => {
                self.run(|| self.world.append(records)).await?;
                Err(lost(NAME))
            }
            Fault::Partial => {
                let kept = |_: &(usize, &StreamRecord)| self.plan.below(2) == 0;
                let (taken, some): (Vec<usize>, Vec<StreamRecord>) = records
                    .iter()
                    .enumerate()
                    .filter(kept)
                    .map(|(index, record)| (index, record.clone()))
                    .unzip();
                let refused = self.run(|| self.world.append(&some)).await?;
                let refused: Vec<_> =
                    refused.iter().filter_map(|index| taken.get(*index)).copied().collect();
                let appended = |index: &usize| taken.contains(index) && !refused.contains(index);
                Ok((0..records.len()).filter(|index| !appended(index)).collect())
            }
        }
    }
}

impl<W: StreamSource> StreamSource for Faulty<W> {
    async fn shards(&self) -> PortResult<Vec<String>> {
        self.caught_up().await;
        self.call("stream.shards", || self.world.shards()).await
    }

    async fn read(
        &self,
        shard: &str,
        after: Option<&str>,
        limit: usize,
    ) -> PortResult<Vec<SourceRecord>> {
        self.caught_up().await;
        self.call("stream.read", || self.world.read(shard, after, limit)).await
    }
}

decorate!("checkpoints", Checkpoints {
    fn load(consumer: &str, shard: &str) -> Option<String>;
    fn save(consumer: &str, shard: &str, sequence: &str) -> ();
});

decorate!("on_failure", OnFailure {
    fn hold(failed: FailedInvocation) -> ();
    fn held(consumer: &str, limit: usize) -> Vec<FailedInvocation>;
    fn forget(failed: &FailedInvocation) -> ();
});
