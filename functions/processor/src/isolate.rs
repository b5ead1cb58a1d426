//! One record's panic is that record's fault: pure work on a record runs behind this wall.

use std::panic::{AssertUnwindSafe, catch_unwind};

use contract::Code;
use domain::admit::Fault;

/// Runs `work` on one record; a panic becomes a fault. What `work` borrows mutably must not be used after a fault.
pub(crate) fn isolated<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Fault::new(Code::Panicked))
}
