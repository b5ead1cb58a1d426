//! What the engine itself refuses.

use ports::archive::Archive as _;
use serde_json::Value;
use warehouse::Outcome;

use crate::{
    engine::Engine,
    people::{events, stream},
};

async fn count(engine: &Engine) -> usize {
    engine.run("SELECT count() FROM events_raw FINAL").await.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_refused_for_what_it_holds_is_set_aside() {
    let engine = Engine::start().await;
    engine.run("ALTER TABLE events_raw ADD CONSTRAINT no_till CHECK screen != '/cart'").await;
    let done = events(3, 5);
    let bad = done.iter().filter(|event| event.screen.as_deref() == Some("/cart")).count();
    assert!(bad > 0 && bad * 2 < done.len());
    let taken = engine.sink().handle(&stream(&done)).await.unwrap();
    assert_eq!(taken.outcome, Outcome::Done);
    assert_eq!(count(&engine).await, done.len() - bad);
    let kept = engine.archive.list("warehouse/refused/v1/events_raw/acme/").await.unwrap();
    assert_eq!(kept.len(), bad);
    let object = engine.archive.read(&kept[0]).await.unwrap().unwrap();
    let object: Value = serde_json::from_slice(&object).unwrap();
    assert_eq!(
        (object["code"].as_u64(), object["row"]["screen"].as_str()),
        (Some(469), Some("/cart"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_behind_hold_everything_up_until_somebody_looked() {
    let engine = Engine::start().await;
    engine.run("ALTER TABLE events_raw DROP COLUMN service").await;
    let done = events(1, 5);
    let sink = engine.sink();
    assert_eq!(sink.handle(&stream(&done)).await.unwrap().outcome, Outcome::Postponed);
    assert_eq!(count(&engine).await, 0);
    assert!(engine.archive.list("warehouse/").await.unwrap().is_empty());
    engine.run("ALTER TABLE events_raw ADD COLUMN service LowCardinality(String)").await;
    assert_eq!(sink.handle(&stream(&done)).await.unwrap().outcome, Outcome::Done);
    assert_eq!(count(&engine).await, done.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_be_forgotten() {
    let engine = Engine::start().await;
    let done = events(6, 5);
    engine.sink().handle(&stream(&done)).await.unwrap();
    let token = done[0].actor_id.clone().unwrap();
    let sql = "DELETE FROM events_raw WHERE org_id = {org:String} AND (actor_token = {token:String} OR session_token IN {sessions:Array(String)})";
    let session = format!("['{}']", done[0].session_id.clone().unwrap());
    let parameters = [("org", "acme"), ("token", &*token), ("sessions", &*session)];
    engine.client.run(sql, &parameters).await.unwrap();
    let theirs = done.iter().filter(|event| event.actor_id.as_ref() == Some(&token)).count();
    assert_eq!(count(&engine).await, done.len() - theirs);
}
