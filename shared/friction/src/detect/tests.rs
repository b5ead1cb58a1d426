//! What detectors find together, and laws over arbitrary sessions.

use std::collections::BTreeSet;

use contract::incident::EVENT_IDS_MAX;
use proptest::prelude::*;

use super::*;
use crate::{
    owner::{Owner, Position},
    rules::presets,
    trace::{seen, short, trace},
};

#[test]
fn a_quiet_session_has_no_incidents() {
    let text = "0 nav /home\n1000 click cart:link\n1200 nav /cart\n9000 start buy\n12000 input name\n15000 click pay:submit\n\
                15200 nav /done\n15300 done buy\n40000 scroll 30\n60000 lost";
    assert!(seen(text).is_empty());
    assert!(detect(&[], &Rules::default(), Ending::Closed).is_empty());
    assert_eq!(next_timer(&[], &Rules::default(), Timestamp::from_ms(0)), None);
}

#[test]
fn a_bad_session_tells_its_story_in_order() {
    let text = "0 nav /cart\n500 start buy\n1000 nav /pay\n4000 nav /cart\n5000 nav /pay\n6000 click pay:button\n6300 click pay:button\n\
                6600 click pay:button\n7000 error E42\n7500 failed charge\n8000 retry charge\n9000 failed charge\n10000 lost";
    assert_eq!(
        seen(text),
        [
            "abandoned_task 500-900500 x1",
            "backtrack 1000-4000 x2",
            "rage_click 6000-6600 x3",
            "rage_quit 6000-10000 x4",
            "error_click 6600-7500 x3",
            "retry_storm 7500-9000 x3",
        ]
    );
}

#[test]
fn an_incident_is_named_by_whose_it_is_its_rule_and_its_first_event() {
    let events = trace("0 nav /a\n1 nav /b\n2 nav /a");
    let owner = Owner::of(&events[0]).unwrap();
    let session = owner.session_id(&Position::of(&events[0]));
    let finding = detect(&events, &Rules::default(), Ending::Closed).remove(0);
    let incident = finding.clone().incident(&owner, &session, 7);
    assert_eq!((incident.rules_version, incident.rule), (7, Rule::Backtrack));
    assert!(incident.incident_id.starts_with("i_") && incident.incident_id.len() == 34);
    let other = Owner { org: "other".parse().unwrap(), ..owner.clone() };
    assert_ne!(finding.clone().incident(&other, &session, 7).incident_id, incident.incident_id);
    let later = owner.session_id(&Position::of(&events[1]));
    let moved = finding.incident(&owner, &later, 8);
    assert_eq!(moved.incident_id, incident.incident_id, "neither session nor rules name it");
}

