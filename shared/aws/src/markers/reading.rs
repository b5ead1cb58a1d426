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
    /// Most often nobody else wrote to them since, or once, which one call tells for a hundred of them: it asks for the
    /// segment that would come next. Numbers leave no gap, because the segments of a place expire together.
    pub(super) async fn logs(
        &self,
        places: BTreeSet<PlaceKey>,
        freshness: Freshness,
    ) -> PortResult<Logs> {
        let mut logs = Logs::new();
        let mut behind = Vec::new();
        for place in places {
            match self.0.markers.log(&place, freshness) {
                Known::Enough(log) => drop(logs.insert(place, log)),
                Known::Behind(log) => behind.push((place, log)),
            }
        }
        let mut read = Vec::new();
        for _ in 0..STEPS_MAX {
            behind = self.step(behind, &mut read).await?;
        }
        let far_behind: Vec<(PlaceKey, Arc<Log>)> = stream::iter(behind)
            .map(|(place, log)| self.read_on(place, log))
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await?;
        for (place, log) in read.into_iter().chain(far_behind) {
            self.0.markers.hold(place.clone(), &log);
            logs.insert(place, log);
        }
        Ok(logs)
    }

    /// Reads the next segment of each place; what has none is read, and the others remain.
    async fn step(
        &self,
        places: Vec<(PlaceKey, Arc<Log>)>,
        read: &mut Vec<(PlaceKey, Arc<Log>)>,
    ) -> PortResult<Vec<(PlaceKey, Arc<Log>)>> {
        let mut places: HashMap<String, (PlaceKey, Arc<Log>)> =
            places.into_iter().map(|(place, log)| (place.partition(), (place, log))).collect();
        let next = places.iter().map(|(pk, (_, log))| key(pk, segment_key(log.next()))).collect();
        let mut grown = Vec::new();
        for item in self.get_all(OPERATION, Resource::Dedupe, next).await? {
            let (place, mut log) =
                places.remove(item.text("pk")?).ok_or_else(|| malformed("pk"))?;
            append(&mut log, &item)?;
            grown.push((place, log));
        }
        read.extend(places.into_values());
        Ok(grown)
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
/// So many segments are asked for one by one; then the rest of a place is read at once.
const STEPS_MAX: usize = 2;
