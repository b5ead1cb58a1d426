//! A real `tribo` process.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// The binary under test.
pub(crate) const TRIBO: &str = env!("CARGO_BIN_EXE_tribo");

/// Runs `tribo` to its end.
pub(crate) fn run(arguments: &[&str]) -> anyhow::Result<Output> {
    Ok(Command::new(TRIBO).args(arguments).stdin(Stdio::null()).output()?)
}

/// Runs `tribo … --json` and reads its object.
pub(crate) fn json(arguments: &[&str]) -> anyhow::Result<Value> {
    let output = run(arguments)?;
    serde_json::from_slice(&output.stdout).with_context(|| {
        format!(
            "tribo {} printed no JSON: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// A running `tribo local`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Local {
    child: Child,
    /// Its base URL.
    pub(crate) url: String,
}

impl Local {
    /// Starts a server on a free port and waits until it says where it listens.
    pub(crate) fn start(data_dir: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(TRIBO)
            .args(["local", "--listen", "127.0.0.1:0", "--log-format", "json", "--data-dir"])
            .arg(data_dir)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().context("standard output is piped")?;
        let mut server = Self { child, url: String::new() };
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if let Some(url) = line.strip_prefix("listening on ") {
                url.clone_into(&mut server.url);
                return Ok(server);
            }
        }
        bail!("tribo local ended without listening: {}", server.child.wait()?)
    }

    /// Ends the process without any chance to tidy up.
    pub(crate) fn kill_nine(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    pub(crate) fn terminate(mut self, patience: Duration) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let started = Instant::now();
        while started.elapsed() < patience {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("tribo ended with {status}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("tribo did not end in time")
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
