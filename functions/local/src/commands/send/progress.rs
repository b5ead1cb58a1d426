//! How far a file was sent, kept beside it so that an interrupted command can go on.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::Context as _;
use contract::command::SendReport;
use serde::{Deserialize, Serialize};

use super::request::Tally;

/// Progress of one file towards one server.
#[derive(Debug)]
pub(super) struct Progress {
    /// Every line up to here was answered.
    pub(super) lines_done: u64,
    /// What was answered so far.
    pub(super) report: SendReport,
    kept: Option<Kept>,
    saved_at: Instant,
}

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    identity: Identity,
}

/// The same file towards the same server; anything else begins anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Identity {
    url: String,
    /// Another key may belong to another organisation, to which nothing was sent yet.
    key_id: String,
    bytes: u64,
    modified_ms: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    identity: Identity,
    lines_done: u64,
    report: SendReport,
}

impl Progress {
    /// Reads the progress of an interrupted command, if `resume` and there is any.
    pub(super) fn open(file: &Path, url: &str, key: &str, resume: bool) -> anyhow::Result<Self> {
        let fresh = |kept| Self {
            lines_done: 0,
            report: SendReport::default(),
            kept,
            saved_at: Instant::now(),
        };
        if !resume {
            return Ok(fresh(None));
        }
        let metadata =
            std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
        if !metadata.is_file() {
            return Ok(fresh(None));
        }
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let identity = Identity {
            url: url.to_owned(),
            // The part between the first two underscores names the key; the rest is its secret.
            key_id: key.split('_').nth(1).unwrap_or_default().to_owned(),
            bytes: metadata.len(),
            modified_ms: u64::try_from(modified.as_millis())?,
        };
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".tribo-send");
        let path = file.with_file_name(name);
        let saved = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Saved>(&bytes).ok());
        let saved = saved.filter(|saved| saved.identity == identity);
        let kept = Some(Kept { path, identity });
        Ok(match saved {
            Some(saved) => Self {
                lines_done: saved.lines_done,
                report: saved.report,
                kept,
                saved_at: Instant::now(),
            },
            None => fresh(kept),
        })
    }

    /// The first line that is not known to be answered.
    pub(super) fn next_line(&self) -> u64 {
        self.lines_done + 1
    }

    /// The lines up to `last_line` were answered.
    pub(super) fn add(&mut self, last_line: u64, tally: &Tally) {
        self.lines_done = last_line;
        self.report.sent += tally.sent;
        self.report.accepted += tally.accepted;
        self.report.duplicates += tally.duplicates;
        for (code, count) in &tally.rejected {
            *self.report.rejected.entry(code.clone()).or_default() += count;
        }
    }

    /// Saves at most once a second: losing a second of progress only means sending it again.
    pub(super) fn save_now_and_then(&mut self) -> anyhow::Result<()> {
        if self.saved_at.elapsed() < Duration::from_secs(1) {
            return Ok(());
        }
        self.saved_at = Instant::now();
        self.save()
    }

    /// Saves, if there is anything to go on from.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        let Some(kept) = &self.kept else { return Ok(()) };
        if self.lines_done == 0 {
            return Ok(());
        }
        let saved = Saved {
            identity: kept.identity.clone(),
            lines_done: self.lines_done,
            report: self.report.clone(),
        };
        let next = kept.path.with_extension("tribo-send.next");
        // A folder that cannot be written to only costs the ability to resume.
        if std::fs::write(&next, serde_json::to_vec(&saved)?).is_ok() {
            drop(std::fs::rename(&next, &kept.path));
        }
        Ok(())
    }

    /// The whole file was answered: sending it again begins anew.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        match &self.kept {
            Some(kept) => match std::fs::remove_file(&kept.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                Ok(()) | Err(_) => Ok(()),
            },
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_key_begins_anew_and_the_same_one_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events.ndjson");
        std::fs::write(&file, "{}\n").unwrap();
        let open = |key: &str| Progress::open(&file, "http://localhost", key, true).unwrap();
        let mut progress = open("fk_aaaa_secret_1");
        progress.add(7, &Tally { sent: 7, ..Tally::default() });
        progress.save().unwrap();
        assert_eq!(open("fk_aaaa_secret_1").lines_done, 7);
        assert_eq!(open("fk_bbbb_secret_2").lines_done, 0);
        let kept = std::fs::read_to_string(folder.path().join("events.ndjson.tribo-send")).unwrap();
        assert!(!kept.contains("secret"), "{kept}");
    }
}
