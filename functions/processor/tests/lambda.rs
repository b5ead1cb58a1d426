//! The real binaries of the stream, behind a Runtime API and over stand-ins.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;

use aws::resources::Resource;
use contract::{Event, OrgId, Timestamp};
use domain::counters::Dimension;
use friction::owner::Owner;
use ports::{
    accounts::Accounts,
    archive::{Archive, Quarantine},
    sessions::{EventLog, Heads, LoggedEvent},
    stream::{Checkpoints, FailedInvocation, OnFailure},
};
use serde_json::{Value, json};
use standin::{
    Corner,
    events::{self, Precision},
    lambda::Failure,
    run,
};

const NEEDED: &[Resource] = &[
    Resource::Staging,
    Resource::Delivery,
    Resource::Dedupe,
    Resource::Counters,
    Resource::Reference,
    Resource::Sessions,
    Resource::Archive,
    Resource::Quarantine,
    Resource::Bus,
    Resource::PseudonymSecret,
];

fn org() -> OrgId {
    OrgId::parse("acme").unwrap()
}

fn click(number: usize) -> Vec<u8> {
    let more = json!({"element": {"key": "save"}, "screen": "/orders"});
    let event = events::event("acme", &format!("click.{number}"), "ui.click", &more);
    serde_json::to_vec(&event).unwrap()
}

fn abandoned(number: usize, precision: Precision) -> Vec<u8> {
    let more = json!({"traceComponent": "transparency"});
    let event = events::event("acme", &format!("abandon.{number}"), "friction.abandon", &more);
    events::change(&events::row(&event), precision)
}

/// The events counted of the organisation's product, by type.
async fn counted(corner: &Corner) -> BTreeMap<String, u64> {
    let (from, to) = (Timestamp::from_ms(0), standin::now().plus_ms(86_400_000));
    let cells = corner.cloud().counters(Some(&org()), from, to).await.unwrap();
    let mut sums = BTreeMap::new();
    for (cell, count) in cells {
        if let Dimension::Type(kind) = cell.dimension {
            *sums.entry(kind.to_string()).or_default() += count.events;
        }
    }
    sums
}

fn answer(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn plain_records_and_change_records_of_any_precision_are_counted_once() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let binary = env!("CARGO_BIN_EXE_processor");
        let processor = corner.function(binary, NEEDED, &[], &log).await;
        let batch = events::kinesis([
            click(1),
            abandoned(1, Precision::Milliseconds),
            abandoned(2, Precision::Microseconds),
            abandoned(3, Precision::Unsaid),
            b"{\"no\": \"event\"".to_vec(),
            click(2),
        ])
        .to_string();
        for _ in 0..2 {
            let told = processor.invoke(batch.clone()).await.unwrap();
            let log = std::fs::read_to_string(&log).unwrap();
            assert_eq!(answer(&told), json!({"batchItemFailures": []}), "{log}");
        }
        let counted = counted(&corner).await;
        assert_eq!(
            counted,
            BTreeMap::from([("friction.abandon".into(), 3), ("ui.click".into(), 2)])
        );
        let cloud = corner.cloud();
        let kept = cloud.list("events/v1/").await.unwrap();
        assert_eq!(kept.len(), 1, "the same batch is one object: {kept:?}");
        let (from, to) = (Timestamp::from_ms(0), standin::now().plus_ms(60_000));
        assert_eq!(
            Quarantine::held(&cloud, None, from, to).await.unwrap().len(),
            1,
            "what is no event is set aside"
        );
        let progress = cloud.load("processor", "shardId-000000000006").await.unwrap();
        assert_eq!(progress.as_deref(), batch_last(&batch).as_deref());
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(log.contains("_aws") && !log.contains("click.1"), "{log}");
    });
}

fn batch_last(batch: &str) -> Option<String> {
    let batch: Value = serde_json::from_str(batch).unwrap();
    let last = batch["Records"].as_array()?.last()?;
    last["kinesis"]["sequenceNumber"].as_str().map(str::to_owned)
}

