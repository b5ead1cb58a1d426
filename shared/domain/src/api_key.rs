//! Callers' keys: `fk_<key id>_<43 characters of secret>_<checksum>`.

use std::fmt;

use contract::{Code, OrgId, Timestamp};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a key may do. `read` does not include `ingest`; `admin` includes both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Send events.
    Ingest,
    /// Read what became of them.
    Read,
    /// Operate the installation: read the books of every organisation, send and read for those the key is bound to.
    Admin,
}

impl Scope {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// Reads the word for it.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Ingest, Self::Read, Self::Admin].into_iter().find(|scope| scope.as_str() == word)
    }
}

/// A key as a caller presents it. Only its id can be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    key_id: String,
    secret: [u8; SECRET_BYTES],
}

impl ApiKey {
    /// A new key from random bytes.
    #[must_use]
    pub fn new(id_entropy: [u8; 16], secret: [u8; SECRET_BYTES]) -> Self {
        let (id, _) = id_entropy.split_at(KEY_ID_BYTES);
        Self { key_id: HEXLOWER.encode(id), secret }
    }

    /// Reads a key. The checksum lets a mistyped key be refused without a look-up.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (body, checksum) = text.strip_prefix(PREFIX)?.rsplit_once('_')?;
        let (key_id, secret) = body.split_once('_')?;
        let hex =
            |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if key_id.len() != 2 * KEY_ID_BYTES || !hex(key_id) {
            return None;
        }
        let secret = BASE64URL_NOPAD.decode(secret.as_bytes()).ok()?.try_into().ok()?;
        let key = Self { key_id: key_id.to_owned(), secret };
        (key.checksum() == checksum).then_some(key)
    }

    /// The key as a caller keeps it: the one place where the secret is written out.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!(
            "{PREFIX}{}_{}_{}",
            self.key_id,
            BASE64URL_NOPAD.encode(&self.secret),
            self.checksum()
        )
    }

    /// Names the key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// What a store keeps of the secret.
    #[must_use]
    pub fn secret_hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    fn checksum(&self) -> String {
        let digest = Sha256::new()
            .chain_update(b"fk")
            .chain_update(&self.key_id)
            .chain_update(self.secret)
            .finalize();
        let (head, _) = digest.split_at(CHECKSUM_BYTES);
        HEXLOWER.encode(head)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, ***)", self.key_id)
    }
}

/// The one key that a request presents: in an `Authorization: Bearer` or an `X-API-Key` header, and in no second one.
///
/// # Errors
/// `missing_api_key`, `ambiguous_credentials` or `invalid_api_key`.
pub fn presented<'a>(
    authorization: impl Iterator<Item = &'a [u8]>,
    own: impl Iterator<Item = &'a [u8]>,
) -> Result<ApiKey, Code> {
    let mut credentials = authorization.map(bearer_of).chain(own.map(Some));
    match (credentials.next(), credentials.next()) {
        (None, _) => Err(Code::MissingApiKey),
        (Some(_), Some(_)) => Err(Code::AmbiguousCredentials),
        (Some(credential), None) => credential
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .and_then(|text| ApiKey::parse(text.trim()))
            .ok_or(Code::InvalidApiKey),
    }
}

/// The scheme's name has no case.
fn bearer_of(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then_some(token)
}

/// What a store knows of a key, as far as judging a caller needs it.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// SHA-256 of the secret.
    pub secret_hash: &'a [u8; 32],
    /// The organisations it is bound to.
    pub orgs: &'a [OrgId],
    /// What it may do.
    pub scopes: &'a [Scope],
    /// When it stopped being valid.
    pub revoked_at: Option<Timestamp>,
}

/// Judges a presented key against what the store knows under its id. An unknown id takes the same work and gets the
/// same answer as a wrong secret.
///
/// # Errors
/// `invalid_api_key` or `insufficient_scope`.
pub fn judge(
    presented: &ApiKey,
    known: Option<Known<'_>>,
    needs: Scope,
    now: Timestamp,
) -> Result<(), Code> {
    let nobody = [0_u8; 32];
    let hash = known.map_or(&nobody, |known| known.secret_hash);
    let matches = bool::from(presented.secret_hash().ct_eq(hash));
    match known.filter(|_| matches) {
        Some(known) => judge_again(known, needs, now),
        None => Err(Code::InvalidApiKey),
    }
}

