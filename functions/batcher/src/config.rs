//! Settings of the Lambda entry point.
//!
//! | variable | meaning |
//! |---|---|
//! | `FRICTIONMELT_API_URL` | the connector's base URL: `https://` on port 443, or `http://` on this machine |
//! | `FRICTIONMELT_API_KEY` | its key, or `secret:<id>` of a secret that holds it, or `secret:<id>#<field>` |
//! | `FRICTIONMELT_SIGNING_SECRET` | `whsec_…`, two of them during a rotation, or a secret as above |
//! | `FRICTIONMELT_MOCK_MODE` | `true` delivers to the built-in mock; default `true` until a URL and a key are set |
//! | `FRICTIONMELT_PROFILE` | name of a built-in profile, or a profile as JSON; default `athena-eu` |
//! | `FRICTIONMELT_INSTANCE` | how this installation names itself; default `tribometer` |
//! | `EVENTS_DDB_TABLE`, `DELIVERY_TABLE`, `DEDUPE_TABLE`, `EVENT_BUS` | the tables and the bus |
//! | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, … | what Lambda sets |

use std::fmt;

use connector::{BaseUrl, InvalidBaseUrl, Secrets, Source, Transport, secrets::Unavailable};
use domain::{
    delivery::DeliveryPolicy,
    profile::{InvalidCredential, InvalidProfile, Profile, Sender},
};

use crate::Settings;

/// Settings of the entry point.
#[derive(Debug, Clone)]
pub struct Config {
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
        /// Its key, or where it is kept.
        key: Setting,
        /// What signs, or where it is kept.
        signing: Setting,
    },
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

    /// Is it the name of a secret, and not the secret itself?
    fn is_kept(&self) -> bool {
        self.0.starts_with("secret:")
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setting(***)")
    }
}

/// Settings with which nothing starts. Names the variable, never its value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
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
        let or = |name, default: &str| -> Result<String, ConfigError> {
            Ok(set(name)?.unwrap_or_else(|| default.to_owned()))
        };
        let profile = Profile::parse(&or("FRICTIONMELT_PROFILE", DEFAULT_PROFILE)?)?;
        let (instance, region) =
            (or("FRICTIONMELT_INSTANCE", DEFAULT_INSTANCE)?, or("AWS_REGION", DEFAULT_REGION)?);
        let sender = Sender::new(instance, region).map_err(ConfigError::Sender)?;
        Ok(Self {
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
    let transport =
        if url.starts_with("http://") { Transport::LoopbackHttp } else { Transport::Https };
    let base = BaseUrl::parse(&url, transport)?;
    let (key, signing) = (Setting(key), Setting(signing));
    // One that is kept elsewhere may be mended there at any time; one that is written here stays wrong.
    let given = |setting: &Setting, sound: &str| {
        Source::Text(if setting.is_kept() { sound.to_owned() } else { setting.0.clone() })
    };
    Secrets::new(given(&key, "kept"), given(&signing, SOUND_SIGNING)).read()?;
    Ok(Target::Connector { base, key, signing })
}

const DEFAULT_PROFILE: &str = "athena-eu";
const DEFAULT_INSTANCE: &str = "tribometer";
const DEFAULT_REGION: &str = "eu-central-1";
/// Stands for a signing secret that is not looked at here; it signs nothing.
const SOUND_SIGNING: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

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
            (&[URL, ("FRICTIONMELT_API_KEY", "a\nb"), SIGNING], "FRICTIONMELT_API_KEY"),
            (
                &[
                    URL,
                    ("FRICTIONMELT_API_KEY", "secret:k"),
                    ("FRICTIONMELT_SIGNING_SECRET", "oops"),
                ],
                "FRICTIONMELT_SIGNING_SECRET",
            ),
            (&[("FRICTIONMELT_PROFILE", "athena-us")], "FRICTIONMELT_PROFILE"),
            (&[("FRICTIONMELT_INSTANCE", "a\nb")], "FRICTIONMELT_INSTANCE"),
        ] {
            let error = read(set).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn secrets_may_be_kept_elsewhere_and_a_connector_may_run_on_this_machine() {
        let kept = ("FRICTIONMELT_API_KEY", "secret:friction/connector#apiKey");
        let signing = ("FRICTIONMELT_SIGNING_SECRET", "secret:friction/connector#signingSecret");
        let local = ("FRICTIONMELT_API_URL", "http://127.0.0.1:9");
        for set in [[URL, kept, signing], [local, kept, signing], [local, KEY, SIGNING]] {
            assert!(matches!(read(&set).unwrap().target, Target::Connector { .. }), "{set:?}");
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
