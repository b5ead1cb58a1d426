//! From the command line to the command, and from what came of it to an exit code.

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    cli::{Cli, Command, LogFormat},
    commands, demo, output, server,
};

/// Reads the command line, runs the command, and says how it ended as an exit code.
pub(crate) fn run() -> ExitCode {
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
    match runtime.block_on(command(cli.command, &cli.log)) {
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

async fn command(command: Command, log: &str) -> anyhow::Result<u8> {
    match command {
        Command::Demo(args) => demo::run(args, log).await,
        Command::Local(args) => server::run(args).await,
        Command::Send(args) => commands::send::run(args).await,
        Command::Ledger(args) => commands::books::ledger(args).await,
        Command::Where(args) => commands::books::whereabouts(args).await,
        Command::Counters(args) => commands::books::counters(args).await,
        Command::Audit(args) => commands::audit::run(args).await,
        Command::Sessions(args) => commands::sessions::sessions(args).await,
        Command::Explain(args) => commands::explain::run(args).await,
        Command::Incidents(args) => commands::sessions::incidents(args).await,
        Command::Rules(command) => commands::rules::run(command).await,
        Command::Rescore(args) => commands::rescore::run(args).await,
        Command::Tune(args) => commands::tune::run(args).await,
        Command::Keys(command) => commands::keys::run(command).await,
        Command::Orgs(command) => commands::orgs::run(command).await,
        Command::Assign(args) => commands::assign::run(args).await,
        Command::Replay(args) => commands::replay::run(args).await,
        Command::Warehouse(command) => commands::warehouse::run(command).await,
        Command::Schema(args) => commands::schema::run(&args),
        Command::Backup(args) => commands::backup::run(args).await,
    }
}

const WRONG_ARGUMENTS: u8 = 2;
