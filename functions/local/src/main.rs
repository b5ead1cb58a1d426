//! `tribo`: Tribometer on one machine, and the operator's commands.

mod archived;
mod cli;
mod commands;
mod demo;
mod guard;
mod open;
mod output;
mod remote;
mod routes;
mod server;
mod suite;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command, LogFormat};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = match cli.log_format {
        Some(LogFormat::Json) => telemetry::Format::Json,
        Some(LogFormat::Human) => telemetry::Format::Human,
        None => telemetry::Format::detect(),
    };
    // The demo writes its log beside everything else it writes, and looks through it for identifiers.
    if !matches!(cli.command, Command::Demo(_)) {
        telemetry::init(format, &cli.log);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::note(&format!("tribo cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command, &cli.log)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => match error.downcast_ref::<clap::Error>() {
            Some(wrong) => {
                output::note(wrong.to_string().trim_end());
                ExitCode::from(WRONG_ARGUMENTS)
            }
            None => {
                output::note(&format!("tribo: {error:#}"));
                ExitCode::FAILURE
            }
        },
    }
}

async fn run(command: Command, log: &str) -> anyhow::Result<u8> {
    match command {
        Command::Demo(args) => demo::run(args, log).await,
        Command::Local(args) => server::run(args).await,
        Command::Send(args) => commands::send::run(args).await,
        Command::Ledger(args) => commands::books::ledger(args).await,
        Command::Where(args) => commands::books::whereabouts(args).await,
        Command::Counters(args) => commands::books::counters(args).await,
        Command::Audit(args) => commands::audit::run(args).await,
        Command::Keys(command) => commands::keys::run(command).await,
        Command::Orgs(command) => commands::orgs::run(command).await,
        Command::Assign(args) => commands::assign::run(args).await,
        Command::Replay(args) => commands::replay::run(args).await,
        Command::Schema(args) => commands::schema::run(&args),
        Command::Backup(args) => commands::backup::run(args).await,
    }
}

const WRONG_ARGUMENTS: u8 = 2;
