//! Sealing: quarantined bytes may hold identifiers, so they are kept under a key that only replay opens.

use std::fmt;

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroize;

/// The quarantine key: 32 bytes, wiped on drop, never printed.
pub struct SealKey([u8; 32]);

impl SealKey {
    /// Takes 32 bytes that a key source produced.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Seals `bytes` under a key and nonce of their own, derived from `context` (where the bytes come from) and the
    /// bytes: sealing the same again gives the same result, so that a retry writes identical objects, and no two
    /// different inputs share a nonce.
    #[must_use]
    pub fn seal(&self, context: &str, bytes: &[u8]) -> Vec<u8> {
        let salt: [u8; SALT_BYTES] = self.derive(b"salt", &[context.as_bytes(), bytes]);
        let mut sealed = Vec::with_capacity(SALT_BYTES + bytes.len() + TAG_BYTES);
        sealed.extend_from_slice(bytes);
        let (cipher, nonce) = self.cipher(&salt);
        if cipher.encrypt_in_place(&nonce, context.as_bytes(), &mut sealed).is_err() {
            // Only inputs of 256 GiB fail; losing the bytes is the one safe answer to bytes that cannot be sealed.
            sealed.clear();
        }
        sealed.splice(0..0, salt);
        sealed
    }

    /// Opens what was sealed under the same context.
    #[must_use]
    pub fn open(&self, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (salt, body) = sealed.split_at_checked(SALT_BYTES)?;
        let mut bytes = body.to_vec();
        let (cipher, nonce) = self.cipher(salt);
        cipher.decrypt_in_place(&nonce, context.as_bytes(), &mut bytes).ok()?;
        Some(bytes)
    }

    fn cipher(&self, salt: &[u8]) -> (ChaCha20Poly1305, Nonce) {
        let key: [u8; 32] = self.derive(b"key", &[salt]);
        let nonce: [u8; 12] = self.derive(b"nonce", &[salt]);
        (ChaCha20Poly1305::new(&key.into()), nonce.into())
    }

    fn derive<const N: usize>(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; N] {
        use hmac::{Hmac, Mac};
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        let mut out = [0; N];
        let derived =
            Hkdf::<Sha256>::new(None, &mac.finalize().into_bytes()).expand(purpose, &mut out);
        debug_assert!(derived.is_ok(), "an output of at most 255 blocks");
        out
    }
}

impl Drop for SealKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(***)")
    }
}

const SALT_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_only_under_their_key_and_context() {
        let key = SealKey::from_bytes([3; 32]);
        let sealed = key.seal("shard-1/7", b"anna@example.org");
        assert_eq!(key.open("shard-1/7", &sealed).as_deref(), Some(&b"anna@example.org"[..]));
        assert_eq!(key.open("shard-1/8", &sealed), None);
        assert_eq!(SealKey::from_bytes([4; 32]).open("shard-1/7", &sealed), None);
        assert!(!sealed.windows(4).any(|part| part == b"anna"));
    }

    #[test]
    fn sealing_again_gives_the_same_bytes_and_a_changed_bit_is_noticed() {
        let key = SealKey::from_bytes([3; 32]);
        let sealed = key.seal("c", b"x");
        assert_eq!(key.seal("c", b"x"), sealed);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open("c", &changed), None);
        }
        assert_eq!(key.open("c", b"short"), None);
    }
}
