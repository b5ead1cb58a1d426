//! Who may ask, and for whom.

use std::collections::BTreeSet;

use ports::faulty::Fault;
use serde_json::Value;

use crate::{
    client::{head, request},
    world::{Visit, World, events},
};

const ASKED: [&str; 3] = ["/v1/insights/overview", "/v1/sessions", "/v1/ledger"];

#[tokio::test]
async fn only_a_key_that_may_read_is_answered() {
    let world = World::open().await;
    let keys = &world.keys;
    for path in ASKED {
        let bare = request(world.address, &head("GET", path, &[])).await;
        assert_eq!((bare.status, bare.code().as_str()), (401, "missing_api_key"));
        assert_eq!(bare.header("www-authenticate"), Some("Bearer"));
        for key in [&keys.revoked, &keys.wrong_secret, &keys.unknown, "fk_x", ""] {
            let answer = world.get(key, path).await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_api_key"));
        }
        let answer = world.get(&keys.ingest_only, path).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "insufficient_scope"));
        let twice = [("x-api-key", keys.acme.as_str()), ("x-api-key", keys.acme.as_str())];
        let answer = request(world.address, &head("GET", path, &twice)).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "ambiguous_credentials"));
        for key in [&keys.acme, &keys.admin] {
            let own = [("x-api-key", key.as_str())];
            assert_eq!(request(world.address, &head("GET", path, &own)).await.status, 200);
        }
    }
}

#[tokio::test]
async fn the_organisation_is_the_keys() {
    let world = World::open().await;
    world.take(events([Visit::of(1, 1).buys(), Visit::of(1, 1).at_org("bolt").buys()])).await;
    world.close().await;
    let keys = &world.keys;
    let org_of = async |key: &str, query: &str| {
        let answer = world.get(key, &format!("/v1/sessions{query}")).await;
        match answer.status {
            200 => answer.json()["sessions"][0]["orgId"].as_str().unwrap().to_owned(),
            _ => answer.code(),
        }
    };
    assert_eq!(org_of(&keys.acme, "").await, "acme");
    assert_eq!(org_of(&keys.acme, "?org=acme").await, "acme");
    assert_eq!(org_of(&keys.bolt, "").await, "bolt");
    assert_eq!(org_of(&keys.both, "?org=bolt").await, "bolt");
    assert_eq!(org_of(&keys.both, "").await, "invalid_parameter");
    assert_eq!(org_of(&keys.none, "").await, "insufficient_scope");
    for key in [&keys.acme, &keys.none] {
        assert_eq!(org_of(key, "?org=bolt").await, "foreign_org");
        assert_eq!(org_of(key, "?org=nobody").await, "foreign_org");
    }
    // Whoever operates the installation may name any.
    assert_eq!(org_of(&keys.admin, "?org=bolt").await, "bolt");
    assert_eq!(org_of(&keys.admin, "?org=acme").await, "acme");
}

