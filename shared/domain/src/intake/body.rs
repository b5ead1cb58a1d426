//! Splits the body of a request into its events.

use std::fmt;

use contract::{
    Code,
    limits::{JSON_DEPTH_MAX, REQUEST_EVENTS_MAX},
};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The text of each event of a request, in order: between 1 and 500.
pub type Events<'b> = Vec<&'b RawValue>;

/// Splits `{"events":[…]}`. Only the outermost two levels are judged, and that all of it is JSON.
///
/// # Errors
/// `invalid_json`, `too_deep`, `invalid_shape`, `unknown_field`, `duplicate_field`, `empty_batch`, `too_many_events`.
pub fn split(body: &[u8]) -> Result<Events<'_>, Code> {
    let text = std::str::from_utf8(body).map_err(|_| Code::InvalidJson)?;
    if depth(body) > JSON_DEPTH_MAX {
        return Err(Code::TooDeep);
    }
    let mut shape = Code::InvalidShape;
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Body { shape: &mut shape }
        .deserialize(&mut reader)
        .and_then(|events| reader.end().map(|()| events));
    let events = read.map_err(|error| if error.is_data() { shape } else { Code::InvalidJson })?;
    match events.len() {
        0 => Err(Code::EmptyBatch),
        1..=REQUEST_EVENTS_MAX => Ok(events),
        _ => Err(Code::TooManyEvents),
    }
}

/// How deep brackets nest, outside of strings. Text that is not JSON gets some number.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => _ = bytes.next(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

/// Reads the body; leaves the code of a fault of its shape in `shape`.
struct Body<'s> {
    shape: &'s mut Code,
}

impl<'de> DeserializeSeed<'de> for Body<'_> {
    type Value = Events<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = Events<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of events")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut events = None;
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let fault = match (name.as_ref(), &events) {
                ("events", None) => {
                    events = Some(map.next_value_seed(List)?);
                    continue;
                }
                ("events", Some(_)) => Code::DuplicateField,
                (_, _) => Code::UnknownField,
            };
            // The rest is read all the same: a body that is not JSON is told so first.
            map.next_value::<IgnoredAny>()?;
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            *self.shape = fault;
            return Err(de::Error::custom("a field too many"));
        }
        events.ok_or_else(|| de::Error::missing_field("events"))
    }
}

struct List;

impl<'de> DeserializeSeed<'de> for List {
    type Value = Events<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List {
    type Value = Events<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    /// One event too many is kept, so that the caller sees that there were too many.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        while events.len() <= REQUEST_EVENTS_MAX {
            match list.next_element()? {
                Some(event) => events.push(event),
                None => return Ok(events),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_body_has_its_code() {
        let events = |count: usize| format!("{{\"events\":[{}]}}", vec!["{}"; count].join(","));
        let nested = |depth: usize| {
            format!("{{\"events\":[{}{}]}}", "[".repeat(depth - 2), "]".repeat(depth - 2))
        };
        for (body, expected) in [
            ("", Code::InvalidJson),
            ("null", Code::InvalidShape),
            ("\"x\"", Code::InvalidShape),
            ("42", Code::InvalidShape),
            ("[]", Code::InvalidShape),
            ("{}", Code::InvalidShape),
            ("{\"events\":{}}", Code::InvalidShape),
            ("{\"events\":null}", Code::InvalidShape),
            ("{\"events\":[]}", Code::EmptyBatch),
            ("{\"events\":[{}],\"x\":1}", Code::UnknownField),
            ("{\"x\":1,\"events\":[{}]}", Code::UnknownField),
            ("{\"events\":[{}],\"events\":[{}]}", Code::DuplicateField),
            ("{\"events\":[{}]} x", Code::InvalidJson),
            ("{\"events\":[{}]", Code::InvalidJson),
            ("{\"events\":[{]}", Code::InvalidJson),
            ("{\"events\":[NaN]}", Code::InvalidJson),
            ("\u{feff}{\"events\":[{}]}", Code::InvalidJson),
            (&events(501), Code::TooManyEvents),
            (&nested(9), Code::TooDeep),
            (&nested(100_000), Code::TooDeep),
            (&"[".repeat(100_000), Code::TooDeep),
        ] {
            let start: String = body.chars().take(40).collect();
            assert_eq!(split(body.as_bytes()).map(|events| events.len()), Err(expected), "{start}");
        }
        assert_eq!(
            split(b"{\"events\":[\"\xff\"]}").map(|events| events.len()),
            Err(Code::InvalidJson)
        );
        assert_eq!(split(events(500).as_bytes()).map(|events| events.len()), Ok(500));
        assert_eq!(split(nested(8).as_bytes()).map(|events| events.len()), Ok(1));
    }

    #[test]
    fn an_event_is_handed_on_as_it_was_written() {
        let events = split(br#" {"events" : [ {"a":"[[[[[[[[[\"]"} , 7 ] } "#).unwrap();
        let texts: Vec<&str> = events.iter().map(|event| event.get()).collect();
        assert_eq!(texts, [r#"{"a":"[[[[[[[[[\"]"}"#, "7"]);
    }
}
