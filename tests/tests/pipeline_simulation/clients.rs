//! Those who send: an application through the HTTP door, and a host with the emitter. Both repeat until they are answered.

use std::collections::BTreeMap;

use axum::{Router, body::Body, http::Request};
use contract::{
    Event, EventId, OrgId, ProductId, Timestamp,
    ingest::{EventStatus, IngestAnswer},
    limits::STAGING_TTL_MS,
    staged::StagedEvent,
};
use domain::admit;
use http_body_util::BodyExt;
use ports::{chance::Chance, ledger::EventKey, staging::Staging};
use serde_json::{Value, json};
use tower::ServiceExt;

/// What kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Friction, with both consents.
    Forward,
    /// Friction that is not to be forwarded.
    Private,
    /// Another family.
    Click,
    /// Without consent to analytics.
    Suppressed,
    /// A type that nobody declared.
    Unknown,
}

/// An event that somebody sends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) key: EventKey,
    pub(crate) kind: Kind,
    pub(crate) json: Value,
    /// The id is sent with another body too.
    pub(crate) disputed: bool,
}

/// A request to the door, or a put of the emitter.
#[derive(Debug)]
pub(crate) struct Call {
    way: Way,
    drafts: Vec<Draft>,
    answered: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Way {
    Door { idempotency_key: Option<String> },
    Emitter,
}

/// Everything that is sent in one run, and what became known to those who sent it.
#[derive(Debug)]
pub(crate) struct Clients {
    calls: Vec<Call>,
    pub(crate) truth: Truth,
}

/// What the answers promised: these events are durable, under these bodies.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) accepted: BTreeMap<EventKey, Draft>,
    /// Answers that contradict each other.
    pub(crate) contradictions: Vec<String>,
}

pub(crate) const ORGS: [&str; 3] = ["acme", "globex", "initech"];

/// The organisation of this name.
pub(crate) fn org(name: &str) -> OrgId {
    OrgId::parse(name).unwrap()
}

impl Clients {
    /// A day's work: calls of up to eight events, some of them sent twice, some ids used twice.
    pub(crate) fn new(chance: &mut Chance, start: Timestamp, disputes: bool) -> Self {
        let mut drafts = Vec::new();
        for number in 0..40 + chance.below(80) {
            let draft = Draft::new(chance, number, start);
            // Of what is not kept only the id matters, so that another body is no other event.
            let is_kept = matches!(draft.kind, Kind::Forward | Kind::Private | Kind::Click);
            if disputes && is_kept && chance.percent(5) {
                let mut other = Draft { disputed: true, ..draft.clone() };
                other.json["screen"] = json!("/elsewhere");
                drafts.extend([Draft { disputed: true, ..draft }, other]);
            } else {
                if chance.percent(15) {
                    drafts.push(draft.clone());
                }
                drafts.push(draft);
            }
        }
        for at in (1..drafts.len()).rev() {
            drafts.swap(at, chance.below(at + 1));
        }
        let mut calls = Vec::new();
        while !drafts.is_empty() {
            let size = (1 + chance.below(8)).min(drafts.len());
            let some: Vec<_> = drafts.drain(..size).collect();
            calls.extend(Call::of(chance, calls.len(), some));
        }
        Self { calls, truth: Truth::default() }
    }

    /// Ids that are sent under two bodies.
    pub(crate) fn disputed(&self) -> impl Iterator<Item = &str> {
        let drafts = self.calls.iter().flat_map(|call| &call.drafts);
        drafts.filter(|draft| draft.disputed).map(|draft| draft.key.id.as_str())
    }

    /// The calls that nobody has answered.
    pub(crate) fn open(&self) -> Vec<usize> {
        (0..self.calls.len()).filter(|at| !self.calls[*at].answered).collect()
    }

    /// Makes one call. What it answers is told to the truth by [`Clients::hear`].
    pub(crate) async fn call<W: Staging>(&self, at: usize, door: &Door<W>) -> Option<Heard> {
        let call = &self.calls[at];
        let accepted = match &call.way {
            Way::Door { idempotency_key } => {
                door.post(&call.drafts, idempotency_key.as_deref()).await?
            }
            Way::Emitter => {
                door.emit(&call.drafts).await?;
                vec![true; call.drafts.len()]
            }
        };
        Some(Heard { call: at, accepted })
    }

    /// Takes note of an answer.
    pub(crate) fn hear(&mut self, heard: Heard) {
        let call = &mut self.calls[heard.call];
        call.answered = true;
        for (draft, accepted) in call.drafts.iter().zip(heard.accepted) {
            if accepted {
                let known =
                    self.truth.accepted.entry(draft.key.clone()).or_insert_with(|| draft.clone());
                if known.json != draft.json {
                    self.truth.contradictions.push(format!("two bodies of {}", draft.key.id));
                }
            }
        }
    }
}

