//! The door's write: staging, then the stream, then the answer that a repeat of the request gets.
//!
//! Nothing makes the three durable together. Whatever fails in between is answered as a failure, and the request comes
//! again: a staged event is known by its row; a record is appended again and known by its marker.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure,
};
use contract::{
    Code, EventId, OrgId, Timestamp,
    ingest::{EventAnswer, EventStatus},
    limits::IDEMPOTENCY_TTL_MS,
    staged::StagedEvent,
};
use domain::{books, intake::collided};
use ports::{
    PortError, PortResult,
    intake::{Entry, Idempotency, Intake, Put, Receipt, Submission},
    staging::Staged,
    stream::StreamRecord,
};

use crate::{
    Cloud,
    delivery::{packed, unpacked},
    fault::port_error,
    item::{Fields, Item, bytes, item, key, malformed, number, ttl},
    resources::Resource,
    staging::plain,
    transaction::patiently,
};

impl Intake for Cloud {
    async fn submit(&self, submission: Submission) -> PortResult<Receipt> {
        let Submission { at, idempotency, entries } = submission;
        if let Some(claim) = &idempotency
            && let Some(receipt) = self.repeated(claim, at).await?
        {
            return Ok(receipt);
        }
        let Sorted { rows, records } = sorted(&entries);
        let staged =
            self.put_rows(&rows.iter().map(|(_, row)| (*row).clone()).collect::<Vec<_>>()).await?;
        let refused = rows.iter().zip(&staged).filter(|(_, staged)| **staged == Staged::Collision);
        let refused =
            refused.map(|((_, row), _)| collision(&row.org_id, &row.event_id, plain(row)));
        let records: Vec<_> = records.into_iter().chain(refused).collect();
        self.append_all(OPERATION, &records).await?;
        let mut answers: Vec<_> = entries.iter().map(|entry| entry.answer.clone()).collect();
        for ((at, _), staged) in rows.iter().zip(staged) {
            if let Some(answer) = answers.get_mut(*at) {
                correct(answer, staged);
            }
        }
        let receipt = match &idempotency {
            Some(claim) => self.remember(claim, &answers, at).await?,
            None => None,
        };
        let observed = entries
            .iter()
            .zip(&answers)
            .filter_map(|(entry, answer)| Some((entry.org.clone(), observation(answer)?)));
        self.observe(observed).await;
        Ok(receipt.unwrap_or(Receipt::Stored(answers)))
    }
}

impl Cloud {
    /// What is known about a request that claims to be a repeat.
    async fn repeated(&self, claim: &Idempotency, at: Timestamp) -> PortResult<Option<Receipt>> {
        let get = self
            .0
            .dynamodb
            .get_item()
            .table_name(self.resources().name(Resource::Dedupe)?)
            .consistent_read(true)
            .set_key(Some(request_key(claim)));
        let answer = get.send().await.map_err(|error| port_error(OPERATION, error))?;
        let Some(item) = answer.item else { return Ok(None) };
        // TTL removes at its leisure.
        if item.ttl("ttl")? <= at {
            return Ok(None);
        }
        if item.bytes("bodyHash")? != claim.body_hash.as_slice() {
            return Ok(Some(Receipt::Conflict));
        }
        Ok(Some(Receipt::Repeated(answers(&item)?)))
    }

    /// Keeps the answers for a repeat of the request. When another request under this key was quicker, its answers stand
    /// if it was the same one; else the key is its own, and only what was stored is answered.
    async fn remember(
        &self,
        claim: &Idempotency,
        given: &[EventAnswer],
        at: Timestamp,
    ) -> PortResult<Option<Receipt>> {
        let json =
            serde_json::to_vec(given).map_err(|error| PortError::permanent(OPERATION, error))?;
        let mut item = item([
            ("bodyHash", bytes(claim.body_hash)),
            ("answers", bytes(packed(&json)?)),
            ("ttl", ttl(at.plus_ms(IDEMPOTENCY_TTL_MS))),
        ]);
        item.extend(request_key(claim));
        let put = self
            .0
            .dynamodb
            .put_item()
            .table_name(self.resources().name(Resource::Dedupe)?)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(sk) OR #ttl <= :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", number(at.ms().div_euclid(1_000)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = patiently(|| put.clone().send()).await else { return Ok(None) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                let Some(found) = refused.item() else { return Ok(None) };
                let same = found.bytes("bodyHash")? == claim.body_hash.as_slice();
                let first = answers(found)?;
                // Our own, when the answer to the put was lost.
                Ok((same && first != given).then_some(Receipt::Repeated(first)))
            }
            Some(_) | None => Err(port_error(OPERATION, error)),
        }
    }
}

/// What to write, each with its place in the request where the store may correct the answer.
struct Sorted<'a> {
    rows: Vec<(usize, &'a StagedEvent)>,
    records: Vec<StreamRecord>,
}

/// Only the first body under an id is an event: another one of the same request was refused, and travels on as such.
/// Where the first is staged, its change record may well come after it.
fn sorted(entries: &[Entry]) -> Sorted<'_> {
    let mut seen = BTreeSet::new();
    let (mut rows, mut records) = (Vec::new(), Vec::new());
    for (at, entry) in entries.iter().enumerate() {
        match &entry.put {
            Put::Nothing => {}
            Put::Stage(row) if seen.insert((&row.org_id, &row.event_id)) => rows.push((at, row)),
            Put::Stage(row) => records.push(collision(&row.org_id, &row.event_id, plain(row))),
            Put::Stream { event_id, record, .. } if seen.insert((&entry.org, event_id)) => {
                records.push(record.clone());
            }
            Put::Stream { event_id, record, .. } => {
                records.push(collision(&entry.org, event_id, record.clone()));
            }
        }
    }
    Sorted { rows, records }
}

fn collision(org: &OrgId, id: &EventId, record: StreamRecord) -> StreamRecord {
    StreamRecord { data: collided(org, id, &record.data), ..record }
}

fn correct(answer: &mut EventAnswer, staged: Staged) {
    let (status, code) = match staged {
        Staged::New => return,
        Staged::Known => (EventStatus::Duplicate, None),
        Staged::Collision => (EventStatus::Rejected, Some(Code::IdCollision)),
    };
    (answer.status, answer.code, answer.path) = (status, code, None);
}

/// Under which name the organisation's ledger counts an answer, if under any.
fn observation(answer: &EventAnswer) -> Option<String> {
    match answer.status {
        EventStatus::Duplicate => Some(books::DUPLICATES.to_owned()),
        EventStatus::Rejected => {
            Some(format!("{}.{}", books::REJECTED, answer.code.unwrap_or(Code::Internal)))
        }
        EventStatus::Accepted | EventStatus::Quarantined => None,
    }
}

fn answers(item: &Item) -> PortResult<Vec<EventAnswer>> {
    let json = unpacked(item.bytes("answers")?)?;
    serde_json::from_slice(&json).map_err(|_| malformed("answers"))
}

fn request_key(claim: &Idempotency) -> Item {
    key(format!("I#{}", claim.key), "0")
}

const OPERATION: &str = "intake.submit";
