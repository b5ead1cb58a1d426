//! The sink against a warehouse that is a map: what is taken, what comes again, and what is set aside.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod bus;
mod stream;
mod world;
