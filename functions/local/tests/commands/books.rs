//! Reading the books: ledger, where, counters, audit, schemas, copies, assignments.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{
    Done, Place, Server, UNHURRIED, URGENT, event, fields, lines, now, tribo, with,
};

/// One event of every fate but the connector's.
fn fates() -> Vec<Value> {
    let consent = |purpose: &str| json!({ purpose: false });
    vec![
        event("delivered", URGENT),
        event("counted", "ui.click"),
        event("unknown-type", "ui.telepathy"),
        with(event("suppressed", "ui.click"), "consent", consent("analytics")),
        with(event("withheld", UNHURRIED), "consent", consent("forward")),
        with(event("late", "ui.click"), "occurredAt", now().plus_ms(-31 * 86_400_000).to_string()),
    ]
}

#[test]
fn the_ledger_accounts_for_every_event_and_says_when_it_cannot() {
    let place = Place::new();
    let reader = place.key("other", "read");
    let server = place.start(&["--tick", "10m"]);
    server.accept(&place.key, &fates());
    server.post(&place.key, &[event("counted", "ui.click"), with(event("x", "ui.click"), "y", 1)]);

    let ledger = place.ledger_when("the urgent event is delivered", |ledger| {
        ledger["balanced"] == true && ledger["orgs"][0]["delivered"] == 1
    });
    assert_eq!(fields(&ledger), ["asOf", "balanced", "orgs", "streamLag"]);
    let row = &ledger["orgs"][0];
    let names = [
        "accepted",
        "acceptedForward",
        "balanced",
        "counted",
        "delivered",
        "difference",
        "duplicates",
        "erased",
        "erasedForward",
        "formed",
        "org",
        "parked",
        "pending",
        "quarantined",
        "rejected",
        "state",
        "suppressed",
        "unconfirmed",
    ];
    assert_eq!(fields(row), names);
    let expected = json!({
        "org": "acme", "accepted": 6, "acceptedForward": 1, "counted": 5, "duplicates": 0,
        "rejected": { "unknown_field": 1, "id_collision": 1 }, "suppressed": 2,
        "delivered": 1, "parked": 0, "pending": 0, "state": "balanced", "balanced": true,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&row[name], value, "{name}");
    }
    let quarantined = json!({ "unknown_event_type": 1, "late": 1, "id_collision": 1 });
    assert_eq!(row["quarantined"], quarantined);

    let plain = place.run(&["ledger"]);
    assert!(plain.code == 0 && plain.stdout.contains("every ledger balances"), "{plain:?}");
    let one = place.json(&["ledger", "--org", "acme"]);
    assert_eq!(one["orgs"].as_array().unwrap().len(), 1);
    let nobody = place.run(&["ledger", "--org", "nobody"]);
    assert!(nobody.code == 1 && nobody.stderr.contains("no organisation nobody"), "{nobody:?}");
    let remote = |key: &str| {
        tribo(&["ledger", "--url", &server.url, "--key", key, "--json"]).json()["orgs"].clone()
    };
    assert_eq!(remote(&place.key), place.json(&["ledger"])["orgs"]);
    assert_eq!(remote(&reader).as_array().unwrap().len(), 1);

    let sabotage = "UPDATE ledger SET value = value + 1 WHERE name = 'delivered'";
    assert_eq!(place.tables().execute(sabotage, []).unwrap(), 1);
    let broken = place.run(&["ledger", "--json"]);
    assert_eq!((broken.code, &broken.json()["orgs"][0]["state"]), (5, &json!("broken")));
    assert!(place.run(&["ledger"]).stdout.contains("NOT balanced"));
}

