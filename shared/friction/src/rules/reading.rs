//! The text of a document, read so that nothing in it is passed over: a name that is given twice, or what nests too deep.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{RulesError, error::step};

pub(super) fn read(json: &str) -> Result<Value, RulesError> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let top = At { place: Place::Top, levels: LEVELS_MAX };
    let read = top.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| RulesError::Unreadable { why: error.to_string() })
}

/// A value that is to come, and where it stands.
#[derive(Clone, Copy)]
struct At<'p> {
    place: Place<'p>,
    /// How many there may be yet, this one included, if it is one.
    levels: usize,
}

#[derive(Clone, Copy)]
enum Place<'p> {
    Top,
    Field(&'p Place<'p>, &'p str),
    Entry(&'p Place<'p>, usize),
}

impl At<'_> {
    /// The values in this one stand a level deeper.
    fn levels_below<E: de::Error>(&self) -> Result<usize, E> {
        let deep = || E::custom(format_args!("nested deeper than {LEVELS_MAX} levels"));
        self.levels.checked_sub(1).ok_or_else(deep)
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let levels = self.levels_below()?;
        let mut read = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let place = Place::Field(&self.place, &name);
            if read.contains_key(&name) {
                let twice = format_args!("{place} is given twice, the second time");
                return Err(de::Error::custom(twice));
            }
            let value = fields.next_value_seed(At { place, levels })?;
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let levels = self.levels_below()?;
        let mut read = Vec::new();
        while let Some(value) = entries
            .next_element_seed(At { place: Place::Entry(&self.place, read.len()), levels })?
        {
            read.push(value);
        }
        Ok(Value::Array(read))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).map(Value::Number);
        number.ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
}

/// As a JSON Pointer.
impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Field(above, name) => write!(formatter, "{above}/{}", step(name)),
            Self::Entry(above, at) => write!(formatter, "{above}/{at}"),
        }
    }
}

/// Twice as deep as a document of rules can be.
const LEVELS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn why(json: &str) -> String {
        read(json).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_reason_and_its_place() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(LEVELS_MAX)).is_ok());
        for (json, expected) in [
            ("{\n  \"version\": }", "expected value at line 2 column 14"),
            ("", "EOF while parsing a value at line 1 column 0"),
            (r#"{"version": 2} {}"#, "trailing characters at line 1 column 16"),
            (r#"{"version": 1e309}"#, "number out of range at line 1 column 17"),
            (&nested(LEVELS_MAX + 1), "nested deeper than 16 levels at line 1 column 1"),
            (&nested(100_000), "nested deeper than 16 levels at line 1 column 1"),
            (
                "{\"version\": 2,\n\"version\": 3}",
                "/version is given twice, the second time at line 2 column 9",
            ),
            (
                r#"{"a/b": [{}, {"c": 1, "d": {}, "c": 1}]}"#,
                "/a~1b/1/c is given twice, the second time at line 1 column 34",
            ),
        ] {
            let (why, expected) = (why(json), format!("the rules cannot be read: {expected}"));
            assert!(why.starts_with(&expected), "{expected}: {why}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,3}", inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_names_nothing_twice_is_read_as_everybody_reads_it(value in any_json()) {
            let text = value.to_string();
            prop_assert_eq!(read(&text).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
        }
    }
}
