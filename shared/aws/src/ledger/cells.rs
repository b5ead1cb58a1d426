//! How counts are called in an hour's item: one lower-case letter and a number for events, the same in upper case for the
//! sum of their severities.
//!
//! | letter | counts |
//! |---|---|
//! | `a0` | all events of the product |
//! | `t<n>` | a type, see [`type_number`] |
//! | `p<n>` | a pillar, see [`pillar_number`] |
//! | `d<n>` | the name at that place of the day's dictionary |
//! | `o0`, `v0` | screens, variants beyond a full dictionary |

use contract::{EventType, Pillar};
use domain::counters::{Dimension, OTHER};
use ports::{PortError, PortResult};

/// What an attribute of an hour's item tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// What the events have in common.
    pub(super) what: What,
    /// Which of both.
    pub(super) amount: Amount,
}

/// What events have in common, where names may still be places in a dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// As it is.
    Plain(Dimension),
    /// The name at this place.
    Named(usize),
}

/// Which amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    /// How many events.
    Events,
    /// Sum of their severities.
    Severity,
}

/// The attribute that counts the events of a dimension; `place` finds a name in the day's dictionary.
pub(super) fn attribute(
    dimension: &Dimension,
    place: impl Fn(&str) -> Option<usize>,
) -> PortResult<String> {
    Ok(match dimension {
        Dimension::All => "a0".to_owned(),
        Dimension::Type(kind) => format!("t{}", type_number(*kind)),
        Dimension::Pillar(pillar) => format!("p{}", pillar_number(*pillar)),
        Dimension::Screen(name) if name == OTHER => "o0".to_owned(),
        Dimension::Variant(experiment, variant) if experiment == OTHER && variant == OTHER => {
            "v0".to_owned()
        }
        Dimension::Screen(_) | Dimension::Variant(..) => {
            let found = place(&dimension.to_text()).map(|place| format!("d{place}"));
            found.ok_or_else(|| PortError::permanent("ledger.commit", UNKNOWN_NAME))?
        }
    })
}

/// The attribute that sums the severities of what `events` counts.
pub(super) fn severity(events: &str) -> String {
    events.to_ascii_uppercase()
}

/// Reads an attribute's name; nothing for one that counts nothing, or what only a later version counts.
pub(super) fn told(attribute: &str) -> Option<Told> {
    let (letter, number) = attribute.split_at_checked(1)?;
    let amount = match letter.bytes().next()? {
        b'a'..=b'z' => Amount::Events,
        b'A'..=b'Z' => Amount::Severity,
        _ => return None,
    };
    let number: usize = number.parse().ok()?;
    let small = || u8::try_from(number).ok();
    let what = match letter.to_ascii_lowercase().as_str() {
        "a" => What::Plain(Dimension::All),
        "t" => {
            let mut types = EventType::ALL.iter();
            let kind = types.find(|kind| Some(type_number(**kind)) == small())?;
            What::Plain(Dimension::Type(*kind))
        }
        "p" => {
            let mut pillars = Pillar::ALL.iter();
            let pillar = pillars.find(|pillar| Some(pillar_number(**pillar)) == small())?;
            What::Plain(Dimension::Pillar(*pillar))
        }
        "d" => What::Named(number),
        "o" => What::Plain(Dimension::Screen(OTHER.to_owned())),
        "v" => What::Plain(Dimension::Variant(OTHER.to_owned(), OTHER.to_owned())),
        _ => return None,
    };
    Some(Told { what, amount })
}

/// Written into every hour for ever: a number is never given to another type.
fn type_number(kind: EventType) -> u8 {
    match kind {
        EventType::UserOverride => 0,
        EventType::Abandon => 1,
        EventType::Challenge => 2,
        EventType::Feedback => 3,
        EventType::ComplianceBlock => 4,
        EventType::Handoff => 5,
        EventType::ExplanationRequest => 6,
        EventType::RageQuit => 7,
        EventType::ContextSwitch => 8,
        EventType::KgLowConfidence => 9,
        EventType::UiClick => 10,
        EventType::UiScroll => 11,
        EventType::UiInputMeta => 12,
        EventType::UiNavigation => 13,
        EventType::UiFocusChange => 14,
        EventType::UiDeadClick => 15,
        EventType::UiError => 16,
        EventType::UiCustom => 17,
        EventType::TaskStarted => 18,
        EventType::TaskCompleted => 19,
        EventType::TaskCancelled => 20,
        EventType::UserViewed => 21,
        EventType::UserHighlighted => 22,
        EventType::ChatMessageCreated => 23,
        EventType::SourceCaptured => 24,
        EventType::ClaimUpserted => 25,
        EventType::RecommendationGenerated => 26,
        EventType::CrawlItemCollected => 27,
        EventType::CrawlItemFailed => 28,
        EventType::BackendError => 29,
        EventType::BackendRetry => 30,
        EventType::BackendTimeout => 31,
    }
}

fn pillar_number(pillar: Pillar) -> u8 {
    match pillar {
        Pillar::Transparency => 0,
        Pillar::Reasoning => 1,
        Pillar::Auditability => 2,
        Pillar::Compliance => 3,
        Pillar::Explainability => 4,
    }
}

const UNKNOWN_NAME: &str = "a counted name is in no dictionary";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plain() -> Vec<Dimension> {
        let other = || OTHER.to_owned();
        let mut all =
            vec![Dimension::All, Dimension::Screen(other()), Dimension::Variant(other(), other())];
        all.extend(EventType::ALL.iter().map(|kind| Dimension::Type(*kind)));
        all.extend(Pillar::ALL.iter().map(|pillar| Dimension::Pillar(*pillar)));
        all
    }

    #[test]
    fn every_closed_dimension_has_an_attribute_of_its_own_that_tells_it() {
        let mut names = BTreeSet::new();
        for dimension in plain() {
            let events = attribute(&dimension, |_| None).unwrap();
            let severity = severity(&events);
            let what = || What::Plain(dimension.clone());
            assert_eq!(told(&events), Some(Told { what: what(), amount: Amount::Events }));
            assert_eq!(told(&severity), Some(Told { what: what(), amount: Amount::Severity }));
            assert!(names.insert(events) && names.insert(severity), "{dimension:?}");
        }
    }

    #[test]
    fn a_name_is_its_place_in_the_dictionary() {
        let screen = Dimension::Screen("/a".to_owned());
        let place = |name: &str| (name == "screen /a").then_some(17);
        assert_eq!(attribute(&screen, place).unwrap(), "d17");
        assert_eq!(told("D17"), Some(Told { what: What::Named(17), amount: Amount::Severity }));
        let unknown = Dimension::Variant("/a".to_owned(), OTHER.to_owned());
        assert!(!attribute(&unknown, place).unwrap_err().transient);
    }

    #[test]
    fn what_counts_nothing_tells_nothing() {
        for name in ["", "a", "t99", "p5", "accepted", "counted", "partition_key", "x1", "ä1"] {
            assert_eq!(told(name), None, "{name}");
        }
    }
}
