//! Settings of the program.
//!
//! | variable | meaning |
//! |---|---|
//! | `EVENTS_DDB_TABLE` | set: this is a function of Lambda over DynamoDB, and needs the variables below |
//! | `EVENTS_SQLITE_PATH` | otherwise: it serves the embedded store of this directory over HTTP; default `events.db` |
//! | `PORT` | where it listens then; default 8788 |
//! | `HOST` | the address it listens on; default 127.0.0.1 |
//!
//! In Lambda:
//!
//! | variable | meaning |
//! |---|---|
//! | `SESSIONS_TABLE`, `DELIVERY_TABLE`, `DEDUPE_TABLE`, `DYNAMODB_TABLE`, `REFERENCE_TABLE`, `KEYS_TABLE` | the tables |
//! | `EVENTS_STREAM`, `S3_BUCKET`, `ON_FAILURE_BUCKET` | where else an event may be |
//! | `CURSOR_SECRET` | the secret with the key that signs cursors |
//! | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, … | what Lambda sets |

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use domain::selection::{EventStore, TABLE};

/// Where the program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In Lambda, over DynamoDB.
    Lambda,
    /// On a machine, over the embedded store of this directory.
    Directory {
        /// The store.
        path: PathBuf,
        /// Where it listens.
        listen: SocketAddr,
    },
}

/// Settings with which nothing starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A function's disk does not last.
    #[error("{TABLE} is not set: without it this function cannot work")]
    NoTable,
    /// The other way round.
    #[error("{TABLE} is set, and over DynamoDB this runs in Lambda only")]
    NoLambda,
    /// Nothing can listen there.
    #[error("PORT is not a number from 0 to 65535")]
    Port,
    /// Nothing can listen there.
    #[error("HOST is not an address such as 127.0.0.1")]
    Host,
}

impl Place {
    /// Reads the settings through `variable`.
    ///
    /// # Errors
    /// Names the variable.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let is_lambda = variable(RUNTIME_API).is_some();
        let path = match (EventStore::selected(&variable), is_lambda) {
            (EventStore::DynamoDb, true) => return Ok(Self::Lambda),
            (EventStore::DynamoDb, false) => return Err(ConfigError::NoLambda),
            (EventStore::Sqlite(_), true) => return Err(ConfigError::NoTable),
            (EventStore::Sqlite(path), false) => path,
        };
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let port = set("PORT").map_or(Ok(PORT), |port| port.parse());
        let host = set("HOST").map_or(Ok(Ipv4Addr::LOCALHOST.into()), |host| host.parse());
        let host: IpAddr = host.map_err(|_| ConfigError::Host)?;
        let listen = SocketAddr::new(host, port.map_err(|_| ConfigError::Port)?);
        Ok(Self::Directory { path, listen })
    }
}

/// Lambda sets it, and nobody else.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
const PORT: u16 = 8_788;

#[cfg(test)]
mod tests {
    use super::*;

    const LAMBDA: (&str, &str) = (RUNTIME_API, "127.0.0.1:9001");

    fn read(set: &[(&str, &str)]) -> Result<Place, ConfigError> {
        Place::read(|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_table_selects_dynamodb_and_otherwise_a_directory_is_served_on_loopback() {
        let directory = |path: &str, listen: &str| {
            Ok(Place::Directory { path: PathBuf::from(path), listen: listen.parse().unwrap() })
        };
        assert_eq!(read(&[LAMBDA, (TABLE, "t")]), Ok(Place::Lambda));
        assert_eq!(read(&[LAMBDA, (TABLE, "t"), ("EVENTS_SQLITE_PATH", "p")]), Ok(Place::Lambda));
        assert_eq!(read(&[]), directory("events.db", "127.0.0.1:8788"));
        let set = [("EVENTS_SQLITE_PATH", "p"), ("PORT", "9"), ("HOST", "::")];
        assert_eq!(read(&set), directory("p", "[::]:9"));
        assert_eq!(read(&[LAMBDA, ("EVENTS_SQLITE_PATH", "p")]), Err(ConfigError::NoTable));
        assert_eq!(read(&[(TABLE, "t")]), Err(ConfigError::NoLambda));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(read(&[("PORT", "65536")]), Err(ConfigError::Port));
        assert_eq!(read(&[("HOST", "example.org")]), Err(ConfigError::Host));
    }
}
