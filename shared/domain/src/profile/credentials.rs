//! Who sends, under which key, signed by which secrets; and the headers that say so.

use std::fmt;

use contract::{OrgId, Timestamp};
use zeroize::Zeroizing;

use super::{CredentialHeader, Encoding, Profile};
use crate::{
    batching::NewBatch,
    signature::{self, SigningSecret},
};

/// The secrets of one connector. Never printed.
#[derive(Clone)]
pub struct Credentials {
    key: Zeroizing<String>,
    signing: Vec<SigningSecret>,
}

impl Credentials {
    /// Takes the connector's key, of visible ASCII characters, and one or two signing secrets: nothing is ever sent
    /// unsigned.
    ///
    /// # Errors
    /// [`InvalidCredential`], which does not repeat them.
    pub fn new(key: &str, signing: Vec<SigningSecret>) -> Result<Self, InvalidCredential> {
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) || signing.is_empty()
        {
            return Err(InvalidCredential);
        }
        Ok(Self { key: Zeroizing::new(key.to_owned()), signing })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// A key or secrets that no request could carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connector's key is visible ASCII, and at least one secret signs")]
pub struct InvalidCredential;

/// The installation that sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    instance: String,
    region: String,
}

impl Sender {
    /// Takes the installation's name and region.
    ///
    /// # Errors
    /// [`InvalidCredential`] when one of them is not visible ASCII.
    pub fn new(
        instance: impl Into<String>,
        region: impl Into<String>,
    ) -> Result<Self, InvalidCredential> {
        let sender = Self { instance: instance.into(), region: region.into() };
        let fits = |text: &str| !text.is_empty() && is_header_value(text);
        if fits(&sender.instance) && fits(&sender.region) {
            Ok(sender)
        } else {
            Err(InvalidCredential)
        }
    }
}

impl Profile {
    /// Every header of one attempt: the same body and `Idempotency-Key` for ever, a new time and signature each time.
    /// `wire` is the body as it travels.
    #[must_use]
    pub fn request_headers(
        &self,
        batch: &NewBatch,
        wire: &[u8],
        org: &OrgId,
        sender: &Sender,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Vec<(String, String)> {
        let credential = match &self.credential {
            CredentialHeader::Bearer => {
                ("Authorization".to_owned(), format!("Bearer {}", credentials.key.as_str()))
            }
            CredentialHeader::Named(name) => (name.clone(), credentials.key.to_string()),
        };
        let filled = |value: &str| {
            value
                .replace("{org}", org.as_str())
                .replace("{instance}", &sender.instance)
                .replace("{region}", &sender.region)
        };
        let fixed = [
            ("Content-Type".to_owned(), "application/json".to_owned()),
            (IDEMPOTENCY_HEADER.to_owned(), batch.batch_id.clone()),
            (SEQUENCE_HEADER.to_owned(), batch.seq.clone()),
            credential,
        ];
        let encoding = match self.encoding {
            Encoding::Identity => None,
            Encoding::Gzip => Some(("Content-Encoding".to_owned(), "gzip".to_owned())),
        };
        fixed
            .into_iter()
            .chain(encoding)
            .chain(self.headers.iter().map(|(name, value)| (name.clone(), filled(value))))
            .chain(
                signature::headers(&credentials.signing, &batch.batch_id, now, wire)
                    .map(|(name, value)| (name.to_owned(), value)),
            )
            .collect()
    }
}

pub(super) fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

/// By which the connector knows a batch it has seen.
pub const IDEMPOTENCY_HEADER: &str = "Idempotency-Key";
/// The batch's number, in the organisation's order.
pub const SEQUENCE_HEADER: &str = "X-Batch-Seq";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{Signed, verify};

    #[test]
    fn every_request_names_its_batch_its_organisation_and_its_signature() {
        let profile = Profile::parse("athena-eu").unwrap();
        let secrets = SigningSecret::parse_all("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let credentials = Credentials::new("key-1", secrets.clone()).unwrap();
        let batch = NewBatch {
            seq: "000000000007".into(),
            batch_id: "b7".into(),
            body: b"{}".to_vec(),
            events: Vec::new(),
        };
        let sender = Sender::new("tribo-1", "eu-central-1").unwrap();
        let now = Timestamp::from_ms(1_700_000_000_000);
        let org = OrgId::parse("acme").unwrap();
        let headers =
            profile.request_headers(&batch, &batch.body, &org, &sender, &credentials, now);
        let value = |name: &str| {
            headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        assert_eq!(value("Authorization"), Some("Bearer key-1"));
        assert_eq!(value("X-Athena-Org-Id"), Some("acme"));
        assert_eq!(value("X-Athena-Instance"), Some("tribo-1"));
        assert_eq!(value("X-Athena-Region"), Some("eu-central-1"));
        assert_eq!(value("Idempotency-Key"), Some("b7"));
        assert_eq!(value("X-Batch-Seq"), Some("000000000007"));
        let signed = Signed {
            id: value("webhook-id").unwrap(),
            timestamp: value("webhook-timestamp").unwrap(),
            signature: value("webhook-signature").unwrap(),
        };
        assert_eq!(verify(&secrets, signed, b"{}", now), Ok(()));

        let older = Profile::parse("frictionmelt-2026-02").unwrap();
        let headers = older.request_headers(&batch, &batch.body, &org, &sender, &credentials, now);
        assert!(headers.contains(&("X-API-Key".into(), "key-1".into())));
        assert!(!headers.iter().any(|(name, _)| name == "Authorization"));
        assert_eq!(older.path, "/connectors/athena-eu/ingest");
    }

    #[test]
    fn secrets_are_never_printed_and_nothing_goes_out_unsigned() {
        let secrets = SigningSecret::parse_all("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let credentials = Credentials::new("key-1", secrets.clone()).unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials(***)");
        assert!(Credentials::new("key-1", Vec::new()).is_err());
        for bad in ["", " ", "a b", "a\r\nX: 1", "schlüssel"] {
            assert!(Credentials::new(bad, secrets.clone()).is_err(), "{bad}");
        }
        assert!(Sender::new("tribo\n", "eu").is_err());
    }
}
