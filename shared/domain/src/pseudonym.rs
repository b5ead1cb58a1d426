//! Pseudonymous identifiers, scheme `fp1`: keyed, one key per organisation and epoch, no path without a key.
//!
//! ```text
//! R_e     32 secret bytes of epoch e (a file with mode 0600, or a KMS HMAC_256 key)
//! K_org   = HMAC-SHA256(R_e, "friction/fp1/org-key" 00 || len16(org) || org || salt[32] || epoch32)
//! K_kind  = HKDF-Expand-SHA256(K_org, "friction/fp1/" || kind, 32)      kind: user | session | device | object
//! mac     = HMAC-SHA256(K_kind, "fp1" 00 kind 00 || len16(org) || org || len16(id) || id)
//! token   = letter "1." epoch "." base32(mac[0..16])                    u1.3.4q7k… (26 characters)
//! ```
//!
//! `len16` and `epoch32` are big-endian. The epoch is part of the first message so that a root key that outlives an
//! epoch still gives unlinkable tokens. All four kinds change with the epoch, sessions included: midnight must not split
//! a session. The alphabet is Crockford's in lower case (`0-9a-z` without `i l o u`).

use std::fmt;

use contract::ids::{EventId, OrgId};
use data_encoding::HEXLOWER_PERMISSIVE;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// The secret of one epoch: 32 bytes, wiped on drop, never printed. There is no default and no way in from a text
/// other than 64 hexadecimal digits.
pub struct RootKey([u8; KEY_BYTES]);

impl RootKey {
    /// Takes 32 bytes that a key source produced; the caller wipes its own copy.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits, surrounding white space ignored.
    ///
    /// # Errors
    /// Anything else, and a key of one repeated byte: a placeholder must not become a key.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let mut decoded =
            HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map_err(|_| InvalidKey::NotHex)?;
        let bytes = <[u8; KEY_BYTES]>::try_from(decoded.as_slice());
        decoded.zeroize();
        let bytes = bytes.map_err(|_| InvalidKey::Length)?;
        match bytes.first() {
            Some(first) if bytes.iter().all(|byte| byte == first) => Err(InvalidKey::Repeated),
            _ => Ok(Self(bytes)),
        }
    }
}

impl Drop for RootKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(***)")
    }
}

/// Why a text is not a key. Says nothing about the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Characters other than hexadecimal digits, or an odd number of them.
    #[error("the key is not written in hexadecimal digits")]
    NotHex,
    /// Not 32 bytes.
    #[error("the key is not {KEY_BYTES} bytes long")]
    Length,
    /// One byte, repeated.
    #[error("the key is one repeated byte")]
    Repeated,
}

/// The key of one organisation in one epoch, wiped on drop, never printed.
pub struct OrgKey {
    epoch: u32,
    bytes: [u8; KEY_BYTES],
}

impl OrgKey {
    /// Derives the key from the epoch's root key and the organisation's 32 random bytes of salt.
    #[must_use]
    pub fn derive(root: &RootKey, epoch: u32, org: &OrgId, salt: &[u8; SALT_BYTES]) -> Self {
        let bytes = keyed(&root.0).chain_update(Self::mac_message(epoch, org, salt)).finalize();
        Self { epoch, bytes: bytes.into_bytes().into() }
    }

    /// Takes the MAC over [`Self::mac_message`] that a key service computed under the epoch's root key.
    #[must_use]
    pub fn from_mac(mac: [u8; KEY_BYTES], epoch: u32) -> Self {
        Self { epoch, bytes: mac }
    }

    /// The bytes to be authenticated with HMAC-SHA256 under the epoch's root key; at most 163 of them.
    #[must_use]
    pub fn mac_message(epoch: u32, org: &OrgId, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
        let mut message = ORG_KEY_LABEL.to_vec();
        push_prefixed(&mut message, org.as_str());
        message.extend_from_slice(salt);
        message.extend_from_slice(&epoch.to_be_bytes());
        message
    }

    /// The epoch that tokens made with this key carry.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
}

impl Drop for OrgKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for OrgKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrgKey").field("epoch", &self.epoch).field("bytes", &"***").finish()
    }
}

/// What an identifier names. Tokens of different kinds are unlinkable even for the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A person: `u1.…`
    User,
    /// A session: `s1.…`
    Session,
    /// A device: `d1.…`
    Device,
    /// A thing that a person acted on: `o1.…`
    Object,
}

impl Kind {
    /// Every kind, in the order of the variants.
    pub const ALL: [Self; 4] = [Self::User, Self::Session, Self::Device, Self::Object];

    /// The name that enters the key derivation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Device => "device",
            Self::Object => "object",
        }
    }

    /// The token's first part: the kind's letter and the scheme's version.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::User => "u1",
            Self::Session => "s1",
            Self::Device => "d1",
            Self::Object => "o1",
        }
    }
}

