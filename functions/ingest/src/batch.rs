//! One request, from its bytes to its answers.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use contract::{
    Code, Timestamp,
    ingest::{EventAnswer, EventStatus, IngestAnswer},
};
use domain::{
    intake::{self, Door, Kept, Verdict},
    pseudonym::Kind,
};
use ports::{
    PortError,
    clock::{Clock, Entropy},
    intake::{Idempotency, Intake, Receipt, Submission},
    keys::{ApiKeyRecord, ApiKeys, PseudonymKeys},
};
use sha2::{Digest, Sha256};

use crate::{
    Ingest, auth,
    body::{self, Encoding},
    entries,
    problem::Refusal,
};

/// Takes a request's events.
pub(crate) async fn handle<W, C, E>(
    app: &Ingest<W, C, E>,
    request: Request,
) -> Result<Response, Refusal>
where
    W: Intake + ApiKeys + PseudonymKeys,
    C: Clock,
    E: Entropy,
{
    let (parts, body) = request.into_parts();
    let (key, encoding) = match app.greet(&parts.headers).await {
        Ok(known) => known,
        Err(refusal) => {
            body::discard(&parts.headers, body).await;
            return Err(refusal);
        }
    };
    app.take(&parts.headers, body, &key, encoding).await
}

/// The world did not do its part. Logged here, once.
pub(crate) fn unavailable(error: &PortError) -> Refusal {
    tracing::error!(
        operation = error.operation,
        transient = error.transient,
        "took nothing: {error}"
    );
    let seconds = if error.transient { RETRY_SOON_SECONDS } else { RETRY_LATE_SECONDS };
    Refusal::of(Code::StorageUnavailable).retry_after(seconds)
}

impl<W, C, E> Ingest<W, C, E>
where
    W: Intake + ApiKeys + PseudonymKeys,
    C: Clock,
    E: Entropy,
{
    /// Judges everything that stands before the body.
    async fn greet(&self, headers: &HeaderMap) -> Result<(ApiKeyRecord, Encoding), Refusal> {
        let now = self.clock.now();
        let key = auth::sender(&self.world, headers, now).await?;
        let limited = |seconds| Refusal::of(Code::RateLimited).retry_after(seconds);
        self.buckets.check(&key.key_id, now).map_err(limited)?;
        Ok((key, body::announced(headers)?))
    }

    async fn take(
        &self,
        headers: &HeaderMap,
        body: Body,
        key: &ApiKeyRecord,
        encoding: Encoding,
    ) -> Result<Response, Refusal> {
        let bytes = body::read(body, encoding, self.config.body_timeout).await?;
        let events = intake::split(&bytes)?;
        let now = self.clock.now();
        self.buckets.charge(&key.key_id, now, events.len());

        let keys = Keys::of(&self.world, key).await.map_err(|error| unavailable(&error))?;
        let idempotency = keys.idempotency(headers, key, &bytes)?;
        let entropy = || self.entropy.bytes();
        let door = keys.door(key, now, &entropy);
        let outcomes = events.iter().map(|event| intake::read_event(event.get(), &door));
        let verdicts = intake::plan(outcomes.collect());
        self.store(verdicts, idempotency, key, now).await
    }

    async fn store(
        &self,
        verdicts: Vec<Verdict>,
        idempotency: Option<Idempotency>,
        key: &ApiKeyRecord,
        now: Timestamp,
    ) -> Result<Response, Refusal> {
        let default_org = key.orgs.first().ok_or(Code::InsufficientScope)?;
        let cleaned = Cleaned::of(&verdicts);
        let entries = verdicts.into_iter().map(|verdict| entries::entry(verdict, default_org, now));
        let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(|_| Code::Internal)?;
        let ids: Vec<String> = entries
            .iter()
            .filter(|entry| entry.answer.status != EventStatus::Rejected)
            .filter_map(|entry| entry.answer.event_id.clone())
            .collect();
        let submission = Submission { at: now, idempotency, entries };
        match self.world.submit(submission).await {
            Ok(Receipt::Stored(answers)) => {
                cleaned.tell(&answers);
                answer(answers)
            }
            Ok(Receipt::Repeated(answers)) => answer(answers),
            Ok(Receipt::Conflict) => Err(Code::IdempotencyConflict.into()),
            Err(error) => Err(unavailable(&error).not_stored(ids)),
        }
    }
}

