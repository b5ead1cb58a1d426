//! Web requests of one site, genuinely out of order.

use std::{collections::HashMap, path::Path};

use contract::{EventType, Timestamp, limits::MINUTE_MS};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{Conversion, Dataset, EventLine, Origin, RecordedError, Span, Window, read_gz};

/// Pages as navigation and refusals as errors, in the order of the file.
pub fn convert(data: &Path, window: &Window) -> Result<Conversion, RecordedError> {
    let requests = requests(data)?;
    let times = || requests.iter().map(|request| request.at_ms);
    let span = Span { first_ms: times().min().unwrap_or(0), last_ms: times().max().unwrap_or(0) };
    let offset = window.place(&[span])?.first().copied().unwrap_or(0);
    let events =
        || requests.iter().filter(|request| matches!(request.meaning(), Meaning::Event(_)));
    let mut conversion = Conversion::new(DATASET, idle_sessions(events()));
    for (line, request) in (1..).zip(&requests) {
        match request.meaning() {
            Meaning::Event(kind) => conversion.push(request.event(kind, line, offset)),
            Meaning::Nothing(reason) => conversion.leave_out(reason),
        }
    }
    Ok(conversion)
}

/// Every request of the log, in its order.
pub fn requests(data: &Path) -> Result<Vec<Request>, RecordedError> {
    let bytes = read_gz(&data.join("apache-logs/apache_logs.pseudonymised.log.gz"))?;
    let mut requests = Vec::new();
    for (row, line) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
        requests
            .push(Request::parse(line).ok_or(RecordedError::Malformed { dataset: DATASET, row })?);
    }
    Ok(requests)
}

/// One line of the log, without the parts that nothing is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asked, a pseudonym.
    pub client: String,
    /// When, ms since the epoch; the log has whole seconds.
    pub at_ms: i64,
    /// `GET`, …
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// The status of the answer.
    pub status: u16,
}

/// Sessions of clients, split where a client was silent for more than 30 min; independent of the order given.
pub fn idle_sessions<'a>(requests: impl Iterator<Item = &'a Request>) -> usize {
    let mut by_client: HashMap<&str, Vec<i64>> = HashMap::new();
    for request in requests {
        by_client.entry(&request.client).or_default().push(request.at_ms);
    }
    let mut sessions = 0;
    for times in by_client.values_mut() {
        times.sort_unstable();
        sessions += times.chunk_by(|before, after| after - before <= IDLE_MS).count();
    }
    sessions
}

enum Meaning {
    Event(EventType),
    Nothing(&'static str),
}

impl Request {
    /// Reads the combined log format up to the status: one line's user agent is cut off, and nothing is lost by it.
    fn parse(line: &str) -> Option<Self> {
        let (client, rest) = line.split_once(' ')?;
        let (_, rest) = rest.split_once('[')?;
        let (time, rest) = rest.split_once("] \"")?;
        let (request, rest) = rest.split_once("\" ")?;
        let mut words = request.split(' ');
        let at = OffsetDateTime::parse(time, CLOCK).ok()?;
        Some(Self {
            client: client.to_owned(),
            at_ms: at.unix_timestamp().checked_mul(1_000)?,
            method: words.next()?.to_owned(),
            target: words.next().filter(|target| target.starts_with('/'))?.to_owned(),
            status: rest.split(' ').next()?.parse().ok()?,
        })
    }

    fn meaning(&self) -> Meaning {
        if self.status >= 400 {
            Meaning::Event(EventType::BackendError)
        } else if self.method != "GET" {
            Meaning::Nothing("not a GET")
        } else if self.target.contains("?flav=") || self.target.contains("&flav=") {
            Meaning::Nothing("feed")
        } else if is_page(self.path()) {
            Meaning::Event(EventType::UiNavigation)
        } else {
            Meaning::Nothing("asset")
        }
    }

    fn event(&self, kind: EventType, line: usize, offset: i64) -> EventLine {
        let at = Timestamp::from_ms(self.at_ms + offset);
        let event = EventLine::new(ORIGIN, kind, &format!("apa.{line:05}"), at)
            .actor(&self.client)
            .screen(self.path());
        if kind == EventType::BackendError {
            event.error(&self.status.to_string(), "http")
        } else {
            event
        }
    }

    fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or(&self.target)
    }
}

/// A page has no extension, or one of HTML's.
fn is_page(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.rsplit_once('.').is_none_or(|(_, extension)| PAGE_EXTENSIONS.contains(&extension))
}

/// What the source does not say.
pub const INVENTIONS: &[&str] = &[
    "what a page is: no extension, or html, xhtml, htm, php; redirects and 304 count, feeds (flav=) and assets do not",
    "the screen: the path without its query, cut to 256 bytes",
    "the calendar: the log is moved as a whole, its latest request to the anchor",
];

pub(super) const ORIGIN: Origin = Origin { org: "apache", product: "site", service: "apache-logs" };
const DATASET: Dataset = Dataset::Apache;
const IDLE_MS: i64 = 30 * MINUTE_MS;
const PAGE_EXTENSIONS: &[&str] = &["html", "xhtml", "htm", "php"];
const CLOCK: &[BorrowedFormatItem<'_>] = format_description!(
    version = 2,
    "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
);

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, method: &str, status: u16) -> Request {
        let line = format!(
            r#"v1 - - [17/May/2015:10:05:03 +0200] "{method} {target} HTTP/1.1" {status} 1 "-" "cut of"#
        );
        Request::parse(&line).unwrap()
    }

    #[test]
    fn a_cut_off_line_is_read_up_to_its_status() {
        assert_eq!(
            request("/a?b", "GET", 200),
            Request {
                client: "v1".to_owned(),
                at_ms: 1_431_849_903_000,
                method: "GET".to_owned(),
                target: "/a?b".to_owned(),
                status: 200
            }
        );
    }

    #[test]
    fn pages_are_navigation_refusals_are_errors_and_the_rest_is_left_out() {
        let meaning = |target, method, status| match request(target, method, status).meaning() {
            Meaning::Event(kind) => kind.as_str(),
            Meaning::Nothing(reason) => reason,
        };
        assert_eq!(meaning("/blog/x.html", "GET", 200), "ui.navigation");
        assert_eq!(meaning("/projects/xdotool/", "GET", 301), "ui.navigation");
        assert_eq!(meaning("/logstash-2012.10/", "GET", 200), "ui.navigation");
        assert_eq!(meaning("/favicon.ico", "GET", 404), "backend.error");
        assert_eq!(meaning("/favicon.ico", "GET", 200), "asset");
        assert_eq!(meaning("/?flav=rss20", "GET", 200), "feed");
        assert_eq!(meaning("/", "HEAD", 200), "not a GET");
    }

    #[test]
    fn silence_of_exactly_thirty_minutes_does_not_split() {
        let at = |at_ms| Request { at_ms, ..request("/", "GET", 200) };
        let times = [at(0), at(IDLE_MS), at(2 * IDLE_MS + 1)];
        assert_eq!(idle_sessions(times.iter()), 2);
        assert_eq!(idle_sessions(times.iter().rev()), 2);
    }
}
