//! The real binary of the batcher, behind a Runtime API and over stand-ins.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use aws::resources::Resource;
use connector::mock::{MockServer, MockSettings, Quirks, Receiver, Shape};
use domain::{profile::Profile, signature::SigningSecret};
use ports::{clock::SystemClock, staging::Staging};
use serde_json::json;
use standin::{Corner, events, lambda::Function, run};

const NEEDED: &[Resource] =
    &[Resource::Staging, Resource::Delivery, Resource::Dedupe, Resource::Bus];
const KEY: &str = "key-1";
const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn mock() -> (Receiver, MockServer) {
    let receiver = Receiver::new(MockSettings {
        profile: Profile::parse("athena-eu").unwrap(),
        key: KEY.to_owned(),
        signing: SigningSecret::parse_all(SIGNING).unwrap(),
        shape: Shape::Flat,
        quirks: Quirks::default(),
    });
    let server = MockServer::start(receiver.clone(), SystemClock, 0).await.unwrap();
    (receiver, server)
}

/// Stages events that have settled already.
async fn stage(corner: &Corner, numbers: std::ops::Range<usize>) {
    let rows: Vec<_> = numbers
        .map(|number| {
            let more = json!({"traceComponent": "transparency"});
            let id = format!("abandon.{number}");
            let event = events::event("acme", &id, "friction.abandon", &more);
            let mut row = events::row(&event);
            row.staged_at = row.staged_at.plus_ms(-60_000);
            row
        })
        .collect();
    corner.cloud().stage(&rows).await.unwrap();
}

async fn batcher(corner: &Corner, url: &str, key: &str, log: &std::path::Path) -> Function {
    let more = [
        ("FRICTIONMELT_API_URL", url),
        ("FRICTIONMELT_API_KEY", key),
        ("FRICTIONMELT_SIGNING_SECRET", SIGNING),
    ];
    corner.function(env!("CARGO_BIN_EXE_batcher"), NEEDED, &more, log).await
}

#[test]
fn a_tick_delivers_what_is_staged_once() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let (receiver, server) = mock().await;
        stage(&corner, 0..120).await;
        let batcher = batcher(&corner, &server.url(), KEY, &logs.path().join("log")).await;
        for _ in 0..2 {
            let tick = json!({"version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": "{}"});
            batcher.invoke(tick.to_string()).await.unwrap();
        }
        let books = receiver.books();
        assert_eq!((books.events_taken(), books.repeated, books.violations.len()), (120, 0, 0));
    });
}

#[test]
fn the_key_may_lie_in_a_secret_and_is_read_again_when_it_was_changed() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let (receiver, server) = mock().await;
        let secrets = corner.access().secrets();
        let name = format!("{}-connector", corner.name(Resource::PseudonymSecret));
        let created = secrets.create_secret().name(&name).secret_string(r#"{"apiKey":"old"}"#);
        created.send().await.unwrap();
        let reference = format!("secret:{name}#apiKey");
        let batcher = batcher(&corner, &server.url(), &reference, &logs.path().join("log")).await;
        stage(&corner, 0..1).await;
        // Nothing is delivered under a key that the connector does not know, and the breaker opens; another organisation
        // is asked anew.
        batcher.invoke("{}").await.unwrap();
        assert_eq!(receiver.books().events_taken(), 0);
        let changed = secrets.put_secret_value().secret_id(&name);
        changed.secret_string(r#"{"apiKey":"key-1"}"#).send().await.unwrap();
        let event = events::event(
            "globex",
            "e.1",
            "friction.abandon",
            &json!({"traceComponent": "transparency"}),
        );
        let mut row = events::row(&event);
        row.staged_at = row.staged_at.plus_ms(-60_000);
        corner.cloud().stage(&[row]).await.unwrap();
        batcher.invoke("{}").await.unwrap();
        assert_eq!(receiver.books().org("globex").events_taken, 1);
    });
}

#[test]
fn an_urgent_organisation_is_served_when_the_bus_names_it() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let (receiver, server) = mock().await;
        let event = events::event(
            "acme",
            "e.1",
            "friction.rage_quit",
            &json!({"traceComponent": "transparency", "severity": 5}),
        );
        corner.cloud().stage(&[events::row(&event)]).await.unwrap();
        let batcher = batcher(&corner, &server.url(), KEY, &logs.path().join("log")).await;
        let urgent = json!({
            "version": "0", "id": "1", "detail-type": "org.urgent", "source": "tribometer",
            "account": "000000000000", "time": "2026-02-12T00:00:00Z", "region": "eu-central-1", "resources": [],
            "detail": {"org": "acme"}
        });
        batcher.invoke(urgent.to_string()).await.unwrap();
        assert_eq!(receiver.books().events_taken(), 1, "an urgent event does not wait to settle");
    });
}

#[test]
fn a_missing_variable_is_named_and_nothing_starts() {
    run(async {
        let corner = Corner::open().await;
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let binary = env!("CARGO_BIN_EXE_batcher");
        let others = ["AWS_REGION", "AWS_ACCESS_KEY_ID"];
        for variable in NEEDED.iter().map(|resource| resource.variable()).chain(others) {
            let _ = std::fs::remove_file(&log);
            let function = corner.function(binary, NEEDED, &[(variable, "")], &log).await;
            assert!(function.warm_up().await.is_err(), "{variable}");
            let told = std::fs::read_to_string(&log).unwrap();
            assert!(told.contains(variable), "{variable}: {told}");
        }
        let half = [("FRICTIONMELT_API_URL", "https://connector.example.com")];
        let function = corner.function(binary, NEEDED, &half, &log).await;
        assert!(function.warm_up().await.is_err());
        assert!(std::fs::read_to_string(&log).unwrap().contains("FRICTIONMELT_API_KEY"));
    });
}
