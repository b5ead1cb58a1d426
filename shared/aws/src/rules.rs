//! The rules of organisations: one item each, put under a higher version.
//!
//! They lie with the sessions that are made by them: whoever makes sessions needs no other table, and least of all the one
//! that holds the salts of pseudonyms.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use contract::OrgId;
use friction::rules::RuleSet;
use ports::{PortResult, rules::RuleBook};

use crate::{
    Cloud,
    cache::Cache,
    fault::port_error,
    item::{Item, key, malformed, number},
    resources::Resource,
    sessions::bodies::{packed_text, unpacked_text},
    transaction::patiently,
};

impl RuleBook for Cloud {
    async fn rules(&self, org: &OrgId) -> PortResult<Option<RuleSet>> {
        if let Some(known) = self.0.rules.get(org) {
            return Ok(known);
        }
        let get = self.0.dynamodb.get_item().consistent_read(true);
        let get = get.table_name(self.resources().name(Resource::Sessions)?);
        let answer = get.set_key(Some(key_of(org))).send().await;
        let answer = answer.map_err(|error| port_error("rules.rules", error))?;
        let rules = answer.item.as_ref().map(read).transpose()?;
        self.0.rules.keep(org.clone(), rules.clone());
        Ok(rules)
    }

    async fn put_rules(&self, org: &OrgId, rules: &RuleSet) -> PortResult<bool> {
        // Whoever has none of its own has the built-in ones.
        if rules.version <= RuleSet::default().version {
            return Ok(false);
        }
        let mut item = key_of(org);
        item.insert("version".to_owned(), number(rules.version));
        item.insert("body".to_owned(), packed_text(&rules.to_json().to_string())?);
        let put = self.0.dynamodb.put_item().set_item(Some(item));
        let put = put
            .table_name(self.resources().name(Resource::Sessions)?)
            .condition_expression("attribute_not_exists(sk) OR version < :version")
            .expression_attribute_values(":version", number(rules.version));
        let answer = patiently(|| put.clone().send()).await;
        // Whether or not it was written: after a lost answer nobody knows.
        self.0.rules.forget(org);
        match answer {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(port_error("rules.put_rules", error)),
        }
    }
}

/// Rules as they were read, absent ones included.
pub(crate) type Known = Cache<OrgId, Option<RuleSet>>;

pub(crate) fn known() -> Known {
    Cache::new(FRESH, KNOWN_MAX)
}

fn key_of(org: &OrgId) -> Item {
    key(format!("R#{org}"), "RULES")
}

fn read(item: &Item) -> PortResult<RuleSet> {
    RuleSet::parse(&unpacked_text(item, "body")?).map_err(|_| malformed("body"))
}

const FRESH: Duration = Duration::from_secs(60);
const KNOWN_MAX: usize = 1_000;
