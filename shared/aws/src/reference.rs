//! Organisations with their salts, and which variant of an experiment an actor was assigned to.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure,
};
use contract::{OrgId, event::Assignment};
use futures::{StreamExt as _, TryStreamExt as _};
use ports::{
    PortError, PortResult,
    clock::{Clock as _, SystemClock},
    reference::{Organisations, Reference, Subject},
};

use crate::{
    Cloud,
    cache::Cache,
    fault::port_error,
    item::{Fields, Item, bytes, key, malformed, millis, text},
    resources::Resource,
};

impl Organisations for Cloud {
    async fn create(&self, org: &OrgId) -> PortResult<bool> {
        const OPERATION: &str = "organisations.create";
        let salt = random()
            .ok_or_else(|| PortError::transient(OPERATION, "the system gives no random bytes"))?;
        let mut item = key(ORGANISATIONS, org.as_str());
        item.insert("salt".to_owned(), bytes(salt));
        item.insert("createdAt".to_owned(), millis(SystemClock.now()));
        let put = self.0.dynamodb.put_item().set_item(Some(item));
        let put = put.table_name(self.resources().name(Resource::Reference)?);
        let created = put
            .condition_expression("attribute_not_exists(sk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = created else { return Ok(true) };
        match error.as_service_error() {
            // Our own put, whose first answer was lost, left our own salt.
            Some(PutItemError::ConditionalCheckFailedException(known)) => Ok(known
                .item()
                .is_some_and(|known| known.bytes("salt").is_ok_and(|known| known == salt))),
            Some(_) | None => Err(port_error(OPERATION, error)),
        }
    }

    async fn list(&self) -> PortResult<Vec<OrgId>> {
        let mut pages = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Reference)?)
            .consistent_read(true)
            .key_condition_expression("pk = :organisations")
            .expression_attribute_values(":organisations", text(ORGANISATIONS))
            .projection_expression("sk")
            .into_paginator()
            .items()
            .send();
        let mut orgs = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| port_error("organisations.list", error))?;
            orgs.push(item.parsed("sk")?);
        }
        Ok(orgs)
    }
}

impl Reference for Cloud {
    async fn assignments(&self, subjects: &[Subject]) -> PortResult<Vec<Option<Assignment>>> {
        let mut known: HashMap<&Subject, Option<Assignment>> = HashMap::new();
        let mut asked = BTreeSet::new();
        for subject in subjects {
            match self.0.assignments.get(subject) {
                Some(kept) => drop(known.insert(subject, kept)),
                None => drop(asked.insert(subject)),
            }
        }
        let found = self.read_assignments(&asked).await?;
        for subject in asked {
            let assignment = found.get(&partition(subject)).cloned();
            self.0.assignments.keep(subject.clone(), assignment.clone());
            known.insert(subject, assignment);
        }
        Ok(subjects.iter().map(|subject| known.get(subject).cloned().flatten()).collect())
    }

    async fn assign(&self, assignments: &[(Subject, Assignment)]) -> PortResult<()> {
        let mut latest: BTreeMap<&Subject, &Assignment> = BTreeMap::new();
        for (subject, assignment) in assignments {
            let known = latest.entry(subject).or_insert(assignment);
            if assignment.assigned_at >= known.assigned_at {
                *known = assignment;
            }
        }
        let puts: Vec<_> = latest
            .into_iter()
            .map(|(subject, assignment)| self.assign_one(subject, assignment))
            .collect();
        futures::stream::iter(puts).buffer_unordered(PUTS_AT_ONCE).try_collect().await
    }
}

impl Cloud {
    /// The organisation's salt, strongly consistent; nothing for one that does not exist.
    pub(crate) async fn salt(&self, org: &OrgId) -> PortResult<Option<[u8; 32]>> {
        let get = self.0.dynamodb.get_item().consistent_read(true);
        let get = get.table_name(self.resources().name(Resource::Reference)?);
        let get = get.set_key(Some(key(ORGANISATIONS, org.as_str()))).projection_expression("salt");
        let answer = get.send().await.map_err(|error| port_error("organisations.salt", error))?;
        let Some(item) = answer.item else { return Ok(None) };
        item.bytes("salt")?.try_into().map(Some).map_err(|_| malformed("salt"))
    }

    async fn read_assignments(
        &self,
        subjects: &BTreeSet<&Subject>,
    ) -> PortResult<HashMap<String, Assignment>> {
        const OPERATION: &str = "reference.assignments";
        let keys = subjects.iter().map(|subject| key(partition(subject), ONLY)).collect();
        let items = self.get_all(OPERATION, Resource::Reference, keys).await?;
        items.iter().map(|item| Ok((item.text("pk")?.to_owned(), read(item)?))).collect()
    }

    async fn assign_one(&self, subject: &Subject, assignment: &Assignment) -> PortResult<()> {
        let mut item = key(partition(subject), ONLY);
        item.insert("experimentId".to_owned(), text(&assignment.experiment_id));
        item.insert("variantId".to_owned(), text(&assignment.variant_id));
        item.insert("assignedAt".to_owned(), millis(assignment.assigned_at));
        let put = self.0.dynamodb.put_item().set_item(Some(item));
        let put = put.table_name(self.resources().name(Resource::Reference)?);
        let assigned = put
            .condition_expression("attribute_not_exists(sk) OR assignedAt <= :at")
            .expression_attribute_values(":at", millis(assignment.assigned_at))
            .send()
            .await;
        self.0.assignments.forget(subject);
        match assigned {
            // A later one is known.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            assigned => assigned.map(drop).map_err(|error| port_error("reference.assign", error)),
        }
    }
}

/// Assignments as they were read, absent ones included.
pub(crate) type Assignments = Cache<Subject, Option<Assignment>>;

pub(crate) fn assignments() -> Assignments {
    Cache::new(FRESH, ASSIGNMENTS_MAX)
}

fn partition(Subject { org, product, actor }: &Subject) -> String {
    format!("A#{org}#{product}#{actor}")
}

fn read(item: &Item) -> PortResult<Assignment> {
    Ok(Assignment {
        experiment_id: item.text("experimentId")?.to_owned(),
        variant_id: item.text("variantId")?.to_owned(),
        assigned_at: item.millis("assignedAt")?,
        time_since_assignment: None,
    })
}

/// 32 bytes that nobody can predict.
fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

const ORGANISATIONS: &str = "ORG";
const ONLY: &str = "0";
const FRESH: Duration = Duration::from_secs(60);
/// About a third of a kilobyte each.
const ASSIGNMENTS_MAX: usize = 20_000;
const PUTS_AT_ONCE: usize = 16;
