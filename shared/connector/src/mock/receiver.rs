//! The mock's decisions, without a socket: a request and the time in, a reply out.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::{
    Timestamp,
    limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX},
};
use domain::{
    profile::{CredentialHeader, IDEMPOTENCY_HEADER, Profile, SEQUENCE_HEADER},
    signature::{self, Signed, SigningSecret},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Books, Death, Quirks, TakenBatch, Violation};

/// What the mock expects and how it answers.
#[derive(Debug, Clone)]
pub struct MockSettings {
    /// The profile of its senders.
    pub profile: Profile,
    /// The key that it knows.
    pub key: String,
    /// The secrets that it knows.
    pub signing: Vec<SigningSecret>,
    /// The shape of its answers.
    pub shape: Shape,
    /// How it misbehaves.
    pub quirks: Quirks,
}

/// The shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{"accepted", "frictions_created", "enrichment", "errors"}`
    Flat,
    /// `{"success": true, "data": {…}}`
    Wrapped,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body, as it travelled.
    pub body: Vec<u8>,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What the sender gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer.
    Http {
        /// The status.
        status: u16,
        /// The `Retry-After` header.
        retry_after: Option<String>,
        /// JSON.
        body: Vec<u8>,
    },
    /// Nothing, ever.
    Hang,
    /// The connection, cut.
    Cut,
}

/// The mock connector. Cheap to clone; clones share their books.
#[derive(Debug, Clone)]
pub struct Receiver {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    settings: MockSettings,
    books: Books,
    /// By idempotency key: the hash of the body, and the answer.
    known: BTreeMap<String, ([u8; 32], Vec<u8>)>,
    last_seq: BTreeMap<String, String>,
    deferred: BTreeSet<String>,
    taken: u64,
    refused_large: u64,
}

