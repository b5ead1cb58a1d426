//! `tribo rescore`: what was understood is understood again, under other rules, each thing once.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{
    support::{Place, fields, now, wait_for},
    understanding::{closed, presses, understanding},
};

/// Puts rules under which presses that are `gap_ms` apart still belong together.
pub(crate) fn set_gap(place: &Place, version: u32, gap_ms: i64) {
    let rules =
        json!({ "version": version, "rules": { "rage_click": { "gapMs": gap_ms } } }).to_string();
    let file = place.file("rules.json", rules);
    place.json(&["rules", "set", file.to_str().unwrap(), "--org", "acme"]);
}

/// Everything that is kept of sessions, without what counts its changes.
pub(crate) fn kept(data: &Path) -> Vec<String> {
    let tables = rusqlite::Connection::open(data.join("tribo.db")).unwrap();
    tables.busy_timeout(Duration::from_secs(10)).unwrap();
    let mut rows = Vec::new();
    for sql in [
        "SELECT id || state || actor_slot || body FROM sessions WHERE state <> 'superseded' ORDER BY id",
        "SELECT id || rule || body FROM incidents WHERE retracted = 0 ORDER BY id",
        "SELECT kind || day || product || name || body FROM cells ORDER BY kind, day, product, name",
    ] {
        let mut select = tables.prepare(sql).unwrap();
        let found = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.extend(found.map(Result::unwrap));
    }
    rows
}

#[test]
fn closed_sessions_change_with_the_rules_only_when_they_are_derived_again() {
    let (place, server) = understanding();
    let start = now().plus_ms(-60 * HOUR_MS);
    // More sessions of one person than a sweep changes at once.
    for n in 0..50 {
        server.accept(&place.key, &presses("anna", start.plus_ms(n * 40 * 60_000), 4, 900));
    }
    server.accept(&place.key, &presses("berta", start, 1, 900));
    let before = closed(&place, 51);
    wait_for("everything is announced", || {
        let sql = "SELECT count(*) FROM notices";
        let left: i64 = place.tables().query_row(sql, [], |row| row.get(0)).unwrap();
        (left == 0).then_some(())
    });
    let original = kept(&place.data());
    let count = |what: &str| place.json(&[what, "--org", "acme", "--count"])["count"].clone();
    assert_eq!(count("incidents"), 50);

    set_gap(&place, 2, 800);
    assert_eq!(closed(&place, 51), before, "closed sessions stay as they are");
    let rescore = |more: &[&str]| place.json(&[&["rescore", "--org", "acme"], more].concat());
    let dry = rescore(&["--dry-run"]);
    let names = [
        "changed",
        "dryRun",
        "from",
        "frozen",
        "frustration",
        "incidents",
        "org",
        "owners",
        "revised",
        "rulesVersion",
        "sessions",
        "to",
        "waiting",
    ];
    assert_eq!(fields(&dry), names);
    assert_eq!(kept(&place.data()), original, "a dry run changes nothing");

    let done = rescore(&[]);
    let number = |name: &str| done[name].as_u64().unwrap();
    assert_eq!((number("owners"), number("revised"), number("changed")), (2, 51, 50));
    assert_eq!((number("frozen"), number("waiting"), number("rulesVersion")), (0, 0, 2));
    assert_eq!(done["incidents"], json!({ "before": 50, "after": 0 }));
    assert_eq!(done["sessions"], json!({ "before": 51, "after": 51 }));
    assert_eq!(done["frustration"]["after"], 0.0);
    assert!(done["frustration"]["before"].as_f64().unwrap() > 0.0, "{done}");
    let same = |report: &Value| {
        let mut report = report.clone();
        report["dryRun"] = Value::Null;
        report
    };
    assert_eq!(same(&dry), same(&done), "the rehearsal said what would be");
    assert_eq!(count("incidents"), 0);
    let found = place.json(&["sessions", "--org", "acme"]);
    for session in found["sessions"].as_array().unwrap() {
        assert_eq!((&session["revision"], &session["rulesVersion"]), (&json!(2), &json!(2)));
    }
    let again = rescore(&[]);
    assert_eq!((&again["revised"], &again["changed"]), (&json!(0), &json!(0)));

    // The built-in rules under another version: but for it, everything is as it was.
    place.json(&["rules", "reset", "--org", "acme"]);
    let done = rescore(&["--to", &start.plus_ms(HOUR_MS / 2).to_string()]);
    assert_eq!(
        (&done["revised"], &done["owners"]),
        (&json!(51), &json!(2)),
        "and those that follow"
    );
    let as_before = |rows: Vec<String>| -> Vec<String> {
        let version = |row: String| {
            (2..4).fold(row, |row, n| {
                row.replace(&format!("\"rulesVersion\":{n}"), "\"rulesVersion\":1")
            })
        };
        rows.into_iter().map(version).collect()
    };
    assert_eq!(as_before(kept(&place.data())), original);
    let plain = place.run(&["rescore", "--org", "acme"]);
    assert!(plain.code == 0 && plain.stdout.contains("mean frustration"), "{plain:?}");
}

#[test]
fn what_lies_outside_the_time_or_is_too_old_stays() {
    let (place, server) = understanding();
    let (early, late) = (now().plus_ms(-20 * HOUR_MS), now().plus_ms(-5 * HOUR_MS));
    server.accept(&place.key, &presses("anna", early, 4, 900));
    server.accept(&place.key, &presses("berta", late, 4, 900));
    closed(&place, 2);
    server.terminate();
    set_gap(&place, 2, 800);
    let old = now().plus_ms(-32 * 24 * HOUR_MS).ms();
    let sql = "UPDATE sessions SET started_at = ?1, ended_at = ?1, body = json_set(body, '$.startedAt', ?2, '$.endedAt', ?2) WHERE started_at = ?3";
    let text = contract::Timestamp::from_ms(old).to_string();
    let changed = place.tables().execute(sql, rusqlite::params![old, text, early.ms()]).unwrap();
    assert_eq!(changed, 1);

    let outside = place.json(&["rescore", "--org", "acme", "--from", &now().to_string()]);
    assert_eq!((&outside["owners"], &outside["revised"]), (&json!(0), &json!(0)));
    let done = place.json(&["rescore", "--org", "acme"]);
    assert_eq!(
        (&done["owners"], &done["revised"], &done["frozen"]),
        (&json!(1), &json!(1), &json!(1))
    );
    let left: i64 =
        place.tables().query_row("SELECT count(*) FROM notices", [], |row| row.get(0)).unwrap();
    assert!(left > 0, "whoever listens to the server is told by the server");
    let nobody = place.run(&["rescore", "--org", "nobody"]);
    assert!(nobody.code == 1 && nobody.stderr.contains("no organisation nobody"), "{nobody:?}");
}

const HOUR_MS: i64 = 3_600_000;
