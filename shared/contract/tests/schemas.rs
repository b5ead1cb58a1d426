//! The committed schemas are the code's, and the committed examples are what the code reads and writes.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(
    clippy::disallowed_methods,
    reason = "the drift test writes the files when it is asked to"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use contract::{
    Code, Event, EventType, Timestamp,
    connector::{ConnectorAnswer, ConnectorBatch},
    incident::Incident,
    ingest::{EventAnswer, EventStatus, IngestAnswer},
    insights::FrictionInsights,
    ledger::{Balance, LedgerReport, OrgLedger, Whereabouts},
    problem::Problem,
    projection::{SessionContext, UserPreferences},
    schema,
    session::Session,
};
use jsonschema::Validator;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

#[test]
fn the_committed_schemas_are_the_generated_ones() {
    let mut committed: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".schema.json") && name != OF_RULES)
        .collect();
    for (name, generated) in schema::all() {
        let path = folder().join(name);
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(&path, schema::render(&generated)).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let same = serde_json::from_str::<Value>(&text).is_ok_and(|value| value == generated);
        assert!(same, "{name} has drifted: `cargo run -p tribo -- schema --out schemas/v1`");
        committed.remove(name);
    }
    assert!(committed.is_empty(), "no code generates {committed:?}");
}

#[test]
fn every_schema_is_a_valid_schema() {
    for (name, schema) in schema::all() {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        if let Err(error) = jsonschema::meta::validate(&schema) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn every_event_type_has_an_example_of_both_forms() {
    for kind in EventType::ALL {
        for form in ["event", "ingest-request"] {
            let example = read(&folder().join(format!("examples/{form}/{kind}.json")));
            let event = if form == "event" { &example } else { &example["events"][0] };
            let named = event["eventType"].as_str().and_then(EventType::parse);
            assert_eq!(named, Some(*kind), "{form} {kind}");
        }
    }
}

#[test]
fn every_example_satisfies_its_schema() {
    let validators = validators();
    for (form, path, example) in examples() {
        let faults: Vec<_> = validators[&form].iter_errors(&example).collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
    }
    let forms: BTreeSet<String> = examples().into_iter().map(|(form, ..)| form).collect();
    let names: BTreeSet<String> = validators.into_keys().collect();
    assert_eq!(forms, names, "every schema has an example");
}

#[test]
fn every_example_is_read_and_written_again_without_loss() {
    for (form, path, example) in examples() {
        let again = match form.as_str() {
            "event" => through::<Event>(&example),
            "ingest-answer" => through::<IngestAnswer>(&example),
            "problem" => through::<Problem>(&example),
            "friction-event" => through::<ConnectorBatch>(&example),
            "friction-insights" => through::<FrictionInsights>(&example),
            "ledger" => through::<LedgerReport>(&example),
            "whereabouts" => through::<Whereabouts>(&example),
            "session" => through::<Session>(&example),
            "incident" => through::<Incident>(&example),
            "session-context" => through::<SessionContext>(&example),
            "user-preferences" => through::<UserPreferences>(&example),
            // Dialects and the door's form are read by the functions that own them.
            "friction-enrichment" if example.get("data").is_none() && per_event(&example) => {
                through::<ConnectorAnswer>(&example)
            }
            "friction-enrichment" | "ingest-request" => continue,
            unknown => panic!("no type for {unknown}"),
        };
        assert_eq!(again, example, "{}", path.display());
    }
}

#[test]
fn an_example_with_a_member_too_many_is_refused() {
    let validators = validators();
    for (form, path, example) in examples() {
        if form == "friction-enrichment" {
            continue;
        }
        for place in places(&example) {
            let is_open = form == "ingest-request" && place.ends_with("/context")
                || form == "ledger"
                    && (place.ends_with("/rejected") || place.ends_with("/quarantined"))
                || MAPS.iter().any(|map| format!("{form}{place}") == *map);
            let mut tampered = example.clone();
            let Some(Value::Object(object)) = tampered.pointer_mut(&place) else { continue };
            object.insert("undeclared".to_owned(), json!(1));
            assert_eq!(
                validators[&form].is_valid(&tampered),
                is_open,
                "{} {place}",
                path.display()
            );
        }
    }
}

#[test]
fn an_example_without_a_required_member_is_refused() {
    let validators = validators();
    for (name, schema) in schema::all() {
        let form = name.trim_end_matches(".schema.json");
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (_, path, example) in examples().into_iter().filter(|(owner, ..)| owner == form) {
            for member in &required {
                let mut tampered = example.clone();
                tampered.as_object_mut().unwrap().remove(*member).unwrap();
                let valid = validators[form].is_valid(&tampered);
                assert!(!valid, "{} without {member}", path.display());
            }
        }
    }
}

#[test]
fn an_event_without_what_its_type_needs_is_refused() {
    let validators = validators();
    for (kind, needed) in [
        ("friction.abandon", &["traceComponent"][..]),
        ("ui.scroll", &["screen", "route"]),
        ("ui.click", &["element"]),
        ("ui.dead_click", &["element"]),
        ("ui.error", &["error"]),
        ("backend.error", &["error"]),
        ("task.started", &["task"]),
        ("knowledge.user_viewed", &["object"]),
    ] {
        for form in ["event", "ingest-request"] {
            let mut example = read(&folder().join(format!("examples/{form}/{kind}.json")));
            let event =
                example.pointer_mut(if form == "event" { "" } else { "/events/0" }).unwrap();
            needed.iter().for_each(|member| drop(event.as_object_mut().unwrap().remove(*member)));
            event["consent"] = json!({ "analytics": true, "forward": true });
            assert!(!validators[form].is_valid(&example), "{form} {kind} without {needed:?}");
            let event =
                example.pointer_mut(if form == "event" { "" } else { "/events/0" }).unwrap();
            event["consent"]["analytics"] = json!(false);
            assert!(
                validators[form].is_valid(&example),
                "{form} {kind}: what is not kept needs nothing"
            );
        }
    }
}

#[test]
fn a_context_key_of_another_family_is_refused_behind_the_door_only() {
    let validators = validators();
    for (form, place, is_valid) in
        [("event", "/context/os", false), ("ingest-request", "/events/0/context/os", true)]
    {
        let mut example = read(&folder().join(format!("examples/{form}/friction.abandon.json")));
        let (context, key) = place.rsplit_once('/').unwrap();
        example.pointer_mut(context).unwrap()[key] = json!("linux");
        assert_eq!(validators[form].is_valid(&example), is_valid, "{form}");
    }
}

#[test]
fn an_example_with_a_value_of_another_kind_or_size_is_refused() {
    let validators = validators();
    for (form, path, example) in examples() {
        if form == "friction-enrichment" {
            continue;
        }
        for place in places(&example) {
            let member = place.rsplit('/').next().unwrap_or_default().to_owned();
            let mut wrong = vec![json!([[]])];
            if form == "ingest-request" && NOT_READ.contains(&member.as_str()) {
                continue;
            }
            match example.pointer(&place).unwrap() {
                // Nobody hands these in: what stands in them is bounded where it comes in.
                Value::Number(_) | Value::String(_) if UNDERSTOOD.contains(&form.as_str()) => {}
                Value::Number(_) if ANY_NUMBER.contains(&member.as_str()) => {}
                Value::Number(_)
                    if [&form, &member].iter().any(|name| COUNTS.contains(&name.as_str())) =>
                {
                    wrong.push(json!(-1))
                }
                Value::Number(_) => wrong.extend([json!(-1e300), json!(1e300)]),
                Value::String(_)
                    if form == "ingest-request" && ANY_PLACE.contains(&member.as_str()) => {}
                Value::String(_) if ANY_TEXT.contains(&member.as_str()) => {}
                Value::String(_) => wrong.extend([json!(""), json!("x".repeat(4_096))]),
                Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => {}
            }
            for value in wrong {
                let mut tampered = example.clone();
                *tampered.pointer_mut(&place).unwrap() = value.clone();
                let valid = validators[&form].is_valid(&tampered);
                let shown: String = value.to_string().chars().take(16).collect();
                assert!(!valid, "{} {place} = {shown}", path.display());
            }
        }
    }
}

#[test]
fn whatever_the_code_writes_satisfies_its_schema() {
    let validators = validators();
    let check = |form: &str, value: Value| {
        let faults: Vec<_> = validators[form].iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{form}: {faults:?} in {value}");
    };
    let answer = |status, code| EventAnswer {
        index: 0,
        event_id: None,
        status,
        code,
        path: code.map(|_| "/context/feature".to_owned()),
    };
    for code in Code::ALL {
        let rejected = answer(EventStatus::Rejected, Some(*code));
        check("ingest-answer", written(&IngestAnswer::of(vec![rejected.clone()])));
        let mut problem = Problem::new(422, *code, "Nothing was acceptable.");
        check("problem", written(&problem));
        problem.request_id = Some("r-1".to_owned());
        problem.retry_after = Some(30);
        problem.not_stored = vec!["e.1".to_owned()];
        problem.events = vec![rejected];
        check("problem", written(&problem));
    }
    for status in [EventStatus::Accepted, EventStatus::Quarantined, EventStatus::Duplicate] {
        check("ingest-answer", written(&IngestAnswer::of(vec![answer(status, None)])));
    }
    for state in [Balance::Balanced, Balance::Settling, Balance::Broken] {
        let rejected = BTreeMap::from([(Code::Late.to_string(), 3)]);
        let row = OrgLedger { org: "acme".to_owned(), state, rejected, ..OrgLedger::default() };
        let as_of = Timestamp::from_ms(1_760_000_000_000);
        check(
            "ledger",
            written(&LedgerReport { as_of, stream_lag: 1, orgs: vec![row], balanced: false }),
        );
    }
    // Every field of an event that may be left out, left out: what remains is still what the schema says.
    for (_, _, example) in examples().into_iter().filter(|(form, ..)| form == "event") {
        let needed = ["traceComponent", "screen", "route", "task", "object", "element", "error"];
        for member in example.as_object().unwrap().keys() {
            let mut less = example.clone();
            less.as_object_mut().unwrap().remove(member);
            if needed.contains(&member.as_str()) {
                continue;
            }
            if let Ok(event) = serde_json::from_value::<Event>(less) {
                check("event", written(&event));
            }
        }
    }
}

/// What a door does not read, since the suite writes it.
const NOT_READ: &[&str] = &["timeAdjusted", "recordedAt", "ck", "record", "timeSinceAssignment"];
/// Paths and URLs, which the door shortens: the body bounds them.
const ANY_PLACE: &[&str] = &["screen", "route", "url", "referrer"];
/// Texts without a limit of their own: operators and the connector read them.
const ANY_TEXT: &[&str] = &["shard", "station", "detail", "action", "metric", "patternId"];
/// Numbers whose whole range is meant.
const ANY_NUMBER: &[&str] = &["value", "median", "timeSinceAssignment", "netImpact", "difference"];
/// Schemas and members whose numbers count up without a limit.
const COUNTS: &[&str] =
    &["friction-insights", "ledger", "retryAfter", "accepted", "duplicates", "rejected"];

/// What is made of events.
const UNDERSTOOD: &[&str] = &["session", "incident", "session-context", "user-preferences"];
/// Objects with names of their own.
const MAPS: &[&str] = &["incident/thresholds", "session/metrics/incidents"];
/// The crate `friction` generates it.
const OF_RULES: &str = "rules.schema.json";

fn per_event(answer: &Value) -> bool {
    answer.get("enrichment").is_none_or(Value::is_array)
}

fn through<T: Serialize + DeserializeOwned>(value: &Value) -> Value {
    written(&serde_json::from_value::<T>(value.clone()).unwrap())
}

fn written<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap()
}

/// The JSON pointers of every value within `value`, itself among them.
fn places(value: &Value) -> Vec<String> {
    let below = |key: &str, inner: &Value| -> Vec<String> {
        let key = key.replace('~', "~0").replace('/', "~1");
        places(inner).into_iter().map(|place| format!("/{key}{place}")).collect()
    };
    let inner: Vec<String> = match value {
        Value::Object(members) => {
            members.iter().flat_map(|(key, inner)| below(key, inner)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(at, inner)| below(&at.to_string(), inner)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    std::iter::once(String::new()).chain(inner).collect()
}

/// The committed examples: the name of their schema, their path, their content.
fn examples() -> Vec<(String, PathBuf, Value)> {
    let entries = |path: &Path| {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let forms = entries(&folder().join("examples"));
    let named = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    forms
        .iter()
        .flat_map(|form| entries(form).into_iter().map(|path| (named(form), path)))
        .map(|(form, path)| (form, path.clone(), read(&path)))
        .collect()
}

fn validators() -> BTreeMap<String, Validator> {
    let compiled = |(name, schema): (&str, Value)| {
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        (name.trim_end_matches(".schema.json").to_owned(), validator)
    };
    schema::all().into_iter().map(compiled).collect()
}

fn read(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/v1")
}
