//! Reads events line by line, gives those without an id one, and cuts batches.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context as _;
use contract::{
    Code,
    limits::{BODY_BYTES_MAX, EVENT_BYTES_MAX},
};
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Lines that go into one request.
#[derive(Debug)]
pub(super) struct Batch {
    /// Number of the first line, from 1: the one after the last line of the batch before, even if it is blank.
    pub(super) first_line: u64,
    /// Number of the last line.
    pub(super) last_line: u64,
    /// `{"events":[…]}`.
    pub(super) body: Vec<u8>,
    /// Events in the body.
    pub(super) events: u64,
    /// Lines that are not events at all, by code: sending them would spoil their neighbours.
    pub(super) refused: Vec<Code>,
}

/// The lines of a file.
pub(super) struct Lines {
    /// Size of the file as it lies on the disk; nothing for standard input.
    pub(super) bytes_total: Option<u64>,
    bytes_read: Arc<AtomicU64>,
    input: Box<dyn BufRead + Send>,
    batch_events: usize,
    line: u64,
    /// The last line of the batch before.
    covered: u64,
    seen: HashMap<[u8; 16], u32>,
    held: Option<(u64, String)>,
}

impl Lines {
    /// Opens a file or standard input (`-`); gzip is recognised by its first bytes.
    pub(super) fn open(path: &Path, batch_events: usize) -> anyhow::Result<Self> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let (source, bytes_total): (Box<dyn Read + Send>, _) = if path.as_os_str() == "-" {
            (Box::new(std::io::stdin()), None)
        } else {
            let file =
                File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            let bytes = file.metadata()?.len();
            (Box::new(file), Some(bytes))
        };
        let mut plain =
            BufReader::with_capacity(BUFFER, Counted { source, bytes: Arc::clone(&bytes_read) });
        let unreadable = || format!("cannot read {}", path.display());
        let start = plain.fill_buf().with_context(unreadable)?;
        let input: Box<dyn BufRead + Send> = if start.starts_with(&GZIP_MAGIC) {
            Box::new(BufReader::with_capacity(BUFFER, flate2::bufread::MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        Ok(Self {
            bytes_total,
            bytes_read,
            input,
            batch_events,
            line: 0,
            covered: 0,
            seen: HashMap::new(),
            held: None,
        })
    }

    /// Bytes of the file read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// The next batch after line `skip`; lines before it are read for their ids only.
    pub(super) fn next_batch(&mut self, skip: u64) -> anyhow::Result<Option<Batch>> {
        let mut batch = Batch {
            first_line: self.covered.max(skip) + 1,
            last_line: 0,
            body: OPEN.to_vec(),
            events: 0,
            refused: Vec::new(),
        };
        while let Some((number, event)) = self.next_event(skip, &mut batch)? {
            if batch.body.len() + event.len() + CLOSE.len() + 1 > BODY_BYTES_MAX {
                self.held = Some((number, event));
                break;
            }
            if batch.events > 0 {
                batch.body.push(b',');
            }
            batch.body.extend_from_slice(event.as_bytes());
            batch.events += 1;
            batch.last_line = number;
            if usize::try_from(batch.events)? >= self.batch_events {
                break;
            }
        }
        batch.body.extend_from_slice(CLOSE);
        self.covered = batch.last_line;
        Ok((batch.last_line > 0).then_some(batch))
    }

    fn next_event(
        &mut self,
        skip: u64,
        batch: &mut Batch,
    ) -> anyhow::Result<Option<(u64, String)>> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            if self
                .input
                .read_until(b'\n', &mut bytes)
                .context("the file cannot be read to its end")?
                == 0
            {
                return Ok(None);
            }
            self.line += 1;
            let text = bytes.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let event = self.with_id(text);
            if self.line <= skip {
                continue;
            }
            match event {
                Ok(event) => return Ok(Some((self.line, event))),
                Err(code) => {
                    batch.last_line = self.line;
                    batch.refused.push(code);
                    if batch.refused.len() >= self.batch_events {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The line as it is sent: with an id derived from its content and its how-manieth occurrence in the file when it
    /// has none, so that sending the file again sends the same ids.
    fn with_id(&mut self, text: &[u8]) -> Result<String, Code> {
        if text.len() > SENDABLE_BYTES_MAX {
            return Err(Code::EventTooLarge);
        }
        let text = std::str::from_utf8(text).map_err(|_| Code::InvalidJson)?;
        let mut event: Value = serde_json::from_str(text).map_err(|_| Code::InvalidJson)?;
        let Some(fields) = event.as_object_mut() else { return Err(Code::InvalidShape) };
        if fields.contains_key("eventId") || fields.contains_key("idempotencyKey") {
            return Ok(text.to_owned());
        }
        // Keys are sorted inside serde_json's map: equal content has equal bytes.
        let digest = Sha256::digest(serde_json::to_vec(&*fields).map_err(|_| Code::InvalidJson)?);
        let mut content = [0_u8; 16];
        content.copy_from_slice(digest.split_at(16).0);
        let occurrence = self.seen.entry(content).or_default();
        *occurrence += 1;
        fields.insert(
            "eventId".to_owned(),
            format!("line-{}-{occurrence}", HEXLOWER.encode(&content)).into(),
        );
        Ok(event.to_string())
    }
}

struct Counted {
    source: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bytes.fetch_add(u64::try_from(read).unwrap_or(0), Ordering::Relaxed);
        Ok(read)
    }
}

const OPEN: &[u8] = br#"{"events":["#;
const CLOSE: &[u8] = b"]}";
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 256 * 1024;
/// Larger lines are refused here: they would not fit a request together with anything else.
const SENDABLE_BYTES_MAX: usize = 4 * EVENT_BYTES_MAX;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn batches(text: &[u8], batch_events: usize, skip: u64) -> Vec<Batch> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        let mut lines = Lines::open(file.path(), batch_events).unwrap();
        std::iter::from_fn(|| lines.next_batch(skip).unwrap()).collect()
    }

    fn ids(batch: &Batch) -> Vec<String> {
        let body: Value = serde_json::from_slice(&batch.body).unwrap();
        body["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["eventId"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn equal_lines_get_different_ids_and_a_second_reading_gets_the_same() {
        let text = b"{\"a\":1}\n{ \"a\": 1 }\n{\"a\":2}\n";
        let first = batches(text, 500, 0);
        assert_eq!(first.len(), 1);
        let unique: std::collections::BTreeSet<String> = ids(&first[0]).into_iter().collect();
        assert_eq!(unique.len(), 3);
        assert_eq!(ids(&first[0]), ids(&batches(text, 500, 0)[0]));
    }

    #[test]
    fn going_on_after_a_line_gives_the_ids_that_the_whole_file_gives() {
        let text = b"{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n";
        let whole = ids(&batches(text, 500, 0)[0]);
        assert_eq!(ids(&batches(text, 500, 2)[0]), whole[2..]);
    }

    #[test]
    fn a_line_that_is_no_event_is_refused_alone() {
        let found =
            batches(b"{\"eventId\":\"a\"}\nnonsense\n[1]\n\n{\"eventId\":\"b\"}\n\xff\n", 500, 0);
        assert_eq!(found.len(), 1);
        assert_eq!(ids(&found[0]), ["a", "b"]);
        assert_eq!(found[0].refused, [Code::InvalidJson, Code::InvalidShape, Code::InvalidJson]);
        assert_eq!((found[0].first_line, found[0].last_line), (1, 6));
    }

    #[test]
    fn batches_follow_each_other_without_a_gap_whatever_lines_are_blank() {
        let text = b"\n\n{\"a\":1}\n{\"a\":2}\n\n \n{\"a\":3}\nnonsense\n\n{\"a\":4}\n\n";
        let lines = |skip| {
            let found = batches(text, 2, skip);
            found.iter().map(|batch| (batch.first_line, batch.last_line)).collect::<Vec<_>>()
        };
        assert_eq!(lines(0), [(1, 4), (5, 10)]);
        assert_eq!(lines(4), [(5, 10)]);
        assert_eq!(lines(8), [(9, 10)]);
        assert_eq!(lines(10), []);
    }

    #[test]
    fn no_request_is_larger_than_a_door_takes_and_none_is_lost() {
        let line = format!("{{\"eventId\":\"x\",\"pad\":\"{}\"}}\n", "p".repeat(15_000));
        let found = batches(line.repeat(200).as_bytes(), 500, 0);
        assert!(found.len() > 1);
        assert!(found.iter().all(|batch| batch.body.len() <= BODY_BYTES_MAX));
        assert_eq!(found.iter().map(|batch| batch.events).sum::<u64>(), 200);
    }

    #[test]
    fn gzip_is_recognised_by_its_first_bytes() {
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zip.write_all(b"{\"eventId\":\"a\"}\n").unwrap();
        assert_eq!(ids(&batches(&zip.finish().unwrap(), 500, 0)[0]), ["a"]);
    }
}
