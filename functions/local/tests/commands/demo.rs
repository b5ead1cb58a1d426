//! `tribo demo`.

use serde_json::json;

use crate::support::{fields, tribo};

#[test]
fn the_demo_ends_with_balanced_books_proven_counters_and_no_leak() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let done = tribo(&["demo", "--events", "3000", "--json", "--dir", dir]);
    assert_eq!(done.code, 0, "{done:?}");
    let report = done.json();
    let names =
        ["archive", "asOf", "balanced", "counters", "leaks", "orgs", "seconds", "streamLag"];
    assert_eq!(fields(&report), names);
    assert_eq!((&report["balanced"], &report["leaks"]), (&json!(true), &json!(0)));
    assert_eq!(report["counters"]["different"], 0);
    assert!(report["counters"]["compared"].as_u64() > Some(100), "{report}");
    let sum = |name: &str| {
        report["orgs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|org| org[name].as_u64().unwrap())
            .sum::<u64>()
    };
    assert!(sum("accepted") > 2_500 && sum("duplicates") > 0, "{report}");
    assert!(sum("delivered") > 500 && sum("suppressed") > 0 && sum("pending") == 0, "{report}");
    assert!(report["archive"]["events"].as_u64() > Some(2_500), "{report}");
    let archive = report["archive"]["location"].as_str().unwrap();
    assert!(std::fs::read_dir(archive).unwrap().next().is_some(), "{archive}");
    let again = tribo(&["ledger", "--json", "--data-dir", dir]);
    assert_eq!((again.code, &again.json()["orgs"]), (0, &report["orgs"]));
    let occupied = tribo(&["demo", "--dir", dir]);
    assert!(occupied.code == 1 && occupied.stderr.contains("is not empty"), "{occupied:?}");
}
