//! No raw identifier reaches a row, a log line, an error or a `Debug`.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::common::{draft, event, host, host_with, settings};
use domain::admit::{Admission, admit};
use emitter::{
    Consent, Draft, DryRun, Mock, RawId, Timestamp, TransportError, backend, crawl, friction,
    knowledge, task, transport::Behaviour, ui,
};
use proptest::prelude::*;

/// What may identify somebody in every place that takes one.
#[derive(Debug, Clone)]
struct Planted {
    actor: String,
    session: String,
    task: String,
    key: String,
    mail: String,
}

fn planted() -> impl Strategy<Value = Planted> {
    let id = || "[A-Z][a-z]{3,8}[0-9]{6}[ /@#]?[a-z]{4}";
    (id(), id(), id(), id(), "[a-z]{5,9}\\.[a-z]{4}@[a-z]{4,8}\\.example")
        .prop_map(|(actor, session, task, key, mail)| Planted { actor, session, task, key, mail })
}

impl Planted {
    fn on<F>(&self, draft: Draft<F>) -> Draft<F> {
        draft
            .actor(self.actor.as_str())
            .session(self.session.as_str())
            .idempotency_key(self.key.as_str(), now())
            .user_action(&self.mail)
            .team(&self.mail)
            .screen(&format!("/users/{}/edit?mail={}", self.mail, self.mail))
            .context(&self.mail, self.mail.as_str())
    }

    fn assert_absent(&self, text: &str) {
        for raw in [&self.actor, &self.session, &self.task, &self.key, &self.mail] {
            assert!(!text.contains(raw.as_str()), "a raw identifier is in {text}");
            let lower = text.to_lowercase();
            assert!(!lower.contains(&raw.to_lowercase()), "a raw identifier is in {lower}");
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_planted_identifier_is_found_anywhere_again(planted in planted()) {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let shown = tracing::subscriber::with_default(subscriber, || {
            runtime.block_on(emit_everywhere(&planted))
        });
        planted.assert_absent(&shown);
        let log = log.text();
        planted.assert_absent(&log);
        prop_assert!(log.contains("refused an event") && log.contains("dry run"), "{}", log);
    }
}

/// Emits the identifiers through every family, well and badly, and tells everything that can be seen of it.
async fn emit_everywhere(planted: &Planted) -> String {
    let mock = Mock::new();
    let (emitter, _) = host(mock.clone()).await;
    let draft = planted.on(friction::challenge(&planted.mail));
    let mut shown = format!("{draft:?}{:?}", RawId::from(planted.actor.as_str()));
    let mut ids = vec![emitter.emit(draft).await];
    let mail = planted.mail.as_str();
    let other_key = |n: u8| format!("{}-{n}", planted.key);
    ids.push(
        emitter.emit_later(planted.on(ui::click("/a", mail)).idempotency_key(other_key(1), now())),
    );
    let started = task::started(mail).task_id(planted.task.as_str());
    ids.push(emitter.emit_later(planted.on(started).idempotency_key(other_key(2), now())));
    let viewed = knowledge::user_viewed("note", mail);
    ids.push(emitter.emit_later(planted.on(viewed).idempotency_key(other_key(3), now())));
    let failed = crawl::item_failed("j", mail).error_details(&format!("for {mail} it failed"));
    ids.push(emitter.emit_later(planted.on(failed).idempotency_key(other_key(4), now())));
    let error = backend::error(mail, mail).error_category(mail);
    ids.push(
        emitter.emit_later(
            planted.on(error).idempotency_key(other_key(5), now()).correlation_id(mail),
        ),
    );
    shown += &format!("{:?}", emitter.flush(Duration::from_secs(1)).await);
    assert_eq!(mock.rows().len(), 6);

    // Refused by the door, by the transport, and not taken at all.
    shown +=
        &format!("{:?}", emitter.try_emit(planted.on(friction::challenge("x")).severity(9)).await);
    let late = planted.on(friction::challenge(mail)).occurred_at(Timestamp::from_ms(0));
    shown += &format!("{:?}", emitter.try_emit(late).await);
    mock.usually(Behaviour::Fail(TransportError::Throttled));
    let held = planted.on(friction::handoff(mail)).idempotency_key(other_key(6), now());
    shown += &format!("{:?}", emitter.try_emit(held).await);
    shown += &format!("{emitter:?}{:?}{:?}", emitter.stats(), mock.rows());
    shown += &ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(" ");

    let (dry, _) = host(DryRun).await;
    dry.emit(planted.on(friction::challenge(mail))).await;
    shown
}

#[tokio::test]
async fn the_same_person_is_the_same_token_and_nobody_is_nobody() {
    let mock = Mock::new();
    let (emitter, _) = host(mock.clone()).await;
    emitter.emit(draft()).await;
    emitter.emit(draft().actor(" Jan@Example.org ").session("another")).await;
    emitter.emit(draft().actor(" ").session("")).await;
    let events: Vec<_> = mock.rows().iter().map(event).collect();
    assert!(events[0].actor_id.as_deref().unwrap().starts_with("u1.3."));
    assert!(events[0].session_id.as_deref().unwrap().starts_with("s1.3."));
    assert_eq!(events[0].actor_id, events[1].actor_id);
    assert_ne!(events[0].session_id, events[1].session_id);
    assert_eq!((&events[2].actor_id, &events[2].session_id), (&None, &None));
}

#[tokio::test]
async fn without_consent_to_analytics_only_the_bare_event_is_stored() {
    let mock = Mock::new();
    let (emitter, world) = host(mock.clone()).await;
    let consent = Consent { analytics: false, forward: true };
    let refusing = draft().consent(consent).screen("/cart").correlation_id("trace-1");
    emitter.emit(refusing).await;
    let event = event(&mock.rows()[0]);
    assert_eq!(event.consent, Some(consent));
    assert_eq!((event.actor_id.as_ref(), event.session_id.as_ref()), (None, None));
    assert_eq!((event.screen.as_ref(), event.correlation_id.as_ref()), (None, None));
    assert!(event.context.is_empty() && event.source.is_none());
    assert_eq!(admit(&event, emitter::Surroundings::now(&world)), Ok(Admission::Suppress));
}

#[tokio::test]
async fn without_consent_to_forwarding_the_event_is_withheld() {
    let mock = Mock::new();
    let (emitter, world) = host_with(settings(), mock.clone()).await;
    emitter.emit(draft().consent(Consent { analytics: true, forward: false })).await;
    let event = event(&mock.rows()[0]);
    assert_eq!(admit(&event, emitter::Surroundings::now(&world)), Ok(Admission::Withhold));
}

fn now() -> Timestamp {
    Timestamp::from_ms(crate::common::NOW_MS)
}
