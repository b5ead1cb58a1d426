//! Settings of the Lambda entry point.
//!
//! | variable | meaning |
//! |---|---|
//! | `FRICTIONMELT_API_URL` | the connector's base URL, `https://` on port 443 |
//! | `FRICTIONMELT_API_KEY` | its key, or `file:` and the path of a file that holds it |
//! | `FRICTIONMELT_SIGNING_SECRET` | `whsec_…`, two of them during a rotation, or `file:` and a path |
//! | `FRICTIONMELT_MOCK_MODE` | `true` delivers to the built-in mock; default `true` until a URL and a key are set |
//! | `FRICTIONMELT_PROFILE` | name of a built-in profile, or a profile as JSON; default `athena-eu` |
//! | `FRICTIONMELT_INSTANCE` | how this installation names itself; default `tribometer` |
//! | `AWS_REGION` | its region; default `eu-central-1` |
//! | `EVENTS_SQLITE_PATH` | the store's directory; default `events.db` |
//! | `EVENTS_DDB_TABLE` | asks for DynamoDB, which this build has not: the entry point refuses to start |

use std::path::PathBuf;

use connector::{BaseUrl, InvalidBaseUrl, Secrets, Source, Transport, secrets::Unavailable};
use domain::{
    delivery::DeliveryPolicy,
    profile::{InvalidCredential, InvalidProfile, Profile, Sender},
};

use crate::Settings;

/// Settings of the entry point.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory of the embedded store.
    pub store: PathBuf,
    /// Where deliveries go.
    pub target: Target,
    /// What is sent, and how patiently.
    pub settings: Settings,
}

/// Where deliveries go.
#[derive(Debug, Clone)]
pub enum Target {
    /// To the built-in mock, in this process.
    Mock,
    /// To a connector.
    Connector {
        /// Its base URL.
        base: BaseUrl,
        /// Its credentials.
        secrets: Secrets,
    },
}

