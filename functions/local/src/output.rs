//! Standard output belongs to answers, standard error to everything else.

use std::io::Write as _;

use serde::Serialize;

/// Prints one JSON object and a line break.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string(value)?)
}

/// Prints one line. A reader that went away (`| head`) is not an error.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Tells the person at the terminal something that is not the answer.
pub(crate) fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Lays rows out in columns: the first left-aligned, the others right-aligned.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    for row in std::iter::once(&head).chain(rows) {
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = width - cell.chars().count().min(*width);
            if at == 0 {
                text.push_str(cell);
                text.push_str(&" ".repeat(gap));
            } else {
                text.push_str("  ");
                text.push_str(&" ".repeat(gap));
                text.push_str(cell);
            }
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// Text that came from outside, for a terminal: what a terminal would obey is replaced.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A duration in ms as people say it.
pub(crate) fn lasting(ms: i64) -> String {
    let seconds = ms / 1_000;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) => format!("{seconds}.{:03}s", ms % 1_000),
        (0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h {minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_the_units_that_matter() {
        let said = [0, 999, 61_000, 3_600_000, 45_296_789].map(lasting);
        assert_eq!(said, ["0.000s", "0.999s", "1m 01s", "1h 00m", "12h 34m"]);
    }

    #[test]
    fn a_name_cannot_tell_a_terminal_what_to_do() {
        assert_eq!(plain("/a\u{1b}[2Jb\n"), "/a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(plain("/käse"), "/käse");
    }
}
