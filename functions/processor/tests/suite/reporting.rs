//! What a batch says of itself: numbers and codes, never what it read.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use ports::faulty::Fault;
use processor::Invocation;
use serde_json::{Value, json};

use crate::world::{Records, World, event, events};

#[tokio::test]
async fn a_batch_reports_its_numbers_once_and_each_reason_with_its_own() {
    let world = World::new().await;
    let log = Log::default();
    let _logging = log.start();
    let mut bodies = events(12);
    bodies[1] = b"{".to_vec();
    bodies[2] = b"}".to_vec();
    bodies.extend([
        event("e.0", json!({})),
        event("e.4", json!({"severity": 5})),
        event("e.s", json!({"consent": {"analytics": false}})),
    ]);
    world.finish(&Records::of(1, bodies).batch()).await;

    let metrics = log.metrics();
    assert_eq!(metrics.len(), 3, "{metrics:?}");
    for (name, expected) in [
        ("records", 15),
        ("events_counted", 10),
        ("suppressed", 1),
        ("duplicates", 1),
        ("poison", 3),
        ("archive_objects", 1),
        ("archive_events", 11),
        ("batches_resumed", 0),
        ("duration_ms", 0),
    ] {
        assert_eq!(metrics[0][name], expected, "{name}");
    }
    assert_eq!(metrics[0]["stage"], "processor");
    let of_reasons: Vec<_> =
        metrics[1..].iter().map(|one| (one["code"].clone(), one["quarantined"].clone())).collect();
    assert_eq!(of_reasons, [(json!("invalid_json"), json!(2)), (json!("id_collision"), json!(1))]);
}

#[tokio::test]
async fn a_batch_that_fails_reports_why() {
    let world = World::new().await;
    let log = Log::default();
    let _logging = log.start();
    world.handle(&Records::of(1, vec!["{"; 20]).batch()).await.unwrap_err();
    world.plan.arrange("ledger.known", [Fault::Permanent]);
    world.handle(&Records::of(1, events(1)).batch()).await.unwrap_err();
    let codes: Vec<_> = log.metrics().iter().map(|one| one["code"].clone()).collect();
    assert_eq!(codes, ["systemic_poison", "permanent_failure"]);
}

#[tokio::test]
async fn nothing_that_was_read_is_logged_however_it_fails() {
    let world = World::new().await;
    let log = Log::default();
    let _logging = log.start();
    let secret = |changes: Value| event("order.anna", changes);
    let bodies = [
        secret(json!({"actorId": "anna@example.org"})),
        secret(json!({"anna": 1})),
        secret(json!({"eventType": "ui.anna"})),
        secret(json!({"severity": "anna"})),
        secret(json!({"context": {"anna": "anna"}})),
        secret(json!({"element": {"key": "anna"}})),
        secret(json!({"element": {"key": "anna 2"}})),
        b"anna".to_vec(),
        br#"{"eventName":"INSERT","dynamodb":{"NewImage":{"body":{"S":"anna"}}}}"#.to_vec(),
    ];
    let payload = Records::of(1, bodies).payload("shardId-000000000000");
    let invocation = Invocation::default();
    for operation in ["quarantine.hold", "ledger.commit", "archive.write", "bus.publish"] {
        for fault in [Fault::Before, Fault::Permanent, Fault::Pass] {
            world.plan.arrange(operation, [fault]);
            let _ = world.processor.handle_payload(&payload, &invocation).await;
        }
    }
    assert_eq!(world.reasons().await.len(), 8);
    let text = log.text();
    assert!(text.contains("raw_identifier") && text.contains("id_collision"), "{text}");
    assert!(!text.contains("anna"), "{text}");
}

/// Everything logged on this thread, as JSON lines.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || log.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn metrics(&self) -> Vec<Value> {
        let lines = self.text();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["target"] == "metrics")
            .map(|line| line["fields"].clone())
            .collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
