//! The door's write: once, all of it, and answered truthfully.

use contract::{Code, ingest::EventStatus};
use ports::{
    accounts::Accounts,
    intake::{Idempotency, Intake, Put, Receipt},
    staging::{Staged, Staging},
    stream::{EventStream, StreamRecord, StreamSource},
};

use crate::world::{World, acme, event, plain};

#[tokio::test]
async fn an_event_is_accepted_once_whatever_way_it_comes() {
    let world = World::new();
    let row = world.friction("f.1");
    let first = world
        .submit(vec![
            Put::Stage(row.clone()),
            Put::Stage(row.clone()),
            plain("u.1", 7),
            plain("u.1", 7),
        ])
        .await;
    let statuses: Vec<_> = first.iter().map(|answer| answer.status).collect();
    use EventStatus::{Accepted, Duplicate};
    assert_eq!(statuses, [Accepted, Duplicate, Accepted, Duplicate]);
    assert_eq!(world.store.stage(&[row]).await.unwrap(), [Staged::Known]);
    let books = world.books().await;
    assert_eq!((books.accepted, books.accepted_forward, books.pending), (2, 1, 1));
    assert_eq!(books.duplicates, 3);
    assert_eq!(world.records().await.len(), 2);
}

#[tokio::test]
async fn a_second_body_under_a_known_id_is_refused_and_travels_to_quarantine_behind_the_first() {
    let world = World::with(|options| embedded::Options { shards: 7, ..options });
    world
        .submit(vec![plain("u.1", 7), Put::Stage(world.friction_of("f.1", "friction.abandon", 1))])
        .await;
    let other = Put::Stream {
        event_id: event("u.1"),
        ck: 8,
        record: StreamRecord { partition_key: "elsewhere".to_owned(), data: b"other".to_vec() },
    };
    let answers = world
        .submit(vec![other, Put::Stage(world.friction_of("f.1", "friction.feedback", 2))])
        .await;
    for answer in &answers {
        assert_eq!((answer.status, answer.code), (EventStatus::Rejected, Some(Code::IdCollision)));
    }
    for shard in world.store.shards().await.unwrap() {
        let data: Vec<_> = world.store.read(&shard, None, 10).await.unwrap();
        let texts: Vec<_> =
            data.iter().map(|r| String::from_utf8_lossy(&r.data).into_owned()).collect();
        let at = |part: &str| texts.iter().position(|text| text.contains(part));
        if let Some(second) = at("other") {
            assert!(at("u.1").unwrap() < second);
        }
        if let Some(second) = texts.iter().position(|text| text.starts_with("{\"schemaVersion")) {
            assert!(at("INSERT").unwrap() < second);
        }
    }
    let books = world.books().await;
    assert_eq!((books.accepted, books.rejected["id_collision"]), (2, 2));
}

#[tokio::test]
async fn a_repeated_request_gets_its_first_answers_and_another_body_is_a_conflict() {
    let world = World::new();
    let claim = |hash| Some(Idempotency { key: "acme/k".to_owned(), body_hash: [hash; 32] });
    let submission = |hash, put| {
        let mut submission = world.submission(vec![put]);
        submission.idempotency = claim(hash);
        submission
    };
    let Receipt::Stored(first) = world.store.submit(submission(1, plain("u.1", 7))).await.unwrap()
    else {
        panic!()
    };
    let again = world.store.submit(submission(1, plain("u.1", 7))).await.unwrap();
    assert_eq!(again, Receipt::Repeated(first));
    let other = world.store.submit(submission(2, plain("u.2", 7))).await.unwrap();
    assert_eq!(other, Receipt::Conflict);
    assert_eq!(world.books().await.accepted, 1);
    world.clock.forward(contract::limits::IDEMPOTENCY_TTL_MS);
    let later = world.store.submit(submission(2, plain("u.2", 7))).await.unwrap();
    assert!(matches!(later, Receipt::Stored(_)), "the claim has expired");
}

#[tokio::test]
async fn an_emitted_event_without_consent_is_staged_and_never_pending() {
    let world = World::new();
    let mut row = world.friction("f.1");
    row.body = row
        .body
        .replace(r#""severity":4"#, r#""severity":4,"consent":{"analytics":true,"forward":false}"#);
    assert_eq!(world.store.stage(&[row]).await.unwrap(), [Staged::New]);
    let books = world.books().await;
    assert_eq!((books.accepted, books.accepted_forward, books.pending), (1, 0, 0));
}

#[tokio::test]
async fn sequence_numbers_ascend_as_numbers_and_as_text_and_survive_an_empty_stream() {
    let world = World::new();
    let record = StreamRecord { partition_key: "p".to_owned(), data: b"x".to_vec() };
    world.store.append(&vec![record.clone(); 12]).await.unwrap();
    let world = world.reopen();
    world.store.append(&[record]).await.unwrap();
    let shard = &world.store.shards().await.unwrap()[0];
    let records = world.store.read(shard, None, 100).await.unwrap();
    let sequences: Vec<_> = records.iter().map(|record| record.sequence.clone()).collect();
    assert_eq!(sequences.len(), 13);
    assert!(sequences.is_sorted() && sequences.iter().all(|sequence| sequence.len() == 19));
    let rest = world.store.read(shard, Some(&sequences[10]), 100).await.unwrap();
    assert_eq!(rest.len(), 2);
    assert!(world.store.read("shardId-000000000009", None, 10).await.unwrap().is_empty());
    assert_eq!(world.store.ledger(Some(&acme()), world.now()).await.unwrap().stream_lag, 13);
}
