//! The real binary of the sessionizer, behind a Runtime API and over stand-ins.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::time::Duration;

use aws::resources::Resource;
use contract::{OrgId, Timestamp, incident::Rule};
use friction::change::{SessionState, StoredIncident, StoredSession};
use ports::{
    sessions::{IncidentQuery, SessionQuery, Span, Understanding},
    stream::{FailedInvocation, OnFailure},
};
use serde_json::{Value, json};
use standin::{Corner, events, lambda::Failure, run};

/// The table of staged events only says that the tables are meant.
const NEEDED: &[Resource] =
    &[Resource::Staging, Resource::Sessions, Resource::OnFailure, Resource::Bus];
/// Sessions end at once: nobody is waited for.
const HASTY: &[(&str, &str)] = &[("SESSION_GRACE_MS", "0"), ("SESSIONIZER_BACKOFF_MS", "0")];
const BINARY: &str = env!("CARGO_BIN_EXE_sessionizer");

fn span() -> Span {
    let org = OrgId::parse("acme").unwrap();
    let (from, to) = (Timestamp::from_ms(0), standin::now().plus_ms(86_400_000));
    Span { org, product: None, from, to }
}

/// A click of a person, so many ms after an hour ago.
fn click(number: usize, person: usize, at_ms: i64) -> Vec<u8> {
    let at = standin::now().plus_ms(-3_600_000 + at_ms);
    let more = json!({
        "element": {"key": "save"}, "screen": "/orders", "occurredAt": at.to_string(),
        "actorId": format!("u1.1.{person:025}0"),
    });
    let event = events::event("acme", &format!("click.{person}.{number}"), "ui.click", &more);
    serde_json::to_vec(&event).unwrap()
}

/// Each of so many people loses patience.
fn clicks(people: std::ops::Range<usize>) -> Vec<Vec<u8>> {
    let of = |person| {
        (0..6).map(move |number| click(number, person, i64::try_from(number).unwrap() * 150))
    };
    people.flat_map(of).collect()
}

async fn sessions(corner: &Corner) -> Vec<StoredSession> {
    let query = SessionQuery { span: span(), state: None, after: None, limit: 1_000 };
    corner.cloud().sessions(&query).await.unwrap()
}

async fn incidents(corner: &Corner) -> Vec<StoredIncident> {
    let query =
        IncidentQuery { span: span(), rule: None, session: None, after: None, limit: 1_000 };
    corner.cloud().incidents(&query).await.unwrap()
}

fn answer(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_batch_and_a_tick_make_sessions_and_repeating_both_changes_nothing() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let sessionizer = corner.function(BINARY, NEEDED, HASTY, &log).await;
        let mut records = clicks(0..3);
        records.push(b"{\"no\": \"event\"".to_vec());
        let batch = events::kinesis(records).to_string();
        let mut seen = Vec::new();
        for _ in 0..2 {
            let told = sessionizer.invoke(batch.clone()).await.unwrap();
            let text = std::fs::read_to_string(&log).unwrap();
            assert_eq!(answer(&told), json!({"batchItemFailures": []}), "{text}");
            let told = sessionizer.invoke("{}").await.unwrap();
            assert_eq!(answer(&told)["failed"], 0);
            seen.push(sessions(&corner).await);
        }
        let [first, second] = seen.as_slice() else { unreachable!() };
        assert_eq!(first, second);
        assert_eq!(first.len(), 3);
        for stored in first {
            assert_eq!((stored.state, stored.revision), (SessionState::Closed, 1));
            assert_eq!((stored.session.metrics.events, stored.session.metrics.clicks), (6, 6));
        }
        let rules: Vec<Rule> =
            incidents(&corner).await.iter().map(|stored| stored.incident.rule).collect();
        assert_eq!(rules, [Rule::RageClick; 3]);
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(text.contains("_aws") && text.contains("\"oldest_due_ms\":0"), "{text}");
        assert!(!text.contains("u1.1.") && !text.contains("click."), "{text}");
    });
}

