//! Reading many items of a table at once.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures::{StreamExt, TryStreamExt, stream};
use ports::{PortError, PortResult};

use crate::{Cloud, fault::port_error, item::Item, jitter, resources::Resource};

impl Cloud {
    /// The items under `keys` that exist, strongly consistent, in no particular order. No key may come twice.
    pub(crate) async fn get_all(
        &self,
        operation: &'static str,
        resource: Resource,
        keys: Vec<Item>,
    ) -> PortResult<Vec<Item>> {
        let parts: Vec<Vec<Item>> = keys.chunks(KEYS_MAX).map(<[Item]>::to_vec).collect();
        let found: Vec<Vec<Item>> = stream::iter(parts)
            .map(|part| self.get_some(operation, resource, part))
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn get_some(
        &self,
        operation: &'static str,
        resource: Resource,
        mut keys: Vec<Item>,
    ) -> PortResult<Vec<Item>> {
        let table = self.resources().name(resource)?;
        let mut found = Vec::with_capacity(keys.len());
        for attempt in 1..=TRIES_MAX {
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
            let wanted = wanted.build().map_err(|error| PortError::permanent(operation, error))?;
            let get = self.0.dynamodb.batch_get_item().request_items(table, wanted);
            let answer = get.send().await.map_err(|error| port_error(operation, error))?;
            let under = |mut tables: HashMap<String, Vec<Item>>| tables.remove(table);
            found.extend(answer.responses.and_then(under).unwrap_or_default());
            let left = answer.unprocessed_keys.unwrap_or_default().remove(table);
            keys = left.map(|left| left.keys).unwrap_or_default();
            if keys.is_empty() {
                return Ok(found);
            }
            tokio::time::sleep(jitter::full(attempt, PAUSE_FIRST, PAUSE_MAX)).await;
        }
        Err(PortError::transient(operation, "some keys stay unprocessed"))
    }
}

/// How many reads are under way at once.
pub(crate) const READS_AT_ONCE: usize = 16;
/// Most keys of one call.
const KEYS_MAX: usize = 100;
const TRIES_MAX: u32 = 8;
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
