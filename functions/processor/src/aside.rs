//! Quarantine: what cannot be used is written away, sealed, before the batch is answered.

use std::sync::Arc;

use contract::kinesis::RecordBatch;
use domain::seal::SealKey;
use ports::{PortResult, archive::Quarantined, clock::Clock};

use crate::{
    BatchError, Processor, World,
    work::{Aside, Content, Work},
};

impl<W: World, C: Clock> Processor<W, C> {
    /// Writes everything that is to be set aside. What cannot be written now is left for the next delivery.
    pub(crate) async fn set_aside(
        &self,
        batch: &RecordBatch,
        work: &mut Work,
    ) -> Result<(), BatchError> {
        let mut aside = std::mem::take(&mut work.aside).into_iter().peekable();
        while aside.peek().is_some() {
            let group: Vec<Aside> = aside.by_ref().take(GROUP_RECORDS).collect();
            let positions: Vec<usize> = group.iter().map(|aside| aside.position).collect();
            match self.hold(batch, group).await {
                Ok(reasons) => {
                    for reason in reasons {
                        *work.tally.quarantined.entry(reason).or_default() += 1;
                    }
                }
                Err(error) => {
                    let rest = aside.map(|aside| aside.position);
                    return Ok(work.postpone(error, positions.into_iter().chain(rest))?);
                }
            }
        }
        Ok(())
    }

    async fn hold(
        &self,
        batch: &RecordBatch,
        group: Vec<Aside>,
    ) -> PortResult<Vec<contract::Code>> {
        let is_raw = |aside: &Aside| matches!(aside.content, Content::Raw(_));
        let key = if group.iter().any(is_raw) { Some(self.world.seal_key().await?) } else { None };
        let records: Vec<Quarantined> =
            group.into_iter().filter_map(|aside| quarantined(batch, aside, key.as_ref())).collect();
        self.world.hold(&records).await?;
        Ok(records.into_iter().map(|record| record.reason).collect())
    }
}

fn quarantined(
    batch: &RecordBatch,
    aside: Aside,
    key: Option<&Arc<SealKey>>,
) -> Option<Quarantined> {
    let record = batch.records.get(aside.position)?;
    let (shard, sequence) = (batch.shard.clone(), record.sequence.clone());
    let arrived_at = record.arrived_at;
    Some(match aside.content {
        Content::Raw(poison) => Quarantined {
            sealed: key?.seal(&seal_context(&shard, &sequence), batch.bytes(record)),
            shard,
            sequence,
            arrived_at,
            reason: poison.fault.code,
            path: poison.fault.path,
            org: poison.org,
            event_id: poison.event_id,
            terminal: poison.terminal,
        },
        Content::Sealed(sealed) => Quarantined {
            shard,
            sequence,
            arrived_at,
            reason: sealed.reason,
            path: None,
            org: Some(sealed.org_id),
            event_id: Some(sealed.event_id),
            terminal: true,
            sealed: sealed.sealed.0,
        },
    })
}

/// Under what a record's bytes are sealed here. What a door sealed is under `"{org}/{event_id}"` instead.
#[must_use]
pub(crate) fn seal_context(shard: &str, sequence: &str) -> String {
    format!("{shard}/{sequence}")
}

/// Records written at once: bounds what is held in memory twice.
const GROUP_RECORDS: usize = 100;