#[test]
fn an_event_is_found_whatever_became_of_it() {
    let place = Place::new();
    let foreign = place.key("other", "read");
    let server = place.start(&["--tick", "10m"]);
    server.accept(&place.key, &fates());
    place.ledger_when("the urgent event is delivered", |ledger| {
        ledger["balanced"] == true && ledger["orgs"][0]["delivered"] == 1
    });
    server.accept(&place.key, &[event("pending", UNHURRIED)]);
    let expected = [
        (
            "delivered",
            "delivered",
            &["accepted", "staged", "counted", "archived", "formed", "delivered"][..],
        ),
        ("counted", "counted", &["accepted", "counted", "archived"]),
        ("unknown-type", "quarantined", &["accepted", "quarantined"]),
        ("late", "quarantined", &["accepted", "quarantined"]),
        ("suppressed", "suppressed", &["accepted", "suppressed"]),
        ("withheld", "counted", &["accepted", "counted", "archived"]),
        ("pending", "pending", &["accepted", "staged"]),
    ];
    for (id, state, stations) in expected {
        let found = place.place_of(id);
        assert_eq!(fields(&found), ["eventId", "org", "state", "stations"]);
        assert_eq!(found["state"], state, "{found}");
        let passed = found["stations"].as_array().unwrap();
        let names: Vec<&str> =
            passed.iter().map(|station| station["station"].as_str().unwrap()).collect();
        for station in stations {
            assert!(names.contains(station), "{station}: {found}");
        }
        let times: Vec<&str> =
            passed.iter().map(|station| station["at"].as_str().unwrap()).collect();
        assert!(times.is_sorted(), "{found}");
        assert!(!found.to_string().contains("anna"), "{found}");
    }
    let plain = place.run(&["where", "delivered"]);
    assert!(plain.stdout.starts_with("delivered of acme: delivered\n"), "{plain:?}");

    let remote =
        |key: &str, id: &str| tribo(&["where", id, "--url", &server.url, "--key", key, "--json"]);
    assert_eq!(remote(&place.key, "counted").json(), place.place_of("counted"));
    for done in [
        remote(&foreign, "counted"),
        place.run(&["where", "counted", "--org", "other", "--json"]),
        place.run(&["where", "nobody-knows", "--json"]),
    ] {
        assert_eq!((done.code, done.stdout.as_str()), (4, ""), "{done:?}");
        assert!(done.stderr.contains("no event"), "{done:?}");
    }
    assert_eq!(place.run(&["where", "no event id"]).code, 2);
}

#[test]
fn an_audit_proves_the_counters_and_finds_the_one_that_was_tampered_with() {
    let place = Place::new();
    let server = place.start(&["--tick", "10m"]);
    let clicks = (0..20).map(|n| event(&format!("click.{n}"), "ui.click"));
    let events: Vec<Value> = clicks.chain([event("challenge", UNHURRIED)]).collect();
    server.accept(&place.key, &events);
    place.processed();

    let counters = place.json(&["counters", "--top", "0"]);
    assert_eq!(fields(&counters), ["cells", "counters", "from", "to"]);
    let rows = counters["counters"].as_array().unwrap();
    assert_eq!(fields(&rows[0]), ["dimension", "events", "org", "product", "severity"]);
    let events_of = |dimension: &str| {
        let row =
            rows.iter().find(|row| row["dimension"] == dimension && row["product"] == "default");
        row.map(|row| row["events"].as_u64().unwrap())
    };
    assert_eq!(events_of("all"), Some(21));
    assert_eq!(events_of("type ui.click"), Some(20));
    assert_eq!(place.json(&["counters", "--top", "3"])["counters"].as_array().unwrap().len(), 3);
    assert_eq!(place.json(&["counters", "--to", "2026-01-01T00:00:00Z"])["cells"], 0);
    assert_eq!(place.run(&["counters", "--from", "yesterday"]).code, 2);
    let remote =
        |command: &str| tribo(&[command, "--url", &server.url, "--key", &place.key, "--json"]);
    assert_eq!(remote("counters").json(), place.json(&["counters"]));

    let audit = place.json(&["audit", "--org", "acme"]);
    assert_eq!(fields(&audit["counters"]), ["compared", "different", "top"]);
    assert_eq!(audit["counters"]["different"], 0);
    assert_eq!(audit["archive"]["events"], 21);
    assert_eq!(remote("audit").json(), audit);

    let sabotage = "UPDATE counters SET events = events + 1 WHERE dimension LIKE 'type ui.click'";
    assert_eq!(place.tables().execute(sabotage, []).unwrap(), 1);
    let found = |done: Done| (done.code, done.json()["counters"]["different"].clone());
    assert_eq!(found(place.run(&["audit", "--json"])), (5, json!(1)));
    assert_eq!(found(remote("audit")), (5, json!(1)));
}

