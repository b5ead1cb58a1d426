//! The recorded data becomes exactly the events that its documentation counts; skipped where the data is absent.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic and print"
)]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Command,
};

use contract::{
    EventId, EventType, Family, Timestamp, context,
    limits::{DAY_MS, EVENT_BYTES_MAX, MINUTE_MS},
};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use suite::recorded::{Conversion, Dataset, RecordedError, WINDOW_DAYS, Window, apache};

#[test]
fn every_left_press_is_a_click_and_keeps_its_gap_to_the_one_before() {
    let Some((events, conversion)) = converted(Dataset::Balabit) else { return };
    assert_eq!(conversion.by_type, BTreeMap::from([(EventType::UiClick, 75_524)]));
    assert_eq!((conversion.sessions, by_session(&events).len()), (65, 65));

    let mut offsets: HashMap<String, BTreeSet<i64>> = HashMap::new();
    let mut rows =
        csv::Reader::from_reader(gz(&data().unwrap().join("balabit-mouse/clicks_training.csv.gz")));
    let presses =
        rows.records().map(Result::unwrap).filter(|row| &row[6] == "Left" && &row[7] == "Pressed");
    let mut compared = 0;
    for (row, event) in presses.zip(&events) {
        assert_eq!((&row[1], &row[2]), (text(&event["actorId"]), text(&event["sessionId"])));
        assert_eq!(
            (&row[8], &row[9]),
            (&*event["element"]["x"].to_string(), &*event["element"]["y"].to_string())
        );
        let own_ms =
            format!("{:.0}", row[5].parse::<f64>().unwrap() * 1000.0).parse::<i64>().unwrap();
        offsets.entry(row[2].to_owned()).or_default().insert(at_ms(event) - own_ms);
        compared += 1;
    }
    assert_eq!(compared, 75_524);
    assert!(offsets.values().all(|session| session.len() == 1), "a session was stretched");
}

#[test]
fn the_clicks_hold_the_known_rage_bursts_and_sessions() {
    let Some((events, _)) = converted(Dataset::Balabit) else { return };
    let (mut bursts, mut sessions) = (0, 0);
    for clicks in by_session(&events).values() {
        let (mut run, mut before): (u32, Option<(i64, i64, i64)>) = (0, None);
        for click in clicks {
            let element = &click["element"];
            let now =
                (at_ms(click), element["x"].as_i64().unwrap(), element["y"].as_i64().unwrap());
            let cell = format!("cell_{}_{}", now.1 / 32, now.2 / 32);
            assert_eq!(text(&element["key"]), cell);
            let near = |b: (i64, i64, i64)| {
                now.0 - b.0 < 1_000 && (now.1 - b.1).abs() + (now.2 - b.2).abs() < 30
            };
            run = if before.is_some_and(near) { run + 1 } else { 1 };
            bursts += usize::from(run == 3);
            sessions += usize::from(before.is_none_or(|b| now.0 - b.0 > 30 * MINUTE_MS));
            before = Some(now);
        }
    }
    assert_eq!((bursts, sessions), (1_689, 88));
}

#[test]
fn a_game_with_a_back_click_is_exactly_a_game_with_a_return_and_no_game_is_completed() {
    let Some((events, conversion)) = converted(Dataset::Wikispeedia) else { return };
    let expected = [
        (EventType::Abandon, 2_869),
        (EventType::UiNavigation, 25_590),
        (EventType::TaskStarted, 5_000),
    ];
    assert_eq!(conversion.by_type, BTreeMap::from(expected));
    let games = by_session(&events);
    assert_eq!((games.len(), conversion.sessions), (5_000, 5_000));
    let mut with_back = 0;
    for game in games.values() {
        let steps: Vec<&&Value> =
            game.iter().filter(|event| event["eventType"] == "ui.navigation").collect();
        let back = steps.iter().any(|step| step["context"]["userAction"] == "back");
        let screens: Vec<&str> = steps.iter().map(|step| text(&step["screen"])).collect();
        assert!(screens.iter().all(|screen| screen.starts_with("/wiki/") && !screen.contains('%')));
        assert_eq!(back, screens.windows(3).any(|seen| seen[0] == seen[2] && seen[0] != seen[1]));
        with_back += usize::from(back);
    }
    assert_eq!(with_back, 1_003);
}

