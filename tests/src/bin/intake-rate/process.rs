//! What the kernel says about a process: CPU time, memory, and what waits for a CPU.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// CPU time of all threads so far.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold anything, a parenthesis included; what follows the last one is numbers.
    let (_, numbers) = stat.rsplit_once(')').context("a process has a name")?;
    let ticks: u64 = numbers.split_whitespace().skip(11).take(2).flat_map(str::parse::<u64>).sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// Resident memory, MiB: everything, and without the pages of mapped files, which the kernel takes back at will.
pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib / 1_024).with_context(|| format!("{name} is not told"))
    };
    Ok(Memory { resident: field("VmRSS:")?, anonymous: field("RssAnon:")? })
}

/// Resident memory, MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) anonymous: u64,
}

/// The load average of the last minute: above the number of CPUs others took part of them.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// Linux shows CPU time to programs in hundredths of a second.
const TICKS_PER_SECOND: u64 = 100;
