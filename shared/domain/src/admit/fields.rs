//! The envelope's own fields: what each type requires, and the bounds of each.

use std::borrow::Cow;

use contract::{
    Code, Event, EventType, Family,
    event::{Pattern, Signals},
    limits::{
        CORRELATION_BYTES_MAX, DESCRIPTION_BYTES_MAX, INDICATORS_MAX, KEY_BYTES_MAX,
        LATENCY_MS_MAX, NAME_BYTES_MAX, SCREEN_BYTES_MAX,
    },
};

use super::{
    Fault,
    text::{name, printable},
};
use crate::{
    pseudonym::{Kind, Token},
    url_template::route_template,
};

/// The major version is this build's.
pub(super) fn version(event: &Event) -> Result<(), Fault> {
    let supported = event.schema_version.split_once('.').is_some_and(|(major, minor)| {
        major == MAJOR
            && (1..=4).contains(&minor.len())
            && minor.bytes().all(|b| b.is_ascii_digit())
    });
    if supported { Ok(()) } else { Err(Fault::at(Code::UnsupportedVersion, "/schemaVersion")) }
}

/// What the type requires is there.
pub(super) fn required(event: &Event) -> Result<(), Fault> {
    let missing = match event.event_type.family() {
        Family::Friction => event.trace_component.is_none().then_some("/traceComponent"),
        Family::Ui => (event.screen.is_none() && event.route.is_none()).then_some("/screen"),
        Family::Task => event.task.is_none().then_some("/task"),
        Family::Knowledge => event.object.is_none().then_some("/object"),
        Family::Crawl | Family::Backend => None,
    };
    let is_press = matches!(event.event_type, EventType::UiClick | EventType::UiDeadClick);
    let is_error = matches!(event.event_type, EventType::UiError | EventType::BackendError);
    let missing = missing
        .or((is_press && event.element.is_none()).then_some("/element"))
        .or((is_error && event.error.is_none()).then_some("/error"));
    missing.map_or(Ok(()), |path| Err(Fault::at(Code::MissingField, path)))
}

/// Every field of the envelope is within its bounds; `context` is judged apart.
pub(super) fn bounded(event: &Event) -> Result<(), Fault> {
    token(Kind::User, event.actor_id.as_deref(), "/actorId")?;
    token(Kind::Session, event.session_id.as_deref(), "/sessionId")?;
    token(Kind::Object, event.idempotency_key.as_deref(), "/idempotencyKey")?;
    optional(&event.correlation_id, CORRELATION_BYTES_MAX, "/correlationId")?;
    optional(&event.causation_id, CORRELATION_BYTES_MAX, "/causationId")?;
    range(event.severity, 0, 5, "/severity")?;
    template(event.screen.as_deref(), "/screen")?;
    template(event.route.as_deref(), "/route")?;
    what_happened(event)?;
    event.signals.as_ref().map_or(Ok(()), signals)?;
    if let Some(assignment) = &event.assignment {
        printable(&assignment.experiment_id, NAME_BYTES_MAX, "/assignment/experimentId")?;
        printable(&assignment.variant_id, NAME_BYTES_MAX, "/assignment/variantId")?;
    }
    if let Some(source) = &event.source {
        printable(&source.service, NAME_BYTES_MAX, "/source/service")?;
        optional(&source.version, NAME_BYTES_MAX, "/source/version")?;
        optional(&source.region, NAME_BYTES_MAX, "/source/region")?;
    }
    Ok(())
}

fn what_happened(event: &Event) -> Result<(), Fault> {
    if let Some(element) = &event.element {
        printable(&element.key, KEY_BYTES_MAX, "/element/key")?;
        optional(&element.kind, NAME_BYTES_MAX, "/element/kind")?;
    }
    if let Some(task) = &event.task {
        printable(&task.name, NAME_BYTES_MAX, "/task/name")?;
        token(Kind::Object, task.id.as_deref(), "/task/id")?;
    }
    if let Some(object) = &event.object {
        printable(&object.kind, NAME_BYTES_MAX, "/object/type")?;
        name(&object.id, KEY_BYTES_MAX, "/object/id")?;
    }
    if let Some(error) = &event.error {
        printable(&error.code, NAME_BYTES_MAX, "/error/code")?;
        optional(&error.category, NAME_BYTES_MAX, "/error/category")?;
        if error.latency_ms.is_some_and(|ms| ms > LATENCY_MS_MAX) {
            return Err(Fault::at(Code::OutOfRange, "/error/latencyMs"));
        }
    }
    Ok(())
}

fn signals(signals: &Signals) -> Result<(), Fault> {
    if signals.suggested_taxonomy.as_deref().is_some_and(|code| !is_taxonomy(code)) {
        return Err(Fault::at(Code::InvalidValue, "/signals/suggestedTaxonomy"));
    }
    range(signals.suggested_severity, 1, 5, "/signals/suggestedSeverity")?;
    range(signals.suggested_layer, 1, 8, "/signals/suggestedLayer")?;
    if signals.confidence.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return Err(Fault::at(Code::OutOfRange, "/signals/confidence"));
    }
    if signals.behavioral_indicators.len() > INDICATORS_MAX {
        return Err(Fault::at(Code::TooLong, "/signals/behavioralIndicators"));
    }
    for indicator in &signals.behavioral_indicators {
        printable(indicator, NAME_BYTES_MAX, "/signals/behavioralIndicators")?;
    }
    signals.suggested_pattern.as_ref().map_or(Ok(()), pattern)
}

fn pattern(pattern: &Pattern) -> Result<(), Fault> {
    printable(&pattern.id, NAME_BYTES_MAX, "/signals/suggestedPattern/id")?;
    optional(&pattern.name, NAME_BYTES_MAX, "/signals/suggestedPattern/name")?;
    optional(&pattern.description, DESCRIPTION_BYTES_MAX, "/signals/suggestedPattern/description")?;
    range(pattern.severity, 1, 5, "/signals/suggestedPattern/severity")?;
    range(pattern.suggested_layer, 1, 8, "/signals/suggestedPattern/suggestedLayer")
}

/// A layer letter, a digit, a dot, a digit.
fn is_taxonomy(code: &str) -> bool {
    let [letter, digit, b'.', last] = code.as_bytes() else { return false };
    b"PTOGREC".contains(letter) && digit.is_ascii_digit() && last.is_ascii_digit()
}

fn token(kind: Kind, text: Option<&str>, path: &str) -> Result<(), Fault> {
    match text.map(|text| Token::parse(kind, text)) {
        Some(Err(_)) => Err(Fault::at(Code::RawIdentifier, path)),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// A path template reduces to itself.
fn template(path_template: Option<&str>, path: &str) -> Result<(), Fault> {
    let Some(text) = path_template else { return Ok(()) };
    printable(text, SCREEN_BYTES_MAX, path)?;
    if is_template(text) { Ok(()) } else { Err(Fault::at(Code::RawIdentifier, path)) }
}

pub(super) fn is_template(text: &str) -> bool {
    matches!(route_template(text), Cow::Borrowed(same) if same == text)
}

fn optional(text: &Option<String>, bytes_max: usize, path: &str) -> Result<(), Fault> {
    text.as_deref().map_or(Ok(()), |text| printable(text, bytes_max, path))
}

fn range(value: Option<u8>, least: u8, most: u8, path: &str) -> Result<(), Fault> {
    if value.is_none_or(|value| (least..=most).contains(&value)) {
        return Ok(());
    }
    Err(Fault::at(Code::OutOfRange, path))
}

const MAJOR: &str = "1";
