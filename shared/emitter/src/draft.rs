//! A draft: an event as its host knows it, before the emitter makes it fit to be stored.

use std::{fmt, marker::PhantomData, time::Duration};

use contract::{
    EventId, EventType, ProductId, Timestamp,
    event::{Consent, Signals},
};
use serde_json::{Map, Value, json};

/// An event under construction. `F` is its family, which decides which context keys there are methods for.
///
/// Made by the functions of [`crate::friction`], [`crate::ui`], [`crate::task`], [`crate::knowledge`], [`crate::crawl`]
/// and [`crate::backend`], whose arguments are what the type requires. Its `Debug` shows the type and nothing else.
#[must_use = "a draft does nothing until it is emitted"]
pub struct Draft<F> {
    fields: Fields,
    family: PhantomData<fn() -> F>,
}

/// What a draft holds, in the words of the door.
pub(crate) struct Fields {
    pub(crate) event_type: EventType,
    pub(crate) occurred_at: Option<Timestamp>,
    pub(crate) event_id: Option<EventId>,
    pub(crate) product: Option<ProductId>,
    pub(crate) idempotency_key: Option<RawId>,
    pub(crate) actor: Option<RawId>,
    pub(crate) session: Option<RawId>,
    /// Everything else, under its name on the wire.
    pub(crate) others: Map<String, Value>,
    pub(crate) context: Map<String, Value>,
    /// Context keys that the type cannot do without.
    pub(crate) required: &'static [&'static str],
}

/// An identifier as the host knows it: a user id, an e-mail address, a session id. It becomes a token before anything
/// is stored, and it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RawId(String);

/// What somebody works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceType {
    /// A computer.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
}

impl<F> Draft<F> {
    pub(crate) fn new(event_type: EventType) -> Self {
        Self {
            fields: Fields {
                event_type,
                occurred_at: None,
                event_id: None,
                product: None,
                idempotency_key: None,
                actor: None,
                session: None,
                others: Map::new(),
                context: Map::new(),
                required: &[],
            },
            family: PhantomData,
        }
    }

    /// Who did it. An empty identifier is nobody.
    pub fn actor(mut self, raw: impl Into<RawId>) -> Self {
        self.fields.actor = Some(raw.into()).filter(RawId::is_somebody);
        self
    }

    /// In which session. When it is absent the actor groups the session.
    pub fn session(mut self, raw: impl Into<RawId>) -> Self {
        self.fields.session = Some(raw.into()).filter(RawId::is_somebody);
        self
    }

    /// When it happened; otherwise it happens when it is emitted.
    pub fn occurred_at(mut self, at: Timestamp) -> Self {
        self.fields.occurred_at = Some(at);
        self
    }

    /// The product, when it is not the one of the settings.
    pub fn product(mut self, product: ProductId) -> Self {
        self.fields.product = Some(product);
        self
    }

    /// The event's identity for ever; otherwise the emitter assigns one. Must not name a person.
    pub fn event_id(mut self, id: EventId) -> Self {
        self.fields.event_id = Some(id);
        self
    }

    /// A key that is the same whenever the host does the same thing again, and when that thing happened: the event id
    /// follows from the key, so that a repeated invocation emits the event once. The key leaves the host as a token.
    ///
    /// The time is asked for because the repetition must be the same event in everything: one id with two contents is
    /// set aside as `id_collision`. Take it from what is repeated (the record, the request), not from the clock.
    pub fn idempotency_key(mut self, key: impl Into<RawId>, occurred_at: Timestamp) -> Self {
        self.fields.idempotency_key = Some(key.into()).filter(RawId::is_somebody);
        self.occurred_at(occurred_at)
    }

    /// Joins the events of one request: a trace id or a `traceparent`, at most 128 bytes.
    pub fn correlation_id(self, id: &str) -> Self {
        self.with("correlationId", id)
    }

    /// The event that caused this one.
    pub fn causation_id(self, id: &EventId) -> Self {
        self.with("causationId", id.as_str())
    }

    /// 0 to 5, when it is not the type's.
    pub fn severity(self, severity: u8) -> Self {
        self.with("severity", severity)
    }

    /// The screen; a path is reduced to its template.
    pub fn screen(self, screen: &str) -> Self {
        self.with("screen", screen)
    }

    /// The route; a URL is reduced to its template.
    pub fn route(self, route: &str) -> Self {
        self.with("route", route)
    }

