//! What each function asks for of the platform, against what its role grants.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    time::Duration,
};

use ports::stream::{FailedInvocation, OnFailure as _};
use serde_json::{Value, json};
use standin::{
    events::{self, Precision},
    platform::{Pace, tick},
    run,
};

use crate::{Deployed, ORG, QUESTIONS, impatient, some};

#[test]
fn no_function_asks_for_what_its_role_does_not_grant() {
    run(async {
        let pace = Pace { tick: Some(Duration::from_secs(600)), ..Pace::default() };
        let suite = Deployed::with_warehouse(pace).await;
        let emitted = suite.emit(6).await;
        let events = some(standin::now(), 0..60);
        suite.send(&events).await;
        suite.send(&events).await;
        let redriven = everything("redriven");
        suite.function("processor").invoke(everything("processed").to_string()).await.unwrap();
        let given_up = FailedInvocation {
            consumer: "processor".to_owned(),
            shard: "shardId-000000000006".to_owned(),
            sequences: ("1".to_owned(), "2".to_owned()),
            at: standin::now(),
            condition: "RetryAttemptsExhausted".to_owned(),
            payload: redriven.to_string(),
        };
        suite
            .cloud
            .hold(FailedInvocation {
                consumer: "sessionizer".to_owned(),
                payload: events::kinesis(Vec::<Vec<u8>>::new()).to_string(),
                ..given_up.clone()
            })
            .await
            .unwrap();
        suite.cloud.hold(given_up).await.unwrap();
        suite.send(&impatient(standin::now(), 6)).await;
        suite.settle_counted(60 + 60 + emitted).await;
        // Until what was staged has settled.
        tokio::time::sleep(Duration::from_secs(11)).await;
        for code in ["redrive", "batcher"] {
            suite.function(code).invoke(tick()).await.unwrap();
        }
        for call in ["{}", r#"{"compact":true}"#, r#"{"redrive":true}"#] {
            suite.function("sessionizer").invoke(call).await.unwrap();
        }
        let sessions = suite.ask(QUESTIONS[0]).await;
        let session = sessions["sessions"][0]["sessionId"].as_str().unwrap();
        for question in QUESTIONS.into_iter().chain([
            "/v1/ledger",
            "/v1/events/sent-00001",
            "/v1/events/redriven.1",
        ]) {
            suite.ask(question).await;
        }
        for question in
            [format!("/v1/sessions/{session}"), format!("/api/sessions/{session}/events")]
        {
            suite.ask(&question).await;
        }
        suite.listen(session).await;
        let granted = granted();
        let mut wrong = Vec::new();
        for (code, function) in &suite.functions {
            let asked: BTreeSet<String> =
                suite.platform.seen(function.name()).into_iter().map(|asked| asked.name).collect();
            let rare = RARE.iter().filter(|(who, _, _)| who == code);
            let rare: BTreeSet<String> = rare.map(|(_, action, _)| (*action).to_owned()).collect();
            let own = &granted[code];
            wrong.extend(asked.difference(own).map(|name| format!("{code} is not granted {name}")));
            let idle = own.difference(&asked).filter(|name| !rare.contains(*name));
            wrong
                .extend(idle.map(|name| format!("{code} is granted {name} and never asks for it")));
        }
        assert!(wrong.is_empty(), "{wrong:#?}\n{}", suite.log("redrive"));
        suite.platform.stop().await;
    });
}

/// A batch that needs whatever the processor may do: one to count, one to enrich and announce, one to put back, one to set
/// aside, one whose id belongs to another.
fn everything(name: &str) -> Value {
    let pillar = json!({"traceComponent": "transparency"});
    let lost = events::row(&events::event(ORG, &format!("{name}.1"), "friction.abandon", &pillar));
    let change = contract::change::ChangeRecord::ttl_removal(&lost, standin::now());
    let urgent = json!({"traceComponent": "transparency", "severity": 5, "actorId": "u1.1.00000000000000000000000000"});
    let urgent = events::event(ORG, &format!("{name}.2"), "friction.rage_quit", &urgent);
    let change = serde_json::to_vec(&change).unwrap();
    let mut collided = urgent.clone();
    collided.severity = Some(4);
    events::kinesis([
        change,
        events::change(&events::row(&urgent), Precision::Microseconds),
        serde_json::to_vec(&collided).unwrap(),
        b"{".to_vec(),
    ])
}

/// What each function's role grants its own code.
fn granted() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let told = Command::new(root.join("scripts/check-template")).arg("--actions").output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    serde_json::from_slice(&told.stdout).unwrap()
}

/// Granted, and asked for only where this test does not come: who, what, when.
const RARE: &[(&str, &str, &str)] = &[
    (
        "emitter_example",
        "dynamodb:BatchWriteItem",
        "what waited travels together, and here nothing waits",
    ),
    ("batcher", "dynamodb:ConditionCheckItem", "a split or a partial settlement checks its lease"),
    (
        "batcher",
        "secretsmanager:GetSecretValue",
        "the stand-in's connector has its credentials in variables",
    ),
    (
        "processor",
        "dynamodb:ConditionCheckItem",
        "what TTL took too often is parked unless it is staged again",
    ),
    (
        "redrive",
        "dynamodb:ConditionCheckItem",
        "what TTL took too often is parked unless it is staged again",
    ),
    ("processor", "dynamodb:Query", "a place to which others wrote more than once is read on"),
    ("redrive", "dynamodb:Query", "a place to which others wrote more than once is read on"),
    ("warehouse", "s3:PutObject", "only rows that are refused are set aside"),
    ("ingest", "kms:GenerateMac", "the root of the pseudonyms lies in the secret here"),
];
