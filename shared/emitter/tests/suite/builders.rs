//! Every builder makes an event that admission accepts, and every method sets a key that its type declares.

use std::{collections::BTreeSet, time::Duration};

use crate::common::{event, host};
use contract::{Event, EventType, Family, context};
use domain::admit::{Admission, admit};
use emitter::{
    Code, Consent, DeviceType, Draft, EmitError, EventId, Mock, Pillar, Signals, Timestamp,
    backend, crawl,
    friction::{self, ExplanationLevel, Rating},
    knowledge::{self, Role},
    task, ui,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Emits the draft and gives the stored event back, which must be admitted with nothing dropped.
async fn stored<F>(draft: Draft<F>) -> Event {
    let mock = Mock::new();
    let (emitter, world) = host(mock.clone()).await;
    emitter.try_emit(draft).await.unwrap();
    assert_eq!(emitter.stats().keys_dropped, 0);
    let event = event(mock.rows().first().unwrap());
    let expected = match event.event_type.family() {
        Family::Friction => Admission::Forward,
        Family::Ui | Family::Task | Family::Knowledge | Family::Crawl | Family::Backend => {
            Admission::Count
        }
    };
    assert_eq!(admit(&event, emitter::Surroundings::now(&world)), Ok(expected));
    event
}

#[tokio::test]
async fn there_is_a_builder_for_every_type() {
    let level = ExplanationLevel::Beginner;
    let events = [
        stored(friction::user_override(0.4, "edited")).await,
        stored(friction::abandon("checkout", MINUTE)).await,
        stored(friction::challenge("answers")).await,
        stored(friction::feedback(Rating::Positive)).await,
        stored(friction::compliance_block("gdpr")).await,
        stored(friction::handoff("to-human")).await,
        stored(friction::explanation_request(level)).await,
        stored(friction::rage_quit(MINUTE)).await,
        stored(friction::context_switch("editor")).await,
        stored(friction::kg_low_confidence(0.2)).await,
        stored(ui::click("/cart", "buy")).await,
        stored(ui::dead_click("/cart", "buy")).await,
        stored(ui::scroll("/cart")).await,
        stored(ui::input_meta("/cart")).await,
        stored(ui::navigation("/cart")).await,
        stored(ui::focus_change("/cart")).await,
        stored(ui::error("/cart", "E42")).await,
        stored(ui::custom("/cart", "zoom")).await,
        stored(task::started("checkout")).await,
        stored(task::completed("checkout")).await,
        stored(task::cancelled("checkout")).await,
        stored(knowledge::user_viewed("note", "n1")).await,
        stored(knowledge::user_highlighted("note", "n1")).await,
        stored(knowledge::chat_message_created("chat", "c1", Role::User)).await,
        stored(knowledge::source_captured("source", "s1")).await,
        stored(knowledge::claim_upserted("claim", "k1")).await,
        stored(knowledge::recommendation_generated("list", "l1")).await,
        stored(crawl::item_collected("job-1")).await,
        stored(crawl::item_failed("job-1", "timeout")).await,
        stored(backend::error("search", "E503")).await,
        stored(backend::retry("search", 2)).await,
        stored(backend::timeout("search")).await,
    ];
    let built: BTreeSet<_> = events.iter().map(|event| event.event_type).collect();
    assert_eq!(built, EventType::ALL.iter().copied().collect());
    for event in events {
        assert_eq!(event.trace_component, event.event_type.usual_pillar(), "{}", event.event_type);
        assert_eq!(event.severity, None, "the type's own applies");
    }
}

/// The required context of the ten friction types, by name.
#[tokio::test]
async fn a_friction_type_carries_its_required_context() {
    let check = async |draft, expected: &[&str]| {
        let event = stored(draft).await;
        assert_eq!(event.context.keys().collect::<Vec<_>>(), expected, "{}", event.event_type);
    };
    check(friction::user_override(0.4, "edited"), &["aiConfidence", "userAction"]).await;
    check(friction::abandon("checkout", MINUTE), &["feature", "sessionDurationSeconds"]).await;
    check(friction::challenge("answers"), &["feature"]).await;
    check(friction::feedback(Rating::Negative), &["userAction"]).await;
    check(friction::compliance_block("gdpr").compliance_flag("ai-act"), &["complianceFlags"]).await;
    check(friction::handoff("to-human"), &["userAction"]).await;
    check(friction::explanation_request(ExplanationLevel::Expert), &["explanationLevel"]).await;
    check(friction::rage_quit(MINUTE), &["sessionDurationSeconds"]).await;
    check(friction::context_switch("editor"), &["feature"]).await;
    check(friction::kg_low_confidence(0.2), &["aiConfidence"]).await;
}

#[tokio::test]
async fn a_negative_rating_weighs_more_than_a_positive_one() {
    assert_eq!(stored(friction::feedback(Rating::Negative)).await.effective_severity(), 2);
    assert_eq!(stored(friction::feedback(Rating::Positive)).await.effective_severity(), 0);
}

#[tokio::test]
async fn every_field_of_the_envelope_arrives() {
    let cause = EventId::parse("cause-1").unwrap();
    let at = Timestamp::from_ms(crate::common::NOW_MS - 60_000);
    let signals = Signals {
        suggested_taxonomy: Some("C1.2".to_owned()),
        suggested_severity: Some(3),
        confidence: Some(0.9),
        behavioral_indicators: vec!["retry".to_owned()],
        ..Signals::default()
    };
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let event = stored(
        friction::challenge("answers")
            .pillar(Pillar::Auditability)
            .severity(5)
            .occurred_at(at)
            .correlation_id(trace)
            .causation_id(&cause)
            .screen("https://shop.example/orders/4711?mail=a@b.c")
            .route("/orders/4711")
            .consent(Consent { analytics: true, forward: true })
            .signals(&signals)
            .assignment("exp-1", "b", at),
    )
    .await;
    assert_eq!(event.trace_component, Some(Pillar::Auditability));
    assert_eq!((event.severity, event.occurred_at), (Some(5), at));
    assert_eq!(event.correlation_id.as_deref(), Some(trace));
    assert_eq!(event.causation_id.as_deref(), Some("cause-1"));
    assert_eq!(event.screen.as_deref(), Some("/orders/{id}"));
    assert_eq!(event.route.as_deref(), Some("/orders/{id}"));
    assert_eq!(event.signals, Some(signals));
    assert_eq!(event.assignment.unwrap().variant_id, "b");
    assert_eq!(event.consent, Some(Consent { analytics: true, forward: true }));

    let event = stored(ui::click("/cart", "buy").element_kind("button").at(3, -4)).await;
    let element = event.element.unwrap();
    assert_eq!(
        (element.kind.as_deref(), element.x, element.y),
        (Some("button"), Some(3), Some(-4))
    );
    let event =
        stored(backend::error("search", "E1").error_category("quota").error_latency_ms(7)).await;
    let error = event.error.unwrap();
    assert_eq!((error.category.as_deref(), error.latency_ms), (Some("quota"), Some(7)));
    let event = stored(task::started("checkout").task_id("run of jan@example.org")).await;
    assert!(event.task.unwrap().id.unwrap().starts_with("o1.3."));
}

/// A common method on every draft; together with a family's own they set every key that is declared.
fn common_keys<F>(draft: Draft<F>) -> Draft<F> {
    draft
        .feature("search")
        .team("team-7")
        .device_type(DeviceType::Desktop)
        .agent("agent-1")
        .app_name("shop")
        .app_version("1.2.3")
        .sdk_version("4.5.6")
        .locale("de-DE")
        .user_action("edited")
        .session_duration(Duration::from_millis(1_500))
        .ai_confidence(0.5)
        .industry("retail")
        .org_size("50-100")
        .deployment_age_days(10)
}

#[tokio::test]
async fn there_is_a_method_for_every_declared_key_and_none_for_others() {
    let at = Timestamp::from_ms(crate::common::NOW_MS);
    let check = |event: &Event| {
        let declared = context::COMMON.iter().chain(context::family(event.event_type.family()));
        let declared: BTreeSet<_> = declared.map(|key| key.name).collect();
        let set: BTreeSet<_> = event.context.keys().map(String::as_str).collect();
        assert_eq!(set, declared, "{}", event.event_type);
    };
    let friction = friction::compliance_block("gdpr")
        .explanation_level(ExplanationLevel::Intermediate)
        .rating(7)
        .model("m-1")
        .prompt_version("12");
    check(&stored(common_keys(friction)).await);
    let ui = ui::custom("/cart", "zoom")
        .os("linux")
        .browser("firefox")
        .url("https://shop.example/cart")
        .referrer("/home")
        .depth_percent(50.0)
        .input_length(3)
        .duration_ms(9)
        .visible(true)
        .value(1.5);
    check(&stored(common_keys(ui)).await);
    let task = task::completed("checkout").step("pay").outcome("paid").duration_ms(7);
    check(&stored(common_keys(task)).await);
    let knowledge = knowledge::chat_message_created("chat", "c1", Role::Assistant)
        .concept("price")
        .concept("tax")
        .claim("k1")
        .source_kind("web")
        .message_length(20)
        .rank(1)
        .dwell_ms(900);
    check(&stored(common_keys(knowledge)).await);
    let crawl = crawl::item_failed("job-1", "timeout")
        .crawled_at(at)
        .batch_index(3)
        .task_type("search")
        .keyword_source("list")
        .pipeline_version("7")
        .fetch_error("connection reset")
        .error_details("after 3 tries")
        .platform("web")
        .project("p1");
    check(&stored(common_keys(crawl)).await);
    let backend = backend::retry("search", 2).status_code(503).latency_ms(80).dependency("index");
    check(&stored(common_keys(backend)).await);
}

#[tokio::test]
async fn what_is_required_cannot_be_left_empty() {
    async fn refused<F>(draft: Draft<F>) -> (Code, Option<String>) {
        let (emitter, _) = host(Mock::new()).await;
        match emitter.try_emit(draft).await {
            Err(EmitError::Refused { code, path, .. }) => (code, path),
            other => panic!("{other:?}"),
        }
    }
    let at = |path: &str| Some(path.to_owned());
    let confidence = at("/context/aiConfidence");
    assert_eq!(
        refused(friction::user_override(f64::NAN, "edited")).await,
        (Code::InvalidNumber, confidence.clone())
    );
    assert_eq!(refused(friction::kg_low_confidence(1.1)).await, (Code::OutOfRange, confidence));
    assert_eq!(
        refused(friction::challenge("")).await,
        (Code::MissingField, at("/context/feature"))
    );
    assert_eq!(
        refused(friction::compliance_block("")).await,
        (Code::InvalidValue, at("/context/complianceFlags"))
    );
    assert_eq!(refused(ui::click("/cart", "")).await, (Code::InvalidValue, at("/element/key")));
    for blank in [
        refused(ui::custom("/cart", "")).await,
        refused(crawl::item_collected("")).await,
        refused(backend::timeout("")).await,
    ] {
        assert_eq!(blank.0, Code::MissingField);
    }
    assert_eq!(refused(ui::scroll("")).await, (Code::MissingField, at("/screen")));
    assert_eq!(refused(task::started("")).await, (Code::InvalidValue, at("/task/name")));
    assert_eq!(
        refused(knowledge::user_viewed("note", "")).await,
        (Code::InvalidValue, at("/object/id"))
    );
    assert_eq!(
        refused(backend::error("search", "")).await,
        (Code::InvalidValue, at("/error/code"))
    );
}

#[tokio::test]
async fn an_undeclared_key_is_dropped_and_counted() {
    let mock = Mock::new();
    let (emitter, _) = host(mock.clone()).await;
    emitter.emit(friction::challenge("answers").context("jan@example.org", 1)).await;
    assert_eq!(emitter.stats().keys_dropped, 1);
    assert!(!mock.rows()[0].body.contains("jan@example.org"));
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused() {
    let (emitter, _) = host(Mock::new()).await;
    let large = friction::challenge("answers").context("feature", "x".repeat(20_000));
    assert!(matches!(emitter.try_emit(large).await, Err(EmitError::Refused { .. })));
}
