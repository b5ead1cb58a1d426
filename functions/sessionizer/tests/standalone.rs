//! The real binary of the sessionizer on a machine, over the embedded store.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use contract::{OrgId, Timestamp};
use embedded::{Options, Store};
use friction::change::{SessionState, StoredSession};
use ports::{
    sessions::{Heads, Lane, SessionQuery, Span, Understanding},
    stream::{EventStream, StreamRecord},
};
use serde_json::json;
use standin::{events, run};

fn serve(directory: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_sessionizer"))
        .env_clear()
        .env("EVENTS_SQLITE_PATH", directory)
        .env("SESSION_GRACE_MS", "0")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Asks it to end, as a service manager does.
fn end(mut child: Child) -> ExitStatus {
    let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    child.wait().unwrap()
}

async fn sessions(store: &Store) -> Vec<StoredSession> {
    let (from, to) = (Timestamp::from_ms(0), standin::now().plus_ms(86_400_000));
    let span = Span { org: OrgId::parse("acme").unwrap(), product: None, from, to };
    store.sessions(&SessionQuery { span, state: None, after: None, limit: 9 }).await.unwrap()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn what_the_directorys_stream_brings_becomes_sessions_and_one_serves_it_at_a_time() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Options::default()).unwrap();
        let at = standin::now().plus_ms(-3_600_000).to_string();
        let more = json!({
            "element": {"key": "save"}, "screen": "/orders", "occurredAt": at,
            "actorId": format!("u1.1.{:026}", 0),
        });
        let click = events::event("acme", "click.1", "ui.click", &more);
        let record = StreamRecord {
            partition_key: "1".to_owned(),
            data: serde_json::to_vec(&click).unwrap(),
        };
        assert!(store.append(&[record]).await.unwrap().is_empty());

        let first = serve(directory.path());
        until("somebody is due, or was", async || {
            let everybody = Lane { index: 0, of: 1 };
            let due = store.due(everybody, standin::now(), 9).await.unwrap();
            !due.is_empty() || !sessions(&store).await.is_empty()
        })
        .await;
        let second = serve(directory.path()).wait_with_output().unwrap();
        assert!(!second.status.success());
        let told = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(told.contains("served already"), "{told}");
        assert!(end(first).success());

        let third = serve(directory.path());
        until("the session ended", async || {
            let found = sessions(&store).await;
            found.len() == 1 && found.iter().all(|stored| stored.state == SessionState::Closed)
        })
        .await;
        assert!(end(third).success());
    });
}

#[test]
fn a_directory_that_holds_no_store_is_named_by_its_variable() {
    let directory = tempfile::tempdir().unwrap();
    let refused = serve(&directory.path().join("mistyped")).wait_with_output().unwrap();
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("EVENTS_DDB_TABLE") && told.contains("EVENTS_SQLITE_PATH"), "{told}");
    assert!(!directory.path().join("mistyped").exists());
}