#[test]
fn the_schemas_that_are_written_are_those_of_the_repository() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("schemas");
    let done = tribo(&["schema", "--out", out.to_str().unwrap()]);
    assert_eq!((done.code, done.stdout.as_str()), (0, ""));
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/v1");
    let schemas = |folder: &Path| {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut schemas: Vec<_> = files
            .filter(|path| path.to_str().unwrap().ends_with(".schema.json"))
            .map(|path| {
                (path.file_name().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
            })
            .collect();
        schemas.sort();
        schemas
    };
    assert_eq!(schemas(&out), schemas(&committed));
    let printed = tribo(&["schema", "--json"]).json();
    assert_eq!(printed.as_object().unwrap().len(), schemas(&out).len());
}

#[test]
fn a_copy_that_is_taken_while_the_server_runs_is_an_installation_of_its_own() {
    let place = Place::new();
    let connector =
        ["--connector", "http://127.0.0.1:9", "--connector-key", "key", "--tick", "10m"];
    let server = place.start(&connector);
    server.accept(&place.key, &fates());
    place.processed();
    let copy = place.path("copy");
    let done = place.json(&["backup", copy.to_str().unwrap()]);
    assert_eq!(done["to"], copy.to_str().unwrap());
    server.accept(&place.key, &[event("afterwards", "ui.click")]);
    let again = place.run(&["backup", copy.to_str().unwrap()]);
    assert!(again.code == 1 && again.stderr.contains("is not empty"), "{again:?}");

    let copied = Server::start(&copy, &["--tick", "10m"]);
    let known: Vec<u16> = ["delivered", "counted", "late", "afterwards"]
        .iter()
        .map(|id| copied.get(&place.key, &format!("/v1/events/{id}")).0)
        .collect();
    assert_eq!(known, [200, 200, 200, 404]);
    let (status, answer) = copied.post(&place.key, &fates()[1..2]);
    assert_eq!((status, &answer["rejected"]), (422, &Value::Null), "it has another time: {answer}");
    copied.accept(&place.key, &[event("new", "ui.click")]);
    let secret = |folder: &Path| std::fs::read(folder.join("signing-secret")).unwrap();
    assert_eq!(secret(&copy), secret(&place.data()), "the connector knows this secret");
    let audit = tribo(&["audit", "--json", "--data-dir", copy.to_str().unwrap()]);
    assert_eq!(audit.code, 0, "{audit:?}");
}

#[test]
fn an_assignment_is_found_in_the_archive_with_its_age() {
    let place = Place::new();
    let assigned = json!({
        "actorId": "anna@example.org",
        "experimentId": "tone",
        "variantId": "b",
        "assignedAt": now().plus_ms(-90_000).to_string(),
    });
    let file = place.file("assignments.ndjson", lines([&assigned]));
    let assign = ["assign", file.to_str().unwrap(), "--org"];
    let done = place.json(&[&assign[..], &["acme"]].concat());
    assert_eq!(done, json!({ "org": "acme", "assigned": 1 }));
    let nobody = place.run(&[&assign[..], &["nobody"]].concat());
    assert!(nobody.code == 1 && nobody.stderr.contains("no organisation nobody"), "{nobody:?}");
    let wrong = place.file("wrong.ndjson", "{\"actorId\":\"anna@example.org\"}\n");
    let wrong = place.run(&["assign", wrong.to_str().unwrap(), "--org", "acme"]);
    assert!(wrong.code == 1 && wrong.stderr.contains("line 1"), "{wrong:?}");
    assert!(!wrong.stderr.contains("anna"), "{wrong:?}");

    let server = place.start(&["--tick", "10m"]);
    let somebody_else = with(event("theirs", "ui.click"), "actorId", "berta@example.org");
    server.accept(&place.key, &[event("hers", "ui.click"), somebody_else]);
    place.processed();
    let archived = place.archived();
    let of = |id: &str| archived.iter().find(|event| event["eventId"] == id).unwrap();
    let assignment = &of("hers")["assignment"];
    assert_eq!(
        (&assignment["experimentId"], &assignment["variantId"]),
        (&json!("tone"), &json!("b"))
    );
    let age = assignment["timeSinceAssignment"].as_i64().unwrap();
    assert!((90_000..150_000).contains(&age), "{assignment}");
    assert_eq!(of("theirs")["assignment"], Value::Null);
    assert!(!serde_json::to_string(&archived).unwrap().contains("anna"));
    let counted = place.json(&["counters", "--top", "0"]).to_string();
    assert!(counted.contains("tone"), "{counted}");
}
