//! Settings of the door.
//!
//! | variable | meaning |
//! |---|---|
//! | `INGEST_EVENTS_PER_SECOND` | what one key may send on average; default 20000, at least 1 |
//! | `INGEST_EVENTS_BURST` | what one key may send at once; default 60000, at least 1 |
//!
//! The Lambda entry point also needs
//!
//! | variable | meaning |
//! |---|---|
//! | `EVENTS_DDB_TABLE`, `DELIVERY_TABLE`, `DEDUPE_TABLE`, `REFERENCE_TABLE`, `KEYS_TABLE` | the tables |
//! | `EVENTS_STREAM` | the stream |
//! | `PSEUDONYM_SECRET` | the secret that holds the pseudonymisation keys |
//! | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, … | what Lambda sets |

use std::{num::NonZeroU32, time::Duration};

/// Settings of the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// What one key may send.
    pub rate: Rate,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
}

/// What one key may send to one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Events per second, on average.
    pub events_per_second: u32,
    /// Events at once.
    pub burst: u32,
}

impl Rate {
    pub(crate) fn burst(self) -> f64 {
        f64::from(self.burst)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rate: Rate { events_per_second: 20_000, burst: 60_000 },
            body_timeout: Duration::from_secs(10),
        }
    }
}

/// Settings with which the door does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not a whole number from 1.
    #[error("{0} is not a whole number from 1 to 4294967295")]
    NotACount(&'static str),
}

impl Config {
    /// Reads the settings through `variable`.
    ///
    /// # Errors
    /// Names the variable.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let count = |name, default: &mut u32| match variable(name).filter(|text| !text.is_empty()) {
            None => Ok(()),
            Some(text) => {
                let count: NonZeroU32 = text.parse().map_err(|_| ConfigError::NotACount(name))?;
                *default = count.get();
                Ok(())
            }
        };
        count("INGEST_EVENTS_PER_SECOND", &mut config.rate.events_per_second)?;
        count("INGEST_EVENTS_BURST", &mut config.rate.burst)?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_defaults_and_a_wrong_one_is_named() {
        let set = |name: &'static str, value: &'static str| {
            move |key: &str| (key == name).then(|| value.to_owned())
        };
        let rate = |name, value| Config::read(set(name, value)).map(|config| config.rate);
        assert_eq!(Config::read(|_| None), Ok(Config::default()));
        assert_eq!(rate("INGEST_EVENTS_BURST", "7").map(|rate| rate.burst), Ok(7));
        for wrong in ["0", "-1", "many", "1.5", "99999999999"] {
            let expected = Err(ConfigError::NotACount("INGEST_EVENTS_PER_SECOND"));
            assert_eq!(rate("INGEST_EVENTS_PER_SECOND", wrong), expected);
        }
    }
}
