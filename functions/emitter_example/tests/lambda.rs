//! The real binary of a host, behind a Runtime API and over stand-ins.

use aws::resources::Resource;
use ports::{reference::Organisations, stream::StreamSource};
use serde_json::{Value, json};
use standin::{Corner, run};

const NEEDED: &[Resource] =
    &[Resource::Staging, Resource::Delivery, Resource::Reference, Resource::PseudonymSecret];

#[test]
fn a_host_emits_what_hurt_and_nobody_s_name() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        corner.cloud().create(&emitter::OrgId::parse("acme").unwrap()).await.unwrap();
        let binary = env!("CARGO_BIN_EXE_emitter_example");
        let log = logs.path().join("log");
        let host = corner.function(binary, NEEDED, &[("TRIBO_ORG", "acme")], &log).await;
        for action in ["accepted", "edited", "challenged", "abandoned"] {
            let verdict = json!({
                "user": "jan@example.org", "session": "s-1", "feature": "answers", "confidence": 0.4,
                "seconds": 30, "action": action,
            });
            let taken: Value =
                serde_json::from_slice(&host.invoke(verdict.to_string()).await.unwrap()).unwrap();
            assert_eq!(taken, json!({"stored": u8::from(action != "accepted"), "waiting": 0}));
        }
        let world = corner.world();
        let mut records = Vec::new();
        for shard in world.shards().await.unwrap() {
            records.extend(world.read(&shard, None, 100).await.unwrap());
        }
        assert_eq!(records.len(), 3);
        assert!(records.iter().all(|r| !String::from_utf8_lossy(&r.data).contains("example.org")));
    });
}

#[test]
fn a_missing_variable_or_organisation_is_named_and_nothing_starts() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let binary = env!("CARGO_BIN_EXE_emitter_example");
        for variable in NEEDED.iter().map(|resource| resource.variable()).chain(["TRIBO_ORG"]) {
            let _ = std::fs::remove_file(&log);
            let set = [("TRIBO_ORG", "acme"), (variable, "")];
            let host = corner.function(binary, NEEDED, &set, &log).await;
            assert!(host.warm_up().await.is_err(), "{variable}");
            let told = std::fs::read_to_string(&log).unwrap();
            assert!(told.contains(variable), "{variable}: {told}");
        }
        let host = corner.function(binary, NEEDED, &[("TRIBO_ORG", "nobody")], &log).await;
        assert!(host.warm_up().await.is_err(), "no tokens for an organisation that does not exist");
    });
}
