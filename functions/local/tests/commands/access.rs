//! Who may do what: keys, organisations, the first start, and who is turned away.

use serde_json::{Value, json};

use crate::support::{Place, Server, URGENT, event, fields, tribo};

#[test]
fn a_key_is_shown_once_and_kept_as_a_hash() {
    let place = Place::new();
    let created = place.json(&["keys", "create", "--org", "acme", "--scope", "read,ingest"]);
    assert_eq!(fields(&created), ["key", "keyId", "org", "scopes"]);
    assert_eq!((&created["org"], &created["scopes"]), (&json!("acme"), &json!(["ingest", "read"])));
    let (id, key) = (created["keyId"].as_str().unwrap(), created["key"].as_str().unwrap());
    let secret = key.strip_prefix(&format!("fk_{id}_")).unwrap();

    let listed = place.json(&["keys", "list"]);
    let row = listed["keys"].as_array().unwrap().iter().find(|row| row["keyId"] == id).unwrap();
    assert_eq!(fields(row), ["createdAt", "keyId", "org", "scopes"]);
    assert!(!listed.to_string().contains(secret));
    for entry in std::fs::read_dir(place.data()).unwrap() {
        let path = entry.unwrap().path();
        let stored = std::fs::read(&path).unwrap();
        let is_found = stored.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!is_found, "{}", path.display());
    }

    let plain = place.run(&["keys", "create", "--org", "acme"]);
    let line = plain.stdout.trim_end();
    assert!(line.starts_with("fk_") && !line.contains(char::is_whitespace), "{plain:?}");
}

#[test]
fn a_scope_that_does_not_exist_is_a_wrong_argument() {
    let place = Place::new();
    let done = place.run(&["keys", "create", "--org", "acme", "--scope", "ingest,root"]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("choose from ingest, read, admin"), "{done:?}");
}

