//! The frustration score `fr-1`: a weighted sum of logarithms of counts, bent so that a session without friction is at 0.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    Event, EventId, EventType, Family,
    incident::{Confidence, Incident, Rule},
    session::{Contribution, Frustration, Tier},
};

use super::{math, model};
use crate::metrics::severity;

/// Something that hurts, and how much of it there is in the formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// An incident.
    Incident(Rule, Confidence),
    /// An event with an error that no error click is made of.
    Error,
    /// A friction event of a severity, 0 to 5.
    Friction(EventType, u8),
}

/// How often each signal was there. Counts only: in whatever order they were counted, the score is the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signals {
    /// By signal and weight in tenths.
    counts: BTreeMap<&'static str, BTreeMap<u8, u32>>,
}

/// How much a session hurt.
#[must_use]
pub fn frustration(incidents: &[Incident], events: &[&Event]) -> Frustration {
    Signals::of(incidents, events).score()
}

/// How much a screen hurt in one session: the same formula over the incidents on it alone, 0 to below 1.
#[must_use]
pub fn screen_frustration(incidents: &[&Incident]) -> f64 {
    let mut signals = Signals::default();
    for incident in incidents {
        signals.add(Signal::Incident(incident.rule, incident.confidence), 1);
    }
    signals.score().score
}

impl Signals {
    /// Counts a session. A friction event weighs by its severity, see [`severity`]. An error in an error click counts there
    /// and not again.
    #[must_use]
    pub fn of(incidents: &[Incident], events: &[&Event]) -> Self {
        let mut signals = Self::default();
        for incident in incidents {
            signals.add(Signal::Incident(incident.rule, incident.confidence), 1);
        }
        let clicked: BTreeSet<&EventId> = incidents
            .iter()
            .filter(|incident| incident.rule == Rule::ErrorClick)
            .flat_map(|incident| &incident.event_ids)
            .collect();
        for event in events {
            if event.event_type.family() == Family::Friction {
                signals.add(Signal::Friction(event.event_type, severity(event)), 1);
            }
            if event.error.is_some() && !clicked.contains(&event.event_id) {
                signals.add(Signal::Error, 1);
            }
        }
        signals
    }

    /// Counts a signal so many times more; one that weighs nothing is not counted.
    pub fn add(&mut self, signal: Signal, times: u32) {
        let (name, weight) = signal.weighed();
        if weight > 0 && times > 0 {
            let count = self.counts.entry(name).or_default().entry(weight).or_default();
            *count = count.saturating_add(times);
        }
    }

    /// The score.
    #[must_use]
    pub fn score(&self) -> Frustration {
        let terms: Vec<Term> =
            self.counts.iter().map(|(name, weights)| Term::of(name, weights)).collect();
        let x: f64 = terms.iter().map(|term| term.value).sum();
        let score = bend(x);
        Frustration {
            model: model::FRUSTRATION.to_owned(),
            score,
            tier: tier(score),
            contributions: contributions(terms, x),
        }
    }
}

impl Signal {
    /// The name under which it is counted, and its weight in tenths.
    fn weighed(self) -> (&'static str, u8) {
        match self {
            Self::Incident(rule, confidence) => {
                (rule.as_str(), model::incident_weight(rule, confidence))
            }
            Self::Error => ("error", model::ERROR_WEIGHT),
            Self::Friction(kind, severity) => {
                (kind.as_str(), model::SEVERITY_WEIGHT * severity.min(model::SEVERITY_MAX))
            }
        }
    }
}

/// The word for a frustration score.
#[must_use]
pub fn tier(score: f64) -> Tier {
    if score >= model::HIGH_FROM {
        Tier::High
    } else if score >= model::MEDIUM_FROM {
        Tier::Medium
    } else if score > 0.0 {
        Tier::Low
    } else {
        Tier::None
    }
}

/// One signal's part of the sum.
struct Term {
    signal: &'static str,
    count: u32,
    weight: f64,
    value: f64,
}

