//! A real `tribo` process.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// The `tribo` binary of this build profile, built at the first call; `TRIBO_BIN` names one that is built already.
pub fn tribo() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("TRIBO_BIN") {
        return Ok(path.into());
    }
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = &*built {
        return Ok(path.clone());
    }
    let path = build()?;
    Ok(built.insert(path).clone())
}

fn build() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a program lies in a folder")?;
    // Tests lie in target/<profile>/deps, other programs in target/<profile>.
    let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    let profile = profile.context("a build profile has a folder")?;
    let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    build.args(["build", "--quiet", "-p", "tribo"]).current_dir(workspace());
    if profile.file_name().is_some_and(|name| name == "release") {
        build.arg("--release");
    }
    if !build.status()?.success() {
        bail!("tribo does not build");
    }
    Ok(profile.join("tribo"))
}

/// The root of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Runs `tribo` to its end.
pub fn run(arguments: &[&str]) -> anyhow::Result<Output> {
    Ok(Command::new(tribo()?).args(arguments).stdin(Stdio::null()).output()?)
}

/// Runs `tribo … --json` and reads its object.
pub fn json(arguments: &[&str]) -> anyhow::Result<Value> {
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
pub struct Local {
    child: Child,
    /// Its base URL.
    pub url: String,
}

impl Local {
    /// Starts a server on a free port and waits until it says where it listens.
    pub fn start(data_dir: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(tribo()?)
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

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process without any chance to tidy up.
    pub fn kill_nine(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    pub fn terminate(mut self, patience: Duration) -> anyhow::Result<()> {
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