impl Receiver {
    /// A mock with empty books.
    #[must_use]
    pub fn new(settings: MockSettings) -> Self {
        let state = State {
            settings,
            books: Books::default(),
            known: BTreeMap::new(),
            last_seq: BTreeMap::new(),
            deferred: BTreeSet::new(),
            taken: 0,
            refused_large: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Takes one request.
    #[must_use]
    pub fn receive(&self, request: &Received, now: Timestamp) -> Reply {
        let mut state = self.state();
        let reply = state.receive(request, now);
        let status = match &reply {
            Reply::Http { status, .. } => *status,
            Reply::Hang | Reply::Cut => 0,
        };
        *state.books.statuses.entry(status).or_default() += 1;
        reply
    }

    /// The books so far.
    #[must_use]
    pub fn books(&self) -> Books {
        self.state().books.clone()
    }

    /// Changes what the mock expects or how it misbehaves from now on.
    pub fn change(&self, change: impl FnOnce(&mut MockSettings)) {
        change(&mut self.state().settings);
    }

    /// A panic elsewhere leaves the books as they were.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch, as far as the mock reads it.
struct Parcel {
    org: String,
    batch_id: String,
    seq: String,
    hash: [u8; 32],
    bytes: usize,
    events: Vec<String>,
}

impl State {
    fn receive(&mut self, request: &Received, now: Timestamp) -> Reply {
        self.books.requests += 1;
        let quirks = &self.settings.quirks;
        if Quirks::is_turn(quirks.hang_every, self.books.requests) {
            return Reply::Hang;
        }
        if quirks.down_until.is_some_and(|until| now < until) {
            return self.refusal(503, "down");
        }
        if quirks.always_500 {
            return self.refusal(500, "failed");
        }
        if let Some(reply) = self.stranger(request, now) {
            return reply;
        }
        let quirks = &self.settings.quirks;
        if Quirks::is_turn(quirks.rate_limit_every, self.books.requests) {
            return self.refusal(429, "slow down");
        }
        let parcel = match self.opened(request) {
            Ok(parcel) => parcel,
            Err(what) => {
                self.books.violations.push(Violation::Body { what });
                return self.refusal(400, what);
            }
        };
        match self.settings.quirks.dead_orgs.get(&parcel.org) {
            Some(Death::Hang) => return Reply::Hang,
            Some(Death::Status(status)) => return self.refusal(*status, "dead"),
            None => {}
        }
        self.known_or_taken(&parcel, now)
    }

    /// A sender that the mock does not know, or that does not keep to the contract's headers.
    fn stranger(&mut self, request: &Received, now: Timestamp) -> Option<Reply> {
        let settings = &self.settings;
        let (name, expected) = match &settings.profile.credential {
            CredentialHeader::Bearer => ("Authorization", format!("Bearer {}", settings.key)),
            CredentialHeader::Named(name) => (name.as_str(), settings.key.clone()),
        };
        if request.header(name) != Some(expected.as_str()) {
            return Some(self.refusal(401, "unknown key"));
        }
        let demanded = settings.profile.headers.iter().map(|(name, _)| name.as_str());
        let missing: Vec<String> = demanded
            .chain([IDEMPOTENCY_HEADER, SEQUENCE_HEADER, "Content-Type"])
            .filter(|name| request.header(name).is_none_or(str::is_empty))
            .map(str::to_owned)
            .collect();
        let id = request.header(signature::ID_HEADER).unwrap_or_default();
        let signed = Signed {
            id,
            timestamp: request.header(signature::TIMESTAMP_HEADER).unwrap_or_default(),
            signature: request.header(signature::SIGNATURE_HEADER).unwrap_or_default(),
        };
        let is_signed = signature::verify(&settings.signing, signed, &request.body, now).is_ok()
            && request.header(IDEMPOTENCY_HEADER) == Some(id);
        let is_at_home = request.path == settings.profile.path;
        if !is_at_home {
            return Some(self.refusal(404, "no such path"));
        }
        if !is_signed {
            self.books.violations.push(Violation::Signature { batch_id: id.to_owned() });
            return Some(self.refusal(401, "no signature fits"));
        }
        if missing.is_empty() {
            return None;
        }
        let headers = missing.into_iter().map(|name| Violation::Header { name });
        self.books.violations.extend(headers);
        Some(self.refusal(400, "headers"))
    }

    fn opened(&self, request: &Received) -> Result<Parcel, &'static str> {
        let profile = &self.settings.profile;
        let body = unpacked(request)?;
        let envelope: Value = serde_json::from_slice(&body).map_err(|_| "not JSON")?;
        let events = envelope.get(&profile.envelope.events).and_then(Value::as_array);
        let events = events.ok_or("no events")?;
        let field = |name: &'static str| profile.renamed.get(name).map_or(name, String::as_str);
        let org = org_header(profile).and_then(|name| request.header(name));
        let org = org.ok_or("no organisation")?.to_owned();
        let mut ids = Vec::with_capacity(events.len());
        for event in events {
            let id = event.get(field("eventId")).and_then(Value::as_str).ok_or("no event id")?;
            if !is_connector_id(id) {
                return Err("not a connector's event id");
            }
            if event.get(field("orgId")).is_some_and(|told| told.as_str() != Some(&org)) {
                return Err("an event of another organisation");
            }
            ids.push(id.to_owned());
        }
        let metadata = profile.envelope.metadata.as_ref().and_then(|name| envelope.get(name));
        let told = metadata.and_then(|metadata| metadata.get("eventCount")?.as_u64());
        if told.is_some_and(|told| usize::try_from(told) != Ok(ids.len())) {
            return Err("a count that is not that of the events");
        }
        Ok(Parcel {
            org,
            batch_id: request.header(IDEMPOTENCY_HEADER).unwrap_or_default().to_owned(),
            seq: request.header(SEQUENCE_HEADER).unwrap_or_default().to_owned(),
            hash: Sha256::digest(&body).into(),
            bytes: body.len(),
            events: ids,
        })
    }

    fn known_or_taken(&mut self, parcel: &Parcel, now: Timestamp) -> Reply {
        if let Some((hash, answer)) = self.known.get(&parcel.batch_id) {
            if *hash != parcel.hash {
                let batch_id = parcel.batch_id.clone();
                self.books.violations.push(Violation::KeyReused { batch_id });
                return self.refusal(422, "the key belongs to another body");
            }
            self.books.repeated += 1;
            return Reply::Http { status: 200, retry_after: None, body: answer.clone() };
        }
        if let Some(reply) = self.unwanted(parcel) {
            return reply;
        }
        let answer = self.taken(parcel, now);
        self.known.insert(parcel.batch_id.clone(), (parcel.hash, answer.clone()));
        self.taken += 1;
        if Quirks::is_turn(self.settings.quirks.lose_2xx_every, self.taken) {
            return Reply::Cut;
        }
        Reply::Http { status: 200, retry_after: None, body: answer }
    }

    /// A batch that is refused as a whole.
    fn unwanted(&mut self, parcel: &Parcel) -> Option<Reply> {
        let quirks = &self.settings.quirks;
        let has = |unwanted: &BTreeSet<String>| {
            parcel.events.iter().any(|event| unwanted.contains(event))
        };
        let count = parcel.events.len();
        if count == 0 {
            return Some(self.refusal(422, "no events"));
        }
        if count > BATCH_EVENTS_MAX || (parcel.bytes > BATCH_BYTES_MAX && count > 1) {
            let batch_id = parcel.batch_id.clone();
            self.books.violations.push(Violation::TooLarge { batch_id });
            return Some(self.refusal(413, "beyond the caps"));
        }
        if quirks.max_batch_events > 0 && count > quirks.max_batch_events {
            self.refused_large += 1;
            let status = if self.refused_large.is_multiple_of(2) { 422 } else { 413 };
            return Some(self.refusal(status, "too many events"));
        }
        if has(&quirks.crash_on) {
            return Some(self.refusal(500, "crashed"));
        }
        has(&quirks.refuse_batch_with).then(|| self.refusal(422, "one of the events is invalid"))
    }

    /// Takes what is to be taken, and answers per event.
    fn taken(&mut self, parcel: &Parcel, now: Timestamp) -> Vec<u8> {
        self.ordered(parcel);
        let quirks = self.settings.quirks.clone();
        let org = self.books.orgs.entry(parcel.org.clone()).or_default();
        let (mut events, mut errors, mut duplicates) = (Vec::new(), Vec::new(), 0_usize);
        for event in &parcel.events {
            if let Some(first) = org.taken.get(event) {
                duplicates += 1;
                self.books.violations.push(Violation::EventTwice {
                    event: event.clone(),
                    first: first.clone(),
                    again: parcel.batch_id.clone(),
                });
            } else if quirks.falls(REJECTS, event, quirks.reject_share) {
                org.rejected.insert(event.clone());
                errors.push(json!({
                    "eventId": event, "error": "invalid_event", "reason": "the taxonomy is not known here",
                }));
            } else if quirks.falls(DEFERS, event, quirks.defer_share)
                && self.deferred.insert(event.clone())
            {
                errors.push(json!({"eventId": event, "error": "busy", "retryable": true}));
            } else {
                org.taken.insert(event.clone(), parcel.batch_id.clone());
                events.push(event.clone());
            }
        }
        let answer = answer(&events, &errors, duplicates, &quirks);
        let forgotten = org.add(TakenBatch {
            batch_id: parcel.batch_id.clone(),
            seq: parcel.seq.clone(),
            events,
            at: now,
        });
        for batch in forgotten {
            self.known.remove(&batch.batch_id);
        }
        let answer = match self.settings.shape {
            Shape::Flat => answer,
            Shape::Wrapped => json!({"success": true, "data": answer}),
        };
        answer.to_string().into_bytes()
    }

    fn ordered(&mut self, parcel: &Parcel) {
        let last = self.last_seq.entry(parcel.org.clone()).or_default();
        if parcel.seq <= *last {
            self.books.violations.push(Violation::SeqBackwards {
                org: parcel.org.clone(),
                last: last.clone(),
                seq: parcel.seq.clone(),
            });
        }
        last.clone_from(&parcel.seq);
    }

    fn refusal(&self, status: u16, why: &str) -> Reply {
        let retry_after_s = self.settings.quirks.retry_after_s;
        let retry_after =
            Some(retry_after_s).filter(|seconds| *seconds > 0 && matches!(status, 429 | 503));
        Reply::Http {
            status,
            retry_after: retry_after.map(|seconds| seconds.to_string()),
            body: json!({"error": why}).to_string().into_bytes(),
        }
    }
}

/// One finding per event taken, as the real connector gives them.
fn answer(events: &[String], errors: &[Value], duplicates: usize, quirks: &Quirks) -> Value {
    if quirks.counts_only {
        return json!({"accepted": events.len(), "duplicates": duplicates});
    }
    let finding = |event: &String| {
        let repeats = quirks.falls(PATTERNS, event, 0.5);
        let pattern = if repeats { "pat-repeat" } else { "pat-single" };
        json!({"eventId": event, "patternId": pattern, "layer": 2, "confidence": 0.5})
    };
    json!({
        "accepted": events.len(),
        "duplicates": duplicates,
        "frictions_created": events.len(),
        "enrichment": events.iter().map(finding).collect::<Vec<_>>(),
        "errors": errors,
    })
}

/// The header that names the organisation.
fn org_header(profile: &Profile) -> Option<&str> {
    let found = profile.headers.iter().find(|(_, value)| value == "{org}");
    found.map(|(name, _)| name.as_str())
}

fn is_connector_id(id: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    id.strip_prefix("evt_").is_some_and(|hex| hex.len() == 16 && hex.bytes().all(is_hex))
}

fn unpacked(request: &Received) -> Result<Vec<u8>, &'static str> {
    if request.header("Content-Encoding") != Some("gzip") {
        return Ok(request.body.clone());
    }
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(request.body.as_slice())
        .take(UNPACKED_BYTES_MAX)
        .read_to_end(&mut body)
        .map_err(|_| "not gzip")?;
    Ok(body)
}

const REJECTS: u64 = 1;
const DEFERS: u64 = 2;
const PATTERNS: u64 = 3;
const UNPACKED_BYTES_MAX: u64 = 1024 * 1024;
