//! Settings of the program.
//!
//! | variable | meaning |
//! |---|---|
//! | `EVENTS_DDB_TABLE` | set: this is a function of Lambda over DynamoDB, and needs the variables below |
//! | `EVENTS_SQLITE_PATH` | otherwise: it serves the embedded store of this directory; default `events.db` |
//! | `SESSION_GRACE_MS` | how long after its last pause a session is held open for late events, ms; default 300000 |
//! | `SESSION_LIVE_MS` | how soon after an event an open session is looked at, ms: until then nobody can ask about it or listen to it; default in Lambda: when it is due, over the embedded store 5000 |
//!
//! In Lambda:
//!
//! | variable | meaning |
//! |---|---|
//! | `SESSIONS_TABLE` | sessions and all that belongs to them |
//! | `EVENT_BUS` | announcements |
//! | `ON_FAILURE_BUCKET` | what Lambda gave up |
//! | `SESSIONIZER_BACKOFF_MS` | longest pause before a failed batch is answered, ms; default 20000 |
//! | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, … | what Lambda sets |

use std::{path::PathBuf, time::Duration};

use domain::selection::{EventStore, TABLE};
use friction::policy::SessionPolicy;

/// Settings of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it runs, and over which store.
    pub place: Place,
    /// Longest pause before a failed batch is answered. Lambda retries at once, and would otherwise use up its attempts
    /// within minutes while a service is down.
    pub backoff: Duration,
    /// Every duration of the way to sessions.
    pub policy: SessionPolicy,
}

/// Where the program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In Lambda, over DynamoDB.
    Lambda,
    /// On a machine, over the embedded store of this directory.
    Directory(PathBuf),
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
    /// Not a whole number within bounds.
    #[error("{name} is not a whole number from 0 to {most}")]
    NotWithin {
        /// The variable.
        name: &'static str,
        /// The most that it may be.
        most: u32,
    },
}

impl Config {
    /// Reads the settings through `variable`.
    ///
    /// # Errors
    /// Names the variable.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let is_lambda = variable(RUNTIME_API).is_some();
        let (place, usual) = match (EventStore::selected(&variable), is_lambda) {
            (EventStore::DynamoDb, true) => (Place::Lambda, SessionPolicy::nine_days()),
            (EventStore::DynamoDb, false) => return Err(ConfigError::NoLambda),
            (EventStore::Sqlite(_), true) => return Err(ConfigError::NoTable),
            (EventStore::Sqlite(path), false) => {
                (Place::Directory(path), SessionPolicy::whole_horizon())
            }
        };
        let backoff = within(&variable, "SESSIONIZER_BACKOFF_MS", BACKOFF_MAX_MS)?;
        let grace = within(&variable, "SESSION_GRACE_MS", GRACE_MAX_MS)?;
        let live = within(&variable, "SESSION_LIVE_MS", LIVE_MAX_MS)?.map(i64::from);
        Ok(Self {
            place,
            backoff: Duration::from_millis(u64::from(backoff.unwrap_or(BACKOFF_MS))),
            policy: SessionPolicy {
                grace_ms: grace.map_or(usual.grace_ms, i64::from),
                live_ms: live.or(usual.live_ms),
                ..usual
            },
        })
    }
}

fn within(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
    most: u32,
) -> Result<Option<u32>, ConfigError> {
    let Some(text) = variable(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| *number <= most);
    number.map(Some).ok_or(ConfigError::NotWithin { name, most })
}

/// Later it is due in any case.
const LIVE_MAX_MS: u32 = 30 * 60_000;
/// Lambda sets it, and nobody else.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
const BACKOFF_MS: u32 = 20_000;
const BACKOFF_MAX_MS: u32 = 60_000;
const GRACE_MAX_MS: u32 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const LAMBDA: (&str, &str) = (RUNTIME_API, "127.0.0.1:9001");

    #[test]
    fn a_table_selects_dynamodb_and_otherwise_a_directory_is_served() {
        let place = |set: &[(&str, &str)]| read(set).map(|config| config.place);
        let directory = |path: &str| Ok(Place::Directory(PathBuf::from(path)));
        assert_eq!(place(&[LAMBDA, (TABLE, "t")]), Ok(Place::Lambda));
        assert_eq!(place(&[LAMBDA, (TABLE, "t"), ("EVENTS_SQLITE_PATH", "p")]), Ok(Place::Lambda));
        assert_eq!(place(&[("EVENTS_SQLITE_PATH", "p")]), directory("p"));
        assert_eq!(place(&[]), directory("events.db"));
        assert_eq!(place(&[LAMBDA, ("EVENTS_SQLITE_PATH", "p")]), Err(ConfigError::NoTable));
        assert_eq!(place(&[(TABLE, "t")]), Err(ConfigError::NoLambda));
    }

    #[test]
    fn each_store_has_the_policy_of_how_long_it_keeps_events() {
        let policy = |set: &[(&str, &str)]| read(set).unwrap().policy;
        assert_eq!(policy(&[LAMBDA, (TABLE, "t")]), SessionPolicy::nine_days());
        assert_eq!(policy(&[]), SessionPolicy::whole_horizon());
        let hasty = policy(&[LAMBDA, (TABLE, "t"), ("SESSION_GRACE_MS", "500")]);
        assert_eq!(hasty, SessionPolicy { grace_ms: 500, ..SessionPolicy::nine_days() });
        let live = policy(&[LAMBDA, (TABLE, "t"), ("SESSION_LIVE_MS", "60000")]);
        assert_eq!(live, SessionPolicy { live_ms: Some(60_000), ..SessionPolicy::nine_days() });
    }

    #[test]
    fn numbers_have_defaults_and_a_wrong_one_is_named() {
        assert_eq!(read(&[]).unwrap().backoff, Duration::from_secs(20));
        let none = read(&[("SESSIONIZER_BACKOFF_MS", "0")]).unwrap();
        assert_eq!(none.backoff, Duration::ZERO);
        for (name, wrong) in [
            ("SESSIONIZER_BACKOFF_MS", "soon"),
            ("SESSIONIZER_BACKOFF_MS", "60001"),
            ("SESSION_GRACE_MS", "-1"),
            ("SESSION_GRACE_MS", "3600001"),
        ] {
            let error = read(&[(name, wrong)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
