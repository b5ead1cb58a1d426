//! Answers of the service that no stand-in gives on its own: conflicts, tokens, reasons of every kind.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use aws::{Cloud, access};
use aws_smithy_runtime_api::client::{
    http::{
        HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
    },
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use ports::{
    PortResult,
    ledger::{CommitOutcome, Ledger},
};
use serde_json::{Value, json};
use standin::Corner;

use crate::support::{acme, chunk, counted, event, expected, timed};

/// Answers to the next transactions; after the last one they are carried out. Keeps the tokens.
#[derive(Debug, Clone, Default)]
struct Script(Arc<Mutex<(VecDeque<Value>, Vec<String>)>>);

#[derive(Debug)]
struct Scripted {
    script: Script,
    real: SharedHttpConnector,
}

impl HttpConnector for Scripted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        if !target.ends_with(".TransactWriteItems") {
            return self.real.call(request);
        }
        let asked: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let mut script = self.script.0.lock().unwrap();
        script.1.push(asked["ClientRequestToken"].as_str().unwrap().to_owned());
        let Some(answer) = script.0.pop_front() else { return self.real.call(request) };
        let answer = SdkBody::from(answer.to_string());
        let answer = HttpResponse::new(400.try_into().unwrap(), answer);
        HttpConnectorFuture::ready(Ok(answer))
    }
}

fn client(script: &Script) -> SharedHttpClient {
    let (script, real) = (script.clone(), access::http_client());
    http_client_fn(move |settings, components| {
        let real = aws_smithy_runtime_api::client::http::HttpClient::http_connector(
            &real, settings, components,
        );
        SharedHttpConnector::new(Scripted { script: script.clone(), real })
    })
}

fn error(kind: &str) -> Value {
    json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "m"})
}

fn cancelled(codes: &[&str]) -> Value {
    let reasons: Vec<Value> =
        codes.iter().map(|code| json!({"Code": code, "Message": "m"})).collect();
    let mut answer = error("TransactionCanceledException");
    answer["CancellationReasons"] = json!(reasons);
    answer
}

/// Commits one event while the service answers so; the outcome, the tokens, and whether it is counted.
async fn committed(answers: &[Value]) -> (PortResult<CommitOutcome>, Vec<String>, bool) {
    let corner = Corner::open().await;
    let script = Script::default();
    let access = corner.access().clone().with_http(client(&script));
    let world = Cloud::new(&access, corner.resources().clone());
    let one = event(&acme(), timed(1, 1), "/a");
    let chunk = chunk(&world, std::slice::from_ref(&one)).await.unwrap();
    script.0.lock().unwrap().0.extend(answers.iter().cloned());
    let outcome = world.commit(chunk).await;
    let counted = counted(&corner.cloud(), &acme()).await;
    assert!(counted.is_empty() || counted == expected([&one]));
    let tokens = script.0.lock().unwrap().1.clone();
    (outcome, tokens, !counted.is_empty())
}

#[test]
fn conflicts_and_throttling_are_waited_out_with_the_same_token() {
    standin::run(async {
        let answers = [
            cancelled(&["TransactionConflict", "None", "None"]),
            cancelled(&["None", "ThrottlingError", "ProvisionedThroughputExceeded"]),
            error("TransactionInProgressException"),
        ];
        let (outcome, tokens, is_counted) = committed(&answers).await;
        assert_eq!(outcome.unwrap(), CommitOutcome::Committed);
        assert!(is_counted && tokens.len() == 4 && tokens.iter().all(|token| *token == tokens[0]));
    });
}

#[test]
fn a_conflict_without_end_is_a_failure_that_may_pass() {
    standin::run(async {
        let conflict = cancelled(&["TransactionConflict"]);
        let (outcome, _, is_counted) = committed(&vec![conflict; 100]).await;
        assert!(outcome.unwrap_err().transient && !is_counted);
    });
}

#[test]
fn a_token_that_was_used_is_replaced() {
    standin::run(async {
        let (outcome, tokens, _) =
            committed(&[error("IdempotentParameterMismatchException")]).await;
        assert_eq!(outcome.unwrap(), CommitOutcome::Committed);
        assert_ne!(tokens[0], tokens[1]);
    });
}

#[test]
fn a_failed_condition_is_stale_whatever_else_was_in_the_way() {
    standin::run(async {
        let (outcome, tokens, is_counted) =
            committed(&[cancelled(&["None", "ConditionalCheckFailed", "TransactionConflict"])])
                .await;
        assert_eq!(outcome.unwrap(), CommitOutcome::Stale);
        assert!(tokens.len() == 1 && !is_counted);
    });
}

#[test]
fn what_can_never_be_written_is_permanent_and_what_nobody_knows_may_pass() {
    standin::run(async {
        let answers = [
            (cancelled(&["None", "ValidationError"]), false),
            (error("ValidationException"), false),
            (error("AccessDeniedException"), false),
            (cancelled(&["None", "SomethingNew"]), true),
        ];
        for (answer, may_pass) in answers {
            let (outcome, _, is_counted) = committed(std::slice::from_ref(&answer)).await;
            assert_eq!(outcome.unwrap_err().transient, may_pass, "{answer}");
            assert!(!is_counted);
        }
    });
}
