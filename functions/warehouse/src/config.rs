//! Settings of the Lambda entry point.
//!
//! | variable | meaning |
//! |---|---|
//! | `CLICKHOUSE_URL` | the warehouse: `https://`, or `http://` on this machine |
//! | `CLICKHOUSE_DATABASE`, `CLICKHOUSE_USER` | default `default` |
//! | `CLICKHOUSE_PASSWORD` | its password, or `secret:<id>` of a secret that holds it, or `secret:<id>#<field>`; default none |
//! | `WAREHOUSE_BACKOFF_MS` | longest pause before a failed batch is answered, ms; default 20000 |
//! | `S3_BUCKET` | the archive, where refused rows are set aside |
//! | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, … | what Lambda sets |

use std::{fmt, time::Duration};

use connector::warehouse::{InvalidWarehouse, Settings, WarehouseUrl};

/// Settings beside the names of the account's things.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which warehouse, and as whom.
    pub warehouse: Settings,
    /// The password, or where it is kept.
    pub password: Setting,
    /// Longest pause before a failed batch is answered.
    pub backoff: Duration,
}

/// A setting that may be a secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting(String);

impl Setting {
    /// The text as it was set.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setting(***)")
    }
}

/// Settings with which the function does not start. Names the variable, never its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Needed and absent.
    #[error("CLICKHOUSE_URL is not set: without it there is no warehouse")]
    Missing,
    /// The URL is not allowed.
    #[error("CLICKHOUSE_URL: {0}")]
    Url(#[from] InvalidWarehouse),
    /// Not a whole number of milliseconds up to a minute.
    #[error("WAREHOUSE_BACKOFF_MS is not a whole number from 0 to 60000")]
    Backoff,
}

impl Config {
    /// Reads the settings through `variable`.
    ///
    /// # Errors
    /// Names the variable.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
        let or_default = |name| set(name).unwrap_or_else(|| DEFAULT.to_owned());
        let url = set("CLICKHOUSE_URL").ok_or(ConfigError::Missing)?;
        let backoff = match set("WAREHOUSE_BACKOFF_MS") {
            Some(text) => text.parse().map(Duration::from_millis).ok(),
            None => Some(BACKOFF),
        };
        Ok(Self {
            warehouse: Settings {
                url: WarehouseUrl::parse(&url)?,
                database: or_default("CLICKHOUSE_DATABASE"),
                user: or_default("CLICKHOUSE_USER"),
            },
            password: Setting(set("CLICKHOUSE_PASSWORD").unwrap_or_default()),
            backoff: backoff
                .filter(|backoff| *backoff <= BACKOFF_MAX)
                .ok_or(ConfigError::Backoff)?,
        })
    }
}

/// The name of ClickHouse's own first database and user.
const DEFAULT: &str = "default";
const BACKOFF: Duration = Duration::from_secs(20);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const URL: (&str, &str) = ("CLICKHOUSE_URL", "https://warehouse.example.com:8443");

    fn read(set: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_url_is_all_that_is_needed() {
        let config = read(&[URL]).unwrap();
        assert_eq!((&*config.warehouse.database, &*config.warehouse.user), (DEFAULT, DEFAULT));
        assert_eq!((config.password.reveal(), config.backoff), ("", BACKOFF));
        let named = [URL, ("CLICKHOUSE_DATABASE", "friction"), ("CLICKHOUSE_USER", "tribometer")];
        let config = read(&named).unwrap();
        assert_eq!(
            (&*config.warehouse.database, &*config.warehouse.user),
            ("friction", "tribometer")
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (set, expected) in [
            (&[][..], ConfigError::Missing),
            (&[("CLICKHOUSE_URL", " ")], ConfigError::Missing),
            (
                &[("CLICKHOUSE_URL", "http://warehouse.example.com")],
                ConfigError::Url(InvalidWarehouse::Scheme),
            ),
            (&[URL, ("WAREHOUSE_BACKOFF_MS", "soon")], ConfigError::Backoff),
            (&[URL, ("WAREHOUSE_BACKOFF_MS", "60001")], ConfigError::Backoff),
        ] {
            assert_eq!(read(set).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let config = read(&[URL, ("CLICKHOUSE_PASSWORD", "pass-1")]).unwrap();
        assert_eq!(config.password.reveal(), "pass-1");
        assert!(!format!("{config:?}").contains("pass-1"));
    }
}
