//! There and back.

use contract::{Event, EventType, Family, incident::Rule};

use super::{
    finding::Finding,
    scene::{Scene, Visit},
};
use crate::rules::{Names, Rules, Settings as _};

/// Backtracks: A → B → A where B lasted at most `withinMs`, from the first event on B to the first on A again. Any event that
/// names another screen opens it.
///
/// The incident is on B, and made of the event that opened it and the one that left it. Going back ends a backtrack and can
/// begin another, but is not itself the way there: A → B → A → B → A are two, A → B → A → B is one.
///
/// Tag `uTurn`: B lasted at most `uTurnMs` and nothing was done on it. Not a backtrack: the last press on B was on something
/// that `ignore` means (a pager, the previous of a wizard), or `ignore` means B itself.
pub(super) fn find(scene: &Scene<'_>, rules: &Rules) -> Vec<Finding> {
    let own = &rules.thresholds.backtrack;
    let mut found = Vec::new();
    let mut from = 0;
    while let Some([before, there, back]) = scene.visits.get(from..from + 3) {
        from += 1;
        let stay_ms = scene.at(back.from).since_ms(scene.at(there.from));
        if before.screen != back.screen || stay_ms > own.within_ms {
            continue;
        }
        from += 1;
        if is_led_back(scene, there, rules) {
            continue;
        }
        let places = [there.from, back.from];
        let finding = Finding::in_events(Rule::Backtrack, own.thresholds(), scene, &places);
        let is_u_turn = stay_ms <= own.u_turn_ms && is_idle(scene, there);
        found.push(if is_u_turn { finding.tagged("uTurn") } else { finding });
    }
    found
}

fn is_led_back(scene: &Scene<'_>, there: &Visit<'_>, rules: &Rules) -> bool {
    let ignore = &rules.thresholds.backtrack.ignore;
    let presses = |(_, event): &(usize, &Event)| event.element.is_some() && is_press(event);
    let last = scene.between(there.from, there.until).filter(presses).last();
    let names = last.map(|(_, press)| Names::of(press)).unwrap_or_default();
    names.on_screen(Some(there.screen)).are_in(ignore)
}

fn is_idle(scene: &Scene<'_>, there: &Visit<'_>) -> bool {
    scene.between(there.from, there.until).all(|(_, event)| {
        let kind = event.event_type;
        let is_done = match kind.family() {
            Family::Ui => !matches!(
                kind,
                EventType::UiNavigation | EventType::UiFocusChange | EventType::UiError
            ),
            Family::Friction | Family::Task | Family::Knowledge => true,
            Family::Crawl | Family::Backend => false,
        };
        !is_done
    })
}

fn is_press(event: &Event) -> bool {
    matches!(event.event_type, EventType::UiClick | EventType::UiDeadClick)
}

#[cfg(test)]
mod tests {
    use crate::trace::{found, seen};

    fn there_for(ms: i64, meanwhile: &str) -> String {
        format!("0 nav /list\n10000 nav /item\n{meanwhile}\n{} nav /list", 10_000 + ms)
    }

    #[test]
    fn back_within_twenty_seconds_is_a_backtrack() {
        let none: Vec<String> = Vec::new();
        assert_eq!(seen(&there_for(19_999, "")), ["backtrack 10000-29999 x2"]);
        assert_eq!(seen(&there_for(20_000, "")), ["backtrack 10000-30000 x2"]);
        assert_eq!(seen(&there_for(20_001, "")), none);
    }

    #[test]
    fn it_is_about_the_screen_that_was_left_again() {
        let findings = found(&there_for(3_000, ""));
        assert_eq!(findings[0].screen.as_deref(), Some("/item"));
        let ids: Vec<&str> = findings[0].event_ids.iter().map(|id| id.as_str()).collect();
        assert_eq!(ids, ["e001", "e002"]);
    }

    #[test]
    fn back_within_five_seconds_with_nothing_done_is_a_u_turn() {
        let is_u_turn = |text: &str| found(text)[0].tags == ["uTurn"];
        assert!(is_u_turn(&there_for(5_000, "")));
        assert!(is_u_turn(&there_for(5_000, "11000 error E1")));
        assert!(!is_u_turn(&there_for(5_001, "")));
        assert!(!is_u_turn(&there_for(5_000, "11000 scroll 40")));
    }

    #[test]
    fn going_back_can_begin_the_next_one_but_is_not_the_way_there() {
        let walk = |screens: &str| {
            let lines =
                screens.chars().enumerate().map(|(at, c)| format!("{} nav /{c}\n", at * 9_000));
            seen(&lines.collect::<String>())
        };
        assert_eq!(walk("aba").len(), 1);
        assert_eq!(walk("abab").len(), 1);
        assert_eq!(walk("ababa").len(), 2);
        assert_eq!(walk("abaca").len(), 2);
        assert_eq!(walk("abcba"), ["backtrack 18000-27000 x2"], "b, c, b");
        assert_eq!(walk("abca").len(), 0);
        assert_eq!(walk("aab").len(), 0);
    }

    #[test]
    fn pagers_and_next_and_previous_lead_back_as_they_should() {
        for way in ["5:pager", "wizard_previous:button", "prev-page:link", "tab2:tab"] {
            assert!(seen(&there_for(3_000, &format!("12000 click {way}"))).is_empty(), "{way}");
        }
        assert_eq!(seen(&there_for(3_000, "12000 click back:button")).len(), 1);
        let then_input = "12000 click 5:pager\n12500 input search:input";
        assert!(seen(&there_for(3_000, then_input)).is_empty(), "an input is no press");
        let other = "11000 click next:button\n12000 click logo:link";
        assert_eq!(seen(&there_for(3_000, other)).len(), 1, "the last press led back");
    }
}