/// The keys that a request's events are read with.
struct Keys {
    pseudonymisers: BTreeMap<contract::OrgId, Arc<domain::pseudonym::Pseudonymiser>>,
    seal_key: Arc<domain::seal::SealKey>,
}

impl Keys {
    async fn of(world: &impl PseudonymKeys, key: &ApiKeyRecord) -> Result<Self, PortError> {
        let mut pseudonymisers = BTreeMap::new();
        for org in &key.orgs {
            if let Some(pseudonymiser) = world.pseudonymiser(org).await? {
                pseudonymisers.insert(org.clone(), pseudonymiser);
            }
        }
        Ok(Self { pseudonymisers, seal_key: world.seal_key().await? })
    }

    fn door<'d>(
        &'d self,
        key: &'d ApiKeyRecord,
        now: Timestamp,
        entropy: &'d (dyn Fn() -> [u8; 16] + Sync),
    ) -> Door<'d> {
        Door {
            now,
            orgs: &key.orgs,
            pseudonymisers: &self.pseudonymisers,
            seal_key: &self.seal_key,
            entropy,
        }
    }

    /// The request's claim to be the same as an earlier one. The header may name somebody, so that its token is kept; the
    /// organisations stand before it, so that a key may be replaced between two tries.
    fn idempotency(
        &self,
        headers: &HeaderMap,
        key: &ApiKeyRecord,
        body: &[u8],
    ) -> Result<Option<Idempotency>, Code> {
        let mut values = headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(None) };
        let text =
            value.to_str().ok().filter(|text| (1..=IDEMPOTENCY_BYTES_MAX).contains(&text.len()));
        let (Some(text), None) = (text, values.next()) else { return Err(Code::InvalidHeader) };
        // Without a pseudonymiser nothing is stored that a repeat could be about.
        let pseudonymiser = key.orgs.first().and_then(|org| self.pseudonymisers.get(org));
        let Some(pseudonymiser) = pseudonymiser else { return Ok(None) };
        let orgs: Vec<&str> = key.orgs.iter().map(contract::OrgId::as_str).collect();
        let token = pseudonymiser.token(Kind::Object, text);
        Ok(Some(Idempotency {
            key: format!("{}/{token}", orgs.join(",")),
            body_hash: Sha256::digest(body).into(),
        }))
    }
}

/// What was taken away from the events of a request.
#[derive(Debug, Default)]
struct Cleaned {
    dropped_keys: usize,
    scrubbed: usize,
}

impl Cleaned {
    fn of(verdicts: &[Verdict]) -> Self {
        let mut cleaned = Self::default();
        for verdict in verdicts {
            if let Kept::Event(ready) = &verdict.kept {
                cleaned.dropped_keys += ready.dropped_keys;
                cleaned.scrubbed += ready.scrubbed;
            }
        }
        cleaned
    }

    fn tell(&self, answers: &[EventAnswer]) {
        let count = |status| answers.iter().filter(|answer| answer.status == status).count();
        tracing::info!(
            target: "metrics",
            stage = "ingest",
            events_accepted = count(EventStatus::Accepted),
            events_quarantined = count(EventStatus::Quarantined),
            events_duplicate = count(EventStatus::Duplicate),
            events_rejected = count(EventStatus::Rejected),
            context_keys_dropped = self.dropped_keys,
            entities_scrubbed = self.scrubbed,
        );
    }
}

/// 202, unless nothing was acceptable: then the caller's organisations are at fault, or its events.
fn answer(answers: Vec<EventAnswer>) -> Result<Response, Refusal> {
    if answers.iter().any(|answer| answer.status != EventStatus::Rejected) {
        let body = serde_json::to_vec(&IngestAnswer::of(answers)).map_err(|_| Code::Internal)?;
        let json = [(header::CONTENT_TYPE, "application/json")];
        return Ok((StatusCode::ACCEPTED, json, body).into_response());
    }
    let all_foreign = answers.iter().all(|answer| answer.code == Some(Code::ForeignOrg));
    let code = if all_foreign { Code::ForeignOrg } else { Code::NothingAcceptable };
    Err(Refusal::of(code).events(answers))
}

const IDEMPOTENCY_BYTES_MAX: usize = 256;
const RETRY_SOON_SECONDS: u64 = 2;
const RETRY_LATE_SECONDS: u64 = 30;
