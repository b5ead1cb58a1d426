//! The decisions: values in, values out. No I/O, no clock, no randomness, no environment, nothing async.
#![warn(missing_docs)]

pub mod admit;
pub mod api_key;
pub mod breaker;
pub mod counters;
pub mod pseudonym;
pub mod seal;
pub mod url_template;
