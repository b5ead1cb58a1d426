//! A hostile connector that keeps its one promise: a batch it has decided about stays decided under its key.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use contract::OrgId;
use domain::{
    delivery::DeliveryAnswer,
    profile::{Credentials, IDEMPOTENCY_HEADER, SEQUENCE_HEADER},
};
use ports::{
    PortResult,
    chance::Chance,
    endpoint::{ConnectorSecrets, DeliveryRequest, Endpoint, Freshness},
};
use serde_json::{Value, json};

/// The connector. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Hostile {
    state: Arc<Mutex<State>>,
    credentials: Arc<Credentials>,
    /// A sender's mistake: every attempt at a batch bears a key of its own.
    new_keys: bool,
}

/// What it has seen.
#[derive(Debug)]
pub(crate) struct State {
    chance: Chance,
    hostility: Hostility,
    decided: BTreeMap<String, Decision>,
    bodies: BTreeMap<String, Vec<u8>>,
    /// The batch that brought each event, by (organisation, the connector's id).
    pub(crate) taken: BTreeMap<(String, String), String>,
    last_taken: BTreeMap<String, String>,
    pub(crate) posts: usize,
    /// What the sender did wrong.
    pub(crate) complaints: Vec<Complaint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hostility {
    None,
    Full,
}

/// What a sender did wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// An event came in two batches, both of which were taken.
    Twice(String),
    /// A batch was taken after a later one.
    OutOfOrder(String),
    /// One idempotency key, two bodies.
    Changed(String),
}

/// What was decided about a batch.
#[derive(Debug, Clone)]
struct Decision {
    status: u16,
    answer: Value,
    complete: bool,
}

impl Hostile {
    pub(crate) fn new(
        chance: Chance,
        hostility: Hostility,
        credentials: Credentials,
        new_keys: bool,
    ) -> Self {
        let state = State {
            chance,
            hostility,
            decided: BTreeMap::new(),
            bodies: BTreeMap::new(),
            taken: BTreeMap::new(),
            last_taken: BTreeMap::new(),
            posts: 0,
            complaints: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        Self { state, credentials: Arc::new(credentials), new_keys }
    }

    /// From here on it takes everything that it has not decided about.
    pub(crate) fn calm(&self) {
        self.state.lock().unwrap().hostility = Hostility::None;
    }

    /// Looks at what it has seen.
    pub(crate) fn seen<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap())
    }
}

impl Endpoint for Hostile {
    async fn post(&self, request: DeliveryRequest) -> DeliveryAnswer {
        let mut state = self.state.lock().unwrap();
        let suffix = if self.new_keys { format!("/{}", state.posts) } else { String::new() };
        state.receive(&request, &suffix)
    }
}

impl ConnectorSecrets for Hostile {
    async fn credentials(
        &self,
        _org: &OrgId,
        _freshness: Freshness,
    ) -> PortResult<Arc<Credentials>> {
        Ok(Arc::clone(&self.credentials))
    }
}

impl State {
    fn receive(&mut self, request: &DeliveryRequest, suffix: &str) -> DeliveryAnswer {
        self.posts += 1;
        let header = |name: &str| {
            let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.unwrap().1.clone()
        };
        let (key, seq) = (header(IDEMPOTENCY_HEADER) + suffix, header(SEQUENCE_HEADER));
        let body = self.bodies.entry(key.clone()).or_insert_with(|| request.body.clone());
        if *body != request.body {
            self.complaints.push(Complaint::Changed(key.clone()));
        }
        if let Some(answer) = self.mood() {
            return answer;
        }
        if let Some(decision) = self.decided.get(&key).cloned() {
            let known = decision.complete && self.chance.percent(30);
            return if known { http(409, &json!({})) } else { decision.told() };
        }
        let decision = self.decide(request, &key, &seq);
        self.decided.insert(key, decision.clone());
        if self.hostility == Hostility::Full && self.chance.percent(10) {
            // Decided, but it breaks down before it can say so.
            return http(502, &json!({}));
        }
        decision.told()
    }

    /// What it answers without having looked at the batch.
    fn mood(&mut self) -> Option<DeliveryAnswer> {
        if self.hostility == Hostility::None {
            return None;
        }
        match self.chance.below(100) {
            0..12 => Some(http(503, &json!({"error": "busy"}))),
            12..17 => Some(DeliveryAnswer::Http {
                status: 429,
                retry_after: Some("30".to_owned()),
                body: Vec::new(),
            }),
            17..19 => Some(http(401, &json!({}))),
            19..21 => Some(http(418, &json!("a teapot"))),
            _ => None,
        }
    }

    fn decide(&mut self, request: &DeliveryRequest, key: &str, seq: &str) -> Decision {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let ids: Vec<String> = body["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["eventId"].as_str().unwrap().to_owned())
            .collect();
        let roll = if self.hostility == Hostility::None { 0 } else { self.chance.below(100) };
        match roll {
            0..55 => {
                self.take(&request.org, &ids.iter().collect(), key, seq);
                let answers = [
                    json!({"success": true, "data": {"accepted": ids.len()}}),
                    json!({"accepted": ids.len(), "enrichment": [{"eventId": ids[0], "patternId": "p"}]}),
                    Value::Null,
                ];
                let answer = self.chance.one_of(&answers).unwrap().clone();
                Decision { status: 200, answer, complete: true }
            }
            55..80 => self.take_some(&request.org, &ids, key, seq),
            80..95 => Decision { status: 422, answer: json!({}), complete: false },
            _ => Decision { status: 413, answer: json!("too large"), complete: false },
        }
    }

    /// Takes some events, refuses some for good, and some for now.
    fn take_some(&mut self, org: &OrgId, ids: &[String], key: &str, seq: &str) -> Decision {
        let (mut taken, mut errors) = (BTreeSet::new(), Vec::new());
        for id in ids {
            match self.chance.below(4) {
                0 | 1 => drop(taken.insert(id)),
                2 => errors.push(json!({"eventId": id, "error": "no such feature"})),
                _ => errors.push(json!({"eventId": id, "error": "later", "retryable": true})),
            }
        }
        self.take(org, &taken, key, seq);
        let complete = errors.is_empty();
        let answer = json!({"data": {"accepted": taken.len(), "errors": errors}});
        Decision { status: 207, answer, complete }
    }

    fn take(&mut self, org: &OrgId, ids: &BTreeSet<&String>, key: &str, seq: &str) {
        if ids.is_empty() {
            return;
        }
        for id in ids {
            let place = (org.to_string(), (*id).clone());
            if let Some(before) = self.taken.insert(place, key.to_owned()) {
                self.complaints.push(Complaint::Twice(format!("{id} in {before} and {key}")));
            }
        }
        if let Some(last) = self.last_taken.insert(org.to_string(), seq.to_owned())
            && last.as_str() >= seq
        {
            self.complaints.push(Complaint::OutOfOrder(format!("{org}: {seq} after {last}")));
        }
    }
}

impl Decision {
    fn told(&self) -> DeliveryAnswer {
        http(self.status, &self.answer)
    }
}

fn http(status: u16, body: &Value) -> DeliveryAnswer {
    DeliveryAnswer::Http { status, retry_after: None, body: body.to_string().into_bytes() }
}
