//! Reading places and markers of their own, strongly consistent.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use domain::markers::{Log, Segment};
use futures::{StreamExt, TryStreamExt, stream};
use ports::{PortResult, ledger::EventKey};

use super::{ENTRIES, Freshness, Logs, Memory, PlaceKey, SEAL, cache::Known, segment_key};
use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, Item, key, malformed, text},
    reads::READS_AT_ONCE,
    resources::Resource,
};

impl Cloud {
    /// What markers of their own say.
    pub(super) async fn find_alone<'a>(
        &self,
        memory: Memory,
        keys: Vec<&'a EventKey>,
    ) -> PortResult<HashMap<&'a EventKey, u32>> {
        let by_partition: HashMap<String, &EventKey> =
            keys.into_iter().map(|key| (memory.marker_partition(key), key)).collect();
        let wanted = by_partition.keys().map(|partition| key(partition, "0")).collect();
        let mut found = HashMap::with_capacity(by_partition.len());
        for item in self.get_all(OPERATION, Resource::Dedupe, wanted).await? {
            let payload = item.number(memory.payload())?;
            let asked = by_partition.get(item.text("pk")?).ok_or_else(|| malformed("pk"))?;
            found.insert(*asked, payload);
        }
        Ok(found)
    }

    /// The logs of places.
    ///
    /// Most often nobody else wrote to them since, which one call tells for a hundred of them: it asks for the segment
    /// that would come next. Numbers leave no gap, because the segments of a place expire together.
    pub(super) async fn logs(
        &self,
        places: BTreeSet<PlaceKey>,
        freshness: Freshness,
    ) -> PortResult<Logs> {
        let mut logs = Logs::new();
        let mut behind = HashMap::new();
        for place in places {
            match self.0.markers.log(&place, freshness) {
                Known::Enough(log) => drop(logs.insert(place, log)),
                Known::Behind(log) => drop(behind.insert(place.partition(), (place, log))),
            }
        }
        let next = behind.iter().map(|(pk, (_, log))| key(pk, segment_key(log.next()))).collect();
        let mut grown = Vec::new();
        for item in self.get_all(OPERATION, Resource::Dedupe, next).await? {
            let (place, mut log) =
                behind.remove(item.text("pk")?).ok_or_else(|| malformed("pk"))?;
            append(&mut log, &item)?;
            grown.push((place, log));
        }
        let grown: Vec<(PlaceKey, Arc<Log>)> = stream::iter(grown)
            .map(|(place, log)| self.read_on(place, log))
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await?;
        for (place, log) in behind.into_values().chain(grown) {
            self.0.markers.hold(place.clone(), &log);
            logs.insert(place, log);
        }
        Ok(logs)
    }

    /// Reads what was appended to a place since.
    async fn read_on(
        &self,
        place: PlaceKey,
        mut log: Arc<Log>,
    ) -> PortResult<(PlaceKey, Arc<Log>)> {
        let last = log.last().map(segment_key).unwrap_or_default();
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Dedupe)?)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk > :last")
            .expression_attribute_values(":pk", text(place.partition()))
            .expression_attribute_values(":last", text(last));
        let mut after = None;
        loop {
            let page = query.clone().set_exclusive_start_key(after).send().await;
            let page = page.map_err(|error| port_error(OPERATION, error))?;
            for item in page.items.unwrap_or_default() {
                append(&mut log, &item)?;
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok((place, log));
            }
        }
    }
}

fn append(log: &mut Arc<Log>, item: &Item) -> PortResult<()> {
    let number = item.text("sk")?.parse().map_err(|_| malformed("sk"))?;
    let segment = match item.bytes_if(ENTRIES)? {
        Some(bytes) => Segment::decode(bytes).ok_or_else(|| malformed(ENTRIES))?,
        None if item.flag(SEAL)? => Segment::Seal,
        None => return Err(malformed(SEAL)),
    };
    Arc::make_mut(log).append(number, &segment);
    Ok(())
}

const OPERATION: &str = "markers.read";
