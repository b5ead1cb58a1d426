//! The connector's profile: headers, path, envelope, field names and answer dialect as data, so that a new quirk of the
//! connector is a change of configuration.

mod built_in;
mod credentials;
mod render;

use std::collections::{BTreeMap, BTreeSet};

use contract::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use serde::Deserialize;

pub use self::{
    built_in::BUILT_IN,
    credentials::{Credentials, IDEMPOTENCY_HEADER, InvalidCredential, SEQUENCE_HEADER, Sender},
    render::{RenderedEvent, Slot},
};
use crate::{batching::Caps, delivery::Dialect};

/// What one kind of connector is sent and answers. Read from JSON with camel-case keys, every key spelt out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// By which it is chosen.
    pub name: String,
    /// Appended to the connector's base URL.
    pub path: String,
    /// `source` of every event and batch.
    pub source: String,
    /// Where the key goes.
    pub credential: CredentialHeader,
    /// Further headers. `{org}`, `{instance}` and `{region}` stand for their values.
    pub headers: Vec<(String, String)>,
    /// What surrounds the events.
    pub envelope: Envelope,
    /// How the producer's suspicion is told.
    pub suspicion: Suspicion,
    /// Declared context keys of ours that are sent, and what the connector calls them.
    pub context: BTreeMap<String, String>,
    /// Declared context keys of ours that are sent as `metadata`, and what the connector calls them.
    pub metadata: BTreeMap<String, String>,
    /// Fields of an event that the connector calls by another name.
    pub renamed: BTreeMap<String, String>,
    /// Fields of an event that this connector is not sent.
    pub omitted: BTreeSet<String>,
    /// How the body travels.
    pub encoding: Encoding,
    /// Times are cut to a multiple of so many ms.
    pub time_step_ms: i64,
    /// Most events in one batch, at most 96.
    pub batch_events_max: usize,
    /// Most bytes in one batch, at most 256 KiB.
    pub batch_bytes_max: usize,
    /// How it answers.
    pub dialect: Dialect,
}

/// Where the connector expects its key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CredentialHeader {
    /// `Authorization: Bearer …`
    Bearer,
    /// A header of this name.
    Named(String),
}

/// What surrounds the events: an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// The key of the array of events.
    pub events: String,
    /// The key of the batch's metadata, if it is sent.
    pub metadata: Option<String>,
}

/// How a body travels. What is signed is what travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Encoding {
    /// As it is.
    Identity,
    /// Compressed.
    Gzip,
}

/// How the producer's suspicion is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Suspicion {
    /// As `frictionSignals`.
    FrictionSignals,
    /// As `suggestedPattern`.
    SuggestedPattern,
    /// As both.
    Both,
}

/// A profile that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProfile {
    /// Neither the name of a built-in profile nor a JSON object.
    #[error(
        "unknown profile; built in are {BUILT_IN:?}, anything else is written as a JSON object"
    )]
    Unknown,
    /// JSON, but not a profile.
    #[error("the profile cannot be read: {0}")]
    Unreadable(String),
    /// A value that no request could carry.
    #[error("the profile's {0} cannot be used")]
    Unusable(&'static str),
}

impl Profile {
    /// A profile by the name of a built-in one, or written as a JSON object.
    ///
    /// # Errors
    /// [`InvalidProfile`].
    pub fn parse(text: &str) -> Result<Self, InvalidProfile> {
        let text = text.trim();
        let json = match built_in::json(text) {
            Some(json) => json,
            None if text.starts_with('{') => text,
            None => return Err(InvalidProfile::Unknown),
        };
        let profile: Self = serde_json::from_str(json)
            .map_err(|error| InvalidProfile::Unreadable(error.to_string()))?;
        profile.usable()?;
        Ok(profile)
    }

    /// The most that one batch may hold.
    #[must_use]
    pub fn caps(&self) -> Caps {
        Caps { events: self.batch_events_max, bytes: self.batch_bytes_max }
    }

    fn usable(&self) -> Result<(), InvalidProfile> {
        let named = match &self.credential {
            CredentialHeader::Bearer => None,
            CredentialHeader::Named(name) => Some(name),
        };
        let mut names = self.headers.iter().map(|(name, _)| name).chain(named);
        let mut values = self.headers.iter().map(|(_, value)| value);
        let checks = [
            ("path", self.path.starts_with('/') && credentials::is_header_value(&self.path)),
            ("header names", names.all(|name| is_header_name(name))),
            ("header values", values.all(|value| credentials::is_header_value(value))),
            ("envelope", !self.envelope.events.is_empty()),
            ("timeStepMs", self.time_step_ms >= 1),
            ("batchEventsMax", (1..=BATCH_EVENTS_MAX).contains(&self.batch_events_max)),
            ("batchBytesMax", (1..=BATCH_BYTES_MAX).contains(&self.batch_bytes_max)),
        ];
        match checks.into_iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err(InvalidProfile::Unusable(what)),
            None => Ok(()),
        }
    }
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