/// Settings with which nothing starts. Names the variable, never its value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// DynamoDB was asked for.
    #[error(
        "EVENTS_DDB_TABLE is set, but this build has no DynamoDB adapter: unset it and set EVENTS_SQLITE_PATH"
    )]
    NoDynamoDb,
    /// Set to nothing.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// Needed and absent.
    #[error(
        "{0} is not set: without it nothing can be delivered (FRICTIONMELT_MOCK_MODE=true delivers to the mock)"
    )]
    Missing(&'static str),
    /// Neither true nor false.
    #[error("FRICTIONMELT_MOCK_MODE is neither true nor false")]
    MockMode,
    /// The URL is not allowed.
    #[error("FRICTIONMELT_API_URL: {0}")]
    Url(#[from] InvalidBaseUrl),
    /// The profile cannot be used.
    #[error("FRICTIONMELT_PROFILE: {0}")]
    Profile(#[from] InvalidProfile),
    /// The instance or the region cannot be sent.
    #[error("FRICTIONMELT_INSTANCE and AWS_REGION must be visible ASCII")]
    Sender(#[source] InvalidCredential),
    /// The secrets cannot be used.
    #[error("FRICTIONMELT_API_KEY or FRICTIONMELT_SIGNING_SECRET: {0}")]
    Secrets(#[from] Unavailable),
}

impl Config {
    /// Reads the settings through `variable`.
    ///
    /// # Errors
    /// [`ConfigError`]: a delivery half configured is none.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &'static str| match variable(name) {
            Some(text) if text.trim().is_empty() => Err(ConfigError::Empty(name)),
            found => Ok(found),
        };
        if variable("EVENTS_DDB_TABLE").is_some_and(|table| !table.is_empty()) {
            return Err(ConfigError::NoDynamoDb);
        }
        let or = |name, default: &str| -> Result<String, ConfigError> {
            Ok(set(name)?.unwrap_or_else(|| default.to_owned()))
        };
        let profile = Profile::parse(&or("FRICTIONMELT_PROFILE", DEFAULT_PROFILE)?)?;
        let (instance, region) =
            (or("FRICTIONMELT_INSTANCE", DEFAULT_INSTANCE)?, or("AWS_REGION", DEFAULT_REGION)?);
        let sender = Sender::new(instance, region).map_err(ConfigError::Sender)?;
        Ok(Self {
            store: or("EVENTS_SQLITE_PATH", DEFAULT_STORE)?.into(),
            target: target(set)?,
            settings: Settings { profile, policy: DeliveryPolicy::default(), sender },
        })
    }
}

/// One of URL and key without the other is a mistake, and the mock would swallow real events over it.
fn target(
    set: impl Fn(&'static str) -> Result<Option<String>, ConfigError>,
) -> Result<Target, ConfigError> {
    let mock = match set("FRICTIONMELT_MOCK_MODE")?.as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(ConfigError::MockMode),
    };
    if mock == Some(true) {
        return Ok(Target::Mock);
    }
    let (url, key) = (set("FRICTIONMELT_API_URL")?, set("FRICTIONMELT_API_KEY")?);
    if mock.is_none() && url.is_none() && key.is_none() {
        return Ok(Target::Mock);
    }
    let url = url.ok_or(ConfigError::Missing("FRICTIONMELT_API_URL"))?;
    let key = key.ok_or(ConfigError::Missing("FRICTIONMELT_API_KEY"))?;
    let signing = set("FRICTIONMELT_SIGNING_SECRET")?
        .ok_or(ConfigError::Missing("FRICTIONMELT_SIGNING_SECRET"))?;
    let base = BaseUrl::parse(&url, Transport::Https)?;
    let secrets = Secrets::new(Source::parse(&key), Source::parse(&signing));
    secrets.read()?;
    Ok(Target::Connector { base, secrets })
}

const DEFAULT_PROFILE: &str = "athena-eu";
const DEFAULT_INSTANCE: &str = "tribometer";
const DEFAULT_REGION: &str = "eu-central-1";
const DEFAULT_STORE: &str = "events.db";

#[cfg(test)]
mod tests {
    use super::*;

    const URL: (&str, &str) = ("FRICTIONMELT_API_URL", "https://api.example.com");
    const KEY: (&str, &str) = ("FRICTIONMELT_API_KEY", "key-1");
    const SIGNING: (&str, &str) =
        ("FRICTIONMELT_SIGNING_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");

    fn read(set: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_mock_is_the_default_until_a_connector_is_configured() {
        let is_mock = |set: &[(&str, &str)]| matches!(read(set).unwrap().target, Target::Mock);
        assert!(is_mock(&[]));
        assert!(is_mock(&[("FRICTIONMELT_MOCK_MODE", "true"), URL, KEY, SIGNING]));
        assert!(!is_mock(&[URL, KEY, SIGNING]));
        assert!(!is_mock(&[("FRICTIONMELT_MOCK_MODE", "false"), URL, KEY, SIGNING]));
    }

    #[test]
    fn a_delivery_half_configured_refuses_to_start() {
        for (set, named) in [
            (&[URL][..], "FRICTIONMELT_API_KEY"),
            (&[KEY], "FRICTIONMELT_API_URL"),
            (&[URL, KEY], "FRICTIONMELT_SIGNING_SECRET"),
            (&[("FRICTIONMELT_MOCK_MODE", "false")], "FRICTIONMELT_API_URL"),
            (&[("FRICTIONMELT_MOCK_MODE", "yes")], "FRICTIONMELT_MOCK_MODE"),
            (&[("FRICTIONMELT_API_URL", " "), KEY, SIGNING], "FRICTIONMELT_API_URL"),
            (
                &[("FRICTIONMELT_API_URL", "http://api.example.com"), KEY, SIGNING],
                "FRICTIONMELT_API_URL",
            ),
            (&[("FRICTIONMELT_API_URL", "https://10.0.0.1"), KEY, SIGNING], "FRICTIONMELT_API_URL"),
            (&[URL, KEY, ("FRICTIONMELT_SIGNING_SECRET", "oops")], "FRICTIONMELT_SIGNING_SECRET"),
            (
                &[URL, ("FRICTIONMELT_API_KEY", "file:/nowhere/key"), SIGNING],
                "FRICTIONMELT_API_KEY",
            ),
            (&[("FRICTIONMELT_PROFILE", "athena-us")], "FRICTIONMELT_PROFILE"),
            (&[("FRICTIONMELT_INSTANCE", "a\nb")], "FRICTIONMELT_INSTANCE"),
            (&[("EVENTS_DDB_TABLE", "events")], "EVENTS_DDB_TABLE"),
            (&[("EVENTS_SQLITE_PATH", "")], "EVENTS_SQLITE_PATH"),
        ] {
            let error = read(set).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn nothing_that_is_shown_holds_a_secret() {
        let config = read(&[URL, KEY, SIGNING]).unwrap();
        let error = read(&[URL, KEY, ("FRICTIONMELT_SIGNING_SECRET", "whsec_short")]).unwrap_err();
        let shown = format!("{config:?} {error} {error:?}");
        for secret in ["key-1", "MfKQ9r8", "whsec_short"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
