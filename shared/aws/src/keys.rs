//! Callers' keys: one item each, the secret only as its hash.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use contract::OrgId;
use domain::api_key::Scope;
use ports::{
    PortResult,
    keys::{ApiKeyRecord, ApiKeys},
};

use crate::{
    Cloud,
    cache::Cache,
    fault::port_error,
    item::{Fields, Item, bytes, key, malformed, millis, text, texts},
    resources::Resource,
};

impl ApiKeys for Cloud {
    /// A key that does not exist is asked for again each time: remembering what callers made up would only push out what
    /// is worth remembering.
    async fn find(&self, key_id: &str) -> PortResult<Option<ApiKeyRecord>> {
        if let Some(kept) = self.0.api_keys.get(key_id) {
            return Ok(Some(kept));
        }
        if key_id.is_empty() {
            return Ok(None);
        }
        let get = self.0.dynamodb.get_item().set_key(Some(key(KEYS, key_id)));
        let get = get.table_name(self.resources().name(Resource::Keys)?).consistent_read(true);
        let answer = get.send().await.map_err(|error| port_error("api_keys.find", error))?;
        let found = answer.item.as_ref().map(read).transpose()?;
        if let Some(found) = &found {
            self.0.api_keys.keep(key_id.to_owned(), found.clone());
        }
        Ok(found)
    }

    async fn put(&self, key: &ApiKeyRecord) -> PortResult<()> {
        let put = self.0.dynamodb.put_item().set_item(Some(item(key)));
        let put = put.table_name(self.resources().name(Resource::Keys)?).send().await;
        // Whether or not it was written: after a lost answer nobody knows.
        self.0.api_keys.forget(key.key_id.as_str());
        put.map(drop).map_err(|error| port_error("api_keys.put", error))
    }

    async fn list(&self) -> PortResult<Vec<ApiKeyRecord>> {
        let mut pages = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Keys)?)
            .consistent_read(true)
            .key_condition_expression("pk = :keys")
            .expression_attribute_values(":keys", text(KEYS))
            .into_paginator()
            .items()
            .send();
        let mut keys = Vec::new();
        while let Some(item) = pages.next().await {
            keys.push(read(&item.map_err(|error| port_error("api_keys.list", error))?)?);
        }
        keys.sort_by(|a: &ApiKeyRecord, b| {
            a.created_at.cmp(&b.created_at).then_with(|| a.key_id.cmp(&b.key_id))
        });
        Ok(keys)
    }
}

/// Callers' keys as they were read.
pub(crate) type Known = Cache<String, ApiKeyRecord>;

pub(crate) fn known() -> Known {
    Cache::new(FRESH, KNOWN_MAX)
}

fn item(record: &ApiKeyRecord) -> Item {
    let mut item = key(KEYS, &record.key_id);
    let mut set = |name: &str, value: AttributeValue| drop(item.insert(name.to_owned(), value));
    set("hash", bytes(record.secret_hash));
    set("orgs", texts(record.orgs.iter().map(OrgId::as_str)));
    set("scopes", texts(record.scopes.iter().map(|scope| scope.as_str())));
    set("createdAt", millis(record.created_at));
    if let Some(at) = record.revoked_at {
        set("revokedAt", millis(at));
    }
    item
}

fn read(item: &Item) -> PortResult<ApiKeyRecord> {
    let org = |name: &str| OrgId::parse(name).map_err(|_| malformed("orgs"));
    let scope = |word: &str| Scope::parse(word).ok_or_else(|| malformed("scopes"));
    Ok(ApiKeyRecord {
        key_id: item.text("sk")?.to_owned(),
        secret_hash: item.bytes("hash")?.try_into().map_err(|_| malformed("hash"))?,
        orgs: item.texts("orgs")?.into_iter().map(org).collect::<PortResult<_>>()?,
        scopes: item.texts("scopes")?.into_iter().map(scope).collect::<PortResult<_>>()?,
        created_at: item.millis("createdAt")?,
        revoked_at: item.millis_if("revokedAt")?,
    })
}

const KEYS: &str = "KEY";
const FRESH: Duration = Duration::from_secs(60);
const KNOWN_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use contract::Timestamp;

    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written_revoked_or_not() {
        let key = ApiKeyRecord {
            key_id: "k1".to_owned(),
            secret_hash: [7; 32],
            orgs: vec![OrgId::parse("acme").unwrap(), OrgId::parse("globex").unwrap()],
            scopes: vec![Scope::Ingest, Scope::Admin],
            created_at: Timestamp::from_ms(5),
            revoked_at: None,
        };
        let revoked = ApiKeyRecord { revoked_at: Some(Timestamp::from_ms(6)), ..key.clone() };
        for key in [key, revoked] {
            assert_eq!(read(&item(&key)).unwrap(), key);
        }
    }
}
