//! The door's write: ids, staging rows with their change records, plain records, books and answers in one transaction.

use contract::{
    Code, EventId, OrgId, Timestamp,
    ingest::{EventAnswer, EventStatus},
};
use domain::intake::collided;
use ports::{
    PortResult,
    intake::{Entry, Idempotency, Intake, Put, Receipt, Submission},
    stream::StreamRecord,
};
use rusqlite::{OptionalExtension, params};

use crate::{
    Store,
    books::{DUPLICATES, REJECTED},
    events::{self, Arrival},
    fault::Fault,
    staging::Prepared,
    stream::{append, shard_of},
    writer::Tx,
};

impl Intake for Store {
    async fn submit(&self, submission: Submission) -> PortResult<Receipt> {
        let weight = submission.entries.len();
        let shards = self.0.shards;
        let Submission { at, idempotency, entries } = submission;
        // What can be computed is computed here, on as many threads as there are requests.
        let ready = |entry: Entry| (entry.org, entry.answer, Ready::of(entry.put, at, shards));
        let entries: Vec<_> = entries.into_iter().map(ready).collect();
        let job = move |tx: &mut Tx<'_>| submit(tx, at, idempotency.as_ref(), entries);
        self.write_new("submit events", weight, job).await
    }
}

/// What to write for one event, with all that can be computed before it is the writer's turn.
pub(crate) enum Ready {
    Nothing,
    Stage(Box<Prepared>),
    Stream { event_id: EventId, ck: u32, record: StreamRecord, shard: u32 },
}

/// What the store made of one event.
pub(crate) enum Taken {
    New,
    Known,
    Collision,
}

impl Ready {
    pub(crate) fn of(put: Put, at: Timestamp, shards: u32) -> Self {
        match put {
            Put::Nothing => Self::Nothing,
            Put::Stage(row) => Self::Stage(Box::new(Prepared::of(row, at, shards))),
            Put::Stream { event_id, ck, record } => {
                let shard = shard_of(&record.partition_key, shards);
                Self::Stream { event_id, ck, record, shard }
            }
        }
    }

    /// The event as it comes in; nothing when there is none, or nobody knows whose it is.
    pub(crate) fn arrival<'a>(
        &'a self,
        tx: &Tx<'_>,
        org: Option<&'a OrgId>,
        at: Timestamp,
    ) -> Option<Arrival<'a>> {
        match self {
            Self::Nothing => None,
            Self::Stage(prepared) => Some(prepared.arrival(tx, at)),
            Self::Stream { event_id, ck, shard, .. } => Some(Arrival {
                org: org?,
                id: event_id,
                ck: *ck,
                at,
                forward: false,
                shard: *shard,
                position: None,
            }),
        }
    }

    /// Takes an event as a door does. With a known id and the same body it is a duplicate; another body travels on to
    /// quarantine, behind the first one's record, so that the first is counted first.
    pub(crate) fn take(&self, tx: &mut Tx<'_>, arrival: Arrival<'_>) -> Result<Taken, Fault> {
        if events::accept(tx, arrival)? {
            self.write(tx, arrival.at)?;
            return Ok(Taken::New);
        }
        let (key, data) = match self {
            Self::Nothing => return Ok(Taken::Known),
            Self::Stage(prepared) => prepared.plain(),
            Self::Stream { record, .. } => (record.partition_key.as_str(), record.data.as_slice()),
        };
        known(tx, arrival, key, data)
    }

    /// Writes what carries the event on.
    pub(crate) fn write(&self, tx: &mut Tx<'_>, at: Timestamp) -> Result<(), Fault> {
        match self {
            Self::Nothing => {}
            Self::Stage(prepared) => {
                prepared.insert(tx, prepared.forward(), at)?;
            }
            Self::Stream { record, shard, .. } => {
                append(tx, *shard, &record.partition_key, &record.data, at)?;
            }
        }
        Ok(())
    }
}

fn known(
    tx: &mut Tx<'_>,
    arrival: Arrival<'_>,
    partition_key: &str,
    data: &[u8],
) -> Result<Taken, Fault> {
    let first = events::find(tx.connection, arrival.org, arrival.id)?
        .ok_or(Fault::Invalid("a known event has no row"))?;
    if first.ck == arrival.ck {
        return Ok(Taken::Known);
    }
    let record = collided(arrival.org, arrival.id, data);
    append(tx, first.shard, partition_key, &record, arrival.at)?;
    Ok(Taken::Collision)
}

fn submit(
    tx: &mut Tx<'_>,
    at: Timestamp,
    idempotency: Option<&Idempotency>,
    entries: Vec<(OrgId, EventAnswer, Ready)>,
) -> Result<Receipt, Fault> {
    if let Some(claim) = idempotency
        && let Some(receipt) = repeated(tx, claim, at)?
    {
        return Ok(receipt);
    }
    let mut answers = Vec::with_capacity(entries.len());
    for (org, own, put) in entries {
        let taken = match put.arrival(tx, Some(&org), at) {
            Some(arrival) => put.take(tx, arrival)?,
            None => Taken::New,
        };
        answers.push(answer(tx, &org, own, &taken));
    }
    if let Some(claim) = idempotency {
        remember(tx, claim, &answers, at)?;
    }
    Ok(Receipt::Stored(answers))
}

fn answer(tx: &mut Tx<'_>, org: &OrgId, own: EventAnswer, taken: &Taken) -> EventAnswer {
    let answer = match taken {
        Taken::New => own,
        Taken::Known => {
            EventAnswer { status: EventStatus::Duplicate, code: None, path: None, ..own }
        }
        Taken::Collision => EventAnswer {
            status: EventStatus::Rejected,
            code: Some(Code::IdCollision),
            path: None,
            ..own
        },
    };
    match answer.status {
        EventStatus::Duplicate => tx.books.add(org, DUPLICATES, 1),
        EventStatus::Rejected => {
            tx.books.add_code(Some(org), REJECTED, answer.code.unwrap_or(Code::Internal), 1);
        }
        EventStatus::Accepted | EventStatus::Quarantined => {}
    }
    answer
}

fn repeated(tx: &Tx<'_>, claim: &Idempotency, at: Timestamp) -> Result<Option<Receipt>, Fault> {
    let mut select = tx.connection.prepare_cached(
        "SELECT body_hash, answers FROM idempotency WHERE key = ?1 AND expires_at > ?2",
    )?;
    let found = select.query_row(params![claim.key, at.ms()], |row| {
        Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?))
    });
    let Some((body_hash, answers)) = found.optional()? else { return Ok(None) };
    if body_hash != claim.body_hash {
        return Ok(Some(Receipt::Conflict));
    }
    Ok(Some(Receipt::Repeated(serde_json::from_str(&answers)?)))
}

fn remember(
    tx: &Tx<'_>,
    claim: &Idempotency,
    answers: &[EventAnswer],
    at: Timestamp,
) -> Result<(), Fault> {
    let expires_at = at.plus_ms(contract::limits::IDEMPOTENCY_TTL_MS);
    tx.execute(
        "INSERT OR REPLACE INTO idempotency VALUES (?1, ?2, ?3, ?4)",
        params![claim.key, claim.body_hash, serde_json::to_string(answers)?, expires_at.ms()],
    )?;
    Ok(())
}
