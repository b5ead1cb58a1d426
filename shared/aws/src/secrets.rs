//! Secrets of Secrets Manager, and the connector's credentials among them.

use std::{fmt, sync::Arc, time::Duration};

use contract::OrgId;
use domain::{key_file, profile::Credentials, signature::SigningSecret};
use ports::{
    PortError, PortResult,
    endpoint::{ConnectorSecrets, Freshness},
};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{Cloud, cache::Cache, fault::port_error, resources::Resource};

/// A setting that is a secret, or names one of Secrets Manager: `secret:<id>`, or `secret:<id>#<field>` for one field
/// of a secret that is a JSON object. In an id `{org}` stands for the organisation. `Debug` shows none of it.
#[derive(Clone)]
pub struct Reference(Source);

#[derive(Clone)]
enum Source {
    Text(Arc<Zeroizing<String>>),
    Stored { id: String, field: Option<String> },
}

impl Reference {
    /// Whatever does not begin with `secret:` is the secret itself.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let Some(named) = text.strip_prefix(PREFIX) else {
            return Self(Source::Text(Arc::new(Zeroizing::new(text.to_owned()))));
        };
        let (id, field) = match named.split_once('#') {
            Some((id, field)) => (id, Some(field.to_owned())),
            None => (named, None),
        };
        Self(Source::Stored { id: id.to_owned(), field })
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Text(_) => "Text(***)",
            Source::Stored { .. } => "Stored(***)",
        })
    }
}

/// The connector's key and its one or two signing secrets.
#[derive(Debug, Clone)]
pub struct StoredCredentials {
    cloud: Cloud,
    key: Reference,
    signing: Reference,
}

impl StoredCredentials {
    /// The credentials that these settings name.
    #[must_use]
    pub fn new(cloud: Cloud, key: Reference, signing: Reference) -> Self {
        Self { cloud, key, signing }
    }

    async fn text(
        &self,
        reference: &Reference,
        org: &OrgId,
        freshness: Freshness,
    ) -> PortResult<Arc<Zeroizing<String>>> {
        match &reference.0 {
            Source::Text(text) => Ok(Arc::clone(text)),
            Source::Stored { id, field } => {
                let id = id.replace(ORG, org.as_str());
                self.cloud.stored_text(&id, field.as_deref(), freshness).await
            }
        }
    }
}

impl ConnectorSecrets for StoredCredentials {
    async fn credentials(&self, org: &OrgId, freshness: Freshness) -> PortResult<Arc<Credentials>> {
        let signing = self.text(&self.signing, org, freshness).await?;
        // What is malformed may be mended at any moment: that it is wrong now settles nothing for a batch.
        let failed = |error| PortError::transient(OPERATION, error);
        let signing = SigningSecret::parse_all(&signing)
            .map_err(|error| PortError::transient(OPERATION, error))?;
        let key = self.text(&self.key, org, freshness).await?;
        Credentials::new(&key, signing).map(Arc::new).map_err(failed)
    }
}

/// Secrets as they were read.
pub(crate) type Known = Cache<String, Arc<Zeroizing<String>>>;

pub(crate) fn known() -> Known {
    Cache::new(FRESH, KNOWN_MAX)
}

impl Cloud {
    /// What a setting says, or the secret that it names holds; at most five minutes old unless the service is out of reach.
    ///
    /// # Errors
    /// It cannot be read, or has no such field.
    pub async fn secret_text(&self, reference: &Reference) -> PortResult<Arc<Zeroizing<String>>> {
        match &reference.0 {
            Source::Text(text) => Ok(Arc::clone(text)),
            Source::Stored { id, field } => {
                self.stored_text(id, field.as_deref(), Freshness::Recent).await
            }
        }
    }

    /// A secret, or a field of one that is a JSON object.
    async fn stored_text(
        &self,
        id: &str,
        field: Option<&str>,
        freshness: Freshness,
    ) -> PortResult<Arc<Zeroizing<String>>> {
        let text = self.secret(id, freshness).await?;
        let Some(field) = field else { return Ok(text) };
        let value: Option<Value> = serde_json::from_str(&text).ok();
        let found = value.as_ref().and_then(|value| value.get(field)).and_then(Value::as_str);
        let found = found.map(|found| Arc::new(Zeroizing::new(found.to_owned())));
        found.ok_or_else(|| PortError::transient(OPERATION, "a secret has no such field"))
    }

    /// The text of a secret, at most five minutes old unless the service is out of reach; or read now.
    pub(crate) async fn secret(
        &self,
        id: &str,
        freshness: Freshness,
    ) -> PortResult<Arc<Zeroizing<String>>> {
        match freshness {
            Freshness::Recent => match self.0.known_secrets.get(id) {
                Some(known) => Ok(known),
                None => match self.read_secret(id).await {
                    // A secret does not stop being right because nobody can be asked.
                    Err(error) if error.transient => self.0.known_secrets.last(id).ok_or(error),
                    read => read,
                },
            },
            Freshness::Now => self.read_secret(id).await,
        }
    }

    /// The key that signs the cursors of lists: all environments of a function need the same.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub async fn cursor_key(&self) -> PortResult<Zeroizing<[u8; 32]>> {
        let id = self.resources().name(Resource::CursorSecret)?;
        let text = self.secret(id, Freshness::Recent).await?;
        key_file::read_cursor_key(&text)
            .map_err(|error| PortError::permanent("secrets.cursor_key", error))
    }

    async fn read_secret(&self, id: &str) -> PortResult<Arc<Zeroizing<String>>> {
        const OPERATION: &str = "secrets.read";
        let read = self.0.secrets.get_secret_value().secret_id(id).send().await;
        let read = read.map_err(|error| port_error(OPERATION, error))?;
        let text = read.secret_string.map(|text| Arc::new(Zeroizing::new(text)));
        let text =
            text.ok_or_else(|| PortError::permanent(OPERATION, "a secret that is no text"))?;
        self.0.known_secrets.keep(id.to_owned(), Arc::clone(&text));
        Ok(text)
    }
}

const OPERATION: &str = "connector_secrets";
const PREFIX: &str = "secret:";
const ORG: &str = "{org}";
const FRESH: Duration = Duration::from_secs(300);
const KNOWN_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_secret_and_a_field_or_is_the_secret() {
        let named = |text: &str| match Reference::parse(text).0 {
            Source::Text(text) => (text.to_string(), None, "text"),
            Source::Stored { id, field } => (id, field, "stored"),
        };
        assert_eq!(named("key-1"), ("key-1".to_owned(), None, "text"));
        assert_eq!(named("secret:friction/key"), ("friction/key".to_owned(), None, "stored"));
        let field = Some("apiKey".to_owned());
        assert_eq!(
            named("secret:friction/{org}#apiKey"),
            ("friction/{org}".to_owned(), field, "stored")
        );
    }

    #[test]
    fn a_reference_is_not_printed() {
        for text in ["key-1", "secret:friction/key-1"] {
            assert!(!format!("{:?}", Reference::parse(text)).contains("key-1"));
        }
    }
}
