//! Identifiers that cannot be wrong: the charset and the length are checked once, at construction.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::limits::ID_BYTES_MAX;

/// A text that is not an identifier of the named kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId {
    /// Which identifier was expected.
    pub kind: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {}: 1 to {ID_BYTES_MAX} of the allowed characters", self.kind)
    }
}

impl std::error::Error for InvalidId {}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $dot:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the charset and the length.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let allowed = |b: u8| {
                    b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || ($dot && b == b'.')
                };
                let fits = (1..=ID_BYTES_MAX).contains(&text.len());
                if fits && text.bytes().all(allowed) { Ok(Self(text)) } else { Err(InvalidId { kind: $kind }) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// An organisation: the tenant boundary. 1–64 of `[A-Za-z0-9_-]`.
    OrgId,
    "organisation id",
    false
);
identifier!(
    /// A product of an organisation. 1–64 of `[A-Za-z0-9_-]`.
    ProductId,
    "product id",
    false
);
identifier!(
    /// An event's identity within its organisation, for ever. 1–64 of `[A-Za-z0-9._-]`.
    EventId,
    "event id",
    true
);

impl Default for ProductId {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl EventId {
    /// The time inside a canonical UUIDv7, in ms since the epoch; nothing for any other id.
    #[must_use]
    pub fn uuid_v7_ms(&self) -> Option<i64> {
        let text = self.0.as_bytes();
        if !self.is_uuid() || text.get(14) != Some(&b'7') {
            return None;
        }
        let hex = self.0.get(0..8)?.to_owned() + self.0.get(9..13)?;
        i64::from_str_radix(&hex, 16).ok()
    }

    /// UUIDs are one identity whatever their case: lower-cased, other ids as they are.
    #[must_use]
    pub fn canonical(self) -> Self {
        if self.is_uuid() { Self(self.0.to_ascii_lowercase()) } else { self }
    }

    fn is_uuid(&self) -> bool {
        self.0.len() == 36
            && self.0.bytes().enumerate().all(|(at, b)| match at {
                8 | 13 | 18 | 23 => b == b'-',
                _ => b.is_ascii_hexdigit(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organisation_id_has_no_dot_and_an_event_id_may() {
        assert!(OrgId::parse("acme-1_x").is_ok());
        assert!(OrgId::parse("a.b").is_err());
        assert!(EventId::parse("a.b").is_ok());
        for bad in ["", "a b", "ä", &"x".repeat(65)] {
            assert!(EventId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_version_seven_uuid_carries_a_time() {
        let id = EventId::parse("018bcfe5-6800-7abc-8def-0123456789ab").unwrap();
        assert_eq!(id.uuid_v7_ms(), Some(1_700_000_000_000));
        assert_eq!(
            EventId::parse("018bcfe5-6800-4abc-8def-0123456789ab").unwrap().uuid_v7_ms(),
            None
        );
        assert_eq!(EventId::parse("bal.1.2").unwrap().uuid_v7_ms(), None);
    }

    #[test]
    fn an_upper_case_uuid_is_the_same_event() {
        let upper = EventId::parse("018BCFE5-6800-7ABC-8DEF-0123456789AB").unwrap();
        assert_eq!(upper.canonical().as_str(), "018bcfe5-6800-7abc-8def-0123456789ab");
        assert_eq!(EventId::parse("Order.A").unwrap().canonical().as_str(), "Order.A");
    }
}
