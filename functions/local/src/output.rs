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
