//! What a host tells its emitter: who it is, and how much it may cost.
//!
//! | variable | meaning | when it is not set |
//! |---|---|---|
//! | `TRIBO_ORG` | the organisation | refused |
//! | `TRIBO_PRODUCT` | its product | `default` |
//! | `TRIBO_SERVICE`, `AWS_LAMBDA_FUNCTION_NAME` | the host's name | refused |
//! | `TRIBO_VERSION`, `AWS_LAMBDA_FUNCTION_VERSION` | the host's version | absent |
//! | `AWS_REGION` | where it runs | refused |
//! | `TRIBO_EMIT_BUDGET_MS` | longest wait of one `emit`, ms | 50 |
//! | `TRIBO_RING_EVENTS`, `TRIBO_RING_BYTES` | how much may wait in memory | 1,000 events, 1 MiB |

use std::time::Duration;

use contract::{OrgId, ProductId, limits::EVENT_BYTES_MAX};

use crate::ring::RingLimits;

/// Who the host is, and how much the emitter may cost it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The organisation of every event.
    pub org: OrgId,
    /// The product of every event that names none.
    pub product: ProductId,
    /// The host's name, at most 64 bytes.
    pub service: String,
    /// The host's version, at most 64 bytes.
    pub version: Option<String>,
    /// Where it runs, at most 64 bytes.
    pub region: String,
    /// Longest wait of one `emit`; what is not stored by then waits in the ring.
    pub budget: Duration,
    /// Most events that wait in the ring.
    pub ring_events: usize,
    /// Most bytes that wait in the ring; at least 32 KiB, so that every event fits.
    pub ring_bytes: usize,
    /// Most rows in one call of the transport, 1 to 25.
    pub batch_size: usize,
}

impl Settings {
    /// Settings with the usual limits.
    #[must_use]
    pub fn new(org: OrgId, service: impl Into<String>, region: impl Into<String>) -> Self {
        Self {
            org,
            product: ProductId::default(),
            service: service.into(),
            version: None,
            region: region.into(),
            budget: BUDGET,
            ring_events: RING_EVENTS,
            ring_bytes: RING_BYTES,
            batch_size: BATCH_SIZE_MAX,
        }
    }

    /// Reads the variables of the table above through `variable`, usually `|name| std::env::var(name).ok()`.
    ///
    /// # Errors
    /// The name of the first variable that is missing or wrong.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let read = |name| variable(name).filter(|text| !text.trim().is_empty());
        let required = |name| read(name).ok_or(SettingsError::Missing { variable: name });
        let invalid = |variable, expected| SettingsError::Invalid { name: variable, expected };
        let whole = |name, usual: usize| {
            read(name).map_or(Ok(usual), |text| {
                text.trim().parse().map_err(|_| invalid(name, "a whole number"))
            })
        };
        let org = OrgId::parse(required(ORG)?).map_err(|_| invalid(ORG, ID))?;
        let product = read(PRODUCT).map_or(Ok(ProductId::default()), ProductId::parse);
        let service = read(SERVICE).or_else(|| read("AWS_LAMBDA_FUNCTION_NAME"));
        let settings = Self {
            product: product.map_err(|_| invalid(PRODUCT, ID))?,
            version: read("TRIBO_VERSION").or_else(|| read("AWS_LAMBDA_FUNCTION_VERSION")),
            budget: read(BUDGET_MS).map_or(Ok(BUDGET), |text| {
                let ms = text.trim().parse().map_err(|_| invalid(BUDGET_MS, "a whole number"))?;
                Ok(Duration::from_millis(ms))
            })?,
            ring_events: whole("TRIBO_RING_EVENTS", RING_EVENTS)?,
            ring_bytes: whole("TRIBO_RING_BYTES", RING_BYTES)?,
            ..Self::new(
                org,
                service.ok_or(SettingsError::Missing { variable: SERVICE })?,
                required("AWS_REGION")?,
            )
        };
        settings.check()?;
        Ok(settings)
    }

    /// Refuses limits that would make the emitter useless or dangerous.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let invalid = |name, expected| Err(SettingsError::Invalid { name, expected });
        if self.budget.is_zero() || self.budget > BUDGET_MAX {
            return invalid("budget", "more than 0 and at most 10,000 ms");
        }
        if self.ring_events == 0 {
            return invalid("ring_events", "at least 1");
        }
        if self.ring_bytes < RING_BYTES_MIN {
            return invalid("ring_bytes", "at least 32768");
        }
        if !(1..=BATCH_SIZE_MAX).contains(&self.batch_size) {
            return invalid("batch_size", "1 to 25");
        }
        Ok(())
    }

    pub(crate) fn ring(&self) -> RingLimits {
        RingLimits { events_max: self.ring_events, bytes_max: self.ring_bytes }
    }
}

