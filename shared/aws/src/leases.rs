//! Leases: one item per organisation, whose fence grows with every grant.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::{
        UpdateItemError, UpdateItemOutput, builders::UpdateItemFluentBuilder,
    },
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use contract::{OrgId, Timestamp};
use domain::breaker::Breaker;
use ports::{
    PortResult,
    delivery::{Lease, Leases},
};

use crate::{
    Cloud,
    delivery::head_key,
    fault::port_error,
    item::{Fields, Item, millis, number, text},
    resources::Resource,
    transaction::{Write, patiently},
};

impl Leases for Cloud {
    /// A grant whose answer was lost is recognised by the name that this call gave it. Announcements that their writer
    /// could not publish are published by whoever holds the lease next.
    async fn acquire(
        &self,
        org: &OrgId,
        now: Timestamp,
        until: Timestamp,
    ) -> PortResult<Option<Lease>> {
        let owner = format!("{:032x}", fastrand::u128(..));
        let update = self
            .head_update(org)?
            .update_expression(
                "SET leaseUntil = :until, leaseOwner = :owner, nextSeq = if_not_exists(nextSeq, :one) ADD fence :one",
            )
            .condition_expression("attribute_not_exists(leaseUntil) OR leaseUntil <= :now")
            .expression_attribute_values(":until", millis(until))
            .expression_attribute_values(":owner", text(&owner))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":now", millis(now))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let held = match changed(patiently(|| update.clone().send()).await, "leases.acquire")? {
            Change::Made(head) => head,
            Change::Refused(head) if head.text_if("leaseOwner")? == Some(owner.as_str()) => head,
            Change::Refused(_) => return Ok(None),
        };
        let lease = lease(org, until, &held)?;
        self.publish_leftovers(org).await;
        Ok(Some(lease))
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> PortResult<bool> {
        let update = self
            .head_update(&lease.org)?
            .update_expression("SET leaseUntil = :until")
            .condition_expression(HELD)
            .expression_attribute_values(":until", millis(until))
            .expression_attribute_values(":fence", number(lease.fence));
        let renewed = changed(patiently(|| update.clone().send()).await, "leases.renew")?;
        Ok(matches!(renewed, Change::Made(_)))
    }

    async fn release(&self, lease: &Lease, breaker: Breaker) -> PortResult<()> {
        let update = self
            .head_update(&lease.org)?
            .condition_expression(HELD)
            .expression_attribute_values(":fence", number(lease.fence))
            .expression_attribute_values(":failures", number(breaker.failures));
        let update = match breaker.open_until {
            Some(open_until) => update
                .update_expression(
                    "SET brFails = :failures, brOpenUntil = :openUntil REMOVE leaseUntil, leaseOwner",
                )
                .expression_attribute_values(":openUntil", millis(open_until)),
            None => update.update_expression(
                "SET brFails = :failures REMOVE leaseUntil, leaseOwner, brOpenUntil",
            ),
        };
        changed(patiently(|| update.clone().send()).await, "leases.release")?;
        Ok(())
    }
}

impl Cloud {
    fn head_update(&self, org: &OrgId) -> PortResult<UpdateItemFluentBuilder> {
        let table = self.resources().name(Resource::Delivery)?;
        Ok(self.0.dynamodb.update_item().table_name(table).set_key(Some(head_key(org))))
    }
}

/// Holds while nobody else was granted the lease and it was not given back.
pub(crate) fn held(table: &str, lease: &Lease) -> Write {
    Write::check(table, head_key(&lease.org)).when(HELD).value(":fence", number(lease.fence))
}

/// Moves the head on to the next number; holds while the lease is held and its holder knows that number.
pub(crate) fn advanced(table: &str, lease: &Lease) -> Write {
    Write::update(table, head_key(&lease.org), "SET nextSeq = :next")
        .when(NEXT)
        .value(":fence", number(lease.fence))
        .value(":seq", number(lease.next_seq))
        .value(":next", number(lease.next_seq.saturating_add(1)))
}

fn lease(org: &OrgId, until: Timestamp, head: &Item) -> PortResult<Lease> {
    let breaker = Breaker {
        failures: head.number_if("brFails")?.unwrap_or(0),
        open_until: head.millis_if("brOpenUntil")?,
    };
    let (fence, next_seq) = (head.number("fence")?, head.number("nextSeq")?);
    Ok(Lease { org: org.clone(), fence, until, next_seq, breaker })
}

/// What became of a change of the head.
enum Change {
    Made(Item),
    /// Its condition does not hold; the head as it is.
    Refused(Item),
}

fn changed<R: std::fmt::Debug + Send + Sync + 'static>(
    answer: Result<UpdateItemOutput, SdkError<UpdateItemError, R>>,
    operation: &'static str,
) -> PortResult<Change> {
    match answer {
        Ok(changed) => Ok(Change::Made(changed.attributes.unwrap_or_default())),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                Ok(Change::Refused(refused.item().cloned().unwrap_or_default()))
            }
            Some(_) | None => Err(port_error(operation, error)),
        },
    }
}

const HELD: &str = "fence = :fence AND attribute_exists(leaseUntil)";
const NEXT: &str = "fence = :fence AND nextSeq = :seq AND attribute_exists(leaseUntil)";