/// Makes the tokens of one organisation in one epoch. Cheap to use: a token costs one keyed hash of a short message.
#[derive(Clone)]
pub struct Pseudonymiser {
    org: OrgId,
    epoch: u32,
    user: Hmac<Sha256>,
    session: Hmac<Sha256>,
    device: Hmac<Sha256>,
    object: Hmac<Sha256>,
}

impl Pseudonymiser {
    /// Derives the four kind keys and absorbs what all tokens of a kind have in common.
    #[must_use]
    pub fn new(org: OrgId, key: &OrgKey) -> Self {
        let state = |kind| keyed_for(kind, &org, key);
        Self {
            user: state(Kind::User),
            session: state(Kind::Session),
            device: state(Kind::Device),
            object: state(Kind::Object),
            epoch: key.epoch,
            org,
        }
    }

    /// The organisation whose identifiers are replaced.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// The epoch of every token made here.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The token of a raw id, after [`normalised`]. The same (organisation, epoch, kind, id) always gives the same token.
    ///
    /// An empty id is an id like any other here; the doors treat it as absent, so that the anonymous do not become one
    /// person.
    #[must_use]
    pub fn token(&self, kind: Kind, raw_id: &str) -> Token {
        let id = normalised(kind, raw_id);
        let mut mac = self.state(kind).clone();
        mac.update(&len16(&id));
        mac.update(id.as_bytes());
        Token::new(kind, self.epoch, &mac.finalize().into_bytes().into())
    }

    /// As [`Self::token`], except that a value which already is a token of this kind passes unchanged, whatever its
    /// epoch: an emitter's tokens survive the door.
    #[must_use]
    pub fn tokenise(&self, kind: Kind, value: &str) -> Token {
        Token::parse(kind, value.trim()).unwrap_or_else(|_| self.token(kind, value))
    }

    fn state(&self, kind: Kind) -> &Hmac<Sha256> {
        match kind {
            Kind::User => &self.user,
            Kind::Session => &self.session,
            Kind::Device => &self.device,
            Kind::Object => &self.object,
        }
    }
}

impl fmt::Debug for Pseudonymiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonymiser")
            .field("org", &self.org)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// A pseudonymous identifier: `u1.<epoch>.<26 characters>`. Still personal data for whoever can reach the key, so that
/// `Debug` shortens it; `Display` and [`Self::as_str`] give all of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(String);

impl Token {
    /// Checks the grammar of a token of this kind: prefix, epoch without leading zeros, 26 characters of the alphabet of
    /// which the last leaves its two unused bits zero.
    ///
    /// # Errors
    /// The text is not such a token; the error does not repeat it.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, InvalidToken> {
        let invalid = InvalidToken { kind };
        let rest = text
            .strip_prefix(kind.prefix())
            .and_then(|rest| rest.strip_prefix('.'))
            .ok_or(invalid)?;
        let (epoch, digest) = rest.split_once('.').ok_or(invalid)?;
        if epoch_of(epoch).is_none() || !is_digest(digest.as_bytes()) {
            return Err(invalid);
        }
        Ok(Self(text.to_owned()))
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The token as an owned text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// The epoch of the key that made the token.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.0.split('.').nth(1).and_then(epoch_of).unwrap_or_default()
    }

    fn new(kind: Kind, epoch: u32, mac: &[u8; KEY_BYTES]) -> Self {
        let mut text = format!("{}.{epoch}.", kind.prefix());
        push_base32(&mut text, mac);
        Self(text)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.len() - DIGEST_CHARS + DIGEST_CHARS_SHOWN;
        write!(f, "Token({}…)", self.0.get(..shown).unwrap_or_default())
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.0
    }
}

/// A text that is not a token of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {} token", kind.as_str())]
pub struct InvalidToken {
    /// Which kind of token was expected.
    pub kind: Kind,
}

/// The spelling of an id that is hashed: surrounding white space removed and, for users, an e-mail address in lower case
/// (a `+tag` stays).
///
/// Neither NFC nor IDNA is applied: both need Unicode tables that the emitter would carry into every host for addresses
/// that hardly anyone uses as an id. The price is that two spellings of one such address are two persons, never that two
/// persons become one; an erasure names both spellings.
#[must_use]
pub fn normalised(kind: Kind, raw_id: &str) -> std::borrow::Cow<'_, str> {
    let id = raw_id.trim();
    let is_email = kind == Kind::User
        && id
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if is_email && id.chars().any(|c| !c.is_ascii() || c.is_ascii_uppercase()) {
        return id.to_lowercase().into();
    }
    id.into()
}

/// The id under which an event leaves for a connector that must not learn ours: `evt_` and 16 hexadecimal digits, the
/// first 8 bytes of `SHA-256(len16(org) || org || len16(event_id) || event_id)` with big-endian lengths.
#[must_use]
pub fn connector_event_id(org: &OrgId, event_id: &EventId) -> String {
    let mut message = Vec::with_capacity(org.as_str().len() + event_id.as_str().len() + 4);
    push_prefixed(&mut message, org.as_str());
    push_prefixed(&mut message, event_id.as_str());
    let digest = Sha256::digest(&message);
    let head = digest.first_chunk::<8>().copied().unwrap_or_default();
    format!("evt_{:016x}", u64::from_be_bytes(head))
}