/// Why settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A variable is not set, or empty.
    #[error("{variable} is not set")]
    Missing {
        /// Its name.
        variable: &'static str,
    },
    /// A variable or a setting is outside its bounds.
    #[error("{name} must be {expected}")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

const ORG: &str = "TRIBO_ORG";
const PRODUCT: &str = "TRIBO_PRODUCT";
const SERVICE: &str = "TRIBO_SERVICE";
const BUDGET_MS: &str = "TRIBO_EMIT_BUDGET_MS";
const ID: &str = "1 to 64 of A-Z a-z 0-9 _ -";
const BUDGET: Duration = Duration::from_millis(50);
const BUDGET_MAX: Duration = Duration::from_secs(10);
const RING_EVENTS: usize = 1_000;
const RING_BYTES: usize = 1024 * 1024;
/// A row is at most 16 KiB and its envelope.
const RING_BYTES_MIN: usize = 2 * EVENT_BYTES_MAX;
/// What one `BatchWriteItem` takes.
const BATCH_SIZE_MAX: usize = 25;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_env(|name| {
            given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_lambda_needs_to_name_only_its_organisation() {
        let settings = read(&[
            ("TRIBO_ORG", "acme"),
            ("AWS_LAMBDA_FUNCTION_NAME", "checkout"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "12"),
            ("AWS_REGION", "eu-central-1"),
        ])
        .unwrap();
        assert_eq!((settings.service.as_str(), settings.budget.as_millis()), ("checkout", 50));
        assert_eq!(settings.version.as_deref(), Some("12"));
        assert_eq!(settings.product, ProductId::default());
    }

    #[test]
    fn the_first_variable_that_is_missing_or_wrong_is_named() {
        let check = |given: &[(&str, &str)], expected: &str| {
            assert_eq!(read(given).unwrap_err().to_string(), expected);
        };
        check(&[], "TRIBO_ORG is not set");
        check(&[(ORG, "a b")], "TRIBO_ORG must be 1 to 64 of A-Z a-z 0-9 _ -");
        check(&[(ORG, "a")], "TRIBO_SERVICE is not set");
        check(&[(ORG, "a"), (SERVICE, "s")], "AWS_REGION is not set");
        let all = [(ORG, "a"), (SERVICE, "s"), ("AWS_REGION", "r")];
        let with = |name, value| [all.as_slice(), &[(name, value)]].concat();
        check(&with(BUDGET_MS, "soon"), "TRIBO_EMIT_BUDGET_MS must be a whole number");
        check(&with(BUDGET_MS, "0"), "budget must be more than 0 and at most 10,000 ms");
        check(&with("TRIBO_RING_EVENTS", "0"), "ring_events must be at least 1");
        check(&with("TRIBO_RING_BYTES", "100"), "ring_bytes must be at least 32768");
        check(&with(PRODUCT, "ä"), "TRIBO_PRODUCT must be 1 to 64 of A-Z a-z 0-9 _ -");
    }
}
