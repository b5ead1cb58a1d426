//! `tribo tune`: what would be found under other thresholds is what is found once they hold.

use serde_json::{Value, json};

use crate::{
    rescoring::set_gap,
    support::{Place, fields, now, with},
    understanding::{closed, presses, understanding},
};

fn tune(place: &Place, set: &str, more: &[&str]) -> Value {
    let (from, to) = (now().plus_ms(-24 * HOUR_MS).to_string(), now().to_string());
    let arguments = ["tune", "--org", "acme", "--rule", "rage_click", "--set", set];
    place.json(&[&arguments[..], &["--from", &from, "--to", &to], more].concat())
}

#[test]
fn what_is_foreseen_comes_true_once_the_rules_hold() {
    let (place, server) = understanding();
    let start = now().plus_ms(-5 * HOUR_MS);
    server.accept(&place.key, &presses("anna", start, 5, 900));
    server.accept(&place.key, &presses("berta", start.plus_ms(1), 6, 120));
    server.accept(&place.key, &presses("carla", start.plus_ms(2), 1, 120));
    let crm = presses("dora", start.plus_ms(3), 6, 900);
    let crm: Vec<Value> = crm.into_iter().map(|e| with(e, "productId", "crm")).collect();
    server.accept(&place.key, &crm);
    let before = closed(&place, 4);

    let told = tune(&place, "gapMs=800", &[]);
    let names = [
        "affected",
        "events",
        "from",
        "frustration",
        "gained",
        "lost",
        "org",
        "rule",
        "rules",
        "sessions",
        "settings",
        "to",
    ];
    assert_eq!(fields(&told), names);
    assert_eq!((&told["sessions"], &told["affected"]), (&json!(4), &json!(2)));
    assert_eq!(told["settings"], json!({ "gapMs": { "before": 1000, "after": 800 } }));
    let expected = json!({ "before": 3, "after": 1, "gained": 0, "lost": 2, "sessions": 2 });
    assert_eq!(told["rules"]["rage_click"], expected, "{told}");
    assert_eq!(told["gained"], json!([]));
    let lost = told["lost"].as_array().unwrap();
    assert_eq!((lost.len(), &lost[0]["element"]), (2, &json!("save")), "{told}");
    let known: Vec<&Value> =
        before["sessions"].as_array().unwrap().iter().map(|s| &s["sessionId"]).collect();
    assert!(lost.iter().all(|example| known.contains(&&example["sessionId"])), "{told}");
    assert_eq!(closed(&place, 4), before, "nothing is written");

    let (stays, one) =
        (tune(&place, "gapMs=1000", &[]), tune(&place, "gapMs=800", &["--examples", "1"]));
    assert_eq!((&stays["affected"], &one["lost"]), (&json!(0), &json!([lost[0]])));
    assert_eq!(tune(&place, "gapMs=800", &["--product", "crm"])["sessions"], 1);
    let later = start.plus_ms(1).to_string();
    let later = place.json(&[
        "tune",
        "--org",
        "acme",
        "--rule",
        "rage_click",
        "--set",
        "enabled=false",
        "--from",
        &later,
        "--to",
        &now().to_string(),
    ]);
    assert_eq!((&later["sessions"], &later["rules"]["rage_click"]["lost"]), (&json!(3), &json!(2)));

    set_gap(&place, 2, 800);
    let done = place.json(&["rescore", "--org", "acme"]);
    assert_eq!(done["frustration"]["before"], told["frustration"]["before"]);
    assert_eq!(done["frustration"]["after"], told["frustration"]["after"]);
    let found = place.json(&["incidents", "--org", "acme", "--count"]);
    for (rule, change) in told["rules"].as_object().unwrap() {
        let count = found["byRule"].get(rule).cloned().unwrap_or(json!(0));
        assert_eq!(count, change["after"], "{rule}: {told}");
    }
    let back = tune(&place, "gapMs=1000", &[]);
    assert_eq!(
        (&back["rules"]["rage_click"]["gained"], &back["gained"]),
        (&json!(2), &told["lost"])
    );
    let (from, to) = (start.to_string(), now().to_string());
    let arguments = ["tune", "--org", "acme", "--rule", "rage_click", "--set", "gapMs=1000"];
    let plain = place.run(&[&arguments[..], &["--from", &from, "--to", &to]].concat());
    for word in ["gapMs 1000 instead of 800", "mean frustration 0.", "gained, the first", "[save]"]
    {
        assert!(plain.stdout.contains(word), "{word}: {plain:?}");
    }
}

#[test]
fn a_product_that_says_otherwise_is_named_and_mistakes_are_explained() {
    let (place, server) = understanding();
    server.accept(&place.key, &presses("anna", now().plus_ms(-3 * HOUR_MS), 4, 900));
    closed(&place, 1);
    let rules = json!({
        "version": 2,
        "products": { "default": { "rules": { "rage_click": { "gapMs": 700 } } } },
    });
    let file = place.file("rules.json", rules.to_string());
    place.json(&["rules", "set", file.to_str().unwrap(), "--org", "acme"]);
    let (from, to) = (now().plus_ms(-24 * HOUR_MS).to_string(), now().to_string());
    let run = |org: &str, set: &str, (from, to): (&str, &str)| {
        let arguments = ["tune", "--rule", "rage_click", "--org", org, "--set", set];
        place.run(&[&arguments[..], &["--from", from, "--to", to]].concat())
    };
    let done = run("acme", "gapMs=900", (&from, &to));
    assert!(done.code == 0 && done.stderr.contains("product default"), "{done:?}");
    for (org, set, span, code, word) in [
        ("acme", "gap=900", (&from, &to), 2, "/rules/rage_click/gap"),
        ("acme", "gapMs", (&from, &to), 2, "name=value"),
        ("acme", "gapMs=900", (&to, &from), 2, "later than --from"),
        ("nobody", "gapMs=900", (&from, &to), 1, "no organisation nobody"),
    ] {
        let done = run(org, set, (span.0, span.1));
        assert!(done.code == code && done.stderr.contains(word), "{word}: {done:?}");
    }
}

const HOUR_MS: i64 = 3_600_000;