/// The keyed state of a kind, with everything of the message that precedes the id already in it.
fn keyed_for(kind: Kind, org: &OrgId, key: &OrgKey) -> Hmac<Sha256> {
    let mut kind_key = [0; KEY_BYTES];
    let info = [KIND_LABEL, kind.as_str().as_bytes()];
    #[expect(
        clippy::expect_used,
        reason = "a 32-byte key is a valid PRK, and 32 bytes are one block of output"
    )]
    Hkdf::<Sha256>::from_prk(&key.bytes)
        .expect("32 bytes")
        .expand_multi_info(&info, &mut kind_key)
        .expect("one block");
    let mut common = b"fp1\0".to_vec();
    common.extend_from_slice(kind.as_str().as_bytes());
    common.push(0);
    push_prefixed(&mut common, org.as_str());
    let state = keyed(&kind_key).chain_update(&common);
    kind_key.zeroize();
    state
}

fn keyed(key: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    Hmac::<Sha256>::new_from_slice(key).expect("every length")
}

fn push_prefixed(message: &mut Vec<u8>, text: &str) {
    message.extend_from_slice(&len16(text));
    message.extend_from_slice(text.as_bytes());
}

/// Saturates: the id is the last field, so that longer ones still differ by their bytes.
fn len16(text: &str) -> [u8; 2] {
    u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes()
}

/// 26 characters of 5 bits, most significant first; the last holds 3 bits and two zeros.
fn push_base32(text: &mut String, mac: &[u8; KEY_BYTES]) {
    let bits = u128::from_be_bytes(mac.first_chunk().copied().unwrap_or_default());
    for place in 0..DIGEST_CHARS {
        let value = match place {
            0..25 => bits >> (123 - 5 * place),
            _ => bits << 2,
        };
        let index = usize::try_from(value & 31).unwrap_or_default();
        text.push(char::from(ALPHABET.get(index).copied().unwrap_or_default()));
    }
}

fn is_digest(digest: &[u8]) -> bool {
    let value = |byte: &u8| ALPHABET.iter().position(|known| known == byte);
    digest.len() == DIGEST_CHARS
        && digest.iter().all(|byte| value(byte).is_some())
        && digest.last().and_then(value).is_some_and(|last| last % 4 == 0)
}

fn epoch_of(text: &str) -> Option<u32> {
    let canonical =
        text == "0" || (text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 32;
const DIGEST_CHARS: usize = 26;
const DIGEST_CHARS_SHOWN: usize = 4;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ORG_KEY_LABEL: &[u8] = b"friction/fp1/org-key\0";
const KIND_LABEL: &[u8] = b"friction/fp1/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_never_printed() {
        let root = RootKey::from_bytes([0xab; 32]);
        let org = OrgKey::from_mac([0xcd; 32], 3);
        let shown = format!("{root:?} {org:?} {:?}", Pseudonymiser::new(acme(), &org));
        assert_eq!(
            shown,
            "RootKey(***) OrgKey { epoch: 3, bytes: \"***\" } Pseudonymiser { org: acme, epoch: 3, .. }"
        );
    }

    #[test]
    fn only_64_hexadecimal_digits_that_differ_are_a_key() {
        let good = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
        assert_eq!(RootKey::parse(&format!(" {good}\n")).unwrap().0[1], 0x11);
        assert_eq!(RootKey::parse("changeme").unwrap_err(), InvalidKey::NotHex);
        assert_eq!(RootKey::parse(&good[2..]).unwrap_err(), InvalidKey::Length);
        assert_eq!(RootKey::parse(&"00".repeat(32)).unwrap_err(), InvalidKey::Repeated);
    }

    #[test]
    fn an_email_is_one_person_however_it_is_capitalised() {
        for (kind, raw, expected) in [
            (Kind::User, " Ann.Lee+News@Example.ORG\n", "ann.lee+news@example.org"),
            (Kind::User, "ÄNNE@example.org", "änne@example.org"),
            (Kind::User, "User-7", "User-7"),
            (Kind::User, "@Ann", "@Ann"),
            (Kind::Session, "A@B", "A@B"),
        ] {
            assert_eq!(normalised(kind, raw), expected);
        }
    }

    #[test]
    fn a_token_is_shortened_in_debug_output() {
        let token =
            Pseudonymiser::new(acme(), &OrgKey::from_mac([1; 32], 12)).token(Kind::User, "42");
        let shown = format!("{token:?}");
        assert_eq!(shown.chars().count(), "Token(u1.12.abcd…)".chars().count());
        assert!(!shown.contains(&token.as_str()[10..]));
    }

    fn acme() -> OrgId {
        OrgId::parse("acme").unwrap()
    }
}
