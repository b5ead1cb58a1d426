//! The namespace of metrics, in a process of its own: it is named once.

use serde_json::Value;

#[test]
fn the_first_name_given_is_the_metrics_namespace() {
    let namespace = || {
        let line = telemetry::emf_line(5, &[("stage", "door".into()), ("events", 1.into())]);
        let line: Value = serde_json::from_str(&line).unwrap();
        line.pointer("/_aws/CloudWatchMetrics/0/Namespace").unwrap().as_str().unwrap().to_owned()
    };
    telemetry::set_namespace(None);
    telemetry::set_namespace(Some(" ".to_owned()));
    assert_eq!(namespace(), "Tribometer");
    telemetry::set_namespace(Some("Tribometer-staging".to_owned()));
    telemetry::set_namespace(Some("other".to_owned()));
    assert_eq!(namespace(), "Tribometer-staging");
}
