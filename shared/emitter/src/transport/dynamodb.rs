//! The staging table itself: one write per event, or one for up to 25 of them.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::put_item::PutItemError,
    types::{AttributeValue, PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest},
};
use contract::{
    Code, OrgId,
    change::{self, Attribute},
    staged::StagedEvent,
};
use domain::placement;

use super::{RowFate, Transport, TransportError};

/// Puts rows into the staging table.
///
/// A row whose id is a UUIDv7 is new by construction and travels in a `BatchWriteItem`; repeating it writes the same
/// bytes again. A row under an id that somebody chose is put on its own, on the condition that the id is new. Before its
/// first row the transport enters the organisation into the directory, so that the batcher finds it.
///
/// The host brings the client: it knows its region, credentials and time limits, and often has one already. It needs
/// `dynamodb:PutItem` and `dynamodb:BatchWriteItem` on the staging table, and `dynamodb:PutItem` on the delivery table.
#[derive(Debug)]
pub struct DynamoDb {
    client: Client,
    staging_table: String,
    delivery_table: String,
    listed: AtomicBool,
}

impl DynamoDb {
    /// Writes to `staging_table`; `delivery_table` holds the directory.
    #[must_use]
    pub fn new(
        client: Client,
        staging_table: impl Into<String>,
        delivery_table: impl Into<String>,
    ) -> Self {
        Self {
            client,
            staging_table: staging_table.into(),
            delivery_table: delivery_table.into(),
            listed: AtomicBool::new(false),
        }
    }

    /// Enters the organisation into the directory, once per process. An emitter serves one organisation.
    async fn list(&self, org: &OrgId) -> Result<(), TransportError> {
        if self.listed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.delivery_table)
            .item("pk", AttributeValue::S(placement::directory(org)))
            .item("sk", AttributeValue::S(org.to_string()));
        put.send().await.map_err(|error| refused(&error))?;
        self.listed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Puts one row unless its id is staged already.
    async fn put(&self, row: &StagedEvent) -> Result<RowFate, TransportError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.staging_table)
            .set_item(Some(item(row)))
            .condition_expression("attribute_not_exists(sk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(RowFate::Stored),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(found)) => {
                    let staged = found.item().and_then(|item| item.get("ck"));
                    let own = AttributeValue::N(row.ck.to_string());
                    Ok(if staged == Some(&own) {
                        RowFate::Known
                    } else {
                        RowFate::Refused(Code::IdCollision)
                    })
                }
                _ => Err(refused(&error)),
            },
        }
    }

    /// Puts rows in one call and answers their fates in order.
    async fn put_all(&self, rows: &[&StagedEvent]) -> Result<Vec<RowFate>, TransportError> {
        let mut requests = Vec::with_capacity(rows.len());
        for row in rows {
            let put = PutRequest::builder().set_item(Some(item(row))).build();
            let put =
                put.map_err(|_| TransportError::Unavailable { why: "the row cannot be written" })?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        let write = self.client.batch_write_item().request_items(&self.staging_table, requests);
        let answer = write.send().await.map_err(|error| refused(&error))?;
        let left = answer.unprocessed_items().and_then(|tables| tables.get(&self.staging_table));
        let is_left = |row: &StagedEvent| {
            left.into_iter().flatten().any(|request| {
                let key = request.put_request().and_then(|put| put.item().get("sk"));
                key.and_then(|key| key.as_s().ok()).is_some_and(|sk| sk == row.event_id.as_str())
            })
        };
        let fate = |row: &&StagedEvent| match is_left(row) {
            true => RowFate::Unprocessed,
            false => RowFate::Stored,
        };
        Ok(rows.iter().map(fate).collect())
    }
}

impl Transport for DynamoDb {
    async fn send(&self, rows: &[StagedEvent]) -> Result<Vec<RowFate>, TransportError> {
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        self.list(&first.org_id).await?;
        let mut fates = vec![RowFate::Unprocessed; rows.len()];
        let (made, chosen): (Vec<_>, Vec<_>) =
            rows.iter().zip(&mut fates).partition(|(row, _)| row.event_id.uuid_v7_ms().is_some());
        match made.as_slice() {
            [] => {}
            // Alone it costs the same and the answer says whether it was known.
            [_] => {
                for (row, fate) in made {
                    *fate = self.put(row).await?;
                }
            }
            _ => {
                let (rows, fates): (Vec<_>, Vec<_>) = made.into_iter().unzip();
                for (fate, answer) in fates.into_iter().zip(self.put_all(&rows).await?) {
                    *fate = answer;
                }
            }
        }
        for (row, fate) in chosen {
            *fate = self.put(row).await?;
        }
        Ok(fates)
    }
}

fn item(row: &StagedEvent) -> HashMap<String, AttributeValue> {
    let mut item = HashMap::from([
        ("pk".to_owned(), AttributeValue::S(placement::staging(&row.org_id, &row.event_id))),
        ("sk".to_owned(), AttributeValue::S(row.event_id.to_string())),
    ]);
    for (name, value) in change::image(row) {
        let value = match value {
            Attribute::S(text) => AttributeValue::S(text.into_owned()),
            Attribute::N(number) => AttributeValue::N(number.into_owned()),
            // A staging row has texts and numbers only.
            Attribute::B(_)
            | Attribute::BOOL(_)
            | Attribute::NULL(_)
            | Attribute::L(_)
            | Attribute::M(_)
            | Attribute::SS(_)
            | Attribute::NS(_)
            | Attribute::BS(_) => continue,
        };
        item.insert(name.into_owned(), value);
    }
    item
}

/// What the service said, in the emitter's fixed words.
fn refused<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> TransportError {
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some(
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded",
        ) => TransportError::Throttled,
        Some("ResourceNotFoundException") => TransportError::Denied { why: "no such table" },
        Some("AccessDeniedException" | "UnrecognizedClientException" | "ExpiredTokenException") => {
            TransportError::Denied { why: "the credentials" }
        }
        Some(_) => TransportError::Unavailable { why: "the table answered with an error" },
        None => TransportError::Unavailable { why: "the table did not answer" },
    }
}
