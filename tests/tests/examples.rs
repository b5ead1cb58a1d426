//! The committed examples are what the code makes of each other, and the schemas agree with the code on what is valid.
//!
//! `UPDATE_SCHEMAS=1` writes the examples anew from `examples/ingest-request/`, which are written by hand.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use contract::{Code, Event, EventType, OrgId, Timestamp, event::RecordRef, schema};
use domain::{
    admit::{Fault, admit, ck_of, ck_text},
    batching::sequence,
    enrich::enrich,
    intake::{Door, Outcome, read_event, split},
    profile::{Profile, Slot},
    pseudonym::{OrgKey, Pseudonymiser},
    seal::SealKey,
};
use jsonschema::Validator;
use serde::Serialize;
use serde_json::{Value, json};

/// When the door takes the examples: a minute after the first of them happened.
const ARRIVAL: &str = "2026-02-13T16:27:40.000Z";

#[test]
fn the_stored_examples_are_what_the_door_makes_of_the_sent_ones() {
    for kind in EventType::ALL {
        compare(&format!("event/{kind}"), &stored(kind.as_str()));
    }
}

#[test]
fn the_archived_example_is_a_stored_one_with_its_record() {
    let mut event = stored("friction.user_override");
    event.record = Some(RecordRef {
        shard: "shardId-000000000002".to_owned(),
        sequence: "49590338271490256608559692538361571095921575989136588898".to_owned(),
        arrived_at: Timestamp::parse(ARRIVAL).unwrap().plus_ms(310),
    });
    compare("event/archived", &event);
}

#[test]
fn the_delivered_examples_are_what_the_profiles_make_of_the_stored_ones() {
    let validator = validator("friction-event");
    for name in domain::profile::BUILT_IN {
        let profile = Profile::parse(name).unwrap();
        let org = OrgId::parse("acme").unwrap();
        let slot = Slot { org: &org, seq: sequence(17) };
        let friction = |kind: &&EventType| kind.as_str().starts_with("friction.");
        let events: Vec<_> = EventType::ALL
            .iter()
            .filter(friction)
            .map(|kind| profile.render_event(&stored(kind.as_str())).unwrap())
            .collect();
        let batch = profile.assemble(&slot, &events);
        let body: Value = serde_json::from_slice(&batch.body).unwrap();
        let faults: Vec<_> = validator.iter_errors(&body).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        compare(&format!("friction-event/{name}"), &body);
    }
}

#[test]
fn what_the_request_schema_accepts_the_door_takes_and_what_it_stores_the_event_schema_accepts() {
    let (request, event) = (validator("ingest-request"), validator("event"));
    let setting = Setting::new();
    let (mut promised, mut stored) = (0, 0);
    for (name, example) in examples("ingest-request") {
        for tampered in tamperings(&example, "/events/0") {
            let is_promised = request.is_valid(&tampered);
            match setting.door_reads(first_event(&tampered)) {
                Outcome::Ready(ready) => {
                    let kept = serde_json::to_value(&ready.event).unwrap();
                    let faults: Vec<_> = event.iter_errors(&kept).map(|f| f.to_string()).collect();
                    let is_kept = ready.event.agreed().analytics;
                    assert!(!is_kept || faults.is_empty(), "{name}: {faults:?} in {kept}");
                    stored += 1;
                }
                Outcome::Sealed(_) => assert!(!is_promised, "{name}: {tampered}"),
                Outcome::Rejected(rejected) => {
                    let fault = &rejected.fault;
                    let is_excused = !is_promised || is_beyond_a_schema(fault);
                    assert!(is_excused, "{name}: {fault} in {tampered}");
                }
            }
            promised += usize::from(is_promised);
        }
    }
    assert!(promised > 500 && stored > 500, "{promised} promised, {stored} stored");
}