    /// What the person agreed to; silence means both.
    pub fn consent(self, consent: Consent) -> Self {
        let Consent { analytics, forward } = consent;
        self.with("consent", json!({ "analytics": analytics, "forward": forward }))
    }

    /// What the host suspects.
    pub fn signals(self, signals: &Signals) -> Self {
        // Signals always encode: their keys are names, and numbers that are not finite become null.
        self.with("signals", serde_json::to_value(signals).unwrap_or_default())
    }

    /// The experiment the actor is in.
    pub fn assignment(self, experiment: &str, variant: &str, assigned_at: Timestamp) -> Self {
        self.with(
            "assignment",
            json!({ "experimentId": experiment, "variantId": variant, "assignedAt": assigned_at }),
        )
    }

    /// What somebody works with.
    pub fn device_type(self, device: DeviceType) -> Self {
        let word = match device {
            DeviceType::Desktop => "desktop",
            DeviceType::Mobile => "mobile",
            DeviceType::Tablet => "tablet",
        };
        self.context("deviceType", word)
    }

    /// How long the session had lasted.
    pub fn session_duration(self, duration: Duration) -> Self {
        self.context("sessionDurationSeconds", duration.as_secs_f64())
    }

    /// A context key. One that the type does not declare is dropped and counted.
    pub fn context(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.context.insert(key.to_owned(), value.into());
        self
    }

    /// Refuses the event when one of these context keys is empty: a blank text is no text to the door.
    pub(crate) fn requiring(mut self, keys: &'static [&'static str]) -> Self {
        self.fields.required = keys;
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.others.insert(name.to_owned(), value.into());
        self
    }

    /// Sets one member of an object such as `element`.
    pub(crate) fn with_member(mut self, name: &str, member: &str, value: impl Into<Value>) -> Self {
        let object = self.fields.others.entry(name).or_insert_with(|| json!({}));
        if let Value::Object(members) = object {
            members.insert(member.to_owned(), value.into());
        }
        self
    }

    /// Adds to a list of the context.
    pub(crate) fn with_item(mut self, key: &str, item: &str) -> Self {
        let list = self.fields.context.entry(key).or_insert_with(|| json!([]));
        if let Value::Array(items) = list {
            items.push(item.into());
        }
        self
    }

    pub(crate) fn into_fields(self) -> Fields {
        self.fields
    }
}

/// Methods that set one context key each.
macro_rules! context_keys {
    ($family:ty { $($(#[$doc:meta])* $method:ident($kind:ty) = $key:literal;)* }) => {
        impl $crate::Draft<$family> {
            $($(#[$doc])* pub fn $method(self, value: $kind) -> Self {
                self.context($key, value)
            })*
        }
    };
    ($($(#[$doc:meta])* $method:ident($kind:ty) = $key:literal;)*) => {
        impl<F> $crate::Draft<F> {
            $($(#[$doc])* pub fn $method(self, value: $kind) -> Self {
                self.context($key, value)
            })*
        }
    };
}
pub(crate) use context_keys;

context_keys! {
    /// The feature in use; a short name, as the following.
    feature(&str) = "feature";
    /// The team.
    team(&str) = "teamId";
    /// The agent or assistant.
    agent(&str) = "agentId";
    /// The application.
    app_name(&str) = "appName";
    /// Its version.
    app_version(&str) = "appVersion";
    /// The version of the host's own instrumentation.
    sdk_version(&str) = "sdkVersion";
    /// A language tag.
    locale(&str) = "locale";
    /// What the user did.
    user_action(&str) = "userAction";
    /// How sure the AI was, 0 to 1.
    ai_confidence(f64) = "aiConfidence";
    /// The organisation's industry.
    industry(&str) = "industry";
    /// The organisation's size class.
    org_size(&str) = "orgSize";
    /// Days since the product was introduced.
    deployment_age_days(u32) = "deploymentAgeDays";
}

impl<F> fmt::Debug for Draft<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Draft({})", self.fields.event_type)
    }
}

impl RawId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn is_somebody(&self) -> bool {
        !self.0.trim().is_empty()
    }
}

impl From<&str> for RawId {
    fn from(raw: &str) -> Self {
        Self(raw.to_owned())
    }
}

impl From<String> for RawId {
    fn from(raw: String) -> Self {
        Self(raw)
    }
}

impl fmt::Debug for RawId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawId(***)")
    }
}
