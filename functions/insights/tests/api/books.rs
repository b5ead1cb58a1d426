//! The books over the API.

use serde_json::{Value, json};

use crate::world::World;

fn orgs(report: &Value) -> Vec<&str> {
    report["orgs"].as_array().unwrap().iter().map(|row| row["org"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_reader_sees_its_own_books_and_an_operator_all_of_them() {
    let world = World::open().await;
    let document = world.document().await;
    let ledger = async |key: &str, query: &str| {
        let answer = world.get(key, &format!("/v1/ledger{query}")).await;
        answer.answers("/v1/ledger", document)
    };
    assert_eq!(orgs(&ledger(&world.keys.admin, "").await), ["acme", "bolt"]);
    assert_eq!(orgs(&ledger(&world.keys.admin, "?org=bolt").await), ["bolt"]);
    let own = ledger(&world.keys.acme, "").await;
    assert_eq!((orgs(&own), &own["balanced"]), (vec!["acme"], &json!(true)));
    let foreign = world.get(&world.keys.acme, "/v1/ledger?org=bolt").await;
    assert_eq!((foreign.status, foreign.code().as_str()), (403, "foreign_org"));
}

#[tokio::test]
async fn an_event_nobody_knows_is_not_found_and_what_is_no_id_is_said_so() {
    let world = World::open().await;
    assert_eq!(world.refused("/v1/events/nobody").await, (404, "not_found".to_owned()));
    for bad in ["a%20b", "%00", &"x".repeat(65)] {
        let refused = world.refused(&format!("/v1/events/{bad}")).await;
        assert_eq!(refused, (400, "invalid_event_id".to_owned()), "{bad}");
    }
}