#[tokio::test]
async fn an_operator_who_names_no_organisation_sees_the_lists_of_all_and_any_session() {
    let world = World::open().await;
    let visits = (1..5).flat_map(|actor| {
        [Visit::of(actor, 1).rages(), Visit::of(actor, 1).at_org("bolt").rages()]
    });
    world.take(events(visits)).await;
    world.close().await;
    let keys = &world.keys;
    for (path, list, id) in
        [("/v1/sessions", "sessions", "sessionId"), ("/v1/incidents", "incidents", "incidentId")]
    {
        let of =
            async |key: &str, query: &str| world.get(key, &format!("{path}{query}")).await.json();
        let ids = |page: &Value| -> BTreeSet<String> {
            page[list].as_array().unwrap().iter().map(|row| row[id].to_string()).collect()
        };
        let all = of(&keys.admin, "").await;
        let (acme, bolt) = (ids(&of(&keys.acme, "").await), ids(&of(&keys.bolt, "").await));
        assert_eq!(ids(&all), &acme | &bolt, "{path}");
        assert!(all.get("orgId").is_none() && !acme.is_empty());
        assert_eq!(ids(&of(&keys.admin, "?org=bolt").await), bolt);
        // In pages, newest first, each once.
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = of(&keys.admin, &format!("?limit=3{cursor}")).await;
            let rows = page[list].as_array().unwrap().clone();
            assert!(rows.len() <= 3);
            seen.extend(rows.iter().map(|row| (row["startedAt"].to_string(), row[id].to_string())));
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
            // It is a cursor of all, and of nobody alone.
            let (own, target) = (&keys.acme, format!("{path}?limit=3{cursor}"));
            assert_eq!(world.get(own, &target).await.code(), "bad_cursor");
        }
        assert_eq!(seen.len(), acme.len() + bolt.len());
        assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "{seen:?}");
    }
    let bolts = world.get(&keys.bolt, "/v1/sessions").await.json();
    let id = bolts["sessions"][0]["sessionId"].as_str().unwrap();
    for path in [
        format!("/v1/sessions/{id}"),
        format!("/api/sessions/{id}/events"),
        format!("/api/sessions/{id}/context"),
    ] {
        assert_eq!(world.get(&keys.admin, &path).await.status, 200, "{path}");
        assert_eq!(world.get(&keys.admin, &format!("{path}?org=acme")).await.status, 404);
        assert_eq!(world.get(&keys.acme, &path).await.status, 404, "{path}");
        let foreign = world.get(&keys.acme, &format!("{path}?org=bolt")).await;
        assert_eq!((foreign.status, foreign.code().as_str()), (403, "foreign_org"), "{path}");
        let nobody = path.replace(id, &format!("s_{}", "0".repeat(32)));
        assert_eq!(world.get(&keys.admin, &nobody).await.status, 404);
    }
}

#[tokio::test]
async fn no_page_tells_a_reader_of_another_organisation() {
    let world = World::open().await;
    let document = world.document().await.clone();
    for (path, item) in document["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array().unwrap();
        if !parameters.iter().any(|parameter| parameter["name"] == "org")
            || path.ends_with("stream")
        {
            continue;
        }
        let id =
            if path.starts_with("/v1/events") { "e" } else { "s_00000000000000000000000000000000" };
        let target = format!("{}?org=bolt", path.replace("{id}", id));
        for key in [&world.keys.acme, &world.keys.none] {
            let foreign = world.get(key, &target).await;
            assert_eq!((foreign.status, foreign.code().as_str()), (403, "foreign_org"), "{target}");
        }
        let operator = world.get(&world.keys.admin, &target).await;
        assert!([200, 404].contains(&operator.status), "{target}: {}", operator.status);
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_said_so() {
    let world = World::open().await;
    world.take(events([Visit::of(1, 1).buys()])).await;
    world.close().await;
    let listed = world.ask("/v1/sessions", "").await;
    let id = listed["sessions"][0]["sessionId"].as_str().unwrap();
    for (operation, path) in [
        ("api_keys.find", "/v1/sessions".to_owned()),
        ("sums.cells", "/v1/insights/overview".to_owned()),
        ("sums.cells", "/v1/flows/graph".to_owned()),
        ("understanding.sessions", "/v1/sessions".to_owned()),
        ("understanding.incidents", "/v1/incidents".to_owned()),
        ("understanding.session", format!("/v1/sessions/{id}")),
        ("event_log.read", format!("/api/sessions/{id}/events")),
        ("heads.head", format!("/api/sessions/{id}/context")),
        ("projections.load", format!("/api/sessions/{id}/context")),
        ("event_log.read", format!("/api/sessions/{id}/context")),
        ("accounts.ledger", "/v1/ledger".to_owned()),
    ] {
        world.faults.arrange(operation, [Fault::Before]);
        let answer = world.get(&world.keys.acme, &path).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "storage_unavailable"), "{path}");
        assert!(answer.header("retry-after").is_some());
        assert_eq!(world.get(&world.keys.acme, &path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn it_is_only_read_and_says_what_it_does_not_know() {
    let world = World::open().await;
    let bearer = format!("Bearer {}", world.keys.acme);
    let send = async |method: &str, path: &str| {
        request(world.address, &head(method, path, &[("authorization", &bearer)])).await
    };
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let answer = send(method, "/v1/sessions").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (405, "method_not_allowed"),
            "{method}"
        );
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    let answer = send("HEAD", "/v1/sessions").await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    for path in ["/", "/v1", "/v1/sessions/", "/v1/insights", "/api/sessions/x", "//v1/sessions"] {
        let answer = send("GET", path).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{path}");
    }
}
