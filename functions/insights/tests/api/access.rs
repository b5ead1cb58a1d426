//! Who may ask, and for whom.

use ports::faulty::Fault;

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
    // An operator's key reads for those it is bound to, as any other does.
    for key in [&keys.acme, &keys.none, &keys.admin] {
        assert_eq!(org_of(key, "?org=bolt").await, "foreign_org");
        assert_eq!(org_of(key, "?org=nobody").await, "foreign_org");
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