impl Term {
    /// `w · log2(1 + n)`. Where a signal comes in several weights they are stacked, the heaviest at the bottom: each further
    /// one adds its own weight times what the logarithm has left for it. So the sum grows with every one that comes and with
    /// every one that turns out heavier, and `weight` is what all of them would weigh on average: `value = weight · log2(1 + n)`.
    fn of(signal: &'static str, weights: &BTreeMap<u8, u32>) -> Self {
        let (mut count, mut height, mut value) = (0_u32, 0.0, 0.0);
        let mut heaviest_first = weights.iter().rev().peekable();
        let mut only = None;
        while let Some((tenths, times)) = heaviest_first.next() {
            let weight = f64::from(*tenths) / 10.0;
            only = (count == 0 && heaviest_first.peek().is_none()).then_some(weight);
            count = count.saturating_add(*times);
            let reached = math::log2(1.0 + f64::from(count));
            value += weight * (reached - height);
            height = reached;
        }
        Self { signal, count, weight: only.unwrap_or(value / height), value }
    }
}

/// `(σ(k·(x − x0)) − σ(−k·x0)) / (1 − σ(−k·x0))`, with what cancels out taken out.
fn bend(x: f64) -> f64 {
    let (k, x0) = (model::STEEPNESS, model::MIDDLE);
    let score = (1.0 - math::exp(-k * x)) / (1.0 + math::exp(-k * (x - x0)));
    score.min(1.0_f64.next_down())
}

