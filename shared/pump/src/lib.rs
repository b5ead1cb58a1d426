//! The event source mapping, as a value: it reads a stream, hands batches to a function in Lambda's own payload, and
//! honours the answer as Lambda does.
//!
//! # Layout
//!
//! - [`answer`]: what a function's answer says about its batch
//! - [`decide`]: what happens to the batch next; pure
//! - [`state`]: where a shard's consumer stands, and how each decision moves it; pure
//! - [`payload`]: records in the shape of a Kinesis event source
//! - [`settings`]: batch size, retries, ages
//! - [`step`]: one invocation, and draining a stream
//! - [`mod@redrive`]: invocations that were given up, once more
//! - `pause`: the wait before a failed batch is answered
//! - `run` (feature `run`): the loop that a process lives in
//! - `sim` (feature `sim`): duplicates, crashes and lost checkpoints by seed

pub mod answer;
pub mod decide;
pub mod function;
mod pause;
pub mod payload;
pub mod redrive;
#[cfg(feature = "run")]
pub mod run;
pub mod settings;
#[cfg(feature = "sim")]
pub mod sim;
pub mod state;
pub mod step;

pub use function::{FunctionError, StreamFunction};
pub use pause::pause;
pub use redrive::{Redriven, redrive};
pub use settings::Settings;
pub use state::ShardState;
pub use step::{Drained, Pump, Step};
