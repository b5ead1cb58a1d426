//! Runs a deployed suite on the stand-ins, until it is told to stop or its standard input ends.

use std::{error::Error, io::Write as _, path::PathBuf, process::ExitCode, time::Duration};

use aws::access::Access;
use clap::Parser;
use serde_json::json;
use standin::platform::{Pace, Plan, Platform, serve, serve_invocations};
use tokio::{io::AsyncReadExt as _, net::TcpListener, task::JoinSet};

/// Runs a deployed suite on the stand-ins.
#[derive(Debug, Parser)]
struct Arguments {
    /// What the applier of the template wrote.
    #[arg(long)]
    plan: PathBuf,
    /// One directory with a `bootstrap` per function.
    #[arg(long)]
    binaries: PathBuf,
    /// Where the functions' logs go.
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Where the door listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// Seconds between two ticks, instead of the schedules' own.
    #[arg(long)]
    tick: Option<u64>,
    /// Change records come twice and in reverse order.
    #[arg(long)]
    untidy: bool,
    /// Ends when standard input ends, so that nothing survives whoever started it.
    #[arg(long)]
    until_stdin_ends: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    telemetry::init(telemetry::Format::detect(), "warn");
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody reads it when standard error is closed.
            let _ = writeln!(std::io::stderr(), "stand-in: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(&arguments.plan)?)?;
    let access = Access::read(|name| std::env::var(name).ok())?;
    if let Some(logs) = &arguments.logs {
        std::fs::create_dir_all(logs)?;
    }
    let pace = Pace {
        tick: arguments.tick.map(Duration::from_secs),
        untidy: arguments.untidy,
        ..Pace::default()
    };
    let logs = arguments.logs.as_deref();
    let platform = Platform::start(&plan, &access, &arguments.binaries, logs, pace).await?;
    let (mut told, mut apis) = (serde_json::Map::new(), JoinSet::new());
    for (name, function) in &plan.http {
        // Only the door may be told where to be.
        let place = if name == DOOR { &arguments.listen } else { ANYWHERE };
        let listener = TcpListener::bind(place).await?;
        told.insert(name.clone(), format!("http://{}", listener.local_addr()?).into());
        apis.spawn(serve(listener, platform.function(function)?));
    }
    told.insert("live".to_owned(), platform.gateway().url().into());
    told.insert("bus".to_owned(), platform.bus().url().into());
    let listener = TcpListener::bind(ANYWHERE).await?;
    told.insert("invoke".to_owned(), format!("http://{}", listener.local_addr()?).into());
    let invocations = tokio::spawn(serve_invocations(listener, platform.functions().clone()));
    writeln!(std::io::stdout(), "{}", json!(told))?;
    tokio::select! {
        () = ended(arguments.until_stdin_ends) => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    apis.abort_all();
    invocations.abort();
    let (books, bus) = (platform.connector().books(), platform.bus().books());
    let told = json!({
        "connector": {
            "requests": books.requests,
            "repeated": books.repeated,
            "events": books.events_taken(),
            "violations": books.violations.len(),
        },
        "bus": {
            "events": bus.events(),
            "deliveries": bus.deliveries(),
            "dead": bus.dead(),
        }
    });
    platform.stop().await;
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}

const DOOR: &str = "door";
const ANYWHERE: &str = "127.0.0.1:0";

/// Waits until nobody holds the other end of standard input.
async fn ended(until_stdin_ends: bool) {
    if !until_stdin_ends {
        return std::future::pending().await;
    }
    let mut input = tokio::io::stdin();
    let mut buffer = [0; 64];
    while matches!(input.read(&mut buffer).await, Ok(length) if length > 0) {}
}
