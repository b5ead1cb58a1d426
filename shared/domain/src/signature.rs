//! Standard Webhooks signatures, version 1: HMAC-SHA256 over `id.timestamp.body`, one per live secret.

use std::fmt;

use contract::Timestamp;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A signing secret, `whsec_` and base64 of 24 to 64 bytes. Wiped on drop, never printed.
#[derive(Clone)]
pub struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// Reads one secret.
    ///
    /// # Errors
    /// Anything but the prefix and base64 of 24 to 64 bytes. The error does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.trim().strip_prefix(SECRET_PREFIX).ok_or(InvalidSecret)?;
        let secret = BASE64.decode(encoded.as_bytes()).map(Self).map_err(|_| InvalidSecret)?;
        if SECRET_BYTES.contains(&secret.0.len()) { Ok(secret) } else { Err(InvalidSecret) }
    }

    /// Reads one or two secrets divided by white space or a comma: during a rotation both sign.
    ///
    /// # Errors
    /// None, more than two, or one that cannot be read.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, InvalidSecret> {
        let secrets = text
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|part| !part.is_empty())
            .map(Self::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if (1..=SECRETS_MAX).contains(&secrets.len()) { Ok(secrets) } else { Err(InvalidSecret) }
    }

    fn mac(&self, id: &str, timestamp_s: i64, body: &[u8]) -> Vec<u8> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("every length");
        mac.chain_update(format!("{id}.{timestamp_s}."))
            .chain_update(body)
            .finalize()
            .into_bytes()
            .to_vec()
    }
}

impl Drop for SigningSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(***)")
    }
}

/// A text that is no signing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is `{SECRET_PREFIX}` and base64 of 24 to 64 bytes, one or two of them")]
pub struct InvalidSecret;

/// The three headers of one message: the same id for ever, the time and the signatures of this attempt.
#[must_use]
pub fn headers(
    secrets: &[SigningSecret],
    id: &str,
    now: Timestamp,
    body: &[u8],
) -> [(&'static str, String); 3] {
    let timestamp_s = now.ms().div_euclid(1_000);
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| {
            format!("{VERSION_PREFIX}{}", BASE64.encode(&secret.mac(id, timestamp_s, body)))
        })
        .collect();
    [
        (ID_HEADER, id.to_owned()),
        (TIMESTAMP_HEADER, timestamp_s.to_string()),
        (SIGNATURE_HEADER, signatures.join(" ")),
    ]
}

/// What a receiver read from a message's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
}

/// Why a message is not authentic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// The timestamp is not a number, or more than five minutes off.
    #[error("the timestamp is unreadable or more than five minutes off")]
    Time,
    /// No signature fits any secret.
    #[error("no signature fits")]
    Signature,
}

/// Checks a message as its receiver does: any one signature under any one live secret is enough.
///
/// # Errors
/// [`Forged`].
pub fn verify(
    secrets: &[SigningSecret],
    signed: Signed<'_>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Forged> {
    let timestamp_s: i64 = signed.timestamp.parse().map_err(|_| Forged::Time)?;
    let skew_s = timestamp_s.saturating_sub(now.ms().div_euclid(1_000));
    if !(-TOLERANCE_S..=TOLERANCE_S).contains(&skew_s) {
        return Err(Forged::Time);
    }
    let expected: Vec<Vec<u8>> =
        secrets.iter().map(|secret| secret.mac(signed.id, timestamp_s, body)).collect();
    let fits = signed
        .signature
        .split(' ')
        .filter_map(|one| BASE64.decode(one.strip_prefix(VERSION_PREFIX)?.as_bytes()).ok())
        .any(|given| expected.iter().any(|mac| bool::from(mac.ct_eq(&given))));
    if fits { Ok(()) } else { Err(Forged::Signature) }
}

/// The message's id: the batch id, the same on every attempt.
pub const ID_HEADER: &str = "webhook-id";
/// The attempt's time, in seconds since the epoch.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// Its signatures, divided by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
const VERSION_PREFIX: &str = "v1,";
const SECRET_PREFIX: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const SECRETS_MAX: usize = 2;
const TOLERANCE_S: i64 = 5 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const AT_S: i64 = 1_614_265_330;

    fn at(offset_s: i64) -> Timestamp {
        Timestamp::from_ms((AT_S + offset_s) * 1_000)
    }

    fn signed<'a>(headers: &'a [(&'static str, String); 3]) -> Signed<'a> {
        Signed { id: &headers[0].1, timestamp: &headers[1].1, signature: &headers[2].1 }
    }

    #[test]
    fn the_published_example_is_reproduced() {
        let headers = headers(&SigningSecret::parse_all(SECRET).unwrap(), ID, at(0), BODY);
        assert_eq!(headers[0], ("webhook-id", ID.to_owned()));
        assert_eq!(headers[1], ("webhook-timestamp", AT_S.to_string()));
        assert_eq!(headers[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_sign_during_a_rotation_and_either_verifies() {
        let old = SigningSecret::parse(SECRET).unwrap();
        let new = SigningSecret::parse(&format!("whsec_{}", BASE64.encode(&[7; 32]))).unwrap();
        let both = headers(&[old.clone(), new.clone()], ID, at(0), BODY);
        assert_eq!(both[2].1.split(' ').count(), 2);
        for known in [old, new] {
            assert_eq!(verify(&[known], signed(&both), BODY, at(299)), Ok(()));
        }
    }

    #[test]
    fn a_changed_message_and_a_stale_one_are_refused() {
        let secrets = SigningSecret::parse_all(SECRET).unwrap();
        let headers = headers(&secrets, ID, at(0), BODY);
        let check = |signed: Signed<'_>, body: &[u8], now| verify(&secrets, signed, body, now);
        assert_eq!(check(signed(&headers), b"{}", at(0)), Err(Forged::Signature));
        let other = Signed { id: "msg_other", ..signed(&headers) };
        assert_eq!(check(other, BODY, at(0)), Err(Forged::Signature));
        assert_eq!(check(signed(&headers), BODY, at(301)), Err(Forged::Time));
        assert_eq!(check(signed(&headers), BODY, at(-301)), Err(Forged::Time));
        for signature in ["", "v1,", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1,%%%"] {
            let forged = Signed { signature, ..signed(&headers) };
            assert_eq!(check(forged, BODY, at(0)), Err(Forged::Signature), "{signature}");
        }
    }

    #[test]
    fn secrets_are_never_printed_and_bad_ones_are_refused() {
        assert_eq!(format!("{:?}", SigningSecret::parse(SECRET).unwrap()), "SigningSecret(***)");
        let short = format!("whsec_{}", BASE64.encode(&[1; 23]));
        for bad in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%", short.as_str()] {
            assert!(SigningSecret::parse_all(bad).is_err(), "{bad}");
        }
        assert!(SigningSecret::parse_all(&format!("{SECRET} {SECRET},{SECRET}")).is_err());
    }
}