#[test]
fn an_event_whose_id_belongs_to_another_one_is_struck_out_of_its_owners_log() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let binary = env!("CARGO_BIN_EXE_processor");
        let processor = corner.function(binary, NEEDED, &[], &logs.path().join("log")).await;
        let cloud = corner.cloud();
        let click = |screen: &str| {
            let actor = "u1.1.00000000000000000000000000";
            let more = json!({"element": {"key": "save"}, "screen": screen, "actorId": actor});
            events::event("acme", "click.1", "ui.click", &more)
        };
        let (first, second) = (click("/orders"), click("/other"));
        let owner = Owner::of(&first).unwrap();
        let logged = |event: &Event| LoggedEvent { owner: owner.clone(), event: event.clone() };
        cloud.append(&[logged(&first), logged(&second)]).await.unwrap();
        let bytes = [&first, &second].map(|event| serde_json::to_vec(event).unwrap());
        processor.invoke(events::kinesis(bytes).to_string()).await.unwrap();
        let read = EventLog::read(&cloud, &owner, Timestamp::from_ms(0), None, 9).await.unwrap();
        assert_eq!(read, [first]);
        let head = cloud.head(&owner).await.unwrap().unwrap();
        assert!(head.dirty_from.unwrap() <= second.occurred_at);
    });
}

#[test]
fn a_binary_killed_in_a_batch_counts_it_once_when_it_comes_again() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let binary = env!("CARGO_BIN_EXE_processor");
        let processor = corner.function(binary, NEEDED, &[], &logs.path().join("log")).await;
        let batch = events::kinesis((0..300).map(click)).to_string();
        for _ in 0..3 {
            let (outcome, ()) = tokio::join!(processor.invoke(batch.clone()), async {
                tokio::time::sleep(std::time::Duration::from_millis(60)).await;
                processor.kill().await;
            });
            // Wherever it was: it may have been done already.
            assert!(matches!(outcome, Ok(_) | Err(Failure::Exited(_))), "{outcome:?}");
        }
        processor.invoke(batch).await.unwrap();
        assert_eq!(counted(&corner).await, BTreeMap::from([("ui.click".into(), 300)]));
    });
}

#[test]
fn a_batch_of_poison_fails_and_ends_in_quarantine_when_it_is_redriven() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let binary = env!("CARGO_BIN_EXE_processor");
        let processor = corner.function(binary, NEEDED, &[], &log).await;
        let batch = events::kinesis((0..30).map(|_| b"{".to_vec())).to_string();
        let failed = processor.invoke(batch.clone()).await.unwrap_err();
        assert!(
            matches!(&failed, Failure::Error(json) if json.contains("systemic_poison")),
            "{failed}"
        );

        let cloud = corner.cloud();
        let first = json!(batch_last(&batch)).as_str().unwrap_or_default().to_owned();
        let given_up = FailedInvocation {
            consumer: "processor".to_owned(),
            shard: "shardId-000000000006".to_owned(),
            sequences: (first.clone(), first),
            at: standin::now(),
            condition: "RetryAttemptsExhausted".to_owned(),
            payload: batch,
        };
        OnFailure::hold(&cloud, given_up).await.unwrap();
        let needed: Vec<_> = NEEDED.iter().copied().chain([Resource::OnFailure]).collect();
        let redrive = corner.function(env!("CARGO_BIN_EXE_redrive"), &needed, &[], &log).await;
        let told = redrive.invoke("{}").await.unwrap();
        assert_eq!(answer(&told), json!({"finished": 1, "left": 0}));
        let (from, to) = (Timestamp::from_ms(0), standin::now().plus_ms(60_000));
        assert_eq!(Quarantine::held(&cloud, None, from, to).await.unwrap().len(), 30);
        let told = redrive.invoke("{}").await.unwrap();
        assert_eq!(answer(&told), json!({"finished": 0, "left": 0}));
    });
}

#[test]
fn a_missing_variable_is_named_and_nothing_starts() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let (processor, redrive) = (env!("CARGO_BIN_EXE_processor"), env!("CARGO_BIN_EXE_redrive"));
        let missing = NEEDED.iter().map(|resource| (processor, resource.variable()));
        let others = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        let missing = missing
            .chain(others.map(|name| (processor, name)))
            .chain([(redrive, "ON_FAILURE_BUCKET")]);
        for (binary, variable) in missing {
            let _ = std::fs::remove_file(&log);
            let function = corner.function(binary, NEEDED, &[(variable, "")], &log).await;
            assert!(function.warm_up().await.is_err(), "{variable}");
            let told = std::fs::read_to_string(&log).unwrap();
            assert!(told.contains(variable), "{variable}: {told}");
        }
        let wrong = [("PROCESSOR_BACKOFF_MS", "soon")];
        let function = corner.function(processor, NEEDED, &wrong, &log).await;
        assert!(function.warm_up().await.is_err());
        assert!(std::fs::read_to_string(&log).unwrap().contains("PROCESSOR_BACKOFF_MS"));
    });
}
