//! What a function's `main` says, in a process of its own: a logger is installed once.

use std::{
    fmt,
    future::ready,
    pin::pin,
    process::ExitCode,
    task::{Context, Poll, Waker},
};

use serde_json::Value;

/// Its text may be told, what it was made of may not.
#[derive(Debug)]
struct Refused {
    #[expect(dead_code, reason = "only `Debug` would show it")]
    secret: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("STAGING_TABLE is not set")
    }
}

#[test]
fn what_stopped_a_function_is_one_line_without_what_the_error_holds_and_its_exit_code() {
    let log = tempfile::NamedTempFile::new().unwrap();
    telemetry::init_to(log.reopen().unwrap(), "info");
    let ended = done(telemetry::run(None, ready(Ok::<(), Refused>(()))));
    assert_eq!(ended, ExitCode::SUCCESS);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "", "who ends well says nothing");
    let namespace = Some("Tribometer-staging".to_owned());
    let ended = done(telemetry::run(namespace, ready(Err(Refused { secret: "key-1" }))));
    assert_eq!(ended, ExitCode::FAILURE);
    let text = std::fs::read_to_string(&log).unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["message"], "stopped: STAGING_TABLE is not set");
    assert!(!text.contains("key-1"), "{text}");
    let metrics = telemetry::emf_line(5, &[("events", 1.into())]);
    assert!(metrics.contains(r#""Namespace":"Tribometer-staging""#), "{metrics}");
}

/// The output of a future that waits for nothing.
fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits"),
    }
}