#[test]
fn admission_and_the_event_schema_agree() {
    let validator = validator("event");
    let arrival = Timestamp::parse(ARRIVAL).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for (name, example) in examples("event") {
        for tampered in tamperings(&example, "") {
            let is_valid = validator.is_valid(&tampered);
            let Ok(event) = serde_json::from_value::<Event>(tampered.clone()) else {
                assert!(!is_valid, "{name}: the schema accepts what cannot be read: {tampered}");
                continue;
            };
            if !event.agreed().analytics {
                continue;
            }
            // What was read is judged, since reading fills in defaults.
            let is_valid = validator.is_valid(&serde_json::to_value(&event).unwrap());
            match admit(&event, arrival) {
                Ok(_) if is_written_by_us(&event) => {
                    assert!(is_valid, "{name}: admitted against the schema: {tampered}");
                }
                Ok(_) => {}
                Err(fault) => {
                    let is_excused = !is_valid || is_beyond_a_schema(&fault);
                    assert!(is_excused, "{name}: {fault} in {tampered}");
                }
            }
            *(if is_valid { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert!(valid > 500 && invalid > 500, "{valid} valid, {invalid} invalid");
}

/// A schema sees no arrival, no key, no template, and not what characters mean.
fn is_beyond_a_schema(fault: &Fault) -> bool {
    let is_place = ["/screen", "/route", "/context/url", "/context/referrer"]
        .iter()
        .any(|place| fault.path.as_deref() == Some(*place));
    let is_time = fault.path.as_deref() == Some("/occurredAt");
    let always = [Code::ControlCharacter, Code::EventIdTime, Code::ForeignOrg, Code::Late];
    always.contains(&fault.code)
        || fault.code == Code::RawIdentifier && is_place
        || fault.code == Code::OutOfRange && is_time
}

/// Fields that admission does not judge, because the suite itself writes them.
fn is_written_by_us(event: &Event) -> bool {
    let is_ck = event.ck.as_ref().is_none_or(|ck| *ck == ck_text(ck_of(event)));
    let is_sequence = |record: &RecordRef| {
        (1..=56).contains(&record.sequence.len())
            && record.sequence.bytes().all(|byte| byte.is_ascii_digit())
    };
    is_ck && event.record.as_ref().is_none_or(is_sequence)
}

/// The example itself, and every variant of it in which one value is left out or replaced.
fn tamperings(example: &Value, within: &str) -> Vec<Value> {
    let values = || {
        let long = |bytes: usize| json!("x".repeat(bytes));
        let texts =
            ["", "x", "Ä", "a b", "/a/b", "anna@example.org", "0.9", "1.9", "x:y", "[EMAIL]"];
        let numbers = [-1, 0, 1, 3, 5, 6, 8, 9, 101, 4_000_000_000, i64::MAX];
        let mut values =
            vec![json!(null), json!(true), json!(false), json!([]), json!(["x"]), json!({})];
        values.extend(texts.map(Value::from));
        values.extend(numbers.map(Value::from));
        values.push(json!(0.5));
        values.extend([64, 65, 128, 129, 256, 257].map(long));
        values
    };
    let mut variants = vec![example.clone()];
    for place in places(example) {
        if !place.starts_with(within) || place == within {
            continue;
        }
        let (parent, member) = place.rsplit_once('/').unwrap();
        let mut without = example.clone();
        if let Some(Value::Object(object)) = without.pointer_mut(parent) {
            object.remove(member);
            variants.push(without);
        }
        for value in values() {
            let mut replaced = example.clone();
            *replaced.pointer_mut(&place).unwrap() = value;
            variants.push(replaced);
        }
    }
    variants
}

fn places(value: &Value) -> Vec<String> {
    let below = |(key, inner): (String, &Value)| -> Vec<String> {
        places(inner).into_iter().map(|place| format!("/{key}{place}")).collect()
    };
    let inner: Vec<String> = match value {
        Value::Object(members) => {
            members.iter().map(|(key, inner)| (key.clone(), inner)).flat_map(below).collect()
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, inner)| (at.to_string(), inner))
            .flat_map(below)
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    std::iter::once(String::new()).chain(inner).collect()
}

/// A door with one organisation and keys that never change, so that the examples never do.
struct Setting {
    orgs: Vec<OrgId>,
    pseudonymisers: BTreeMap<OrgId, Arc<Pseudonymiser>>,
    seal_key: SealKey,
}

impl Setting {
    fn new() -> Self {
        let org = OrgId::parse("acme").unwrap();
        let key = OrgKey::from_mac([7; 32], 3);
        let pseudonymiser = Arc::new(Pseudonymiser::new(org.clone(), &key));
        Self {
            pseudonymisers: BTreeMap::from([(org.clone(), pseudonymiser)]),
            orgs: vec![org],
            seal_key: SealKey::from_bytes([9; 32]),
        }
    }

    fn door_reads(&self, event: &Value) -> Outcome {
        let door = Door {
            now: Timestamp::parse(ARRIVAL).unwrap(),
            orgs: &self.orgs,
            pseudonymisers: &self.pseudonymisers,
            seal_key: &self.seal_key,
            entropy: &|| *b"an example's id.",
        };
        read_event(&event.to_string(), &door)
    }
}

fn taken(outcome: &Outcome, name: &str) -> Event {
    match outcome {
        Outcome::Ready(ready) => ready.event.clone(),
        Outcome::Sealed(_) | Outcome::Rejected(_) => panic!("{name}: {outcome:?}"),
    }
}

fn first_event(request: &Value) -> &Value {
    let body = request.to_string();
    assert_eq!(split(body.as_bytes()).map(|events| events.len()), Ok(1));
    request.pointer("/events/0").unwrap()
}

/// Compares with the committed example, or writes it.
fn compare<T: Serialize>(example: &str, made: &T) {
    let path = folder().join(format!("{example}.json"));
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, serde_json::to_string_pretty(made).unwrap() + "\n").unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_default();
    let committed = serde_json::from_str::<Value>(&text).unwrap_or_default();
    let made = serde_json::to_value(made).unwrap();
    assert_eq!(committed, made, "{example} has drifted: UPDATE_SCHEMAS=1 writes it anew");
}

/// What the door and the processor make of the sent example of a type.
fn stored(kind: &str) -> Event {
    let request = read(&folder().join(format!("ingest-request/{kind}.json")));
    let mut event = taken(&Setting::new().door_reads(first_event(&request)), kind);
    enrich(&mut event, None);
    event
}

fn examples(form: &str) -> Vec<(String, Value)> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder().join(form)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let named =
        |path: PathBuf| (path.file_stem().unwrap().to_str().unwrap().to_owned(), read(&path));
    paths.into_iter().map(named).collect()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn validator(form: &str) -> Validator {
    let name = format!("{form}.schema.json");
    let (_, schema) = schema::all().into_iter().find(|(known, _)| *known == name).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/v1/examples")
}
