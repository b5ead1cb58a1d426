//! Where the connector's key and the signing secrets come from.

use std::{path::PathBuf, sync::Arc};

use contract::OrgId;
use domain::{
    profile::{Credentials, InvalidCredential},
    signature::{InvalidSecret, SigningSecret},
};
use ports::{
    PortError, PortResult,
    endpoint::{ConnectorSecrets, Freshness},
};

/// A secret's text, or the file that holds it. `Debug` shows neither.
#[derive(Clone)]
pub enum Source {
    /// The text itself.
    Text(String),
    /// A file, read anew for each delivery: replacing it rotates the secret without a restart.
    File(PathBuf),
}

impl Source {
    /// `file:/path` names a file, anything else is the secret.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix(FILE_PREFIX) {
            Some(path) => Self::File(path.into()),
            None => Self::Text(text.to_owned()),
        }
    }

    pub(crate) fn read(&self) -> std::io::Result<String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => std::fs::read_to_string(path),
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(***)",
            Self::File(_) => "File(***)",
        })
    }
}

/// The credentials of one connector.
#[derive(Debug, Clone)]
pub struct Secrets {
    key: Source,
    signing: Source,
}

impl Secrets {
    /// A key, and one or two signing secrets divided by white space or a comma.
    #[must_use]
    pub fn new(key: Source, signing: Source) -> Self {
        Self { key, signing }
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Unavailable`]: without credentials nothing is sent.
    pub fn read(&self) -> Result<Credentials, Unavailable> {
        let signing = SigningSecret::parse_all(&self.signing.read()?)?;
        Ok(Credentials::new(&self.key.read()?, signing)?)
    }
}

/// Credentials that cannot be had. Never repeats them.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The file cannot be read.
    #[error("a secret's file cannot be read: {}", .0.kind())]
    Unread(#[from] std::io::Error),
    /// The key cannot be sent.
    #[error(transparent)]
    Key(#[from] InvalidCredential),
    /// The signing secret is malformed.
    #[error(transparent)]
    Signing(#[from] InvalidSecret),
}

impl ConnectorSecrets for Secrets {
    /// Every organisation has the same credentials, and they are always read now.
    async fn credentials(&self, _: &OrgId, _: Freshness) -> PortResult<Arc<Credentials>> {
        let read = self.read().map(Arc::new);
        read.map_err(|error| PortError::transient("connector_secrets", error))
    }
}

const FILE_PREFIX: &str = "file:";

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_file_is_read_anew_and_its_end_of_line_does_not_count() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let secrets = Secrets::new(
            Source::parse(&format!("file:{}", file.path().display())),
            Source::parse(SIGNING),
        );
        assert!(secrets.read().is_err(), "an empty file holds no key");
        std::fs::write(file.path(), "key-1\n").unwrap();
        assert!(secrets.read().is_ok());
    }

    #[test]
    fn nothing_is_printed_and_nothing_malformed_is_used() {
        let secrets = Secrets::new(Source::parse("key-1"), Source::parse("whsec_oops"));
        let error = secrets.read().unwrap_err();
        let shown = format!("{secrets:?} {error} {error:?}");
        assert!(!shown.contains("key-1") && !shown.contains("oops"), "{shown}");
    }
}
