//! What the suite says about itself: one JSON object per line, metrics in CloudWatch's embedded metric format.
//!
//! Everything goes to standard error; standard output belongs to answers. A line carries what was logged and nothing
//! else: callers never pass bodies, tokens or people. An event with target [`METRICS`] becomes an embedded-metrics line:
//! its numeric fields are metrics, its text fields dimensions or properties.
//!
//! ```
//! let line = telemetry::emf_line(1_700_000_000_000, &[("stage", "processor".into()), ("events", 3.into())]);
//! assert!(line.starts_with(r#"{"_aws":{"CloudWatchMetrics":[{"Dimensions":[["stage"]],"#));
//! ```

mod fields;

use std::{fmt, io::IsTerminal as _, process::ExitCode, sync::OnceLock, time::SystemTime};

use serde_json::{Map, Value, json};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::fields::Fields;

/// The target of metric events.
pub const METRICS: &str = "metrics";

/// What the `main` of a function does: JSON lines from here on, metrics under `namespace`, and then `work`, which serves
/// until it is told to stop or cannot go on. What stopped it is logged as one sentence, once, and is the exit code.
///
/// Only the error's own text is logged, never its `Debug`, which may hold whatever it was made of.
pub async fn run<E: fmt::Display>(
    namespace: Option<String>,
    work: impl Future<Output = Result<(), E>>,
) -> ExitCode {
    init(Format::Json, "info");
    set_namespace(namespace);
    match work.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Names the metrics' namespace, so that several installations in one account do not share their metrics. Without a name
/// it is `Tribometer`; the first name given stays.
pub fn set_namespace(name: Option<String>) {
    if let Some(name) = name.filter(|name| !name.trim().is_empty()) {
        let _ = NAMESPACE.set(name);
    }
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line, metrics included.
    Json,
    /// One readable line; metrics are left out.
    Human,
}

impl Format {
    /// Readable on a terminal, JSON everywhere else.
    #[must_use]
    pub fn detect() -> Self {
        if std::io::stderr().is_terminal() { Self::Human } else { Self::Json }
    }
}

/// Installs the logger for this process; `filter` is a level or a list of `target=level`. Does nothing when one is
/// installed already. From here on a panic is logged by its place alone: its message may repeat what was read.
pub fn init(format: Format, filter: &str) {
    let filter = targets(filter);
    let installed = match format {
        Format::Json => tracing_subscriber::registry()
            .with(filter)
            .with(
                tracing_subscriber::fmt::layer()
                    .event_format(JsonLines)
                    .fmt_fields(fields::JsonFields)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
        Format::Human => tracing_subscriber::registry()
            .with(filter.with_target(METRICS, LevelFilter::OFF))
            .with(
                tracing_subscriber::fmt::layer()
                    .compact()
                    .with_target(false)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
    };
    drop(installed);
    log_panics_by_place();
}

/// Installs the logger for this process, writing JSON lines to a file: what a program says about itself can then be looked
/// through like everything else it wrote. Does nothing when one is installed already.
pub fn init_to(file: std::fs::File, filter: &str) {
    let filter = targets(filter);
    let lines = tracing_subscriber::fmt::layer()
        .event_format(JsonLines)
        .fmt_fields(fields::JsonFields)
        .with_writer(std::sync::Mutex::new(file));
    drop(tracing_subscriber::registry().with(filter).with(lines).try_init());
    log_panics_by_place();
}

/// What is logged. Levels of targets need no regular expressions, which would be 3 % of each function.
fn targets(filter: &str) -> Targets {
    filter.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO))
}

fn log_panics_by_place() {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(panic.at = panic.location().map(tracing::field::display), "panicked");
    }));
}

/// An embedded-metrics line: numbers are metrics (milliseconds when the name ends in `_ms`, bytes in `_bytes`, counts
/// otherwise), `stage` and `code` are dimensions, other texts are properties.
#[must_use]
pub fn emf_line(at_ms: u64, fields: &[(&str, Value)]) -> String {
    let mut line = Map::new();
    let mut metrics = Vec::new();
    let mut dimensions = Vec::new();
    for (name, value) in fields {
        if value.is_number() {
            metrics.push(json!({ "Name": name, "Unit": unit(name) }));
        } else if DIMENSIONS.contains(name) {
            dimensions.push(*name);
        }
        line.insert((*name).to_owned(), value.clone());
    }
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at_ms,
            "CloudWatchMetrics": [{ "Namespace": namespace(), "Dimensions": [dimensions], "Metrics": metrics }],
        }),
    );
    Value::Object(line).to_string()
}

fn namespace() -> &'static str {
    NAMESPACE.get().map_or(NAMESPACE_DEFAULT, String::as_str)
}

fn unit(name: &str) -> &'static str {
    match name {
        _ if name.ends_with("_ms") => "Milliseconds",
        _ if name.ends_with("_bytes") => "Bytes",
        _ => "Count",
    }
}

/// Writes every event as one JSON object; the fields of the spans around it come along.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let at_ms = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
        if event.metadata().target() == METRICS {
            let values: Vec<(&str, Value)> =
                fields.0.iter().map(|(name, value)| (*name, value.clone())).collect();
            return writeln!(writer, "{}", emf_line(at_ms, &values));
        }
        let mut line = Map::new();
        for span in ctx.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            if let Some(text) = extensions.get::<FormattedFields<N>>()
                && let Ok(Value::Object(of_span)) = serde_json::from_str(text)
            {
                line.extend(of_span);
            }
        }
        line.extend(fields.0.into_iter().map(|(name, value)| (name.to_owned(), value)));
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        line.insert("at_ms".to_owned(), at_ms.into());
        writeln!(writer, "{}", Value::Object(line))
    }
}

static NAMESPACE: OnceLock<String> = OnceLock::new();
const NAMESPACE_DEFAULT: &str = "Tribometer";
/// Field names that are dimensions; an organisation never is one, since each value would be billed as a metric.
const DIMENSIONS: &[&str] = &["stage", "code"];

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_filter_is_a_level_or_a_list_of_targets_and_else_what_is_usual() {
        for (filter, target, least) in [
            ("debug", "processor::count", Some(Level::DEBUG)),
            ("warn,hyper=trace", "hyper::client", Some(Level::TRACE)),
            ("warn,hyper=trace", "processor", Some(Level::WARN)),
            ("hyper=error", "processor", None),
            ("off", "processor", None),
            ("a=loud", "processor", Some(Level::INFO)),
        ] {
            let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
            let logged =
                levels.into_iter().find(|level| targets(filter).would_enable(target, level));
            assert_eq!(logged, least, "{filter}: {target}");
        }
    }

    #[test]
    fn numbers_become_metrics_with_units_and_organisations_stay_properties() {
        let line = emf_line(
            5,
            &[("stage", "door".into()), ("org", "acme".into()), ("commit_ms", 2.5.into())],
        );
        let line: Value = serde_json::from_str(&line).unwrap();
        let metric = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metric["Dimensions"], json!([["stage"]]));
        assert_eq!(metric["Metrics"], json!([{ "Name": "commit_ms", "Unit": "Milliseconds" }]));
        assert_eq!(line["org"], "acme");
    }

    #[test]
    fn a_line_break_in_a_value_stays_inside_its_line() {
        assert!(!emf_line(5, &[("stage", "a\nb".into())]).contains('\n'));
    }
}
