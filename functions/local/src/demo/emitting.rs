//! The emitter's half of the simulated product: hosts that link the crate and write to staging.

use std::time::Duration;

use contract::{EventId, EventType, OrgId, Timestamp, event::Consent};
use domain::pseudonym::Pseudonymiser;
use embedded::Store;
use emitter::{
    Draft, Emitter, KeyError, KeySource, RowFate, Settings, Transport, TransportError, backend,
    crawl, friction, knowledge, task, ui,
};
use ports::{
    keys::PseudonymKeys as _,
    staging::{Staged, Staging as _},
};

use super::personas::{Person, pick};

/// The staging table of the embedded store, as an emitter sees it.
#[derive(Debug, Clone)]
pub(crate) struct StagingTable(pub(crate) Store);

impl Transport for StagingTable {
    async fn send(
        &self,
        rows: &[contract::staged::StagedEvent],
    ) -> Result<Vec<RowFate>, TransportError> {
        let fates = self
            .0
            .stage(rows)
            .await
            .map_err(|_| TransportError::Unavailable { why: "the store" })?;
        Ok(fates
            .into_iter()
            .map(|fate| match fate {
                Staged::New => RowFate::Stored,
                Staged::Known | Staged::Collision => RowFate::Known,
            })
            .collect())
    }
}

impl KeySource for StagingTable {
    async fn pseudonymiser(&self, org: &OrgId) -> Result<Pseudonymiser, KeyError> {
        let found = self
            .0
            .pseudonymiser(org)
            .await
            .map_err(|_| KeyError::Unavailable { why: "the store" })?;
        found.map(|shared| Pseudonymiser::clone(&shared)).ok_or(KeyError::UnknownOrg)
    }
}

/// One host with its emitter.
pub(crate) type Host = Emitter<StagingTable>;

/// Connects a host of `org`.
pub(crate) async fn host(world: &Store, org: &OrgId) -> anyhow::Result<Host> {
    let table = StagingTable(world.clone());
    let mut settings = Settings::new(org.clone(), "assistant-backend", "eu-central-1");
    settings.budget = Duration::from_secs(2);
    settings.ring_events = 10_000;
    Ok(Emitter::connect(settings, table.clone(), table).await?)
}

/// One event to be emitted.
#[derive(Debug, Clone)]
pub(crate) struct Occasion {
    pub(crate) id: EventId,
    pub(crate) kind: EventType,
    pub(crate) at: Timestamp,
    pub(crate) person: Person,
    pub(crate) consent: Option<Consent>,
    /// Chooses among alternatives; the same number makes the same event.
    pub(crate) variety: usize,
}

/// Emits it: later, with the next flush.
pub(crate) fn emit(host: &Host, occasion: &Occasion) {
    let Occasion { person, variety, .. } = occasion;
    let feature = pick(&["summary", "search", "drafting"], *variety);
    let screen = match variety % 5 {
        0 => format!("https://app.example/kunden/{}?wer={}", person.address, person.phone),
        _ => pick(&["/start", "/akten/17", "/hilfe"], *variety).to_owned(),
    };
    let confidence = f64::from(u32::try_from(variety % 100).unwrap_or(0)) / 100.0;
    let seconds = Duration::from_secs(u64::try_from(variety % 900).unwrap_or(0));
    let object = format!("doc-{}", variety % 300);
    let sender = Sender { host, occasion };
    match occasion.kind {
        EventType::UserOverride => sender.send(friction::user_override(confidence, "edited")),
        EventType::Abandon => sender.send(friction::abandon(feature, seconds)),
        EventType::Challenge => sender.send(friction::challenge(feature)),
        EventType::Feedback => sender.send(friction::feedback(friction::Rating::Negative)),
        EventType::ComplianceBlock => sender.send(friction::compliance_block("retention")),
        EventType::Handoff => sender.send(friction::handoff("to_human")),
        EventType::ExplanationRequest => {
            sender.send(friction::explanation_request(friction::ExplanationLevel::Beginner));
        }
        EventType::RageQuit => sender.send(friction::rage_quit(seconds)),
        EventType::ContextSwitch => sender.send(friction::context_switch(feature)),
        EventType::KgLowConfidence => sender.send(friction::kg_low_confidence(confidence)),
        EventType::UiClick => sender.send(ui::click(&screen, "regenerate")),
        EventType::UiScroll => sender.send(ui::scroll(&screen)),
        EventType::UiInputMeta => sender.send(ui::input_meta(&screen)),
        EventType::UiNavigation => sender.send(ui::navigation(&screen)),
        EventType::UiFocusChange => sender.send(ui::focus_change(&screen)),
        EventType::UiDeadClick => sender.send(ui::dead_click(&screen, "copy-answer")),
        EventType::UiError => sender.send(ui::error(&screen, "FORM_INVALID")),
        EventType::UiCustom => sender.send(ui::custom(&screen, "zoom")),
        EventType::TaskStarted => {
            sender.send(task::started("file-claim").task_id(person.session.as_str()))
        }
        EventType::TaskCompleted => {
            sender.send(task::completed("file-claim").task_id(person.session.as_str()))
        }
        EventType::TaskCancelled => {
            sender.send(task::cancelled("file-claim").task_id(person.session.as_str()))
        }
        EventType::UserViewed => sender.send(knowledge::user_viewed("document", &object)),
        EventType::UserHighlighted => sender.send(knowledge::user_highlighted("document", &object)),
        EventType::ChatMessageCreated => {
            sender.send(knowledge::chat_message_created("chat", &object, knowledge::Role::User));
        }
        EventType::SourceCaptured => sender.send(knowledge::source_captured("source", &object)),
        EventType::ClaimUpserted => sender.send(knowledge::claim_upserted("claim", &object)),
        EventType::RecommendationGenerated => {
            sender.send(knowledge::recommendation_generated("claim", &object))
        }
        EventType::CrawlItemCollected => sender.send(crawl::item_collected("job-3")),
        EventType::CrawlItemFailed => sender.send(crawl::item_failed("job-3", "RATE_LIMITED")),
        EventType::BackendError => sender.send(backend::error("summarise", "UPSTREAM_502")),
        EventType::BackendRetry => sender.send(backend::retry("summarise", 2)),
        EventType::BackendTimeout => sender.send(backend::timeout("summarise")),
    }
}

struct Sender<'a> {
    host: &'a Host,
    occasion: &'a Occasion,
}

impl Sender<'_> {
    fn send<F>(&self, draft: Draft<F>) {
        let Occasion { id, at, person, consent, .. } = self.occasion;
        let mut draft = draft
            .event_id(id.clone())
            .occurred_at(*at)
            .actor(person.address.as_str())
            .session(person.session.as_str())
            // Nobody declared this key: it is dropped with what it holds.
            .context("customerPhone", person.phone.as_str());
        if let Some(consent) = consent {
            draft = draft.consent(*consent);
        }
        self.host.emit_later(draft);
    }
}
