//! Reads the envelope of one event, field by field. Bounds are judged afterwards by [`crate::admit`].

use contract::{
    Code, Event, EventId, EventType, OrgId, Pillar, ProductId, Timestamp,
    event::{Assignment, Consent, Element, ErrorInfo, ObjectRef, Pattern, Signals, Source, Task},
    limits::DESCRIPTION_BYTES_MAX,
};

use super::{context, object::Fields, text::Cleaner};
use crate::{
    admit::Fault,
    pseudonym::{Kind, Token},
};

/// What names an event and says when and for whom; all that is kept without consent.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) schema_version: String,
    pub(super) event_id: EventId,
    pub(super) event_type: EventType,
    pub(super) occurred_at: Timestamp,
    pub(super) org_id: OrgId,
    pub(super) product_id: ProductId,
    pub(super) consent: Option<Consent>,
}

/// What came of the body of an event.
pub(super) struct Body {
    pub(super) event: Event,
    /// Undeclared context keys.
    pub(super) dropped_keys: usize,
}

pub(super) fn consent(fields: Fields<'_, '_>) -> Result<Option<Consent>, Fault> {
    let Some(consent) = fields.object("consent", "/consent")? else { return Ok(None) };
    consent.only(&["analytics", "forward"])?;
    Ok(Some(Consent {
        analytics: consent.flag("analytics")?.unwrap_or(true),
        forward: consent.flag("forward")?.unwrap_or(true),
    }))
}

/// The event with nothing but its head and its pillar.
pub(super) fn bare(head: Head, fields: Fields<'_, '_>) -> Result<Event, Fault> {
    Ok(Event {
        schema_version: head.schema_version,
        event_id: head.event_id,
        event_type: head.event_type,
        occurred_at: head.occurred_at,
        org_id: head.org_id,
        product_id: head.product_id,
        session_id: None,
        actor_id: None,
        correlation_id: None,
        causation_id: None,
        idempotency_key: None,
        trace_component: pillar(fields)?,
        severity: None,
        screen: None,
        route: None,
        element: None,
        task: None,
        object: None,
        error: None,
        context: serde_json::Map::new(),
        signals: None,
        assignment: None,
        source: None,
        consent: head.consent,
        time_adjusted: false,
        recorded_at: None,
        ck: None,
        record: None,
    })
}

/// The whole event, tokenised and scrubbed.
pub(super) fn whole(
    head: Head,
    key: Option<Token>,
    fields: Fields<'_, '_>,
    cleaner: &mut Cleaner<'_>,
) -> Result<Body, Fault> {
    fields.only(NAMES)?;
    let kind = head.event_type;
    let mut event = bare(head, fields)?;
    event.idempotency_key = key.map(Token::into_string);
    event.actor_id = identifier(fields, "actorId", Kind::User, cleaner)?;
    event.session_id = identifier(fields, "sessionId", Kind::Session, cleaner)?;
    event.correlation_id = join_key(fields, "correlationId", cleaner)?;
    event.causation_id = join_key(fields, "causationId", cleaner)?;
    event.severity = fields.whole("severity")?;
    event.screen = place(fields, "screen", cleaner)?;
    event.route = place(fields, "route", cleaner)?;
    event.element = element(fields, cleaner)?;
    event.task = task(fields, cleaner)?;
    event.object = object(fields, cleaner)?;
    event.error = error(fields, cleaner)?;
    event.signals = signals(fields, cleaner)?;
    event.assignment = assignment(fields, cleaner)?;
    event.source = source(fields, cleaner)?;
    let context = context::read(kind, fields, cleaner)?;
    event.context = context.kept;
    Ok(Body { event, dropped_keys: context.dropped })
}

fn pillar(fields: Fields<'_, '_>) -> Result<Option<Pillar>, Fault> {
    let unknown = || fields.fault(Code::InvalidValue, "traceComponent");
    let name = fields.text("traceComponent")?;
    name.map(|name| Pillar::parse(name).ok_or_else(unknown)).transpose()
}

fn identifier(
    fields: Fields<'_, '_>,
    name: &str,
    kind: Kind,
    cleaner: &Cleaner<'_>,
) -> Result<Option<String>, Fault> {
    let Some(raw) = fields.text(name)? else { return Ok(None) };
    let token = cleaner.identifier(kind, raw).map_err(|code| fields.fault(code, name))?;
    Ok(token.map(Token::into_string))
}

fn join_key(
    fields: Fields<'_, '_>,
    name: &str,
    cleaner: &Cleaner<'_>,
) -> Result<Option<String>, Fault> {
    let key = fields.optional_text(name)?.map(|raw| cleaner.join_key(raw));
    key.transpose().map_err(|code| fields.fault(code, name))
}

fn place(
    fields: Fields<'_, '_>,
    name: &str,
    cleaner: &mut Cleaner<'_>,
) -> Result<Option<String>, Fault> {
    let Some(url) = fields.text(name)? else { return Ok(None) };
    cleaner.place(url).map_err(|code| fields.fault(code, name))
}

fn element(fields: Fields<'_, '_>, cleaner: &mut Cleaner<'_>) -> Result<Option<Element>, Fault> {
    let Some(element) = fields.object("element", "/element")? else { return Ok(None) };
    element.only(&["key", "kind", "x", "y"])?;
    Ok(Some(Element {
        key: required(element, "key", cleaner)?,
        kind: optional(element, "kind", cleaner)?,
        x: element.rounded("x")?,
        y: element.rounded("y")?,
    }))
}

