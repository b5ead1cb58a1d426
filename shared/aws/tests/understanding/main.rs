//! What is understood of events, on DynamoDB: what a table cannot hold at once, and whoever dies or loses answers on the way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod announcing;
mod posting;
mod sizes;
mod support;
mod times;
