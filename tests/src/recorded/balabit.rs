//! Mouse presses of ten people at remote desktops.

use std::path::Path;

use contract::{EventType, Timestamp};
use serde::Deserialize;

use super::{
    Conversion, Dataset, EventLine, Origin, RecordedError, Span, Window, csv_rows, open_gz,
};

/// Left presses as `ui.click`, session by session.
pub fn convert(data: &Path, window: &Window) -> Result<Conversion, RecordedError> {
    let path = data.join("balabit-mouse/clicks_training.csv.gz");
    let rows: Vec<Row> = csv_rows(DATASET, &path, open_gz(&path)?)?;
    let mut left_out = 0;
    let mut presses = Vec::new();
    for (row, read) in (1..).zip(&rows) {
        if read.button == "Left" && read.state == "Pressed" {
            presses
                .push(Press::of(read).ok_or(RecordedError::Malformed { dataset: DATASET, row })?);
        } else {
            left_out += 1;
        }
    }
    let sessions: Vec<&[Press<'_>]> =
        presses.chunk_by(|a, b| a.row.session == b.row.session).collect();
    let spans: Vec<Span> = sessions.iter().filter_map(|session| span(session)).collect();
    let mut conversion = Conversion::new(DATASET, sessions.len());
    for (session, offset) in sessions.iter().zip(window.spread(&spans)?) {
        for press in *session {
            conversion.push(press.event(offset));
        }
    }
    conversion.left_out.insert("not a left press", left_out);
    Ok(conversion)
}

#[derive(Deserialize)]
struct Row {
    user: String,
    session: String,
    seq: u32,
    client_ts: String,
    button: String,
    state: String,
    x: i32,
    y: i32,
}

struct Press<'a> {
    row: &'a Row,
    at_ms: i64,
    session: &'a str,
}

impl<'a> Press<'a> {
    fn of(row: &'a Row) -> Option<Self> {
        let session = row.session.strip_prefix("session_")?;
        Some(Self { row, at_ms: ms_of_seconds(&row.client_ts)?, session })
    }

    fn event(&self, offset: i64) -> EventLine {
        let Row { user, session, seq, x, y, .. } = self.row;
        let id = format!("bal.{}.{seq}", self.session);
        let cell = format!("cell_{}_{}", x.div_euclid(CELL_PX), y.div_euclid(CELL_PX));
        EventLine::new(ORIGIN, EventType::UiClick, &id, Timestamp::from_ms(self.at_ms + offset))
            .actor(user)
            .session(session)
            .screen(SCREEN)
            .element_at(&cell, "cell", (*x, *y))
    }
}

fn span(session: &[Press<'_>]) -> Option<Span> {
    Some(Span { first_ms: session.first()?.at_ms, last_ms: session.last()?.at_ms })
}

/// Decimal seconds as whole ms, half up and without a float in between: `0.560999999987` is 561 ms.
fn ms_of_seconds(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut digits = fraction.bytes().map(|b| b.is_ascii_digit().then(|| i64::from(b - b'0')));
    let mut ms = seconds.parse::<i64>().ok().filter(|seconds| *seconds >= 0)?;
    for _ in 0..3 {
        ms = ms.checked_mul(10)?.checked_add(digits.next().unwrap_or(Some(0))?)?;
    }
    let up = digits.next().unwrap_or(Some(0))? >= 5;
    digits.all(|digit| digit.is_some()).then_some(ms + i64::from(up))
}

/// What the source does not say.
pub const INVENTIONS: &[&str] = &[
    "the calendar: sessions have no date, their beginnings are spread evenly over the window in the order of the file",
    "the element: the 32 px cell of the press, because no element was recorded",
    "the screen: one constant, because no window was recorded",
    "times are rounded to the millisecond",
];

pub(super) const ORIGIN: Origin =
    Origin { org: "balabit", product: "rdp", service: "balabit-mouse" };
const DATASET: Dataset = Dataset::Balabit;
const SCREEN: &str = "/desktop";
const CELL_PX: i32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_half_up_to_milliseconds() {
        for (text, ms) in [
            ("10.062", 10_062),
            ("23.26", 23_260),
            ("7", 7_000),
            ("0.560999999987", 561),
            ("2.0005", 2_001),
            ("2.00049", 2_000),
            ("59.9996", 60_000),
        ] {
            assert_eq!(ms_of_seconds(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn anything_but_decimal_seconds_is_refused() {
        for text in ["", ".", "-1.0", "1e3", "1.2x", "1.2345x", "1,5"] {
            assert_eq!(ms_of_seconds(text), None, "{text}");
        }
    }
}
