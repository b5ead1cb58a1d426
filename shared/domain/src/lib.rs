//! The decisions: values in, values out. No I/O, no clock, no randomness, no environment, nothing async.
#![warn(missing_docs)]

pub mod admit;
pub mod answer;
pub mod api_key;
pub mod archive;
pub mod breaker;
pub mod counters;
pub mod enrich;
pub mod pseudonym;
pub mod scrub;
pub mod seal;
pub mod url_template;
