//! `tribo rules`: whose rules hold, and that a mistake changes nothing.

use serde_json::{Value, json};

use crate::support::{Place, fields, piped};

#[test]
fn rules_are_shown_set_and_reset_under_versions_that_only_grow() {
    let place = Place::new();
    let show = || place.json(&["rules", "show", "--org", "acme"]);
    let built_in = show();
    assert_eq!(fields(&built_in), ["document", "effective", "flows", "org", "paths", "version"]);
    assert_eq!((&built_in["version"], &built_in["document"]), (&json!(1), &json!({"version": 1})));
    let gap = |shown: &Value| shown["effective"]["rage_click"]["gapMs"].clone();
    assert_eq!(gap(&built_in), 1000);

    let document = json!({
        "version": 2,
        "rules": { "rage_click": { "gapMs": 800 } },
        "products": { "crm": { "rules": { "rage_click": { "gapMs": 600 } } } },
    });
    let set = |document: &Value| {
        let file = place.file("rules.json", document.to_string());
        place.run(&["rules", "set", file.to_str().unwrap(), "--org", "acme", "--json"])
    };
    let done = set(&document);
    assert_eq!(done.json(), json!({ "org": "acme", "version": 2, "previous": 1 }), "{done:?}");
    assert_eq!(show()["document"], document);
    assert_eq!(gap(&show()), 800);
    let crm = place.json(&["rules", "show", "--org", "acme", "--product", "crm"]);
    assert_eq!(gap(&crm), 600);
    let plain = place.run(&["rules", "show", "--org", "acme"]);
    assert!(plain.stdout.contains("version 2") && plain.stdout.contains("800"), "{plain:?}");

    let again = set(&document);
    assert!(again.code == 1 && again.stderr.contains("needs a higher one"), "{again:?}");
    for (bad, word) in [
        (json!({ "version": 3, "rules": { "rage_click": { "gap": 1 } } }), "/rules/rage_click/gap"),
        (json!({ "version": 3, "rules": { "rage_click": { "gapMs": -5 } } }), "must be"),
        (json!({ "rules": {} }), "/version"),
        (json!({ "version": 1, "rules": { "loop": { "enabled": false } } }), "begin with 2"),
        (json!({ "version": 4_294_967_295_u32 }), "/version: 4294967295 is the last one"),
        (json!({ "version": 3, "flows": [{ "name": "a@b.org", "task": "a" }] }), "/flows/0/name"),
    ] {
        let done = set(&bad);
        assert!(done.code == 1 && done.stderr.contains(word), "{word}: {done:?}");
    }
    assert_eq!(show()["document"], document, "what is refused changes nothing");

    let reset = place.run(&["rules", "reset", "--org", "acme"]);
    assert!(reset.code == 0 && reset.stderr.contains("tribo rescore"), "{reset:?}");
    let now = show();
    assert_eq!((&now["version"], &now["document"]), (&json!(3), &json!({"version": 3})));
    assert_eq!(now["effective"], built_in["effective"]);
    let nothing_to_do = place.json(&["rules", "reset", "--org", "acme"]);
    assert_eq!(nothing_to_do, json!({ "org": "acme", "version": 3, "previous": 3 }));
}

#[test]
fn rules_come_from_standard_input_or_from_a_file_that_is_there() {
    let place = Place::new();
    let data = place.data();
    let set = ["rules", "set", "-", "--org", "acme", "--json", "--data-dir"];
    let done = piped(&[&set[..], &[data.to_str().unwrap()]].concat(), br#"{"version": 9}"#);
    assert_eq!(done.json()["version"], 9, "{done:?}");
    let absent = place.run(&["rules", "set", "/no/such/file", "--org", "acme"]);
    assert!(absent.code == 1 && absent.stderr.contains("/no/such/file"), "{absent:?}");
    for command in [&["show"][..], &["set", "-"], &["reset"]] {
        let done = place.run(&[&["rules"], command, &["--org", "nobody"]].concat());
        assert!(done.code == 1 && done.stderr.contains("no organisation nobody"), "{done:?}");
    }
}

#[test]
fn rules_say_which_screens_are_one_and_what_flows_are_called() {
    let place = Place::new();
    let document = json!({
        "version": 2,
        "paths": [{ "pattern": "/leads/*", "screen": "/leads/{id}" }],
        "flows": [{ "name": "Checkout", "task": "pay", "path": ["/cart", "**"] }],
        "products": { "crm": { "flows": [] } },
    });
    let file = place.file("rules.json", document.to_string());
    let set = |file: &std::path::Path| {
        place.run(&["rules", "set", file.to_str().unwrap(), "--org", "acme", "--json"])
    };
    assert_eq!(set(&file).code, 0);
    let shown = place.json(&["rules", "show", "--org", "acme"]);
    assert_eq!(shown["document"], document);
    assert_eq!((&shown["paths"], &shown["flows"]), (&document["paths"], &document["flows"]));
    let crm = place.json(&["rules", "show", "--org", "acme", "--product", "crm"]);
    assert_eq!((&crm["paths"], &crm["flows"]), (&document["paths"], &json!([])));
    let plain = place.run(&["rules", "show", "--org", "acme"]).stdout;
    assert!(plain.contains("screens /leads/*") && plain.contains("flows Checkout"), "{plain}");
    let bad = json!({ "version": 3, "paths": [{ "pattern": "/*-*", "screen": "/a" }] });
    let refused = set(&place.file("bad.json", bad.to_string()));
    assert!(refused.code == 1 && refused.stderr.contains("/paths/0"), "{refused:?}");
}
