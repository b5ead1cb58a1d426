//! The warehouse over ClickHouse's own engine: its answers are those of the insights API, whatever way rows came in.
//!
//! Needs the stand-ins: `scripts/stand-ins run cargo nextest run -p suite -E 'binary(clickhouse)'`.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]
#![expect(clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod deliveries;
mod engine;
mod pages;
mod people;
mod refusals;
