//! The decisions: values in, values out. No I/O, no clock, no randomness, no environment, nothing async.
#![warn(missing_docs)]

pub mod admit;
pub mod answer;
pub mod api_key;
pub mod archive;
pub mod batching;
pub mod books;
pub mod breaker;
pub mod counters;
pub mod delivery;
pub mod enrich;
pub mod event_id;
pub mod intake;
pub mod key_file;
pub mod markers;
pub mod placement;
pub mod profile;
pub mod pseudonym;
pub mod scrub;
pub mod seal;
pub mod selection;
pub mod signature;
pub mod triage;
pub mod url_template;
