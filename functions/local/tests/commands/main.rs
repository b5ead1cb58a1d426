//! The operator's commands, end to end: the real binary, real sockets, real files.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod access;
mod books;
mod connector;
mod delivering;
mod demo;
mod every_command;
mod remaking;
mod replaying;
mod rescoring;
mod ruling;
mod running;
mod sending;
mod support;
mod tuning;
mod understanding;