#[test]
fn a_game_lasts_as_long_as_recorded_and_ends_as_recorded() {
    let Some((events, _)) = converted(Dataset::Wikispeedia) else { return };
    let games = by_session(&events);
    let rows =
        BufReader::new(gz(&data().unwrap().join("wikispeedia/paths_first5000.tsv.gz"))).lines();
    for (number, row) in (1..).zip(rows.map(Result::unwrap)) {
        let columns: Vec<&str> = row.split('\t').collect();
        let game = &games[&*format!("game-{number:05}")];
        let (first, last) = (game[0], game[game.len() - 1]);
        assert_eq!(
            (text(&first["eventType"]), text(&first["actorId"])),
            ("task.started", columns[0])
        );
        assert_eq!(last["eventType"] == "friction.abandon", columns[5] == "restart");
        let steps = columns[3].split(';').count();
        if steps > 1 || columns[5] == "restart" {
            assert_eq!(
                at_ms(last) - at_ms(first),
                columns[2].parse::<i64>().unwrap() * 1_000,
                "game {number}"
            );
        }
        assert!(game.is_sorted_by_key(|event| at_ms(event)));
    }
}

#[test]
fn every_chat_has_its_messages_thumbs_and_rating() {
    let Some((events, conversion)) = converted(Dataset::Convai2) else { return };
    assert_eq!((conversion.sessions, by_session(&events).len()), (291, 291));
    assert_eq!(conversion.by_type[&EventType::ChatMessageCreated], 4_316);
    let mut feedback: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for event in events.iter().filter(|event| event["eventType"] == "friction.feedback") {
        assert_eq!(event["traceComponent"], "explainability");
        let context = &event["context"];
        *feedback.entry((text(&context["feature"]), text(&context["userAction"]))).or_default() +=
            1;
    }
    let expected = [
        (("chat-rating", "negative"), 139),
        (("chat-rating", "positive"), 59),
        (("chat-thumb", "negative"), 253),
        (("chat-thumb", "positive"), 186),
    ];
    assert_eq!(feedback, BTreeMap::from(expected));
    for chat in by_session(&events).values() {
        assert!(chat.is_sorted_by_key(|event| at_ms(event)));
    }
}

#[test]
fn the_log_keeps_its_disorder_and_its_refusals() {
    let Some((events, conversion)) = converted(Dataset::Apache) else { return };
    let requests = apache::requests(&data().unwrap()).unwrap();
    let backwards = requests.windows(2).filter(|pair| pair[1].at_ms < pair[0].at_ms).count();
    assert_eq!(
        (requests.len(), backwards, apache::idle_sessions(requests.iter())),
        (10_000, 4_915, 3_052)
    );

    let mut refusals: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events.iter().filter(|event| event["eventType"] == "backend.error") {
        *refusals.entry(text(&event["error"]["code"])).or_default() += 1;
    }
    assert_eq!(refusals, BTreeMap::from([("403", 2), ("404", 213), ("416", 2), ("500", 3)]));
    assert_eq!(conversion.by_type[&EventType::UiNavigation], 3_029);
    assert_eq!(
        conversion.left_out,
        BTreeMap::from([("asset", 5_814), ("feed", 901), ("not a GET", 36)])
    );

    let offsets: BTreeSet<i64> = events
        .iter()
        .map(|event| {
            let line: usize =
                text(&event["eventId"]).strip_prefix("apa.").unwrap().parse().unwrap();
            at_ms(event) - requests[line - 1].at_ms
        })
        .collect();
    assert_eq!(offsets.len(), 1, "the log was not moved as a whole");
    assert!(events.is_sorted_by_key(|event| text(&event["eventId"])));
    assert!(!events.is_sorted_by_key(at_ms));
    assert!(events.iter().all(|event| !text(&event["screen"]).contains(['?', '#'])));
}

