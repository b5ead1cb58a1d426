//! What an invocation asks for.

use ports::sessions::Lane;
use serde::{Deserialize, de::IgnoredAny};

/// What an invocation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Take a batch of the stream.
    Batch,
    /// Look at everybody whose time has come, in this lane or in all of them.
    Sweep(Option<Lane>),
    /// Compact the days that are over.
    Compact,
    /// Take what was given up once more.
    Redrive,
}

/// A payload that asks for nothing that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCall {
    /// It is no JSON object.
    #[error("not a call: line {line}, column {column}")]
    Unreadable {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// There is no such lane.
    #[error("a lane is one of a power of two, of 32 at most")]
    Lane,
}

impl Call {
    /// Reads a payload: a batch has records, `{"compact":true}` and `{"redrive":true}` say what they are, and anything else
    /// is a tick, of `{"lane":0,"of":4}` alone where that is said.
    ///
    /// # Errors
    /// [`InvalidCall`], which repeats nothing of the payload.
    pub fn of(payload: &str) -> Result<Self, InvalidCall> {
        let told: Told = serde_json::from_str(payload).map_err(|error| {
            InvalidCall::Unreadable { line: error.line(), column: error.column() }
        })?;
        match told {
            Told { records: Some(_), .. } => Ok(Self::Batch),
            Told { compact: true, .. } => Ok(Self::Compact),
            Told { redrive: true, .. } => Ok(Self::Redrive),
            Told { lane: None, of: None, .. } => Ok(Self::Sweep(None)),
            Told { lane: Some(index), of: Some(of), .. } if is_lane(index, of) => {
                Ok(Self::Sweep(Some(Lane { index, of })))
            }
            Told { .. } => Err(InvalidCall::Lane),
        }
    }
}

fn is_lane(index: u32, of: u32) -> bool {
    of.is_power_of_two() && of <= u32::from(Lane::MAX) && index < of
}

/// What is looked at of a payload. A batch is read once more, by whoever takes it.
#[derive(Debug, Deserialize)]
struct Told {
    #[serde(rename = "Records")]
    records: Option<IgnoredAny>,
    #[serde(default)]
    compact: bool,
    #[serde(default)]
    redrive: bool,
    lane: Option<u32>,
    of: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_what_it_asks_for() {
        for (payload, call) in [
            (r#"{"Records":[{"kinesis":{}}]}"#, Call::Batch),
            (r#"{"Records":[]}"#, Call::Batch),
            (r#"{"compact":true}"#, Call::Compact),
            (r#"{"redrive":true}"#, Call::Redrive),
            ("{}", Call::Sweep(None)),
            (r#"{"compact":false,"detail":"{}"}"#, Call::Sweep(None)),
            (r#"{"lane":3,"of":4}"#, Call::Sweep(Some(Lane { index: 3, of: 4 }))),
            (r#"{"lane":0,"of":1}"#, Call::Sweep(Some(Lane { index: 0, of: 1 }))),
        ] {
            assert_eq!(Call::of(payload), Ok(call), "{payload}");
        }
    }

    #[test]
    fn a_lane_that_is_none_and_what_is_no_object_are_refused() {
        for payload in [
            r#"{"lane":4,"of":4}"#,
            r#"{"lane":0,"of":3}"#,
            r#"{"lane":0,"of":64}"#,
            r#"{"lane":0}"#,
        ] {
            assert_eq!(Call::of(payload), Err(InvalidCall::Lane), "{payload}");
        }
        for payload in ["", "[]", "7", r#"{"lane":-1}"#] {
            assert!(matches!(Call::of(payload), Err(InvalidCall::Unreadable { .. })), "{payload}");
        }
    }
}
