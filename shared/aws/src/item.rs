//! Items of tables: attributes written and read by their type, and keys.
//!
//! An item that cannot be read is a permanent failure, named by the attribute and never by what it holds.

use std::{collections::HashMap, fmt::Display, str::FromStr};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use contract::{Timestamp, limits::SECOND_MS};
use ports::{PortError, PortResult};

/// What a table holds under one key.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A text.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A whole number.
pub(crate) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Bytes.
pub(crate) fn bytes(value: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(value.into()))
}

/// True or false.
pub(crate) fn flag(value: bool) -> AttributeValue {
    AttributeValue::Bool(value)
}

/// Texts in their order.
pub(crate) fn texts(values: impl IntoIterator<Item = impl Into<String>>) -> AttributeValue {
    AttributeValue::L(values.into_iter().map(text).collect())
}

/// A time, in milliseconds.
pub(crate) fn millis(at: Timestamp) -> AttributeValue {
    number(at.ms())
}

/// A time as DynamoDB's TTL wants it: in seconds, rounded up, so that nothing leaves early.
pub(crate) fn ttl(at: Timestamp) -> AttributeValue {
    number(at.ms().saturating_add(SECOND_MS - 1).div_euclid(SECOND_MS))
}

/// An item, or a key, of these attributes: `item([("pk", text(org)), ("sk", text("HEAD"))])`.
pub(crate) fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The key of an item in every table but the counters'.
pub(crate) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    item([("pk", text(pk)), ("sk", text(sk))])
}

/// Reading an item. What ends in `_if` answers nothing for an attribute that is not there; what is there under another
/// type is malformed for both.
pub(crate) trait Fields {
    /// The attribute, if it is there.
    fn field(&self, name: &'static str) -> Option<&AttributeValue>;

    /// A text.
    fn text(&self, name: &'static str) -> PortResult<&str> {
        self.text_if(name)?.ok_or_else(|| malformed(name))
    }

    /// A text that may be missing.
    fn text_if(&self, name: &'static str) -> PortResult<Option<&str>> {
        typed(name, self.field(name).map(as_text))
    }

    /// A text of a type of its own.
    fn parsed<T: FromStr>(&self, name: &'static str) -> PortResult<T> {
        self.text(name)?.parse().map_err(|_| malformed(name))
    }

    /// A whole number.
    fn number<T: FromStr>(&self, name: &'static str) -> PortResult<T> {
        self.number_if(name)?.ok_or_else(|| malformed(name))
    }

    /// A whole number that may be missing.
    fn number_if<T: FromStr>(&self, name: &'static str) -> PortResult<Option<T>> {
        typed(name, self.field(name).map(|value| value.as_n().ok()?.parse().ok()))
    }

    /// A time.
    fn millis(&self, name: &'static str) -> PortResult<Timestamp> {
        self.number(name).map(Timestamp::from_ms)
    }

    /// A time that may be missing.
    fn millis_if(&self, name: &'static str) -> PortResult<Option<Timestamp>> {
        Ok(self.number_if(name)?.map(Timestamp::from_ms))
    }

    /// A time written by [`ttl`].
    fn ttl(&self, name: &'static str) -> PortResult<Timestamp> {
        let seconds: i64 = self.number(name)?;
        Ok(Timestamp::from_ms(seconds.saturating_mul(SECOND_MS)))
    }

    /// Bytes.
    fn bytes(&self, name: &'static str) -> PortResult<&[u8]> {
        self.bytes_if(name)?.ok_or_else(|| malformed(name))
    }

    /// Bytes that may be missing.
    fn bytes_if(&self, name: &'static str) -> PortResult<Option<&[u8]>> {
        typed(name, self.field(name).map(|value| value.as_b().ok().map(Blob::as_ref)))
    }

    /// True or false.
    fn flag(&self, name: &'static str) -> PortResult<bool> {
        let found = self.field(name).and_then(|value| value.as_bool().ok().copied());
        found.ok_or_else(|| malformed(name))
    }

    /// Texts in their order.
    fn texts(&self, name: &'static str) -> PortResult<Vec<&str>> {
        let listed = self.field(name).and_then(|value| value.as_l().ok());
        let texts = listed.and_then(|values| values.iter().map(as_text).collect());
        texts.ok_or_else(|| malformed(name))
    }
}

impl Fields for Item {
    fn field(&self, name: &'static str) -> Option<&AttributeValue> {
        self.get(name)
    }
}

fn as_text(value: &AttributeValue) -> Option<&str> {
    value.as_s().ok().map(String::as_str)
}

/// An attribute that is there has to be readable.
fn typed<T>(name: &'static str, read: Option<Option<T>>) -> PortResult<Option<T>> {
    read.map(|value| value.ok_or_else(|| malformed(name))).transpose()
}

/// An attribute that nobody can have written like this.
pub(crate) fn malformed(attribute: &'static str) -> PortError {
    PortError::permanent("item.read", format!("the attribute {attribute} is missing or malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Item {
        item([
            ("name", text("value-1")),
            ("size", number(7_u64)),
            ("at", millis(Timestamp::from_ms(-5))),
            ("ttl", ttl(Timestamp::from_ms(1_001))),
            ("body", bytes([0_u8, 255])),
            ("on", flag(true)),
            ("ids", texts(["b", "a"])),
        ])
    }

    #[test]
    fn what_is_written_is_read_back() {
        let item = sample();
        assert_eq!(item.text("name").unwrap(), "value-1");
        assert_eq!(item.number::<u8>("size").unwrap(), 7);
        assert_eq!(item.millis("at").unwrap().ms(), -5);
        assert_eq!(item.ttl("ttl").unwrap().ms(), 2_000, "rounded up");
        assert_eq!(item.bytes("body").unwrap(), [0, 255]);
        assert!(item.flag("on").unwrap());
        assert_eq!(item.texts("ids").unwrap(), ["b", "a"]);
        assert_eq!(key("p", "s"), item_of("p", "s"));
    }

    fn item_of(pk: &str, sk: &str) -> Item {
        HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
    }

    #[test]
    fn what_is_missing_is_nothing_or_malformed_as_asked() {
        let item = sample();
        assert_eq!(item.text_if("no").unwrap(), None);
        assert_eq!(item.number_if::<i64>("no").unwrap(), None);
        assert_eq!(item.millis_if("no").unwrap(), None);
        assert_eq!(item.bytes_if("no").unwrap(), None);
        assert!(item.text("no").is_err() && item.number::<i64>("no").is_err());
        assert!(item.bytes("no").is_err() && item.flag("no").is_err() && item.texts("no").is_err());
    }

    #[test]
    fn another_type_is_malformed_and_the_error_holds_no_value() {
        let item = sample();
        let error = item.number_if::<i64>("name").unwrap_err();
        assert!(!error.transient);
        assert!(error.to_string().contains("name") && !error.to_string().contains("value-1"));
        assert!(item.text_if("size").is_err() && item.bytes_if("size").is_err());
        assert!(item.number::<u8>("at").is_err(), "a negative number is no u8");
        assert!(item.parsed::<contract::OrgId>("ids").is_err());
    }
}