#[test]
fn a_binary_killed_in_batches_and_ticks_closes_each_session_once() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let sessionizer = corner.function(BINARY, NEEDED, HASTY, &logs.path().join("log")).await;
        let batch = events::kinesis(clicks(0..40)).to_string();
        for payload in [&batch, "{}", &batch, "{}", "{}"] {
            let (outcome, ()) = tokio::join!(sessionizer.invoke(payload.to_owned()), async {
                tokio::time::sleep(Duration::from_millis(90)).await;
                sessionizer.kill().await;
            });
            // Wherever it was: it may have been done already.
            assert!(matches!(outcome, Ok(_) | Err(Failure::Exited(_))), "{outcome:?}");
        }
        sessionizer.invoke(batch).await.unwrap();
        // Whoever was looked at twice at a time is looked at again.
        let mut told = json!({"owners": 1});
        for _ in 0..9 {
            if told["owners"] != 0 {
                told = answer(&sessionizer.invoke("{}").await.unwrap());
            }
        }
        assert_eq!(told["owners"], 0, "{told}");
        let found = sessions(&corner).await;
        assert_eq!(found.len(), 40);
        assert!(found.iter().all(|stored| stored.state == SessionState::Closed));
        assert!(found.iter().all(|stored| stored.session.metrics.events == 6));
        assert_eq!(incidents(&corner).await.len(), 40);
    });
}

#[test]
fn what_lambda_gave_up_is_taken_by_the_redrive_and_that_of_others_is_left() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let sessionizer = corner.function(BINARY, NEEDED, HASTY, &logs.path().join("log")).await;
        let given_up = |consumer: &str, people| FailedInvocation {
            consumer: consumer.to_owned(),
            shard: "shardId-000000000006".to_owned(),
            sequences: ("1".to_owned(), "2".to_owned()),
            at: standin::now(),
            condition: "RetryAttemptsExhausted".to_owned(),
            payload: events::kinesis(clicks(people)).to_string(),
        };
        let cloud = corner.cloud();
        OnFailure::hold(&cloud, given_up("sessionizer", 0..2)).await.unwrap();
        OnFailure::hold(&cloud, given_up("processor", 2..4)).await.unwrap();
        let redrive = || sessionizer.invoke(r#"{"redrive":true}"#);
        assert_eq!(answer(&redrive().await.unwrap()), json!({"finished": 1, "left": 0}));
        assert_eq!(answer(&redrive().await.unwrap()), json!({"finished": 0, "left": 0}));
        sessionizer.invoke("{}").await.unwrap();
        assert_eq!(sessions(&corner).await.len(), 2);
        assert_eq!(cloud.held("processor", 9).await.unwrap().len(), 1);
    });
}

#[test]
fn a_lane_and_a_compaction_may_be_asked_for_and_nonsense_is_refused() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let sessionizer = corner.function(BINARY, NEEDED, HASTY, &logs.path().join("log")).await;
        sessionizer.invoke(events::kinesis(clicks(0..8)).to_string()).await.unwrap();
        for index in 0..8 {
            let tick = json!({"lane": index, "of": 8}).to_string();
            sessionizer.invoke(tick).await.unwrap();
        }
        assert_eq!(sessions(&corner).await.len(), 8, "each is in one lane");
        let told = sessionizer.invoke(r#"{"compact":true}"#).await.unwrap();
        assert_eq!(answer(&told)["left"], 0);
        for nonsense in [r#"{"lane":1,"of":3}"#, r#"{"Records":7}"#, "[]"] {
            let failed = sessionizer.invoke(nonsense).await;
            assert!(matches!(failed, Err(Failure::Error(_))), "{nonsense}: {failed:?}");
        }
    });
}

#[test]
fn a_missing_variable_is_named_and_nothing_starts() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let others = ["AWS_REGION", "AWS_ACCESS_KEY_ID"];
        for variable in NEEDED.iter().map(|resource| resource.variable()).chain(others) {
            let _ = std::fs::remove_file(&log);
            let function = corner.function(BINARY, NEEDED, &[(variable, "")], &log).await;
            assert!(function.warm_up().await.is_err(), "{variable}");
            let told = std::fs::read_to_string(&log).unwrap();
            assert!(told.contains(variable), "{variable}: {told}");
        }
        let wrong = [("SESSIONIZER_BACKOFF_MS", "soon")];
        let function = corner.function(BINARY, NEEDED, &wrong, &log).await;
        assert!(function.warm_up().await.is_err());
        assert!(std::fs::read_to_string(&log).unwrap().contains("SESSIONIZER_BACKOFF_MS"));
    });
}
