//! Data recorded by people outside this project, turned into events that a door takes.

pub mod apache;
pub mod balabit;
pub mod calibration;
pub mod check;
pub mod convai2;
mod flows;
mod line;
pub mod rpm;
pub mod sessions;
pub mod wikispeedia;
mod window;

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
};

use contract::EventType;
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

pub use line::{ContextKey, EventLine, Origin};
pub use window::{DoesNotFit, Span, Window};

/// A source of recorded data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Dataset {
    /// Mouse presses.
    Balabit,
    /// Navigation games that were given up.
    Wikispeedia,
    /// Chats with thumbs and ratings.
    Convai2,
    /// One person filling forms.
    Rpm,
    /// Web requests.
    Apache,
}

impl Dataset {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Balabit, Self::Wikispeedia, Self::Convai2, Self::Rpm, Self::Apache];

    /// Its organisation, and the name of its output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.origin().org
    }

    /// What had to be made up to turn the source into events, one sentence each.
    #[must_use]
    pub fn inventions(self) -> &'static [&'static str] {
        match self {
            Self::Balabit => balabit::INVENTIONS,
            Self::Wikispeedia => wikispeedia::INVENTIONS,
            Self::Convai2 => convai2::INVENTIONS,
            Self::Rpm => rpm::INVENTIONS,
            Self::Apache => apache::INVENTIONS,
        }
    }

    /// Reads the source under `data` and converts it. The same input and window give the same bytes.
    pub fn convert(self, data: &Path, window: &Window) -> Result<Conversion, RecordedError> {
        match self {
            Self::Balabit => balabit::convert(data, window),
            Self::Wikispeedia => wikispeedia::convert(data, window),
            Self::Convai2 => convai2::convert(data, window),
            Self::Rpm => rpm::convert(data, window),
            Self::Apache => apache::convert(data, window),
        }
    }

    fn origin(self) -> Origin {
        match self {
            Self::Balabit => balabit::ORIGIN,
            Self::Wikispeedia => wikispeedia::ORIGIN,
            Self::Convai2 => convai2::ORIGIN,
            Self::Rpm => rpm::ORIGIN,
            Self::Apache => apache::ORIGIN,
        }
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A source as events.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// The source.
    pub dataset: Dataset,
    /// One event in JSON each, in the source's order.
    pub lines: Vec<String>,
    /// How many events there are of each type.
    pub by_type: BTreeMap<EventType, usize>,
    /// Sessions: the source's own, else an actor's events with no gap of more than 30 min.
    pub sessions: usize,
    /// Rows of the source without an event, by reason.
    pub left_out: BTreeMap<&'static str, usize>,
}

impl Conversion {
    /// Writes `<source>.ndjson.gz` into `folder`, which must exist, and answers its path.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, RecordedError> {
        let path = folder.join(format!("{}.ndjson.gz", self.dataset));
        let failed = |source| RecordedError::Write { path: path.clone(), source };
        let mut gz = GzEncoder::new(File::create(&path).map_err(failed)?, Compression::default());
        for line in &self.lines {
            writeln!(gz, "{line}").map_err(failed)?;
        }
        gz.finish().and_then(|file| file.sync_all()).map_err(failed)?;
        Ok(path)
    }

    fn new(dataset: Dataset, sessions: usize) -> Self {
        Self {
            dataset,
            lines: Vec::new(),
            by_type: BTreeMap::new(),
            sessions,
            left_out: BTreeMap::new(),
        }
    }

    fn push(&mut self, event: EventLine) {
        *self.by_type.entry(event.kind()).or_default() += 1;
        self.lines.push(event.into_json());
    }

    fn leave_out(&mut self, reason: &'static str) {
        *self.left_out.entry(reason).or_default() += 1;
    }
}

/// Why a source could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// The file is missing or cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A row has not the documented form. What it says is not repeated: it is about people.
    #[error("{dataset}: row {row} has not the documented form")]
    Malformed {
        /// The source.
        dataset: Dataset,
        /// The row, from 1, without the header.
        row: usize,
    },
    /// The window is too short for the source.
    #[error(transparent)]
    DoesNotFit(#[from] DoesNotFit),
}

/// Window of the recorded data, days before the anchor: a door quarantines events older than 30 days.
pub const WINDOW_DAYS: u8 = 25;

fn open(path: &Path) -> Result<File, RecordedError> {
    File::open(path).map_err(|source| RecordedError::Read { path: path.to_owned(), source })
}

fn open_gz(path: &Path) -> Result<BufReader<MultiGzDecoder<File>>, RecordedError> {
    Ok(BufReader::new(MultiGzDecoder::new(open(path)?)))
}

/// A whole compressed file.
fn read_gz(path: &Path) -> Result<Vec<u8>, RecordedError> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut open_gz(path)?, &mut bytes)
        .map_err(|source| RecordedError::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// Every row of a CSV file with a header.
fn csv_rows<T: serde::de::DeserializeOwned>(
    dataset: Dataset,
    path: &Path,
    reader: impl io::Read,
) -> Result<Vec<T>, RecordedError> {
    let mut rows = Vec::new();
    for (row, read) in (1..).zip(csv::Reader::from_reader(reader).into_deserialize()) {
        let read: Result<T, csv::Error> = read;
        rows.push(read.map_err(|error| {
            if let csv::ErrorKind::Io(source) = error.into_kind() {
                RecordedError::Read { path: path.to_owned(), source }
            } else {
                RecordedError::Malformed { dataset, row }
            }
        })?);
    }
    Ok(rows)
}