fn task(fields: Fields<'_, '_>, cleaner: &mut Cleaner<'_>) -> Result<Option<Task>, Fault> {
    let Some(task) = fields.object("task", "/task")? else { return Ok(None) };
    task.only(&["name", "id"])?;
    let id = identifier(task, "id", Kind::Object, cleaner)?;
    Ok(Some(Task { name: required(task, "name", cleaner)?, id }))
}

fn object(fields: Fields<'_, '_>, cleaner: &mut Cleaner<'_>) -> Result<Option<ObjectRef>, Fault> {
    let Some(object) = fields.object("object", "/object")? else { return Ok(None) };
    object.only(&["type", "id"])?;
    let id = cleaner.object_id(object.required_text("id")?);
    Ok(Some(ObjectRef {
        kind: required(object, "type", cleaner)?,
        id: id.map_err(|code| object.fault(code, "id"))?,
    }))
}

fn error(fields: Fields<'_, '_>, cleaner: &mut Cleaner<'_>) -> Result<Option<ErrorInfo>, Fault> {
    let Some(error) = fields.object("error", "/error")? else { return Ok(None) };
    error.only(&["code", "category", "latencyMs"])?;
    Ok(Some(ErrorInfo {
        code: required(error, "code", cleaner)?,
        category: optional(error, "category", cleaner)?,
        latency_ms: error.rounded("latencyMs")?,
    }))
}

fn signals(fields: Fields<'_, '_>, cleaner: &mut Cleaner<'_>) -> Result<Option<Signals>, Fault> {
    let Some(signals) = fields.object("signals", "/signals")? else { return Ok(None) };
    signals.only(&[
        "suggestedTaxonomy",
        "suggestedSeverity",
        "suggestedLayer",
        "confidence",
        "behavioralIndicators",
        "suggestedPattern",
    ])?;
    let mut indicators = Vec::new();
    for item in signals.list("behavioralIndicators")?.unwrap_or_default() {
        let invalid = || signals.fault(Code::InvalidType, "behavioralIndicators");
        indicators.push(cleaner.short(item.as_text().ok_or_else(invalid)?));
    }
    Ok(Some(Signals {
        suggested_taxonomy: signals.text("suggestedTaxonomy")?.map(str::to_owned),
        suggested_severity: signals.whole("suggestedSeverity")?,
        suggested_layer: signals.whole("suggestedLayer")?,
        confidence: signals.number("confidence")?,
        behavioral_indicators: indicators,
        suggested_pattern: pattern(signals, cleaner)?,
    }))
}

fn pattern(signals: Fields<'_, '_>, cleaner: &mut Cleaner<'_>) -> Result<Option<Pattern>, Fault> {
    let pattern = signals.object("suggestedPattern", "/signals/suggestedPattern")?;
    let Some(pattern) = pattern else { return Ok(None) };
    pattern.only(&["id", "name", "description", "severity", "suggestedLayer"])?;
    let description = pattern.optional_text("description")?;
    let description = description.map(|text| cleaner.free(text, DESCRIPTION_BYTES_MAX));
    Ok(Some(Pattern {
        id: required(pattern, "id", cleaner)?,
        name: optional(pattern, "name", cleaner)?,
        description: description.transpose().map_err(|code| pattern.fault(code, "description"))?,
        severity: pattern.whole("severity")?,
        suggested_layer: pattern.whole("suggestedLayer")?,
    }))
}

/// `timeSinceAssignment` is derived behind the door, so what is sent of it is not read.
fn assignment(
    fields: Fields<'_, '_>,
    cleaner: &mut Cleaner<'_>,
) -> Result<Option<Assignment>, Fault> {
    let Some(assignment) = fields.object("assignment", "/assignment")? else { return Ok(None) };
    assignment.only(&["experimentId", "variantId", "assignedAt", "timeSinceAssignment"])?;
    let missing = || assignment.fault(Code::MissingField, "assignedAt");
    Ok(Some(Assignment {
        experiment_id: required(assignment, "experimentId", cleaner)?,
        variant_id: required(assignment, "variantId", cleaner)?,
        assigned_at: assignment.time("assignedAt")?.ok_or_else(missing)?,
        time_since_assignment: None,
    }))
}

fn source(fields: Fields<'_, '_>, cleaner: &mut Cleaner<'_>) -> Result<Option<Source>, Fault> {
    let Some(source) = fields.object("source", "/source")? else { return Ok(None) };
    source.only(&["service", "version", "region"])?;
    Ok(Some(Source {
        service: required(source, "service", cleaner)?,
        version: source.optional_text("version")?.map(|version| cleaner.version(version)),
        region: optional(source, "region", cleaner)?,
    }))
}

fn required(
    fields: Fields<'_, '_>,
    name: &str,
    cleaner: &mut Cleaner<'_>,
) -> Result<String, Fault> {
    Ok(cleaner.short(fields.required_text(name)?))
}

fn optional(
    fields: Fields<'_, '_>,
    name: &str,
    cleaner: &mut Cleaner<'_>,
) -> Result<Option<String>, Fault> {
    Ok(fields.optional_text(name)?.map(|text| cleaner.short(text)))
}

/// What a door takes. The last four are written by doors and streams: what is sent of them is not read, so that an
/// archived event can be sent again as it is.
pub(super) const NAMES: &[&str] = &[
    "schemaVersion",
    "eventId",
    "eventType",
    "occurredAt",
    "orgId",
    "productId",
    "sessionId",
    "actorId",
    "correlationId",
    "causationId",
    "idempotencyKey",
    "traceComponent",
    "severity",
    "screen",
    "route",
    "element",
    "task",
    "object",
    "error",
    "context",
    "signals",
    "assignment",
    "source",
    "consent",
    "timeAdjusted",
    "recordedAt",
    "ck",
    "record",
];
