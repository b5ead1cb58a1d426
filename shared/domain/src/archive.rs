//! The archive's objects: which events go into which one, under which key, and as which bytes.

use std::ops::Range;

use contract::{
    Event, EventId, OrgId, Timestamp,
    event::RecordRef,
    limits::{ARCHIVE_BYTES_MAX, ARCHIVE_EVENTS_MAX},
};

/// One object to be written, before compression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its key: the same events of the same shard give the same key.
    pub key: String,
    /// Where its lines stand in the rendered bytes.
    pub lines: Range<usize>,
    /// How many events it holds, at most [`ARCHIVE_EVENTS_MAX`].
    pub events: usize,
}

/// An event and where the stream carried it.
#[derive(Debug, Clone, PartialEq)]
pub struct Archived<'a> {
    /// The event, enriched.
    pub event: Event,
    /// The record's sequence number: a decimal of up to 56 digits.
    pub sequence: &'a str,
    /// When the stream took the record: its UTC hour is the partition.
    pub arrived_at: Timestamp,
}

/// Appends one line per event to `lines` and cuts them into objects: by the hour of arrival, at most
/// [`ARCHIVE_EVENTS_MAX`] events and [`ARCHIVE_BYTES_MAX`] bytes each. `events` come in stream order.
///
/// Arrival and not occurrence chooses the partition: it is the same on every redelivery, and late events open no
/// partition of their own. The key names the first and the last record: a delivery is a piece of its shard without
/// gaps, so that both together name its content, and a shorter attempt never overwrites what a longer one has
/// acknowledged.
#[must_use]
pub fn render<'a>(
    lines: &mut Vec<u8>,
    shard: &str,
    events: impl IntoIterator<Item = Archived<'a>>,
) -> Vec<Part> {
    let mut events: Vec<Archived<'a>> = events.into_iter().collect();
    // Stable, so that the order of the stream stays within an hour. A stream's arrivals rarely go backwards.
    events.sort_by_key(|archived| archived.arrived_at.hour());
    let mut parts = Vec::new();
    let mut open: Option<Open<'a>> = None;
    for Archived { event, sequence, arrived_at } in events {
        let start = lines.len();
        write_line(lines, shard, event, sequence, arrived_at);
        let hour = arrived_at.hour();
        open = match open.take() {
            Some(part) if part.takes(hour, lines.len()) => {
                Some(Open { last: sequence, events: part.events + 1, ..part })
            }
            full => {
                parts.extend(full.map(|part| part.close(shard, start)));
                Some(Open { hour, start, first: sequence, last: sequence, events: 1 })
            }
        };
    }
    parts.extend(open.map(|part| part.close(shard, lines.len())));
    parts
}

/// Reads the lines of an object after decompression. An empty line is skipped.
pub fn parse_lines(bytes: &[u8]) -> impl Iterator<Item = Result<Event, BadLine>> + '_ {
    bytes
        .split(|byte| *byte == b'\n')
        .zip(1..)
        .filter(|(line, _)| !line.is_empty())
        .map(|(line, number)| serde_json::from_slice(line).map_err(|_| BadLine { number }))
}

/// The event in an object after decompression, of any organisation or of one.
#[must_use]
pub fn find(bytes: &[u8], id: &EventId, org: Option<&OrgId>) -> Option<Event> {
    let text = std::str::from_utf8(bytes).ok()?;
    // A look at the text first: reading every line as an event would take a hundred times as long.
    text.lines()
        .filter(|line| line.contains(id.as_str()))
        .filter_map(|line| serde_json::from_str::<Event>(line).ok())
        .find(|event| event.event_id == *id && org.is_none_or(|org| event.org_id == *org))
}

/// Where the objects of one hour of arrivals begin, in every shard.
#[must_use]
pub fn hour_prefix(arrived_at: Timestamp) -> String {
    let (year, month, day, hour) = arrived_at.partition();
    format!("{PREFIX}year={year:04}/month={month:02}/day={day:02}/hour={hour:02}/")
}

/// A line that is no event. It says where, never what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {number} is not an event")]
pub struct BadLine {
    /// Counted from 1.
    pub number: usize,
}

/// A part that may still grow.
struct Open<'a> {
    hour: Timestamp,
    start: usize,
    first: &'a str,
    last: &'a str,
    events: usize,
}

