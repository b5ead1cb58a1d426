//! What the laws do not see of streams, buckets, buses, keys and books: half answers, caches, what others wrote.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod aside;
mod books;
mod bus;
mod given_up;
mod keys;
mod stream;
mod support;
mod whereabouts;
mod wire;
