//! Where the pseudonymisation key comes from. It is loaded once, in [`crate::Emitter::connect`], and never in `emit`.

#[cfg(any(feature = "kms", feature = "secrets"))]
mod account;

use std::fmt;

use contract::OrgId;
use data_encoding::HEXLOWER_PERMISSIVE;
use domain::pseudonym::{OrgKey, Pseudonymiser, RootKey};
use zeroize::Zeroize;

#[cfg(feature = "kms")]
pub use account::KmsKey;
#[cfg(feature = "secrets")]
pub use account::SecretKey;

/// Gives the pseudonymiser of an organisation: from a key service, a file, or the host.
pub trait KeySource {
    /// The pseudonymiser of `org` under the current epoch. Asking again gives the same tokens.
    ///
    /// # Errors
    /// There is no key. A source has no default to fall back on.
    fn pseudonymiser(
        &self,
        org: &OrgId,
    ) -> impl Future<Output = Result<Pseudonymiser, KeyError>> + Send;
}

/// Why there is no key. Says nothing about the key itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The variable is not set, or empty.
    #[error("{variable} is not set")]
    Missing {
        /// Its name.
        variable: &'static str,
    },
    /// The variable does not hold what it must.
    #[error("{variable} must hold {expected}")]
    Invalid {
        /// Its name.
        variable: &'static str,
        /// What it must hold.
        expected: &'static str,
    },
    /// The source knows no key of this organisation.
    #[error("there is no key of this organisation")]
    UnknownOrg,
    /// The source did not answer.
    #[error("the key source is not available: {why}")]
    Unavailable {
        /// What stood in the way, in fixed words.
        why: &'static str,
    },
}

/// A root key, its epoch and the organisation's salt, as the host was given them.
///
/// Tokens are equal wherever root key, epoch and salt are.
pub struct GivenKey {
    root: RootKey,
    epoch: u32,
    salt: [u8; 32],
}

impl GivenKey {
    /// Takes what the host was given.
    #[must_use]
    pub fn new(root: RootKey, epoch: u32, salt: [u8; 32]) -> Self {
        Self { root, epoch, salt }
    }

    /// Reads `TRIBO_PSEUDONYM_KEY` and `TRIBO_PSEUDONYM_SALT` (64 hexadecimal digits each) and `TRIBO_PSEUDONYM_EPOCH`
    /// (a whole number).
    ///
    /// # Errors
    /// The name of the first variable that is missing or wrong.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, KeyError> {
        let read = |name| {
            variable(name)
                .filter(|text| !text.trim().is_empty())
                .ok_or(KeyError::Missing { variable: name })
        };
        let mut text = read(KEY)?;
        let root = RootKey::parse(&text);
        text.zeroize();
        let root = root.map_err(|_| KeyError::Invalid { variable: KEY, expected: HEX_64 })?;
        let epoch = read(EPOCH)?
            .trim()
            .parse()
            .map_err(|_| KeyError::Invalid { variable: EPOCH, expected: "a whole number" })?;
        let salt = HEXLOWER_PERMISSIVE
            .decode(read(SALT)?.trim().as_bytes())
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .ok_or(KeyError::Invalid { variable: SALT, expected: HEX_64 })?;
        Ok(Self { root, epoch, salt })
    }
}

impl KeySource for GivenKey {
    async fn pseudonymiser(&self, org: &OrgId) -> Result<Pseudonymiser, KeyError> {
        let key = OrgKey::derive(&self.root, self.epoch, org, &self.salt);
        Ok(Pseudonymiser::new(org.clone(), &key))
    }
}

impl fmt::Debug for GivenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenKey").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

const KEY: &str = "TRIBO_PSEUDONYM_KEY";
const EPOCH: &str = "TRIBO_PSEUDONYM_EPOCH";
const SALT: &str = "TRIBO_PSEUDONYM_SALT";
const HEX_64: &str = "64 hexadecimal digits";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[(&str, &str)], expected: Result<(), KeyError>) {
        let variable = |name: &str| {
            given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(GivenKey::from_env(variable).map(|_| ()), expected);
    }

    #[test]
    fn a_missing_or_wrong_variable_is_named_and_nothing_is_assumed() {
        let key = &"0123456789abcdef".repeat(4);
        let all_same = &"00".repeat(32);
        check(&[(KEY, key), (EPOCH, "3"), (SALT, key)], Ok(()));
        check(&[], Err(KeyError::Missing { variable: KEY }));
        check(&[(KEY, " ")], Err(KeyError::Missing { variable: KEY }));
        check(&[(KEY, all_same)], Err(KeyError::Invalid { variable: KEY, expected: HEX_64 }));
        check(&[(KEY, key)], Err(KeyError::Missing { variable: EPOCH }));
        check(
            &[(KEY, key), (EPOCH, "-1")],
            Err(KeyError::Invalid { variable: EPOCH, expected: "a whole number" }),
        );
        check(&[(KEY, key), (EPOCH, "3")], Err(KeyError::Missing { variable: SALT }));
        check(
            &[(KEY, key), (EPOCH, "3"), (SALT, "salt")],
            Err(KeyError::Invalid { variable: SALT, expected: HEX_64 }),
        );
    }
}
