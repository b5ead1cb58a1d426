//! The door's three writes: what a crash between them leaves, and what a repeat of the request makes of it.

use aws::resources::Resource;
use contract::{
    Code,
    ingest::{
        EventAnswer,
        EventStatus::{self, Accepted, Duplicate, Rejected},
    },
};
use domain::admit;
use ports::{
    delivery::Forming,
    intake::{Entry, Idempotency, Intake, Put, Receipt, Submission},
    stream::{StreamRecord, StreamSource},
};

use crate::{
    network::Trouble,
    support::{Rig, acme, event, id, now, row},
};

fn answer(index: usize) -> EventAnswer {
    EventAnswer {
        index,
        event_id: Some(id(index).to_string()),
        status: Accepted,
        code: None,
        path: None,
    }
}

/// Event 0 is friction, event 1 a click, event 2 was refused.
fn submission(body_hash: u8) -> Submission {
    let at = now().plus_ms(-60_000);
    let click = event(&id(1), "ui.click", at);
    let puts = [
        Put::Stage(row(&id(0), at)),
        Put::Stream {
            event_id: id(1),
            ck: admit::ck_of(&click),
            record: StreamRecord {
                partition_key: admit::partition_key(&click),
                data: serde_json::to_vec(&click).unwrap(),
            },
        },
        Put::Nothing,
    ];
    let mut entries: Vec<_> = puts
        .into_iter()
        .enumerate()
        .map(|(index, put)| Entry { org: acme(), answer: answer(index), put })
        .collect();
    entries[2].answer.status = Rejected;
    entries[2].answer.code = Some(Code::MissingField);
    let idempotency = Idempotency { key: "acme/k".to_owned(), body_hash: [body_hash; 32] };
    Submission { at, idempotency: Some(idempotency), entries }
}

fn statuses(receipt: &Receipt) -> Vec<EventStatus> {
    let (Receipt::Stored(answers) | Receipt::Repeated(answers)) = receipt else {
        panic!("{receipt:?}")
    };
    answers.iter().map(|answer| answer.status).collect()
}

/// The plain records on the stream.
async fn appended(rig: &Rig) -> usize {
    let mut count = 0;
    for shard in rig.cloud.shards().await.unwrap() {
        count += rig.cloud.read(&shard, None, 1_000).await.unwrap().len();
    }
    count
}

#[test]
fn a_request_that_staged_and_did_not_reach_the_stream_fails_and_its_repeat_finds_its_rows() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.network.arrange_all(4, "PutRecords", "", || Trouble::Refuse);
        let request = submission(1);
        assert!(rig.cloud.submit(request.clone()).await.unwrap_err().transient);
        assert_eq!(rig.cloud.staged(&acme(), now(), 10).await.unwrap().len(), 1);
        assert_eq!(rig.items(Resource::Dedupe, "I#", "").await.len(), 0);
        rig.network.settle();
        let receipt = rig.other().submit(request).await.unwrap();
        assert!(matches!(receipt, Receipt::Stored(_)));
        assert_eq!(statuses(&receipt), [Duplicate, Accepted, Rejected]);
        assert_eq!(rig.cloud.staged(&acme(), now(), 10).await.unwrap().len(), 1);
        assert_eq!(appended(&rig).await, 1);
        assert_eq!(rig.booked("duplicates").await, 1);
        assert_eq!(rig.booked("rejected.missing_field").await, 1);
    });
}

#[test]
fn a_request_that_was_stored_and_not_remembered_is_stored_again_under_the_same_ids() {
    standin::run(async {
        let rig = Rig::open().await;
        let dedupe = rig.table(Resource::Dedupe).to_owned();
        rig.network.arrange_all(4, "PutItem", &dedupe, || Trouble::Refuse);
        let request = submission(1);
        assert!(rig.cloud.submit(request.clone()).await.unwrap_err().transient);
        rig.network.settle();
        let receipt = rig.cloud.submit(request.clone()).await.unwrap();
        assert_eq!(statuses(&receipt), [Duplicate, Accepted, Rejected]);
        assert_eq!(rig.cloud.staged(&acme(), now(), 10).await.unwrap().len(), 1);
        // The record came twice: whoever counts it knows it by its marker.
        assert_eq!(appended(&rig).await, 2);
        let again = rig.cloud.submit(request).await.unwrap();
        assert!(matches!(again, Receipt::Repeated(_)));
        assert_eq!(statuses(&again), statuses(&receipt));
    });
}

#[test]
fn a_request_whose_answers_were_remembered_without_anybody_hearing_of_it_is_stored_and_not_repeated()
 {
    standin::run(async {
        let rig = Rig::open().await;
        let dedupe = rig.table(Resource::Dedupe).to_owned();
        rig.network.arrange("PutItem", &dedupe, Trouble::Lose);
        let receipt = rig.cloud.submit(submission(1)).await.unwrap();
        assert!(matches!(receipt, Receipt::Stored(_)), "{receipt:?}");
        assert_eq!(statuses(&receipt), [Accepted, Accepted, Rejected]);
    });
}

#[test]
fn of_two_equal_requests_at_once_the_later_gets_the_answers_of_the_first() {
    standin::run(async {
        let rig = Rig::open().await;
        let (other, dedupe) = (rig.other(), rig.table(Resource::Dedupe).to_owned());
        let request = submission(1);
        let same = request.clone();
        let first = Box::pin(async move {
            let receipt = other.submit(same).await.unwrap();
            assert_eq!(statuses(&receipt), [Duplicate, Accepted, Rejected]);
        });
        rig.network.arrange("PutItem", &dedupe, Trouble::Meanwhile(first));
        let receipt = rig.cloud.submit(request).await.unwrap();
        assert!(matches!(receipt, Receipt::Repeated(_)));
        assert_eq!(statuses(&receipt), [Duplicate, Accepted, Rejected]);
    });
}

#[test]
fn a_key_that_another_body_took_in_the_meantime_does_not_hide_that_the_events_are_durable() {
    standin::run(async {
        let rig = Rig::open().await;
        let (other, dedupe) = (rig.other(), rig.table(Resource::Dedupe).to_owned());
        let first = Box::pin(async move {
            let entries = Vec::new();
            other.submit(Submission { entries, ..submission(2) }).await.unwrap();
        });
        rig.network.arrange("PutItem", &dedupe, Trouble::Meanwhile(first));
        let receipt = rig.cloud.submit(submission(1)).await.unwrap();
        assert!(matches!(receipt, Receipt::Stored(_)), "{receipt:?}");
        assert_eq!(rig.cloud.submit(submission(1)).await.unwrap(), Receipt::Conflict);
    });
}

#[test]
fn an_idempotency_key_is_free_again_after_a_day_whether_ttl_was_there_or_not() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.cloud.submit(submission(1)).await.unwrap();
        let late = Submission { at: submission(2).at.plus_ms(86_400_000), ..submission(2) };
        let receipt = rig.cloud.submit(late).await.unwrap();
        assert!(matches!(receipt, Receipt::Stored(_)), "{receipt:?}");
        let again = Submission { at: submission(2).at.plus_ms(86_500_000), ..submission(2) };
        assert!(matches!(rig.cloud.submit(again).await.unwrap(), Receipt::Repeated(_)));
    });
}
