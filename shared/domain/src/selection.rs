//! Which store of events a program works on: one rule for all that can work on either.
//!
//! | variable | meaning |
//! |---|---|
//! | `EVENTS_DDB_TABLE` | set: the tables of AWS, of which this is one |
//! | `EVENTS_SQLITE_PATH` | otherwise: the directory of the embedded store, or the database in it; default `events.db` |

use std::path::{Path, PathBuf};

/// Where events and what is understood of them are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventStore {
    /// In tables of AWS.
    DynamoDb,
    /// In the embedded store of this directory.
    Sqlite(PathBuf),
}

impl EventStore {
    /// The store that the variables name. One that is set to nothing is not set.
    pub fn selected(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.trim().is_empty());
        if set(TABLE).is_some() {
            return Self::DynamoDb;
        }
        let path = set(PATH).map_or_else(|| PathBuf::from(DEFAULT), PathBuf::from);
        Self::Sqlite(directory(path))
    }
}

/// A database is named by its directory, in which its keys and its archive lie as well.
fn directory(path: PathBuf) -> PathBuf {
    if path.file_name().is_none_or(|name| name != DATABASE) {
        return path;
    }
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Set: the tables of AWS.
pub const TABLE: &str = "EVENTS_DDB_TABLE";
/// Otherwise: where the embedded store is.
pub const PATH: &str = "EVENTS_SQLITE_PATH";
/// The embedded store's database in its directory.
pub const DATABASE: &str = "tribo.db";
const DEFAULT: &str = "events.db";

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(set: &[(&str, &str)]) -> EventStore {
        EventStore::selected(|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_table_comes_first_then_a_path_then_the_default() {
        let sqlite = |path: &str| EventStore::Sqlite(PathBuf::from(path));
        assert_eq!(selected(&[(TABLE, "t")]), EventStore::DynamoDb);
        assert_eq!(selected(&[(TABLE, "t"), (PATH, "p")]), EventStore::DynamoDb);
        assert_eq!(selected(&[(PATH, "p")]), sqlite("p"));
        assert_eq!(selected(&[(TABLE, " "), (PATH, "p")]), sqlite("p"));
        assert_eq!(selected(&[(TABLE, ""), (PATH, "")]), sqlite("events.db"));
        assert_eq!(selected(&[]), sqlite("events.db"));
    }

    #[test]
    fn a_database_is_named_by_its_directory() {
        let sqlite = |path: &str| EventStore::Sqlite(PathBuf::from(path));
        assert_eq!(selected(&[(PATH, "data/tribo.db")]), sqlite("data"));
        assert_eq!(selected(&[(PATH, "tribo.db")]), sqlite("."));
        assert_eq!(selected(&[(PATH, "data/other.db")]), sqlite("data/other.db"));
    }
}
