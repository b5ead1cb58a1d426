//! `tribo`: Tribometer on one machine, and the operator's commands.

mod archived;
mod cli;
mod commands;
mod demo;
mod dispatch;
mod guard;
mod listening;
mod open;
mod output;
mod remote;
mod routes;
mod server;
#[cfg(feature = "aws")]
mod stage;
mod suite;

fn main() -> std::process::ExitCode {
    dispatch::run()
}