impl Open<'_> {
    fn takes(&self, hour: Timestamp, end: usize) -> bool {
        hour == self.hour
            && self.events < ARCHIVE_EVENTS_MAX
            && end - self.start <= ARCHIVE_BYTES_MAX
    }

    fn close(self, shard: &str, end: usize) -> Part {
        let Self { hour, start, first, last, events } = self;
        // Names come from outside: nothing in them may climb out of the partition.
        let name =
            format!("{shard}-{first}-{last}").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let key = format!("{}{name}.ndjson.gz", hour_prefix(hour));
        Part { key, lines: start..end, events }
    }
}

fn write_line(
    lines: &mut Vec<u8>,
    shard: &str,
    event: Event,
    sequence: &str,
    arrived_at: Timestamp,
) {
    let record = RecordRef { shard: shard.to_owned(), sequence: sequence.to_owned(), arrived_at };
    let event = Event { record: Some(record), ..event };
    #[expect(
        clippy::expect_used,
        reason = "memory takes every byte, and an event has no value without a JSON form"
    )]
    serde_json::to_writer(&mut *lines, &event).expect("an event always encodes");
    lines.push(b'\n');
}

/// Every object of the archive begins with it.
pub const PREFIX: &str = "events/v1/";

#[cfg(test)]
mod tests {
    use contract::limits::HOUR_MS;
    use proptest::prelude::*;

    use super::*;