fn contributions(mut terms: Vec<Term>, x: f64) -> Vec<Contribution> {
    terms.sort_by(|a, b| b.value.total_cmp(&a.value).then(a.signal.cmp(b.signal)));
    terms
        .into_iter()
        .map(|term| Contribution {
            signal: term.signal.to_owned(),
            count: term.count,
            weight: term.weight,
            share: term.value / x,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::trace;

    fn signals(counts: &[(Signal, u32)]) -> Signals {
        let mut signals = Signals::default();
        for (signal, times) in counts {
            signals.add(*signal, *times);
        }
        signals
    }

    fn of_rule(rule: Rule) -> Signal {
        Signal::Incident(rule, Confidence::Medium)
    }

    #[test]
    fn the_published_values_come_out() {
        use Rule::{AbandonedTask, Backtrack, DeadClick, ErrorClick, RageClick};
        let rule = |rule, times| (of_rule(rule), times);
        let error = |times| (Signal::Error, times);
        for (counts, expected) in [
            (vec![], 0.00),
            (vec![rule(Backtrack, 1)], 0.04),
            (vec![rule(Backtrack, 4)], 0.10),
            (vec![rule(DeadClick, 1)], 0.06),
            (vec![error(1)], 0.09),
            (vec![rule(RageClick, 1)], 0.15),
            (vec![rule(AbandonedTask, 1)], 0.19),
            (vec![rule(RageClick, 1), rule(ErrorClick, 1)], 0.43),
            (vec![rule(RageClick, 1), rule(AbandonedTask, 1)], 0.49),
            (vec![rule(RageClick, 2), error(1), rule(AbandonedTask, 1)], 0.82),
            (vec![rule(RageClick, 3), rule(DeadClick, 2), error(3), rule(AbandonedTask, 1)], 0.98),
        ] {
            let score = signals(&counts).score().score;
            assert!((score - expected).abs() <= 0.005, "{counts:?}: {score}, not {expected}");
        }
    }

    #[test]
    fn the_formula_is_the_one_that_is_written_down() {
        let sigma = |z: f64| 1.0 / (1.0 + (-z).exp());
        for tenths in 0..200 {
            let x = f64::from(tenths) / 10.0;
            let written = (sigma(x - 2.5) - sigma(-2.5)) / (1.0 - sigma(-2.5));
            assert!((bend(x) - written).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn a_burst_of_low_confidence_weighs_half() {
        let of = |confidence| Signal::Incident(Rule::RageClick, confidence);
        let weight = |counts: &[(Signal, u32)]| signals(counts).score().contributions[0].weight;
        assert_eq!(weight(&[(of(Confidence::Low), 3)]), 0.6);
        assert_eq!(weight(&[(of(Confidence::High), 2), (of(Confidence::Medium), 1)]), 1.2);
        let mixed = signals(&[(of(Confidence::High), 1), (of(Confidence::Low), 2)]).score();
        assert_eq!((mixed.contributions.len(), mixed.contributions[0].count), (1, 3));
        // 1.2 · log2(2) + 0.6 · (log2(4) − log2(2))
        assert!((mixed.contributions[0].weight * 2.0 - 1.8).abs() < 1e-12);
    }

    #[test]
    fn tiers_begin_at_their_bounds() {
        let words = [0.0, 1e-9, 0.199_999, 0.20, 0.499_999, 0.50, 1.0].map(tier);
        use Tier::{High, Low, Medium, None};
        assert_eq!(words, [None, Low, Low, Medium, Medium, High, High]);
    }

    #[test]
    fn what_is_made_of_friction_events_or_incidents_does_not_count_again() {
        for rule in [Rule::OverrideBurst, Rule::ChallengeBurst, Rule::LowConfidenceBurst] {
            assert_eq!(signals(&[(of_rule(rule), 3)]).score().score, 0.0);
        }
        for rule in [Rule::Reformulation, Rule::RageQuit] {
            assert_eq!(signals(&[(of_rule(rule), 1)]), Signals::default());
        }
    }

    fn incident(rule: Rule, events: &[&str]) -> Incident {
        let owner = crate::owner::Owner::of(&crate::sample::event("e", 0)).unwrap();
        Incident {
            incident_id: String::new(),
            rule,
            rules_version: 1,
            thresholds: BTreeMap::new(),
            org_id: owner.org,
            product_id: owner.product,
            session_id: contract::session::SessionId::of([1; 16]),
            started_at: contract::Timestamp::from_ms(0),
            ended_at: contract::Timestamp::from_ms(0),
            screen: None,
            element: None,
            task: None,
            trace_component: None,
            confidence: Confidence::Medium,
            count: 1,
            event_ids: events.iter().map(|id| EventId::parse(*id).unwrap()).collect(),
            tags: Vec::new(),
        }
    }

    fn counts(said: &Frustration) -> Vec<(&str, u32, f64)> {
        said.contributions.iter().map(|c| (c.signal.as_str(), c.count, c.weight)).collect()
    }

    #[test]
    fn an_error_in_an_error_click_is_counted_there_and_not_again() {
        let events = trace("0 click pay\n5 error E1\n9000 error E2\n9500 failed save");
        let events: Vec<&Event> = events.iter().collect();
        let clicked = frustration(&[incident(Rule::ErrorClick, &["e000", "e001"])], &events);
        assert_eq!(counts(&clicked), [("error", 2, 0.8), ("error_click", 1, 1.2)]);
        let other = frustration(&[incident(Rule::RetryStorm, &["e003"])], &events);
        assert_eq!(counts(&other), [("error", 3, 0.8), ("retry_storm", 1, 0.6)]);
    }

    #[test]
    fn a_friction_event_weighs_by_what_it_says_then_what_is_suspected_then_its_type() {
        let mut events = trace("0 friction challenge\n1 liked\n2 disliked\n3 friction rage_quit");
        let weights = |events: &[Event]| {
            let said = frustration(&[], &events.iter().collect::<Vec<_>>());
            said.contributions.into_iter().map(|c| (c.signal, c.weight)).collect::<BTreeMap<_, _>>()
        };
        let expected = [("challenge", 0.8), ("feedback", 0.8), ("rage_quit", 2.0)];
        let expected = expected.map(|(kind, weight)| (format!("friction.{kind}"), weight)).into();
        assert_eq!(weights(&events), expected);
        let suspected =
            contract::event::Signals { suggested_severity: Some(5), ..Default::default() };
        events.truncate(1);
        events[0].signals = Some(suspected);
        assert_eq!(weights(&events)["friction.challenge"], 2.0);
        events[0].severity = Some(1);
        assert_eq!(weights(&events)["friction.challenge"], 0.4);
        events[0].severity = Some(0);
        assert_eq!(weights(&events), BTreeMap::new());
    }

    #[test]
    fn a_screen_hurts_by_its_own_incidents_alone() {
        let (rage, back) = (incident(Rule::RageClick, &[]), incident(Rule::Backtrack, &[]));
        assert_eq!(screen_frustration(&[]), 0.0);
        let both = screen_frustration(&[&back, &rage]);
        assert_eq!(both, screen_frustration(&[&rage, &back]));
        assert_eq!(both, frustration(&[rage, back], &[]).score);
    }

    fn any_signal() -> impl Strategy<Value = Signal> {
        let confidence =
            prop::sample::select(vec![Confidence::Low, Confidence::Medium, Confidence::High]);
        let friction: Vec<EventType> = EventType::ALL
            .iter()
            .copied()
            .filter(|kind| kind.family() == Family::Friction)
            .collect();
        prop_oneof![
            (prop::sample::select(Rule::ALL), confidence).prop_map(|(r, c)| Signal::Incident(r, c)),
            Just(Signal::Error),
            (prop::sample::select(friction), 0..=5_u8).prop_map(|(k, s)| Signal::Friction(k, s)),
        ]
    }

    proptest! {
        #[test]
        fn in_whatever_order_signals_come_the_score_is_the_same_to_the_bit(
            (counts, shuffled) in prop::collection::vec((any_signal(), 1..4_u32), 0..12)
                .prop_flat_map(|counts| {
                    let singly = |(signal, times): &(Signal, u32)| (0..*times).map(|_| (*signal, 1)).collect::<Vec<_>>();
                    let single: Vec<_> = counts.iter().flat_map(singly).collect();
                    (Just(counts), Just(single).prop_shuffle())
                }),
        ) {
            let (a, b) = (signals(&counts).score(), signals(&shuffled).score());
            prop_assert_eq!(serde_json::to_string(&a).unwrap(), serde_json::to_string(&b).unwrap());
        }

        #[test]
        fn every_further_signal_that_weighs_something_raises_the_score_and_none_reaches_one(
            counts in prop::collection::vec((any_signal(), 1..3_u32), 0..4),
            one_more in any_signal(),
        ) {
            let mut signals = signals(&counts);
            let before = signals.score();
            signals.add(one_more, 1);
            let after = signals.score();
            prop_assert!(after.score < 1.0);
            let raised = if one_more.weighed().1 > 0 { after.score > before.score } else { after == before };
            prop_assert!(raised, "{} then {}", before.score, after.score);
        }

        #[test]
        fn a_signal_that_turns_out_heavier_never_lowers_the_score(
            high in 0..20_u32,
            low in 1..20_u32,
            severities in prop::collection::vec(0..=5_u8, 1..20),
            at in any::<prop::sample::Index>(),
        ) {
            let rage = |high: u32, low: u32| {
                let of = |confidence| Signal::Incident(Rule::RageClick, confidence);
                signals(&[(of(Confidence::High), high), (of(Confidence::Low), low)]).score().score
            };
            prop_assert!(rage(high + 1, low - 1) > rage(high, low));
            let friction = |severities: &[u8]| {
                let of = |severity: &u8| (Signal::Friction(EventType::Challenge, *severity), 1);
                signals(&severities.iter().map(of).collect::<Vec<_>>()).score().score
            };
            let mut raised = severities.clone();
            let one = at.get(&severities);
            let place = at.index(severities.len());
            raised[place] = (one + 1).min(5);
            prop_assert!(friction(&raised) >= friction(&severities));
        }

        #[test]
        fn contributions_add_up_to_the_whole_and_to_the_score(
            counts in prop::collection::vec((any_signal(), 1..50_u32), 1..8),
        ) {
            let said = signals(&counts).score();
            let shares: f64 = said.contributions.iter().map(|part| part.share).sum();
            prop_assert!(said.contributions.is_empty() == (said.score == 0.0));
            if said.score > 0.0 {
                prop_assert!((shares - 1.0).abs() < 1e-9);
                let x: f64 = said
                    .contributions
                    .iter()
                    .map(|part| part.weight * (1.0 + f64::from(part.count)).log2())
                    .sum();
                prop_assert!((bend(x) - said.score).abs() < 1e-9);
                let sorted = said.contributions.windows(2).all(|w| w[0].share >= w[1].share);
                prop_assert!(sorted);
            }
        }
    }

    #[test]
    fn a_hundred_thousand_of_everything_is_still_below_one() {
        let all = Rule::ALL.iter().map(|rule| (of_rule(*rule), 100_000));
        let score = signals(&all.collect::<Vec<_>>()).score().score;
        assert!(score < 1.0 && score > 0.999_999);
    }
}
