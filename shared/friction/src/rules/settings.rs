//! What each rule can be told. Times are whole milliseconds and both ends of every range are allowed, so "under 1,000 ms" is
//! `999`; only a distance, which need not be whole, says which it means.

use std::collections::BTreeMap;

use contract::incident::Rule;
use serde_json::{Map, Value};

use super::{
    defaults,
    error::Wrong,
    matching::Matcher,
    setting::{Bound, Metric, Setting as _},
};

/// What a rule can be told.
pub trait Settings {
    /// Its numbers by name, for incidents to carry.
    fn thresholds(&self) -> BTreeMap<String, f64>;
}

pub(super) trait Change: Settings {
    fn is_enabled(&self) -> bool;

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Wrong>;

    /// Everything, as it would be written.
    fn write(&self) -> Map<String, Value>;
}

macro_rules! range {
    () => {
        None
    };
    ($least:literal, $most:literal) => {
        Some(($least, $most))
    };
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $kind:ty = $default:expr, $wire:literal $(, $least:literal to $most:literal)?;)*
    })*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            /// Is it looked for?
            pub enabled: bool,
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { enabled: true, $($field: $default,)* }
            }
        }

        impl Settings for $name {
            fn thresholds(&self) -> BTreeMap<String, f64> {
                let all = [$(($wire, self.$field.threshold()),)*];
                let number = |(name, value): (&str, Option<f64>)| Some((name.to_owned(), value?));
                all.into_iter().filter_map(number).collect()
            }
        }

        impl Change for $name {
            fn is_enabled(&self) -> bool {
                self.enabled
            }

            fn set(&mut self, name: &str, value: &Value) -> Result<(), Wrong> {
                let set = match name {
                    "enabled" => <_>::read(value, None).map(|value| self.enabled = value),
                    $($wire => <_>::read(value, range!($($least, $most)?)).map(|value| self.$field = value),)*
                    _ => Err(Wrong::Unknown(vec!["enabled", $($wire,)*])),
                };
                set.map_err(|wrong| wrong.at(name))
            }

            fn write(&self) -> Map<String, Value> {
                let all = [("enabled", self.enabled.write()), $(($wire, self.$field.write()),)*];
                all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }
        }
    )* };
}