#[test]
fn fifty_tasks_are_started_and_completed_once_each_and_in_that_order() {
    let Some((events, conversion)) = converted(Dataset::Rpm) else { return };
    let expected = [
        (EventType::UiClick, 645),
        (EventType::UiInputMeta, 1_764),
        (EventType::TaskStarted, 50),
        (EventType::TaskCompleted, 50),
    ];
    assert_eq!(conversion.by_type, BTreeMap::from(expected));
    let of = |kind: &str| -> BTreeMap<String, i64> {
        let tasks = events.iter().filter(|event| event["eventType"] == kind);
        tasks.map(|event| (text(&event["task"]["id"]).to_owned(), at_ms(event))).collect()
    };
    let (started, completed) = (of("task.started"), of("task.completed"));
    assert_eq!((started.len(), completed.len()), (50, 50));
    assert!(started.iter().all(|(task, at)| completed[task] > *at));
}

#[test]
fn nothing_that_was_typed_copied_or_written_on_a_label_is_in_the_events() {
    let Some((events, _)) = converted(Dataset::Rpm) else { return };
    let mut rows =
        csv::Reader::from_path(data().unwrap().join("rpm-uilogs/StudentRecord.csv")).unwrap();
    let names = rows.headers().unwrap().clone();
    let mut secrets = HashSet::new();
    for row in rows.records().map(Result::unwrap) {
        for (name, value) in names.iter().zip(&row) {
            if ["content", "target.value", "target.innerText", "target.innerHTML"].contains(&name) {
                secrets.insert(value.trim().to_owned());
            }
        }
    }
    secrets.retain(|secret| secret.len() > 1);
    assert!(secrets.len() > 300, "{}", secrets.len());
    let mut leaves = HashSet::new();
    for mut event in events {
        event["occurredAt"].take();
        leaves_of(&event, &mut leaves);
    }
    assert!(leaves.len() > 300);
    for secret in &secrets {
        assert!(!leaves.contains(secret), "a form's text is a field of an event");
        // A short one also occurs by chance, as `Lin` in `SingleLine`.
        let hidden = secret.len() > 4 && leaves.iter().any(|leaf| leaf.contains(secret.as_str()));
        assert!(!hidden, "a form's text is part of an event");
    }
}

#[test]
fn every_event_is_within_the_window_and_the_contract_under_an_id_of_its_own() {
    for dataset in Dataset::ALL {
        let Some((events, conversion)) = converted(*dataset) else { return };
        assert_eq!(conversion.by_type.values().sum::<usize>(), events.len());
        let mut ids = HashSet::new();
        for (event, line) in events.iter().zip(&conversion.lines) {
            let id = text(&event["eventId"]);
            assert!(ids.insert(id.to_owned()), "{id} is used twice");
            assert_eq!(EventId::parse(id).unwrap().uuid_v7_ms(), None);
            assert_eq!(text(&event["orgId"]), dataset.as_str());
            let at = Timestamp::parse(text(&event["occurredAt"])).unwrap();
            assert_eq!(at.to_string(), text(&event["occurredAt"]));
            assert!(
                (anchor().ms() - 25 * DAY_MS..=anchor().ms()).contains(&at.ms()),
                "{id} at {at}"
            );
            assert!(line.len() <= EVENT_BYTES_MAX);
            declares_what_the_contract_asks(event);
        }
        assert!(!dataset.inventions().is_empty());
    }
}

#[test]
fn the_same_anchor_gives_the_same_bytes_and_another_anchor_moves_them() {
    let Some(data) = data() else { return };
    let write = |anchor: Timestamp| {
        let folder = tempfile::tempdir().unwrap();
        let conversion =
            Dataset::Convai2.convert(&data, &Window::before(anchor, WINDOW_DAYS)).unwrap();
        std::fs::read(conversion.write(folder.path()).unwrap()).unwrap()
    };
    assert_eq!(write(anchor()), write(anchor()));
    assert_ne!(write(anchor()), write(anchor().plus_ms(1)));
    for dataset in Dataset::ALL {
        let lines = || dataset.convert(&data, &Window::before(anchor(), 6)).unwrap().lines;
        let (first, second) = (lines(), lines());
        assert!(first == second, "{dataset} differs between two runs");
        let earliest =
            first.iter().map(|line| at_ms(&serde_json::from_str(line).unwrap())).min().unwrap();
        assert!(earliest >= anchor().ms() - 6 * DAY_MS, "{dataset} leaves a window of six days");
    }
}

