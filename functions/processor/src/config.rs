//! Settings of the Lambda entry point.
//!
//! | variable | meaning |
//! |---|---|
//! | `EVENTS_SQLITE_PATH` | the store's directory; default `events.db` |
//! | `EVENTS_DDB_TABLE` | asks for DynamoDB, which this build has not: it refuses to start |

use std::path::PathBuf;

/// Settings, read once at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the store lies.
    pub store: PathBuf,
}

/// Settings with which the function does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// DynamoDB was asked for.
    #[error(
        "EVENTS_DDB_TABLE is set, but this build has no DynamoDB adapter: unset it and set EVENTS_SQLITE_PATH"
    )]
    NoDynamoDb,
    /// Set to nothing.
    #[error("EVENTS_SQLITE_PATH is empty")]
    EmptyPath,
}

impl Config {
    /// Reads the settings through `variable`.
    ///
    /// # Errors
    /// Names the variable.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        if variable("EVENTS_DDB_TABLE").is_some_and(|table| !table.is_empty()) {
            return Err(ConfigError::NoDynamoDb);
        }
        let store = variable("EVENTS_SQLITE_PATH").unwrap_or_else(|| DEFAULT_PATH.to_owned());
        if store.is_empty() {
            Err(ConfigError::EmptyPath)
        } else {
            Ok(Self { store: store.into() })
        }
    }
}

const DEFAULT_PATH: &str = "events.db";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamodb_is_refused_by_name_and_the_path_has_a_default() {
        let read = |pairs: &[(&str, &str)]| {
            let find = |key: &str| pairs.iter().find(|(name, _)| *name == key);
            Config::read(|key| find(key).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(read(&[]), Ok(Config { store: "events.db".into() }));
        assert_eq!(read(&[("EVENTS_SQLITE_PATH", "/x")]), Ok(Config { store: "/x".into() }));
        assert_eq!(read(&[("EVENTS_SQLITE_PATH", "")]), Err(ConfigError::EmptyPath));
        assert_eq!(read(&[("EVENTS_DDB_TABLE", "t")]), Err(ConfigError::NoDynamoDb));
        assert_eq!(read(&[("EVENTS_DDB_TABLE", "")]), read(&[]));
    }
}
