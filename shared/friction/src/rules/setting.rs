//! One value of a rule: how it is read, checked and written.

use serde_json::Value;

use super::{error::Wrong, matching::Matcher};

/// A value that rules can hold.
pub(super) trait Setting: Sized {
    /// Reads it; numbers must lie in `range`, both ends allowed.
    fn read(value: &Value, range: Option<(f64, f64)>) -> Result<Self, Wrong>;

    /// As it is written.
    fn write(&self) -> Value;

    /// As a threshold; nothing for what is not a number.
    fn threshold(&self) -> Option<f64> {
        self.write().as_f64()
    }
}

impl Setting for bool {
    fn read(value: &Value, _: Option<(f64, f64)>) -> Result<Self, Wrong> {
        value.as_bool().ok_or(Wrong::Expected("true or false"))
    }

    fn write(&self) -> Value {
        Value::from(*self)
    }
}

impl Setting for f64 {
    fn read(value: &Value, range: Option<(f64, f64)>) -> Result<Self, Wrong> {
        let number = value.as_f64().ok_or(Wrong::Expected("a number"))?;
        within(number, range)?;
        Ok(number)
    }

    fn write(&self) -> Value {
        Value::from(*self)
    }
}

impl Setting for i64 {
    fn read(value: &Value, range: Option<(f64, f64)>) -> Result<Self, Wrong> {
        within(f64::read(value, None)?, range)?;
        value.as_i64().ok_or(Wrong::Expected("a whole number"))
    }

    fn write(&self) -> Value {
        Value::from(*self)
    }
}

impl Setting for usize {
    fn read(value: &Value, range: Option<(f64, f64)>) -> Result<Self, Wrong> {
        let whole = i64::read(value, range)?;
        Self::try_from(whole).map_err(|_| Wrong::Expected("a whole number"))
    }

    fn write(&self) -> Value {
        Value::from(*self)
    }
}

impl Setting for Vec<Matcher> {
    fn read(value: &Value, _: Option<(f64, f64)>) -> Result<Self, Wrong> {
        let entries = value.as_array().ok_or(Wrong::Expected("a list"))?;
        if entries.len() > MATCHERS_MAX {
            return Err(Wrong::TooMany(MATCHERS_MAX));
        }
        let read = |(at, entry)| Matcher::read(entry).map_err(|wrong| wrong.at(&format!("{at}")));
        (0_usize..).zip(entries).map(read).collect()
    }

    fn write(&self) -> Value {
        self.iter().map(Matcher::write).collect()
    }
}

fn within(number: f64, range: Option<(f64, f64)>) -> Result<(), Wrong> {
    match range {
        Some((least, most)) if number < least || number > most => Err(Wrong::Outside(least, most)),
        Some(_) | None => Ok(()),
    }
}

/// A setting that is one of a few words.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* })*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$word_doc])* $variant,)* }

        impl $name {
            /// The word in the rules.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl Setting for $name {
            fn read(value: &Value, _: Option<(f64, f64)>) -> Result<Self, Wrong> {
                match value.as_str() {
                    $(Some($word) => Ok(Self::$variant),)*
                    _ => Err(Wrong::Expected(concat!("one of", $(" ", $word),*))),
                }
            }

            fn write(&self) -> Value {
                Value::from(self.as_str())
            }
        }
    )* };
}

words! {
    /// What makes two presses go together.
    Metric {
        /// The same element key, or else a place within `distancePx` as the crow flies.
        Element = "element",
        /// The place alone: |Δx| + |Δy|.
        Manhattan = "manhattan",
        /// The place alone, as the crow flies.
        Euclidean = "euclidean",
    }

    /// Whether a distance of exactly `distancePx` is still near.
    Bound {
        /// It is.
        AtMost = "atMost",
        /// It is not.
        Below = "below",
    }
}

/// Most entries of one list.
pub const MATCHERS_MAX: usize = 200;
