//! What changed most against the period before, in a sentence made of numbers that stand beside it.

use std::collections::BTreeSet;

use contract::insights::{asked::Trend, overview::Note};

use super::{Period, hotspots::SESSIONS_MIN, overview::Signals, trend};

/// The signal whose part of the friction index changed most; nothing when no part changed enough, when there are too few
/// sessions in one of the periods, or when a part may not be told in one of them.
pub(super) fn note(now: &Signals, before: &Signals, period: Period) -> Option<Note> {
    if now.count().min(before.count()) < SESSIONS_MIN {
        return None;
    }
    let (points, previous) = (now.points(), before.points());
    let signals: BTreeSet<&str> = points.keys().chain(previous.keys()).copied().collect();
    let known = signals
        .into_iter()
        .filter(|signal| !now.is_withheld(signal) && !before.is_withheld(signal));
    let changes = known.filter_map(|signal| {
        let now = points.get(signal).copied().unwrap_or_default();
        let before = previous.get(signal).copied().unwrap_or_default();
        let trend = trend(now, before);
        (trend != Trend::Flat).then_some((signal, now, before, trend))
    });
    // Of equal changes the first by name.
    let largest = changes.reduce(|largest, next| {
        let size = |(_, now, before, _): &(&str, f64, f64, Trend)| (now - before).abs();
        if size(&next) > size(&largest) { next } else { largest }
    });
    let (signal, now, before, trend) = largest?;
    Some(Note {
        text: text(signal, now, before, period),
        signal: signal.to_owned(),
        points: now,
        previous_points: before,
        trend,
    })
}

fn text(signal: &str, now: f64, before: f64, period: Period) -> String {
    let way = if now > before { "up" } else { "down" };
    let days = match period.days() {
        1 => "on the day before".to_owned(),
        days => format!("in the {days} days before"),
    };
    format!("{signal} adds {now:.3} to the friction index, {way} from {before:.3} {days}.")
}