#[test]
fn the_command_writes_what_its_table_says_and_names_what_was_made_up() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_recorded-data"))
        .args(["convert", "--anchor", ANCHOR, "--only", "rpm", "--data"])
        .arg(&data)
        .arg("--out")
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(run.status.success());
    let (table, notes) =
        (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap());
    let row: Vec<&str> =
        table.lines().find(|line| line.starts_with("rpm")).unwrap().split_whitespace().collect();
    assert_eq!(row[1..3], ["2509", "1"]);
    let made_up = Dataset::Rpm.inventions();
    assert!(made_up.iter().all(|invention| notes.contains(invention)));
    assert_eq!(BufReader::new(gz(&folder.path().join("rpm.ndjson.gz"))).lines().count(), 2_509);
    assert!(!folder.path().join("apache.ndjson.gz").exists());
}

#[test]
fn a_missing_source_is_an_error_and_a_strange_row_is_named_without_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let window = Window::before(anchor(), WINDOW_DAYS);
    for dataset in Dataset::ALL {
        let error = dataset.convert(folder.path(), &window).unwrap_err();
        assert!(matches!(error, RecordedError::Read { .. }), "{dataset}: {error}");
    }
    std::fs::create_dir(folder.path().join("rpm-uilogs")).unwrap();
    let header = "caseID,timeStamp,userID\n0,2019-10-21T00:10:09.640Z,u\n1,secret\n";
    std::fs::write(folder.path().join("rpm-uilogs/StudentRecord_segmented.csv"), header).unwrap();
    let error = Dataset::Rpm.convert(folder.path(), &window).unwrap_err();
    assert_eq!(error.to_string(), "rpm: row 2 has not the documented form");
}

fn declares_what_the_contract_asks(event: &Value) {
    let kind = EventType::parse(text(&event["eventType"])).unwrap();
    assert_eq!(text(&event["eventType"]), kind.as_str());
    assert_eq!(event["traceComponent"].is_string(), kind.family() == Family::Friction);
    assert_eq!(event["screen"].is_string(), [Family::Ui, Family::Backend].contains(&kind.family()));
    assert!(!text(&event["source"]["service"]).is_empty());
    assert_eq!(event["task"].is_object(), kind.family() == Family::Task);
    assert_eq!(event["object"].is_object(), kind.family() == Family::Knowledge);
    if kind == EventType::UiClick {
        assert!(!text(&event["element"]["key"]).is_empty());
    }
    for (key, value) in event["context"].as_object().into_iter().flatten() {
        assert!(context::declared(kind, key).is_some(), "{key} is not declared");
        let name = |b: u8| b.is_ascii_alphanumeric() || b"._:/-".contains(&b);
        assert!(text(value).bytes().all(name) && text(value).len() <= 64, "{key} is no short name");
    }
}

fn leaves_of(value: &Value, leaves: &mut HashSet<String>) {
    match value {
        Value::Object(fields) => fields.values().for_each(|field| leaves_of(field, leaves)),
        Value::Array(items) => items.iter().for_each(|item| leaves_of(item, leaves)),
        Value::String(leaf) => drop(leaves.insert(leaf.clone())),
        Value::Number(number) => drop(leaves.insert(number.to_string())),
        Value::Null | Value::Bool(_) => {}
    }
}

fn by_session(events: &[Value]) -> HashMap<&str, Vec<&Value>> {
    let mut sessions: HashMap<&str, Vec<&Value>> = HashMap::new();
    for event in events {
        sessions.entry(text(&event["sessionId"])).or_default().push(event);
    }
    sessions
}

fn converted(dataset: Dataset) -> Option<(Vec<Value>, Conversion)> {
    let conversion = dataset.convert(&data()?, &Window::before(anchor(), WINDOW_DAYS)).unwrap();
    let events = conversion.lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    Some((events, conversion))
}

/// The folder beside the checkout, when somebody has put it there.
fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !folder.is_dir() {
        eprintln!("skipped: there is no recorded data at ../shared/data");
        return None;
    }
    Some(folder)
}

fn gz(path: &Path) -> MultiGzDecoder<File> {
    MultiGzDecoder::new(File::open(path).unwrap())
}

fn at_ms(event: &Value) -> i64 {
    Timestamp::parse(text(&event["occurredAt"])).unwrap().ms()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn anchor() -> Timestamp {
    Timestamp::parse(ANCHOR).unwrap()
}

const ANCHOR: &str = "2026-02-12T12:00:00Z";
