//! What tests and tools of the whole suite share. See ARCHITECTURE.md.

pub mod local;
pub mod recorded;