/// What a client heard.
#[derive(Debug)]
pub(crate) struct Heard {
    call: usize,
    /// Per event: it is durable under this body.
    accepted: Vec<bool>,
}

impl Call {
    /// The emitter sends friction only, and each event once; the rest goes through the door.
    fn of(chance: &mut Chance, number: usize, drafts: Vec<Draft>) -> Vec<Self> {
        let emits = |draft: &Draft| matches!(draft.kind, Kind::Forward | Kind::Private);
        let by_emitter = chance.percent(30);
        let (emitted, posted): (Vec<_>, Vec<_>) =
            drafts.into_iter().partition(|draft| by_emitter && emits(draft) && !draft.disputed);
        let idempotency_key = chance.percent(50).then(|| format!("request {number}"));
        let call = |way, drafts| Self { way, drafts, answered: false };
        [call(Way::Emitter, emitted), call(Way::Door { idempotency_key }, posted)]
            .into_iter()
            .filter(|call| !call.drafts.is_empty())
            .collect()
    }
}

impl Draft {
    fn new(chance: &mut Chance, number: usize, start: Timestamp) -> Self {
        let kind = match chance.below(10) {
            0..=4 => Kind::Forward,
            5 => Kind::Private,
            6 | 7 => Kind::Click,
            8 => Kind::Suppressed,
            _ => Kind::Unknown,
        };
        let org = org(chance.one_of(&ORGS).unwrap());
        let id = EventId::parse(format!("e.{number:04}")).unwrap();
        let ago = i64::try_from(chance.below(5 * 3_600_000)).unwrap();
        let mut json = json!({
            "eventId": id, "orgId": org, "occurredAt": start.plus_ms(-ago),
            "eventType": "friction.user_override", "traceComponent": "reasoning",
            "severity": chance.below(6), "screen": chance.one_of(&["/answers", "/sources"]),
        });
        match kind {
            Kind::Forward => {}
            Kind::Private => json["consent"] = json!({"forward": false}),
            Kind::Suppressed => json["consent"] = json!({"analytics": false}),
            Kind::Unknown => json["eventType"] = json!("friction.telepathy"),
            Kind::Click => {
                json["eventType"] = json!("ui.click");
                json["element"] = json!({"key": "save"});
                json.as_object_mut().unwrap().remove("traceComponent");
            }
        }
        Self { key: EventKey { org, id }, kind, json, disputed: false }
    }

    /// The row that the emitter puts.
    fn row(&self, now: Timestamp) -> StagedEvent {
        let mut event: Event = serde_json::from_value(self.json.clone()).unwrap();
        let ck = admit::ck(&event);
        event.ck = Some(admit::ck_text(ck));
        event.recorded_at = Some(now);
        StagedEvent {
            org_id: self.key.org.clone(),
            product_id: ProductId::default(),
            event_id: self.key.id.clone(),
            body: serde_json::to_string(&event).unwrap(),
            ck,
            occurred_at: event.occurred_at,
            staged_at: now,
            expires_at: now.plus_ms(STAGING_TTL_MS),
            rescues: 0,
        }
    }
}

/// The two ways in.
pub(crate) struct Door<W> {
    pub(crate) router: Router,
    pub(crate) api_key: String,
    pub(crate) world: W,
    pub(crate) now: Timestamp,
}

impl<W: Staging> Door<W> {
    /// Per event whether it is durable; nothing when the request has to be sent again.
    async fn post(&self, drafts: &[Draft], idempotency_key: Option<&str>) -> Option<Vec<bool>> {
        let events: Vec<_> = drafts.iter().map(|draft| &draft.json).collect();
        let mut request = Request::post("/v1/events/batch")
            .header("authorization", format!("Bearer {}", self.api_key))
            .header("content-type", "application/json");
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let body = json!({"events": events}).to_string();
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        let refused_all =
            status == 422 || (400..500).contains(&status) && text.contains("\"events\"");
        match status {
            202 => {
                let answer: IngestAnswer = serde_json::from_slice(&bytes).unwrap();
                let durable = |status| status != EventStatus::Rejected;
                Some(answer.events.into_iter().map(|event| durable(event.status)).collect())
            }
            _ if refused_all => Some(vec![false; drafts.len()]),
            503 => None,
            other => panic!("the door answered {other}: {text}"),
        }
    }

    async fn emit(&self, drafts: &[Draft]) -> Option<()> {
        let rows: Vec<_> = drafts.iter().map(|draft| draft.row(self.now)).collect();
        self.world.stage(&rows).await.ok().map(drop)
    }
}
