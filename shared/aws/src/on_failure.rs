//! Given-up invocations: objects as Lambda writes them to a failure destination, read and written in that form.
//!
//! ```text
//! aws/lambda/<event source mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<uuid>
//! ```
//!
//! Lambda's uuid is random. What is held here takes one that names the invocation, so that it is found again.

mod told;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use contract::Timestamp;
use futures::{StreamExt as _, TryStreamExt as _};
use ports::{
    PortError, PortResult,
    stream::{FailedInvocation, OnFailure},
};
use told::Told;
use uuid::Uuid;

use crate::{Cloud, resources::Resource};

impl OnFailure for Cloud {
    async fn hold(&self, failed: FailedInvocation) -> PortResult<()> {
        const OPERATION: &str = "on_failure.hold";
        let identity = Identity::of(&failed);
        let prefix = format!("{PREFIX}{}/{}/", mapping(&failed.consumer), failed.shard);
        let name = identity.name();
        let keys = self.list_keys(OPERATION, Resource::OnFailure, &prefix).await?;
        if keys.iter().any(|key| key.ends_with(&name)) {
            return Ok(());
        }
        let key = format!("{prefix}{}-{name}", dated(failed.at));
        let text = serde_json::to_vec(&Told::of(failed, name));
        let text = text.map_err(|error| PortError::permanent(OPERATION, error))?;
        self.put_object(OPERATION, Resource::OnFailure, &key, &text).await
    }

    async fn held(&self, consumer: &str, limit: usize) -> PortResult<Vec<FailedInvocation>> {
        const OPERATION: &str = "on_failure.held";
        let mut held: Vec<FailedInvocation> = Vec::new();
        let mut seen = BTreeSet::new();
        for key in self.given_up(OPERATION).await? {
            if held.len() >= limit {
                break;
            }
            // Payloads of others are large and nothing to us.
            if self.consumer(&key).await?.is_none_or(|whose| whose != consumer) {
                continue;
            }
            let object = self.get_object(OPERATION, Resource::OnFailure, &key).await?;
            let read = object.as_deref().and_then(Told::read).and_then(Told::into_failed);
            let Some(failed) = read else {
                unreadable(&key);
                continue;
            };
            let identity = Identity::of(&failed);
            self.0.given_up.note(identity.clone(), key);
            // A mapping that was made anew may give up the same records again.
            if seen.insert(identity) {
                held.push(failed);
            }
        }
        Ok(held)
    }

    async fn forget(&self, failed: &FailedInvocation) -> PortResult<()> {
        const OPERATION: &str = "on_failure.forget";
        let identity = Identity::of(failed);
        let keys = match self.0.given_up.keys(&identity) {
            Some(keys) => keys,
            None => self.keys_of(&identity).await?,
        };
        for key in &keys {
            self.delete_object(OPERATION, Resource::OnFailure, key).await?;
        }
        self.0.given_up.drop(&identity);
        Ok(())
    }
}

impl Cloud {
    /// How many records of `consumer` are held. Only the heads of the objects are read.
    pub(crate) async fn records_given_up(&self, consumer: &str) -> PortResult<u64> {
        const OPERATION: &str = "on_failure.count";
        let keys = self.given_up(OPERATION).await?;
        let heads = futures::stream::iter(keys).map(|key| async move { self.head(&key).await });
        let found: Vec<Option<Told>> = heads.buffer_unordered(AT_ONCE).try_collect().await?;
        let of_consumer = found.into_iter().flatten().filter(|told| told.consumer() == consumer);
        let ranges: HashMap<_, u64> =
            of_consumer.map(|told| (told.identity(), told.records())).collect();
        Ok(ranges.into_values().sum())
    }

    /// The keys of all objects, oldest first.
    async fn given_up(&self, operation: &'static str) -> PortResult<Vec<String>> {
        let mut keys = self.list_keys(operation, Resource::OnFailure, PREFIX).await?;
        // The last part begins with the time.
        keys.sort_by(|a, b| last_part(a).cmp(last_part(b)).then_with(|| a.cmp(b)));
        Ok(keys)
    }