    fn event(id: &str) -> Event {
        let text = format!(
            r#"{{"eventId":"{id}","eventType":"ui.click","occurredAt":"2026-02-12T09:00:00Z","orgId":"acme"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn archived<'a>(id: &str, sequence: &'a str, arrived_at: Timestamp) -> Archived<'a> {
        Archived { event: event(id), sequence, arrived_at }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_batch_over_the_hour_gives_two_objects_with_keys_of_their_own_records() {
        let (before, after) = (at("2026-02-12T09:59:59.999Z"), at("2026-02-12T10:00:00Z"));
        let mut lines = Vec::new();
        let events = [("7", before), ("8", before), ("10", after)]
            .map(|(sequence, arrived)| archived(sequence, sequence, arrived));
        let parts = render(&mut lines, "shardId-000000000006", events);
        let keys: Vec<&str> = parts.iter().map(|part| part.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "events/v1/year=2026/month=02/day=12/hour=09/shardId-000000000006-7-8.ndjson.gz",
                "events/v1/year=2026/month=02/day=12/hour=10/shardId-000000000006-10-10.ndjson.gz",
            ]
        );
        assert_eq!(parts.iter().map(|part| part.events).collect::<Vec<_>>(), [2, 1]);
        assert!(parts.iter().all(|part| part.key.starts_with(PREFIX)));
    }

    #[test]
    fn an_hour_is_one_object_even_when_arrivals_go_back_and_forth() {
        let (before, after) = (at("2026-02-12T09:59:59.999Z"), at("2026-02-12T10:00:00Z"));
        let events = [("7", before), ("8", after), ("9", before), ("10", after)]
            .map(|(sequence, arrived)| archived(sequence, sequence, arrived));
        let parts = render(&mut Vec::new(), "s", events);
        assert_eq!(parts.iter().map(|part| part.events).collect::<Vec<_>>(), [2, 2]);
        assert!(parts[0].key.ends_with("/hour=09/s-7-9.ndjson.gz"));
    }

    #[test]
    fn a_line_is_the_event_and_its_record_and_reads_back() {
        let mut lines = Vec::new();
        let parts = render(&mut lines, "s-1", [archived("e.1", "42", at("2026-02-12T10:00:00Z"))]);
        let text = std::str::from_utf8(&lines[parts[0].lines.clone()]).unwrap();
        assert_eq!(
            text,
            "{\"schemaVersion\":\"1.0\",\"eventId\":\"e.1\",\"eventType\":\"ui.click\",\
             \"occurredAt\":\"2026-02-12T09:00:00.000Z\",\"orgId\":\"acme\",\"productId\":\"default\",\
             \"record\":{\"shard\":\"s-1\",\"sequence\":\"42\",\"arrivedAt\":\"2026-02-12T10:00:00.000Z\"}}\n"
        );
        let read: Vec<Event> = parse_lines(&lines).map(Result::unwrap).collect();
        assert_eq!(read[0].record.as_ref().unwrap().sequence, "42");
        assert_eq!(Event { record: None, ..read[0].clone() }, event("e.1"));
    }

    #[test]
    fn a_part_ends_at_its_thousandth_event() {
        let sequences: Vec<String> = (0..2_001).map(|n| n.to_string()).collect();
        let arrived = at("2026-02-12T10:00:00Z");
        let events = sequences.iter().map(|sequence| archived("e", sequence, arrived));
        let parts = render(&mut Vec::new(), "s", events);
        assert_eq!(parts.iter().map(|part| part.events).collect::<Vec<_>>(), [1_000, 1_000, 1]);
        assert!(parts[1].key.ends_with("/s-1000-1999.ndjson.gz"));
    }

    #[test]
    fn a_part_ends_before_its_limit_in_bytes() {
        let sequences: Vec<String> = (0..400).map(|n| n.to_string()).collect();
        let arrived = at("2026-02-12T10:00:00Z");
        let events = sequences.iter().map(|sequence| {
            let mut large = archived("e", sequence, arrived);
            large.event.screen = Some("x".repeat(15_000));
            large
        });
        let parts = render(&mut Vec::new(), "s", events);
        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part.lines.len() <= ARCHIVE_BYTES_MAX));
        assert_eq!(parts.iter().map(|part| part.events).sum::<usize>(), 400);
    }

    #[test]
    fn a_shard_name_cannot_leave_its_partition() {
        let parts =
            render(&mut Vec::new(), "../a b", [archived("e", "/1", at("2026-02-12T10:00:00Z"))]);
        assert!(parts[0].key.ends_with("/hour=10/---a-b--1--1.ndjson.gz"), "{}", parts[0].key);
    }

    #[test]
    fn an_event_is_found_by_its_id_and_organisation() {
        let mut lines = Vec::new();
        let arrived = at("2026-02-12T10:00:00Z");
        let _ = render(&mut lines, "s", ["e.1", "e.10"].map(|id| archived(id, "1", arrived)));
        let (id, acme) = (EventId::parse("e.1").unwrap(), OrgId::parse("acme").unwrap());
        for org in [None, Some(&acme)] {
            assert_eq!(find(&lines, &id, org).unwrap().event_id, id);
        }
        assert!(find(&lines, &id, Some(&OrgId::parse("globex").unwrap())).is_none());
        assert!(find(&lines, &EventId::parse("e.2").unwrap(), None).is_none());
        assert!(find(&[0xff], &id, None).is_none());
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_and_spoils_no_other() {
        let mut lines = Vec::new();
        let _ = render(&mut lines, "s", [archived("e.1", "1", at("2026-02-12T10:00:00Z"))]);
        let mut object = b"anna@example.org\n\n".to_vec();
        object.extend(lines);
        let read: Vec<_> = parse_lines(&object).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0], Err(BadLine { number: 1 }));
        assert!(read[1].is_ok());
        assert_eq!(BadLine { number: 1 }.to_string(), "line 1 is not an event");
    }

    proptest! {
        #[test]
        fn every_event_lies_in_exactly_one_part_of_its_hour(
            hours in proptest::collection::vec(0_i64..4, 0..60)
        ) {
            let sequences: Vec<String> = (0..hours.len()).map(|n| n.to_string()).collect();
            let events = || {
                hours.iter().zip(&sequences).map(|(hour, sequence)| {
                    archived(sequence, sequence, Timestamp::from_ms(hour * HOUR_MS))
                })
            };
            let mut lines = Vec::new();
            let parts = render(&mut lines, "s", events());
            let mut again = Vec::new();
            prop_assert_eq!(&render(&mut again, "s", events()), &parts);
            prop_assert_eq!(&again, &lines);

            let mut seen = Vec::new();
            let mut end = 0;
            for part in parts {
                prop_assert_eq!(part.lines.start, end);
                end = part.lines.end;
                let read: Vec<Event> =
                    parse_lines(&lines[part.lines.clone()]).map(Result::unwrap).collect();
                prop_assert_eq!(read.len(), part.events);
                for event in read {
                    let record = event.record.unwrap();
                    prop_assert!(part.key.starts_with(&hour_prefix(record.arrived_at)));
                    seen.push(record.sequence);
                }
            }
            prop_assert_eq!(end, lines.len());
            seen.sort_by_key(|sequence| sequence.parse::<usize>().unwrap());
            prop_assert_eq!(seen, sequences);
        }
    }
}