#[test]
fn a_rule_that_is_off_finds_nothing() {
    let text = "0 nav /a\n1 nav /b\n2 nav /a\n3 dead x\n4 start t\n5 input y";
    for rule in Rule::ALL {
        let set = crate::rules::RuleSet::default().with(*rule, "enabled=false").unwrap();
        let rules = set.for_product(&"app".parse().unwrap());
        let findings = detect(&trace(text), &rules, Ending::Closed);
        assert!(findings.iter().all(|finding| finding.rule != *rule), "{rule}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_incident_is_made_of_the_sessions_events(text in sessions(60), now in 0..2_000_000_i64) {
        let events = trace(&text);
        for rules in [Rules::default(), presets::posthog().for_product(&"app".parse().unwrap())] {
            for ending in [Ending::Closed, Ending::Open { now: Timestamp::from_ms(now) }] {
                let findings = detect(&events, &rules, ending);
                prop_assert_eq!(&findings, &detect(&events, &rules, ending), "twice the same");
                for finding in &findings {
                    holds(finding, &events)?;
                }
                let mut names = BTreeSet::new();
                for finding in &findings {
                    let name = (finding.rule, finding.event_ids.first());
                    prop_assert!(names.insert(name), "no event begins two of one rule: {}", short(finding));
                }
                prop_assert!(findings.is_sorted_by(|a, b| a.place() <= b.place()));
            }
        }
    }

    #[test]
    fn what_time_alone_brings_is_there_when_the_timer_says(text in sessions(30), now in 0..2_000_000_i64) {
        let events = trace(&text);
        let (rules, now) = (Rules::default(), Timestamp::from_ms(now));
        let tasks = |now| {
            let findings = detect(&events, &rules, Ending::Open { now });
            findings.iter().filter(|finding| finding.rule == Rule::AbandonedTask).count()
        };
        match next_timer(&events, &rules, now) {
            Some(due) => {
                prop_assert!(due > now);
                prop_assert_eq!(tasks(due.plus_ms(-1)), tasks(now));
                prop_assert!(tasks(due) > tasks(now));
            }
            None => prop_assert_eq!(tasks(now), tasks(Timestamp::from_ms(i64::MAX))),
        }
    }

    #[test]
    fn ids_that_order_what_time_does_not_do_not_decide_how_many_clicks_hurt(text in sessions(30)) {
        // Events at different times, renamed: nothing may change but the names.
        let mut at = 0;
        let lines = text.lines().map(|line| {
            let (_, what) = line.split_once(' ').unwrap();
            at += 150;
            format!("{at} {what}\n")
        });
        let events = trace(&lines.collect::<String>());
        let mut renamed = events.clone();
        for (place, event) in renamed.iter_mut().enumerate() {
            event.event_id = format!("x{:03}", 999 - place).parse().unwrap();
        }
        let rules = Rules::default();
        let count = |events: &[Event]| -> Vec<String> {
            let mut all: Vec<String> = detect(events, &rules, Ending::Closed).iter().map(short).collect();
            all.sort();
            all
        };
        prop_assert_eq!(count(&events), count(&renamed));
    }
}

fn holds(finding: &Finding, events: &[Event]) -> Result<(), TestCaseError> {
    let ids: BTreeSet<_> = events.iter().map(|event| &event.event_id).collect();
    prop_assert!(!finding.event_ids.is_empty() && finding.event_ids.len() <= EVENT_IDS_MAX);
    prop_assert!(finding.event_ids.iter().all(|id| ids.contains(id)));
    let named: BTreeSet<_> = finding.event_ids.iter().collect();
    prop_assert_eq!(named.len(), finding.event_ids.len(), "no event twice");
    let count = usize::try_from(finding.count).unwrap();
    prop_assert!(count <= events.len() && count >= finding.event_ids.len());
    prop_assert!(count == finding.event_ids.len() || finding.event_ids.len() == EVENT_IDS_MAX);
    prop_assert!(finding.started_at <= finding.ended_at);
    let first = events.iter().find(|event| Some(&event.event_id) == finding.event_ids.first());
    prop_assert_eq!(first.map(|event| event.occurred_at), Some(finding.started_at));
    let last = events.last().map(|event| event.occurred_at).unwrap();
    let waited =
        if finding.rule == Rule::AbandonedTask { crate::policy::TASK_OPEN_MAX_MS } else { 0 };
    prop_assert!(finding.ended_at <= last.plus_ms(waited));
    Ok(())
}

fn sessions(most: usize) -> impl Strategy<Value = String> {
    let what = prop::sample::select(HAPPENINGS);
    let gap =
        prop_oneof![4 => 0..3_i64, 8 => 0..1_500_i64, 2 => 0..30_000_i64, 1 => 0..700_000_i64];
    prop::collection::vec((gap, what), 1..most).prop_map(|steps| {
        let mut at = 0;
        let line = |(gap, what): (i64, &str)| {
            at += gap;
            format!("{at} {what}\n")
        };
        steps.into_iter().map(line).collect()
    })
}

const HAPPENINGS: &[&str] = &[
    "nav /a",
    "nav /b",
    "nav /c",
    "nav /a",
    "click pay:button @10,10",
    "click pay:button @12,10",
    "click pay:button",
    "click next:pager",
    "click text:paragraph",
    "click x",
    "dead pay:button",
    "dead x",
    "error E1",
    "input name:input",
    "input mail",
    "click send:submit",
    "click cancel:button",
    "scroll 0",
    "scroll 90",
    "lost",
    "back",
    "focus",
    "custom mouse_thrash",
    "custom opened",
    "start export",
    "done export",
    "cancel export",
    "start a#1",
    "done a#1",
    "failed charge",
    "retry charge",
    "timeout load",
    "user",
    "assistant",
    "viewed",
    "liked",
    "disliked",
    "friction user_override",
    "friction challenge",
    "friction kg_low_confidence",
    "friction explanation_request",
    "friction rage_quit",
    "friction abandon",
];
