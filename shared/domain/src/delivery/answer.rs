//! Reading the connector's answer in its dialect. Nothing here fails: what cannot be read is absent.

use std::collections::{BTreeMap, BTreeSet};

use contract::EventId;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{admit::text::has_control, batching::NewBatch};

/// How a connector answers: the names of what we look for, in the answer's object or in the object it is wrapped in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dialect {
    /// The answer may be wrapped in an object under this key.
    pub wrapper: Option<String>,
    /// A truth value beside the wrapper: false makes a 2xx a failure.
    pub success: Option<String>,
    /// How many events it took, or the list of their ids.
    pub accepted: String,
    /// How many events it knew already.
    pub duplicates: String,
    /// What it found out: a list with one object per event, or one object for the batch.
    pub enrichment: String,
    /// What it did not take: a list with one object per event.
    pub errors: String,
    /// The event's id in both lists.
    pub event_id: String,
    /// The code of an error.
    pub error: String,
    /// The reason of an error.
    pub reason: String,
    /// True in an error when the event may be taken later.
    pub retryable: String,
    /// What a 2xx that says nothing further means.
    pub plain_success: Confirmation,
}

/// What a 2xx that says nothing further means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Confirmation {
    /// The connector took all of it.
    Confirmed,
    /// It took all of it, presumably: listed apart.
    Unconfirmed,
}

/// What an answer says about a batch. Speaks of the batch's own events only: ids that were never sent are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reading {
    /// The answer calls itself a failure.
    pub(super) failed: bool,
    /// How many events it says it took or knew, at most as many as were sent.
    pub(super) accepted: Option<usize>,
    /// Events it names as taken.
    pub(super) named: BTreeSet<EventId>,
    /// Events it will never take, and why.
    pub(super) rejected: BTreeMap<EventId, String>,
    /// Events it may take later.
    pub(super) retryable: BTreeSet<EventId>,
    /// What it found out, as JSON.
    pub(super) enrichment: Vec<(EventId, String)>,
    /// There was a body, and it was not an object.
    pub(super) is_noise: bool,
}

impl Dialect {
    pub(super) fn read(&self, body: &[u8], batch: &NewBatch) -> Reading {
        let Ok(Value::Object(answer)) = serde_json::from_slice::<Value>(body) else {
            let is_noise = !body.iter().all(u8::is_ascii_whitespace);
            return Reading { is_noise, ..Reading::default() };
        };
        let said = |name: &Option<String>| name.as_ref().and_then(|name| answer.get(name));
        let inner = match said(&self.wrapper) {
            Some(Value::Object(inner)) => inner,
            _ => &answer,
        };
        let known: BTreeMap<&str, &EventId> = batch
            .events
            .iter()
            .map(|event| (event.connector_id.as_str(), &event.event_id))
            .collect();
        let mut reading = Reading {
            failed: said(&self.success) == Some(&Value::Bool(false)),
            ..Reading::default()
        };
        self.read_errors(inner, &known, &mut reading);
        self.read_enrichment(inner, &known, batch, &mut reading);
        self.read_accepted(inner, &known, &mut reading);
        reading
    }

    fn read_errors(
        &self,
        answer: &Map<String, Value>,
        known: &BTreeMap<&str, &EventId>,
        reading: &mut Reading,
    ) {
        for error in list(answer, &self.errors) {
            let Some(id) = self.known_id(error, known) else { continue };
            if error.get(&self.retryable) == Some(&Value::Bool(true)) {
                reading.retryable.insert(id.clone());
                continue;
            }
            let texts = [&self.error, &self.reason].map(|name| {
                error.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
            });
            let detail = texts.into_iter().flatten().collect::<Vec<_>>().join(": ");
            reading.rejected.entry(id.clone()).or_insert_with(|| cleaned(&detail));
        }
        reading.retryable.retain(|id| !reading.rejected.contains_key(id));
    }

    fn read_enrichment(
        &self,
        answer: &Map<String, Value>,
        known: &BTreeMap<&str, &EventId>,
        batch: &NewBatch,
        reading: &mut Reading,
    ) {
        let mut found: BTreeMap<&EventId, String> = BTreeMap::new();
        for item in list(answer, &self.enrichment) {
            match item.get(&self.event_id) {
                None => {
                    for event in &batch.events {
                        keep(&mut found, &event.event_id, item);
                    }
                }
                Some(_) => {
                    if let Some(id) = self.known_id(item, known) {
                        reading.named.insert(id.clone());
                        keep(&mut found, id, item);
                    }
                }
            }
        }
        let taken =
            |id: &EventId| !reading.rejected.contains_key(id) && !reading.retryable.contains(id);
        reading.named.retain(|id| taken(id));
        reading.enrichment = batch
            .events
            .iter()
            .filter(|event| taken(&event.event_id))
            .filter_map(|event| Some((event.event_id.clone(), found.remove(&event.event_id)?)))
            .collect();
    }

    fn read_accepted(
        &self,
        answer: &Map<String, Value>,
        known: &BTreeMap<&str, &EventId>,
        reading: &mut Reading,
    ) {
        if let Some(Value::Array(ids)) = answer.get(&self.accepted) {
            let ids = ids.iter().filter_map(Value::as_str).filter_map(|id| known.get(id));
            reading.named.extend(ids.map(|id| (*id).clone()));
            let Reading { named, rejected, retryable, .. } = reading;
            named.retain(|id| !rejected.contains_key(id) && !retryable.contains(id));
            reading.accepted = Some(reading.named.len());
            return;
        }
        let count = |name: &str| answer.get(name).and_then(Value::as_u64);
        reading.accepted = count(&self.accepted).map(|taken| {
            let all = taken.saturating_add(count(&self.duplicates).unwrap_or(0));
            usize::try_from(all).unwrap_or(usize::MAX).min(known.len())
        });
    }

    fn known_id<'a>(
        &self,
        item: &Map<String, Value>,
        known: &BTreeMap<&str, &'a EventId>,
    ) -> Option<&'a EventId> {
        known.get(item.get(&self.event_id)?.as_str()?).copied()
    }
}

/// A connector's text, made safe to keep and to show: one line without control or direction-changing characters, at
/// most 200 characters.
pub(super) fn cleaned(text: &str) -> String {
    let visible = |c: &char| !has_control(c.encode_utf8(&mut [0; 4]));
    let words = text.split_whitespace().map(|word| word.chars().filter(visible).collect());
    let line: Vec<String> = words.filter(|word: &String| !word.is_empty()).collect();
    line.join(" ").chars().take(DETAIL_CHARS_MAX).collect()
}

/// The objects under `name`: a list of them, or one.
fn list<'a>(answer: &'a Map<String, Value>, name: &str) -> Vec<&'a Map<String, Value>> {
    match answer.get(name) {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_object).collect(),
        Some(Value::Object(item)) => vec![item],
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
            Vec::new()
        }
    }
}

/// Keeps the first finding of an event, within bounds.
fn keep<'a>(found: &mut BTreeMap<&'a EventId, String>, id: &'a EventId, item: &Map<String, Value>) {
    let json = Value::Object(item.clone()).to_string();
    if json.len() <= ENRICHMENT_BYTES_MAX {
        found.entry(id).or_insert(json);
    }
}

const DETAIL_CHARS_MAX: usize = 200;
const ENRICHMENT_BYTES_MAX: usize = 4 * 1024;
