//! What the laws do not see of counting: processes side by side, places that fill up, lost answers, sizes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod answers;
mod places;
mod races;
mod sizes;
mod support;