/// Judges a key again that was presented before, and whose secret was right: it may be revoked by now.
///
/// # Errors
/// `invalid_api_key` or `insufficient_scope`.
pub fn judge_again(known: Known<'_>, needs: Scope, now: Timestamp) -> Result<(), Code> {
    if known.revoked_at.is_some_and(|at| at <= now) {
        return Err(Code::InvalidApiKey);
    }
    let may = known.scopes.contains(&needs) || known.scopes.contains(&Scope::Admin);
    if may { Ok(()) } else { Err(Code::InsufficientScope) }
}

const BEARER: &[u8] = b"Bearer ";
const PREFIX: &str = "fk_";
const KEY_ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ApiKey {
        ApiKey::new([7; 16], [9; 32])
    }

    #[test]
    fn a_key_reads_back_and_its_debug_form_hides_the_secret() {
        let text = key().reveal();
        assert!(text.starts_with("fk_"));
        assert_eq!(ApiKey::parse(&text), Some(key()));
        assert_eq!(format!("{:?}", key()), "ApiKey(0707070707070707, ***)");
    }

    #[test]
    fn one_changed_character_is_noticed_without_a_look_up() {
        let text = key().reveal();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(ApiKey::parse(&String::from_utf8(bytes).unwrap()), None, "at {at}");
        }
        for hostile in ["", "fk_", "fk___", "\0", &"fk_a_".repeat(20_000), "fk_ä_ö_ü"] {
            assert_eq!(ApiKey::parse(hostile), None);
        }
    }

    #[test]
    fn exactly_one_credential_in_one_header_is_a_key() {
        let key = key().reveal();
        let bearer = format!("bearer {key}");
        let check = |authorization: &[&str], own: &[&str], expected| {
            let bytes = |values: &[&str]| -> Vec<Vec<u8>> {
                values.iter().map(|value| value.as_bytes().to_vec()).collect()
            };
            let (authorization, own) = (bytes(authorization), bytes(own));
            let given =
                presented(authorization.iter().map(Vec::as_slice), own.iter().map(Vec::as_slice));
            assert_eq!(given.map(|_| ()), expected, "{authorization:?} {own:?}");
        };
        check(&[], &[], Err(Code::MissingApiKey));
        check(&[&bearer], &[], Ok(()));
        check(&[], &[&key], Ok(()));
        for invalid in [&key, "Basic eDp5", "Bearer", ""] {
            check(&[invalid], &[], Err(Code::InvalidApiKey));
        }
        check(&[], &[""], Err(Code::InvalidApiKey));
        check(&[], &["f\u{fc}r"], Err(Code::InvalidApiKey));
        check(&[&bearer], &[&key], Err(Code::AmbiguousCredentials));
        check(&[], &[&key, &key], Err(Code::AmbiguousCredentials));
    }

    #[test]
    fn an_unknown_key_and_a_wrong_secret_get_the_same_answer() {
        let hash = key().secret_hash();
        let known =
            Known { secret_hash: &hash, orgs: &[], scopes: &[Scope::Ingest], revoked_at: None };
        let now = Timestamp::from_ms(10);
        let wrong = ApiKey::new([7; 16], [8; 32]);
        assert_eq!(judge(&wrong, Some(known), Scope::Ingest, now), Err(Code::InvalidApiKey));
        assert_eq!(judge(&key(), None, Scope::Ingest, now), Err(Code::InvalidApiKey));
        assert_eq!(judge(&key(), Some(known), Scope::Ingest, now), Ok(()));
        assert_eq!(judge(&key(), Some(known), Scope::Read, now), Err(Code::InsufficientScope));
        let revoked = Known { revoked_at: Some(now), ..known };
        assert_eq!(judge(&key(), Some(revoked), Scope::Ingest, now), Err(Code::InvalidApiKey));
        assert_eq!(judge_again(revoked, Scope::Ingest, now), Err(Code::InvalidApiKey));
        let earlier = Timestamp::from_ms(9);
        assert_eq!(judge(&key(), Some(revoked), Scope::Ingest, earlier), Ok(()));
        assert_eq!(judge_again(known, Scope::Read, now), Err(Code::InsufficientScope));
        let admin = Known { scopes: &[Scope::Admin], ..known };
        assert_eq!(judge(&key(), Some(admin), Scope::Read, now), Ok(()));
    }
}
