//! Which way people go: the screens of sessions and tasks, and what they add up to.

mod circles;
mod clean;
mod compact;
mod counting;
mod graph;
#[cfg(test)]
mod sample;
mod stops;
mod sums;
mod tasks;
mod timeline;
mod top;
mod unusual;
mod ways;

pub use clean::{BadPathRule, PathRule, PathRules};
pub use compact::compact;
pub use counting::contribute;
pub use graph::{DEPENDENCY_MIN, Graph, GraphEdge, graph};
pub use stops::DropOff;
pub use tasks::task_runs;
pub use top::{FlowSort, TopFlow, TopFlows, TopQuestion, names_of_steps, top};
pub use unusual::{Surprise, Usual};
pub use ways::{flows, path};