settings! {
    /// Several quick clicks on one thing.
    RageClick {
        /// Clicks that make a burst.
        min_clicks: usize = 3, "minClicks", 2.0 to 50.0;
        /// Longest time between two clicks of a burst, ms.
        gap_ms: i64 = 1_000, "gapMs", 1.0 to 60_000.0;
        /// So many clicks must lie within this time somewhere in the burst, ms.
        span_ms: i64 = 2_000, "spanMs", 1.0 to 600_000.0;
        /// What makes two clicks go together.
        metric: Metric = Metric::Element, "metric";
        /// How near two clicks are that go together, px.
        distance_px: f64 = 30.0, "distancePx", 0.0 to 10_000.0;
        /// Is that distance itself near?
        distance_bound: Bound = Bound::AtMost, "distanceBound";
        /// Clicks of a multi-click follow each other this fast: three on something of unknown kind may select text, ms.
        selection_gap_ms: i64 = 500, "selectionGapMs", 0.0 to 60_000.0;
        /// What is clicked many times on purpose.
        ignore: Vec<Matcher> = defaults::clicked_many_times(), "ignore";
    }

    /// A click that did nothing.
    DeadClick {
        /// A click on something interactive is answered within this, ms.
        response_ms: i64 = 3_000, "responseMs", 1.0 to 60_000.0;
        /// A scroll answers a click within this, ms.
        scroll_ms: i64 = 300, "scrollMs", 0.0 to 60_000.0;
        /// A change of the window this near, before or after, explains a click, ms.
        focus_ms: i64 = 1_000, "focusMs", 0.0 to 60_000.0;
        /// Clicks on one thing this soon after a dead one are the same dead click, ms.
        repeat_ms: i64 = 999, "repeatMs", 0.0 to 60_000.0;
        /// A client that reports a dead click beside the click does so within this, ms.
        report_ms: i64 = 7_000, "reportMs", 0.0 to 60_000.0;
        /// What answers a click, or should: only there is a dead click inferred from silence. Nothing unless declared.
        interactive: Vec<Matcher> = Vec::new(), "interactive";
        /// What answers where nobody sees it: downloads, other windows, other programs.
        ignore: Vec<Matcher> = defaults::answers_elsewhere(), "ignore";
    }

    /// A click that was followed by an error.
    ErrorClick {
        /// The error comes within this, ms.
        within_ms: i64 = 1_000, "withinMs", 0.0 to 60_000.0;
        /// What fails on purpose.
        ignore: Vec<Matcher> = Vec::new(), "ignore";
    }

    /// There and back.
    Backtrack {
        /// Back within this, ms.
        within_ms: i64 = 20_000, "withinMs", 1.0 to 43_200_000.0;
        /// Back within this and nothing done there is a U-turn, ms.
        u_turn_ms: i64 = 5_000, "uTurnMs", 0.0 to 600_000.0;
        /// What leads back as it should when it is the last thing clicked, and screens that are there to be passed.
        ignore: Vec<Matcher> = defaults::pages_through(), "ignore";
    }

    /// A task left open.
    AbandonedTask {
        /// Longest time that a task may take, ms.
        open_ms: i64 = crate::policy::TASK_OPEN_MAX_MS, "openMs", 1_000.0 to 43_200_000.0;
        /// Tasks that need no end.
        ignore: Vec<Matcher> = Vec::new(), "ignore";
    }

    /// A form that was begun and not sent.
    FormAbandonment {
        /// Inputs that make a beginning.
        min_inputs: usize = 1, "minInputs", 1.0 to 1_000.0;
        /// A task completed this soon after leaving says that the form was sent, ms.
        settle_ms: i64 = 5_000, "settleMs", 0.0 to 600_000.0;
        /// Leaving this soon after an input without a click may be the Enter key, ms.
        enter_ms: i64 = 1_000, "enterMs", 0.0 to 60_000.0;
        /// What sends a form.
        submit: Vec<Matcher> = defaults::sends_forms(), "submit";
        /// What does not, of buttons and of what has no kind.
        cancel: Vec<Matcher> = defaults::leaves_forms(), "cancel";
        /// Inputs that are no forms.
        ignore: Vec<Matcher> = defaults::inputs_without_forms(), "ignore";
    }

    /// Away from an open task and back.
    ContextSwitch {
        /// Away for more than this, ms.
        away_ms: i64 = 2_000, "awayMs", 0.0 to 3_600_000.0;
        /// And back within this, ms.
        back_ms: i64 = 600_000, "backMs", 1.0 to 43_200_000.0;
    }

    /// The same screens again and again.
    Loop {
        /// Visits of one screen.
        min_visits: usize = 4, "minVisits", 2.0 to 100.0;
        /// Among so many screens.
        window_screens: usize = 10, "windowScreens", 2.0 to 100.0;
        /// A session is lost above this lostness; 1 turns it off.
        lostness: f64 = 0.5, "lostness", 0.0 to 1.0;
        /// Screens before that can be said.
        min_screens: usize = 10, "minScreens", 2.0 to 1_000.0;
        /// Screens that are there to come back to.
        ignore: Vec<Matcher> = Vec::new(), "ignore";
    }

    /// A backend operation that fails again and again.
    RetryStorm {
        /// Failures.
        min_failures: usize = 3, "minFailures", 2.0 to 1_000.0;
        /// Within this, ms.
        within_ms: i64 = 60_000, "withinMs", 1.0 to 3_600_000.0;
    }

    /// The same question in other words.
    Reformulation {
        /// Messages of the user, the first among them.
        min_messages: usize = 3, "minMessages", 2.0 to 100.0;
        /// Each within this after the answer to the one before, ms.
        reply_ms: i64 = 60_000, "replyMs", 1.0 to 3_600_000.0;
        /// Signs that the answers did not do: explanations asked for, overrides, challenges, low confidence, negative feedback.
        min_signals: usize = 1, "minSignals", 1.0 to 100.0;
    }

    /// Answers of the product replaced one after the other.
    OverrideBurst {
        /// Overrides.
        min_events: usize = 3, "minEvents", 2.0 to 1_000.0;
        /// Within this, ms.
        within_ms: i64 = 300_000, "withinMs", 1.0 to 43_200_000.0;
    }

    /// Answers disputed one after the other.
    ChallengeBurst {
        /// Challenges.
        min_events: usize = 3, "minEvents", 2.0 to 1_000.0;
        /// Within this, ms.
        within_ms: i64 = 600_000, "withinMs", 1.0 to 43_200_000.0;
    }

    /// Answers of low confidence one after the other.
    LowConfidenceBurst {
        /// Answers.
        min_events: usize = 3, "minEvents", 2.0 to 1_000.0;
        /// Within this, ms.
        within_ms: i64 = 300_000, "withinMs", 1.0 to 43_200_000.0;
    }

    /// The end of a session right after it hurt.
    RageQuit {
        /// Incidents that hurt; what takes several events to be one counts twice.
        min_incidents: usize = 3, "minIncidents", 1.0 to 100.0;
        /// Within this before the end, ms.
        within_ms: i64 = 30_000, "withinMs", 1.0 to 3_600_000.0;
        /// The last of them within this before the end, ms.
        quiet_ms: i64 = 10_000, "quietMs", 0.0 to 3_600_000.0;
    }

    /// A mouse moved to and fro.
    MouseThrash {
        /// Reports that follow each other this soon on one screen are one, ms.
        repeat_ms: i64 = 2_000, "repeatMs", 0.0 to 60_000.0;
        /// What clients call it: the `name` of a `ui.custom`, as a key.
        reports: Vec<Matcher> = defaults::mouse_reports(), "reports";
    }

    /// To and fro on one screen.
    ExcessiveScroll {
        /// Changes of direction.
        min_reversals: usize = 3, "minReversals", 2.0 to 100.0;
        /// Within this, ms.
        within_ms: i64 = 60_000, "withinMs", 1.0 to 3_600_000.0;
        /// Shorter ways than this are no change of direction, percent of the screen.
        min_turn_percent: f64 = 5.0, "minTurnPercent", 0.0 to 100.0;
        /// Screens to scroll to and fro on.
        ignore: Vec<Matcher> = Vec::new(), "ignore";
    }
}

