//! Games of finding one article from another by links alone, all of them given up.

use std::path::Path;

use contract::{EventType, Timestamp};

use super::{
    ContextKey, Conversion, Dataset, EventLine, Origin, RecordedError, Span, Window, read_gz,
};

/// Every game as a task that is started and never completed, with one navigation per step.
pub fn convert(data: &Path, window: &Window) -> Result<Conversion, RecordedError> {
    let bytes = read_gz(&data.join("wikispeedia/paths_first5000.tsv.gz"))?;
    let mut games = Vec::new();
    for (number, line) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
        games.push(
            Game::parse(number, line)
                .ok_or(RecordedError::Malformed { dataset: DATASET, row: number })?,
        );
    }
    let spans: Vec<Span> = games.iter().map(|game| game.span).collect();
    let mut conversion = Conversion::new(DATASET, games.len());
    for (game, offset) in games.iter().zip(window.place(&spans)?) {
        game.push_events(offset, &mut conversion);
    }
    Ok(conversion)
}

struct Game {
    name: String,
    player: String,
    span: Span,
    steps: Vec<Step>,
    end: End,
}

struct Step {
    article: String,
    by: Move,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Move {
    Link,
    Back,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Restart,
    Timeout,
}

impl Game {
    fn parse(number: usize, line: &str) -> Option<Self> {
        let mut columns = line.split('\t');
        let player = columns.next()?.to_owned();
        let last_ms = columns.next()?.parse::<i64>().ok()?.checked_mul(1_000)?;
        let duration_ms = columns.next()?.parse::<u32>().ok().map(i64::from)? * 1_000;
        let steps = walk(columns.next()?)?;
        let _target = columns.next()?;
        let end = match columns.next()? {
            "restart" => End::Restart,
            "timeout" => End::Timeout,
            _ => return None,
        };
        let span = Span { first_ms: last_ms - duration_ms, last_ms };
        Some(Self { name: format!("game-{number:05}"), player, span, steps, end })
    }

    fn push_events(&self, offset: i64, conversion: &mut Conversion) {
        let start = self.span.first_ms + offset;
        conversion.push(self.event(EventType::TaskStarted, "start", start).task(TASK, &self.name));
        let duration_ms = self.span.last_ms - self.span.first_ms;
        let gaps = i64::try_from(self.steps.len()).unwrap_or(i64::MAX).saturating_sub(1).max(1);
        for (at, step) in (0..).zip(&self.steps) {
            let event = self
                .event(EventType::UiNavigation, &at.to_string(), start + duration_ms * at / gaps)
                .screen(&step.screen())
                .context(ContextKey::Feature, FEATURE);
            conversion.push(match step.by {
                Move::Link => event,
                Move::Back => event.context(ContextKey::UserAction, "back"),
            });
        }
        if self.end == End::Restart {
            let event = self.event(EventType::Abandon, "abandon", self.span.last_ms + offset);
            conversion.push(
                event
                    .context(ContextKey::Feature, FEATURE)
                    .context(ContextKey::UserAction, "restart"),
            );
        }
    }

    fn event(&self, kind: EventType, part: &str, at_ms: i64) -> EventLine {
        let number = self.name.trim_start_matches("game-");
        EventLine::new(ORIGIN, kind, &format!("wik.{number}.{part}"), Timestamp::from_ms(at_ms))
            .actor(&self.player)
            .session(&self.name)
    }
}

impl Step {
    fn screen(&self) -> String {
        format!("/wiki/{}", self.article)
    }
}

/// The articles in the order in which they were seen; a back click leads to the one from which the present one was
/// reached.
fn walk(path: &str) -> Option<Vec<Step>> {
    let mut behind: Vec<String> = Vec::new();
    let mut steps = Vec::new();
    for name in path.split(';') {
        let by = if name == BACK { Move::Back } else { Move::Link };
        match by {
            Move::Back => drop(behind.pop()),
            Move::Link => behind.push(percent_decoded(name)?),
        }
        steps.push(Step { article: behind.last()?.clone(), by });
    }
    Some(steps)
}

/// The article's name as people write it: `%C3%A9` in a path would be taken for an id and templated away.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        bytes.push(u8::from_str_radix(escaped.get(..2)?, 16).ok()?);
        rest = escaped.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

/// What the source does not say.
pub const INVENTIONS: &[&str] = &[
    "the time of each step: spread evenly over the game's duration, the first at its start and the last at its end",
    "the session: each game is one, because the source names only the player, and two games must not mix",
    "the pillar and the feature of an abandonment",
    "the calendar: 161 days are squeezed into the window by moving whole games, so games of one player may overlap",
];

pub(super) const ORIGIN: Origin =
    Origin { org: "wikispeedia", product: "game", service: "wikispeedia" };
const DATASET: Dataset = Dataset::Wikispeedia;
const TASK: &str = "reach-article";
const FEATURE: &str = "link-game";
const BACK: &str = "<";

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &str) -> Option<Vec<String>> {
        Some(walk(path)?.into_iter().map(|step| step.article).collect())
    }

    #[test]
    fn a_back_click_leads_to_where_the_article_was_reached_from() {
        assert_eq!(seen("A;B;C;<;<;D").unwrap(), ["A", "B", "C", "B", "A", "D"]);
        assert_eq!(seen("A;B;<;B").unwrap(), ["A", "B", "A", "B"]);
    }

    #[test]
    fn a_back_click_from_the_first_article_is_refused() {
        assert_eq!(seen("A;<"), None);
        assert_eq!(seen("<"), None);
    }

    #[test]
    fn names_are_decoded_or_refused() {
        assert_eq!(percent_decoded("Niccol%C3%B2_%28x%29").as_deref(), Some("Niccolò_(x)"));
        for bad in ["%", "%2", "%zz", "%C3", "%é"] {
            assert_eq!(percent_decoded(bad), None, "{bad}");
        }
    }
}