#[test]
fn a_revoked_key_is_refused_by_a_running_server_at_once() {
    let place = Place::new();
    let server = place.start(&[]);
    let created = place.json(&["keys", "create", "--org", "acme"]);
    let (id, key) = (created["keyId"].as_str().unwrap(), created["key"].as_str().unwrap());
    server.accept(key, &[event("before", URGENT)]);

    let revoked = place.json(&["keys", "revoke", id]);
    assert_eq!((fields(&revoked), &revoked["keyId"]), (vec!["keyId", "revokedAt"], &json!(id)));
    let (status, problem) = server.post(key, &[event("after", URGENT)]);
    assert_eq!((status, &problem["code"]), (401, &json!("invalid_api_key")));
    assert_eq!(place.json(&["keys", "revoke", id]), revoked, "it stays revoked since then");
    let listed = place.json(&["keys", "list"]);
    let row = listed["keys"].as_array().unwrap().iter().find(|row| row["keyId"] == id).unwrap();
    assert_eq!(row["revokedAt"], revoked["revokedAt"]);

    let unknown = place.run(&["keys", "revoke", "0000000000000000"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("`tribo keys list` shows them"), "{unknown:?}");
}

#[test]
fn a_key_does_what_its_scopes_say_for_the_organisations_it_is_bound_to() {
    let place = Place::new();
    let (ingest, read) = (place.key("acme", "ingest"), place.key("acme", "read"));
    let other = place.key("other", "ingest,read");
    let server = place.start(&[]);
    let code = |(status, problem): (u16, Value)| (status, problem["code"].clone());
    let forbidden = (403, json!("insufficient_scope"));

    server.accept(&ingest, &[event("one", "ui.click")]);
    assert_eq!(code(server.get(&ingest, "/v1/ledger")), forbidden);
    assert_eq!(code(server.post(&read, &[event("two", "ui.click")])), forbidden);
    assert_eq!(code(server.get(&read, "/v1/keys")), forbidden);
    assert_eq!(code(server.get(&read, "/v1/orgs")), forbidden);
    assert_eq!(code(server.get(&read, "/v1/audit")), forbidden);
    assert_eq!(code(server.get("", "/v1/ledger")), (401, json!("invalid_api_key")));
    assert_eq!(code(server.http("GET", "/v1/ledger", &[], "")), (401, json!("missing_api_key")));
    assert_eq!(code(server.http("DELETE", "/v1/ledger", &[], "")).0, 405);

    let foreign = (403, json!("foreign_org"));
    assert_eq!(code(server.post(&other, &[event("two", "ui.click")])), foreign);
    assert_eq!(code(server.get(&other, "/v1/ledger?org=acme")), foreign);
    assert_eq!(code(server.get(&other, "/v1/counters?org=acme")), foreign);
    assert_eq!(code(server.get(&other, "/v1/events/one")), (404, json!("not_found")));
    let orgs = |key: &str| {
        let (_, ledger) = server.get(key, "/v1/ledger");
        let rows = ledger["orgs"].as_array().unwrap().iter();
        rows.map(|row| row["org"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(orgs(&read), ["acme"]);
    assert_eq!(orgs(&other), ["other"]);
    assert_eq!(orgs(&place.key), ["acme", "other"], "an admin sees all");

    let with_url = ["--url", &server.url, "--key", &place.key, "--json"];
    let keys = tribo(&[&["keys", "list"][..], &with_url].concat()).json();
    assert_eq!(keys, place.json(&["keys", "list"]));
    let known = tribo(&[&["orgs", "list"][..], &with_url].concat()).json();
    assert_eq!(known, json!({ "orgs": ["acme", "other"] }));
    let done = tribo(&["orgs", "list", "--url", &server.url]);
    assert!(done.code == 1 && done.stderr.contains("--key or TRIBO_KEY"), "{done:?}");
    let done = tribo(&["orgs", "list", "--url", &server.url, "--key", &read]);
    assert!(done.code == 1 && done.stderr.contains("insufficient_scope"), "{done:?}");
}

#[test]
fn an_organisation_is_created_once() {
    let place = Place::new();
    let create = ["orgs", "create", "nordwind"];
    assert_eq!(place.json(&create), json!({ "org": "nordwind", "created": true }));
    assert_eq!(place.json(&create), json!({ "org": "nordwind", "created": false }));
    assert_eq!(place.json(&["orgs", "list"]), json!({ "orgs": ["acme", "nordwind"] }));
    assert_eq!(place.run(&["orgs", "list"]).stdout, "acme\nnordwind\n");
    assert_eq!(place.run(&["orgs", "create", "no spaces"]).code, 2);
}

#[test]
fn the_first_start_makes_a_key_that_works_and_the_second_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let data = folder.path().to_str().unwrap();
    let mistaken = tribo(&["local", "--listen", &taken, "--profile", "x", "--data-dir", data]);
    assert_eq!(mistaken.code, 1, "a start that fails makes no key that nobody sees");
    let first = Server::start(folder.path(), &[]);
    assert_eq!(fields(&first.ready), ["connector", "dataDir", "firstKey", "profile", "url"]);
    assert_eq!(first.ready["connector"], "mock");
    let key = first.ready["firstKey"]["key"].as_str().unwrap().to_owned();
    let mine = |id| {
        let mut event = event(id, "ui.click");
        event["orgId"] = first.ready["firstKey"]["org"].clone();
        event
    };
    first.accept(&key, &[mine("one")]);
    assert_eq!(first.get(&key, "/v1/keys").0, 200, "it administers, too");
    let event = mine("two");
    first.terminate();
    let second = Server::start(folder.path(), &[]);
    assert_eq!(second.ready["firstKey"], Value::Null);
    second.accept(&key, &[event]);
}

#[test]
fn a_server_that_others_can_reach_needs_a_key_first() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let listen = ["local", "--listen", "0.0.0.0:0", "--data-dir", data];
    let refused = tribo(&listen);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("tribo keys create --org ORG"), "{refused:?}");

    assert_eq!(tribo(&["keys", "create", "--org", "acme", "--data-dir", data]).code, 0);
    let server = Server::start(folder.path(), &["--listen", "0.0.0.0:0"]);
    let by_name = server.http("GET", "/health", &[("host", "tribo.example".to_owned())], "");
    assert_eq!(by_name.0, 200, "it may be called by any name");
}

#[test]
fn a_server_on_loopback_turns_foreign_names_and_pages_away() {
    let place = Place::new();
    let server = place.start(&[]);
    let ask = |name, value: &str, path| {
        let (status, problem) = server.http("GET", path, &[(name, value.to_owned())], "");
        (status, problem["code"].clone())
    };
    assert_eq!(ask("host", "evil.example", "/health"), (421, json!("misdirected_request")));
    assert_eq!(ask("host", "evil.example", "/v1/ledger"), (421, json!("misdirected_request")));
    assert_eq!(ask("origin", "https://evil.example", "/health"), (403, json!("foreign_origin")));
    assert_eq!(ask("origin", "null", "/health"), (403, json!("foreign_origin")));
    assert_eq!(ask("host", "localhost", "/health").0, 200);
    assert_eq!(ask("origin", "http://localhost:3000", "/health").0, 200);
}

#[test]
fn a_directory_has_one_server_and_a_mistyped_one_is_not_made() {
    let place = Place::new();
    let server = place.start(&[]);
    let second = place.run(&["local", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 1);
    assert!(second.stderr.contains("another server runs on"), "{second:?}");
    server.kill_nine();
    place.start(&[]);

    let wrong = place.path("dta");
    let done = tribo(&["ledger", "--data-dir", wrong.to_str().unwrap()]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("is no data directory"), "{done:?}");
    assert!(!wrong.exists());
}

#[test]
fn a_database_without_its_keys_is_not_given_new_ones() {
    let place = Place::new();
    place.key("acme", "ingest");
    let keys = place.data().join("keys.json");
    let kept = std::fs::read(&keys).unwrap();
    std::fs::remove_file(&keys).unwrap();
    for arguments in [&["ledger"][..], &["keys", "list"]] {
        let done = place.run(arguments);
        assert_eq!(done.code, 1);
        assert!(done.stderr.contains("Put keys.json back"), "{done:?}");
    }
    assert!(!keys.exists());
    std::fs::write(&keys, kept).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(place.run(&["keys", "list"]).code, 0);
}