/// Every rule's settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thresholds {
    /// Several quick clicks on one thing.
    pub rage_click: RageClick,
    /// A click that did nothing.
    pub dead_click: DeadClick,
    /// A click that was followed by an error.
    pub error_click: ErrorClick,
    /// There and back.
    pub backtrack: Backtrack,
    /// A task left open.
    pub abandoned_task: AbandonedTask,
    /// A form that was begun and not sent.
    pub form_abandonment: FormAbandonment,
    /// Away from an open task and back.
    pub context_switch: ContextSwitch,
    /// The same screens again and again.
    pub navigation_loop: Loop,
    /// A backend operation that fails again and again.
    pub retry_storm: RetryStorm,
    /// The same question in other words.
    pub reformulation: Reformulation,
    /// Answers of the product replaced one after the other.
    pub override_burst: OverrideBurst,
    /// Answers disputed one after the other.
    pub challenge_burst: ChallengeBurst,
    /// Answers of low confidence one after the other.
    pub low_confidence_burst: LowConfidenceBurst,
    /// The end of a session right after it hurt.
    pub rage_quit: RageQuit,
    /// A mouse moved to and fro.
    pub mouse_thrash: MouseThrash,
    /// To and fro on one screen.
    pub excessive_scroll: ExcessiveScroll,
}

impl Thresholds {
    /// The settings of `rule`.
    #[must_use]
    pub fn of(&self, rule: Rule) -> BTreeMap<String, f64> {
        self.settings(rule).thresholds()
    }

    /// Is `rule` looked for?
    #[must_use]
    pub fn is_enabled(&self, rule: Rule) -> bool {
        self.settings(rule).is_enabled()
    }

    pub(super) fn settings(&self, rule: Rule) -> &dyn Change {
        match rule {
            Rule::RageClick => &self.rage_click,
            Rule::DeadClick => &self.dead_click,
            Rule::ErrorClick => &self.error_click,
            Rule::Backtrack => &self.backtrack,
            Rule::AbandonedTask => &self.abandoned_task,
            Rule::FormAbandonment => &self.form_abandonment,
            Rule::ContextSwitch => &self.context_switch,
            Rule::Loop => &self.navigation_loop,
            Rule::RetryStorm => &self.retry_storm,
            Rule::Reformulation => &self.reformulation,
            Rule::OverrideBurst => &self.override_burst,
            Rule::ChallengeBurst => &self.challenge_burst,
            Rule::LowConfidenceBurst => &self.low_confidence_burst,
            Rule::RageQuit => &self.rage_quit,
            Rule::MouseThrash => &self.mouse_thrash,
            Rule::ExcessiveScroll => &self.excessive_scroll,
        }
    }

    pub(super) fn settings_mut(&mut self, rule: Rule) -> &mut dyn Change {
        match rule {
            Rule::RageClick => &mut self.rage_click,
            Rule::DeadClick => &mut self.dead_click,
            Rule::ErrorClick => &mut self.error_click,
            Rule::Backtrack => &mut self.backtrack,
            Rule::AbandonedTask => &mut self.abandoned_task,
            Rule::FormAbandonment => &mut self.form_abandonment,
            Rule::ContextSwitch => &mut self.context_switch,
            Rule::Loop => &mut self.navigation_loop,
            Rule::RetryStorm => &mut self.retry_storm,
            Rule::Reformulation => &mut self.reformulation,
            Rule::OverrideBurst => &mut self.override_burst,
            Rule::ChallengeBurst => &mut self.challenge_burst,
            Rule::LowConfidenceBurst => &mut self.low_confidence_burst,
            Rule::RageQuit => &mut self.rage_quit,
            Rule::MouseThrash => &mut self.mouse_thrash,
            Rule::ExcessiveScroll => &mut self.excessive_scroll,
        }
    }
}