    /// The keys of the objects that hold an invocation, when nobody has read them here.
    async fn keys_of(&self, identity: &Identity) -> PortResult<BTreeSet<String>> {
        let keys = self.given_up("on_failure.forget").await?;
        let shard = format!("/{}/", identity.shard);
        let keys = keys.into_iter().filter(|key| key.contains(&shard));
        let heads = futures::stream::iter(keys).map(|key| async move {
            let told = self.head(&key).await?;
            let found = told.is_some_and(|told| told.identity() == *identity);
            Ok::<_, PortError>(found.then_some(key))
        });
        let found: Vec<_> = heads.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Whose an object is, from its beginning alone; objects never change.
    async fn consumer(&self, key: &str) -> PortResult<Option<String>> {
        if let Some(known) = self.0.given_up.consumer(key) {
            return Ok(Some(known));
        }
        let found = self.head(key).await?.map(|told| told.consumer().to_owned());
        if let Some(found) = &found {
            self.0.given_up.note_consumer(key, found);
        }
        Ok(found)
    }

    /// What stands before an object's payload.
    async fn head(&self, key: &str) -> PortResult<Option<Told>> {
        const OPERATION: &str = "on_failure.read";
        let head = self.get_part(OPERATION, Resource::OnFailure, key, 0..=HEAD_BYTES).await?;
        let told = match head.as_deref().and_then(Told::read_head) {
            // Lambda's payload stands last; where it does not, the whole object has to be read.
            None => self
                .get_object(OPERATION, Resource::OnFailure, key)
                .await?
                .as_deref()
                .and_then(Told::read),
            told => told,
        };
        if told.is_none() {
            unreadable(key);
        }
        Ok(told)
    }
}

/// Which records were given up, and whose.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Identity {
    consumer: String,
    shard: String,
    first: String,
    last: String,
}

impl Identity {
    fn of(failed: &FailedInvocation) -> Self {
        let (first, last) = failed.sequences.clone();
        Self { consumer: failed.consumer.clone(), shard: failed.shard.clone(), first, last }
    }

    /// The last part of the key of what is held here.
    fn name(&self) -> String {
        let Self { consumer, shard, first, last } = self;
        let text = format!("{consumer}\n{shard}\n{first}\n{last}");
        Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).to_string()
    }
}

/// Under which keys invocations were read, so that whoever redrives one needs not search for it again.
#[derive(Default)]
pub(crate) struct GivenUp {
    keys: Mutex<HashMap<Identity, BTreeSet<String>>>,
    consumers: Mutex<HashMap<String, String>>,
}

impl GivenUp {
    fn note(&self, identity: Identity, key: String) {
        let mut known = lock(&self.keys);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.entry(identity).or_default().insert(key);
    }

    fn keys(&self, identity: &Identity) -> Option<BTreeSet<String>> {
        lock(&self.keys).get(identity).cloned()
    }

    fn consumer(&self, key: &str) -> Option<String> {
        lock(&self.consumers).get(key).cloned()
    }

    fn note_consumer(&self, key: &str, consumer: &str) {
        let mut known = lock(&self.consumers);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key.to_owned(), consumer.to_owned());
    }

    fn drop(&self, identity: &Identity) {
        lock(&self.keys).remove(identity);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The event source mapping under which a consumer's invocations are held here.
fn mapping(consumer: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, consumer.as_bytes())
}

/// `YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS`.
fn dated(at: Timestamp) -> String {
    let text = at.to_string();
    let (day, second) = (text.get(..10).unwrap_or_default(), text.get(..19).unwrap_or_default());
    format!("{}/{}", day.replace('-', "/"), second.replace(':', "."))
}

fn last_part(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

fn unreadable(key: &str) {
    tracing::warn!(
        object.key = key,
        "an object of the failure destination is not what Lambda writes"
    );
}

const PREFIX: &str = "aws/lambda/";
/// What stands before the payload takes about one of them.
const HEAD_BYTES: usize = 4_096;
const AT_ONCE: usize = 8;
const KNOWN_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_dated_as_lambda_dates_it() {
        let at = Timestamp::parse("2026-11-02T03:04:05.678Z").unwrap();
        assert_eq!(dated(at), "2026/11/02/2026-11-02T03.04.05");
    }
}
