//! Announcements to whoever listens.

use contract::{OrgId, Timestamp, incident::Rule};

use crate::PortResult;

/// An announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Deterministic: the same fact has the same id.
    pub id: String,
    /// What is announced.
    pub kind: AnnouncementKind,
    /// The organisation.
    pub org: OrgId,
    /// When.
    pub at: Timestamp,
    /// The fact, as JSON; nothing where the kind says it all.
    pub detail: Option<String>,
}

/// What is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnnouncementKind {
    /// An event of this organisation does not wait for the tick.
    OrgUrgent,
    /// What was taken for an event is in quarantine: its id belongs to another body.
    EventStruck,
    /// A batch reached the connector.
    BatchDelivered,
    /// Events were parked.
    BatchParked,
    /// A session ended, or an ended one turned out to be another.
    SessionClosed,
    /// A session turned out to be a part of another one.
    SessionSuperseded,
    /// The context of a session changed.
    ContextUpdated,
    /// A rule found an incident.
    Incident(Rule),
    /// An incident turned out not to be one.
    IncidentRetracted,
}

impl AnnouncementKind {
    /// The detail type on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrgUrgent => "org.urgent",
            Self::EventStruck => "event.struck",
            Self::BatchDelivered => "batch.delivered",
            Self::BatchParked => "batch.parked",
            Self::SessionClosed => "session.closed",
            Self::SessionSuperseded => "session.superseded",
            Self::ContextUpdated => "session.context_updated",
            Self::Incident(rule) => incident(rule),
            Self::IncidentRetracted => "incident.retracted",
        }
    }

    /// Reads the detail type on the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let incidents = Rule::ALL.iter().map(|rule| Self::Incident(*rule));
        PLAIN.into_iter().chain(incidents).find(|kind| kind.as_str() == text)
    }
}

/// Announces.
pub trait Bus: Send + Sync {
    /// Announces. At least once: listeners recognise a repeat by its id.
    fn publish(
        &self,
        announcements: &[Announcement],
    ) -> impl Future<Output = PortResult<()>> + Send;
}

fn incident(rule: Rule) -> &'static str {
    match rule {
        Rule::RageClick => "incident.rage_click",
        Rule::DeadClick => "incident.dead_click",
        Rule::ErrorClick => "incident.error_click",
        Rule::Backtrack => "incident.backtrack",
        Rule::AbandonedTask => "incident.abandoned_task",
        Rule::FormAbandonment => "incident.form_abandonment",
        Rule::ContextSwitch => "incident.context_switch",
        Rule::Loop => "incident.loop",
        Rule::RetryStorm => "incident.retry_storm",
        Rule::Reformulation => "incident.reformulation",
        Rule::OverrideBurst => "incident.override_burst",
        Rule::ChallengeBurst => "incident.challenge_burst",
        Rule::LowConfidenceBurst => "incident.low_confidence_burst",
        Rule::RageQuit => "incident.rage_quit",
        Rule::MouseThrash => "incident.mouse_thrash",
        Rule::ExcessiveScroll => "incident.excessive_scroll",
    }
}

/// Every kind but the incidents.
const PLAIN: [AnnouncementKind; 8] = [
    AnnouncementKind::OrgUrgent,
    AnnouncementKind::EventStruck,
    AnnouncementKind::BatchDelivered,
    AnnouncementKind::BatchParked,
    AnnouncementKind::SessionClosed,
    AnnouncementKind::SessionSuperseded,
    AnnouncementKind::ContextUpdated,
    AnnouncementKind::IncidentRetracted,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_from_its_detail_type() {
        let incidents = Rule::ALL.iter().map(|rule| AnnouncementKind::Incident(*rule));
        for kind in PLAIN.into_iter().chain(incidents) {
            assert_eq!(AnnouncementKind::parse(kind.as_str()), Some(kind));
        }
        for rule in Rule::ALL {
            let kind = AnnouncementKind::Incident(*rule);
            assert_eq!(kind.as_str(), format!("incident.{rule}"));
        }
        assert_eq!(AnnouncementKind::parse("incident.none"), None);
    }
}
