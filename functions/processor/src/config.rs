//! Settings of the Lambda entry points.
//!
//! | variable | meaning |
//! |---|---|
//! | `EVENTS_DDB_TABLE`, `DELIVERY_TABLE`, `DEDUPE_TABLE`, `DYNAMODB_TABLE`, `REFERENCE_TABLE`, `SESSIONS_TABLE` | the tables |
//! | `S3_BUCKET`, `QUARANTINE_BUCKET` | the archive, and what is set aside |
//! | `ON_FAILURE_BUCKET` | what Lambda gave up; only the redrive needs it |
//! | `EVENT_BUS`, `PSEUDONYM_SECRET` | announcements, and the key of what is set aside |
//! | `PROCESSOR_BACKOFF_MS` | longest pause before a failed batch is answered, ms; default 20000 |
//! | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, … | what Lambda sets |

use std::time::Duration;

/// Settings beside the names of the account's things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Longest pause before a failed batch is answered. Lambda retries at once, and would otherwise use up its attempts
    /// within minutes while a service is down.
    pub backoff: Duration,
}

/// Settings with which the function does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not a whole number of milliseconds up to a minute.
    #[error("PROCESSOR_BACKOFF_MS is not a whole number from 0 to 60000")]
    Backoff,
}

impl Config {
    /// Reads the settings through `variable`.
    ///
    /// # Errors
    /// Names the variable.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let Some(text) = variable("PROCESSOR_BACKOFF_MS").filter(|text| !text.is_empty()) else {
            return Ok(Self { backoff: BACKOFF });
        };
        match text.parse().map(Duration::from_millis) {
            Ok(backoff) if backoff <= BACKOFF_MAX => Ok(Self { backoff }),
            Ok(_) | Err(_) => Err(ConfigError::Backoff),
        }
    }
}

const BACKOFF: Duration = Duration::from_secs(20);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_has_a_default_and_a_wrong_one_is_named() {
        let read = |value: &'static str| {
            Config::read(|name| (name == "PROCESSOR_BACKOFF_MS").then(|| value.to_owned()))
        };
        assert_eq!(Config::read(|_| None), Ok(Config { backoff: BACKOFF }));
        assert_eq!(read(""), Ok(Config { backoff: BACKOFF }));
        assert_eq!(read("0"), Ok(Config { backoff: Duration::ZERO }));
        for wrong in ["-1", "soon", "60001"] {
            assert_eq!(read(wrong), Err(ConfigError::Backoff), "{wrong}");
        }
    }
}
