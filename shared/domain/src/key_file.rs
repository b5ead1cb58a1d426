//! The keys of an installation as they are written down: a file of mode 0600, or a secret of AWS.
//!
//! ```text
//! {"version": 1, "currentEpoch": 1, "rootKeys": {"1": "<64 hexadecimal digits>"}, "sealKey": "<64 of them>"}
//! ```
//!
//! Old epochs stay in it until their last event has expired. Without `rootKeys` the root of every epoch lies elsewhere:
//! in a key service that never gives it away.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{pseudonym::RootKey, seal::SealKey};

/// The keys that are in use.
#[derive(Debug)]
pub struct Keys {
    /// The epoch of every token made from now on.
    pub epoch: u32,
    /// Its root key, where it is written down.
    pub root: Option<RootKey>,
    /// The key of what is set aside.
    pub seal: SealKey,
}

/// Reads what [`write()`] has written.
///
/// # Errors
/// [`InvalidKeyFile`], which repeats no part of a key.
pub fn read(text: &str) -> Result<Keys, InvalidKeyFile> {
    // The parser's own message could repeat a part of a key.
    let file: KeyFile = serde_json::from_str(text).map_err(|_| InvalidKeyFile::Malformed)?;
    if file.version != VERSION {
        return Err(InvalidKeyFile::Version);
    }
    let root = match file.root_keys.get(&file.current_epoch) {
        Some(key) => Some(RootKey::parse(&key.0).map_err(|_| InvalidKeyFile::Root)?),
        None if file.root_keys.is_empty() => None,
        None => return Err(InvalidKeyFile::Epoch),
    };
    let seal = HEXLOWER.decode(file.seal_key.0.as_bytes()).map(Zeroizing::new);
    let seal = seal.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    let seal = SealKey::from_bytes(seal.ok_or(InvalidKeyFile::Seal)?);
    Ok(Keys { epoch: file.current_epoch, root, seal })
}

/// Reads the key that signs cursors, from a secret of its own: `{"version": 1, "cursorKey": "<64 hexadecimal digits>"}`.
///
/// # Errors
/// [`InvalidKeyFile`], which repeats no part of a key.
pub fn read_cursor_key(text: &str) -> Result<Zeroizing<[u8; 32]>, InvalidKeyFile> {
    let file: CursorFile = serde_json::from_str(text).map_err(|_| InvalidKeyFile::Malformed)?;
    if file.version != VERSION {
        return Err(InvalidKeyFile::Version);
    }
    let bytes = HEXLOWER.decode(file.cursor_key.0.as_bytes()).map(Zeroizing::new);
    let key = bytes.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    key.map(Zeroizing::new).ok_or(InvalidKeyFile::Cursor)
}

/// Writes the keys of a new installation's first epoch; both are random bytes.
#[must_use]
pub fn write(root: &[u8; 32], seal: &[u8; 32]) -> Zeroizing<String> {
    let secret = |bytes: &[u8; 32]| Secret(HEXLOWER.encode(bytes));
    let file = KeyFile {
        version: VERSION,
        current_epoch: FIRST_EPOCH,
        root_keys: BTreeMap::from([(FIRST_EPOCH, secret(root))]),
        seal_key: secret(seal),
    };
    #[expect(clippy::expect_used, reason = "numbers and texts have a JSON form")]
    let text = serde_json::to_string_pretty(&file).expect("a key file always encodes");
    Zeroizing::new(text)
}

/// Why a text does not hold keys. Says nothing about the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.reason())]
pub enum InvalidKeyFile {
    /// Not JSON of this form.
    Malformed,
    /// Written by another build.
    Version,
    /// There are root keys, but none of the current epoch.
    Epoch,
    /// The current root key is none.
    Root,
    /// The seal key is none.
    Seal,
    /// The key of cursors is none.
    Cursor,
}

impl InvalidKeyFile {
    /// What is wrong.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "not a key file",
            Self::Version => "a key file of another version",
            Self::Epoch => "the current epoch has no key",
            Self::Root => "a root key is not 32 bytes in hex",
            Self::Seal => "the seal key is not 32 bytes in hex",
            Self::Cursor => "the key of cursors is not 32 bytes in hex",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyFile {
    version: u32,
    current_epoch: u32,
    /// 64 hexadecimal digits by epoch.
    #[serde(default)]
    root_keys: BTreeMap<u32, Secret>,
    /// 64 hexadecimal digits.
    seal_key: Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CursorFile {
    version: u32,
    /// 64 hexadecimal digits.
    cursor_key: Secret,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Secret(String);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

const VERSION: u32 = 1;
const FIRST_EPOCH: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

    #[test]
    fn what_is_written_is_read_and_seals_alike() {
        let keys = read(&write(&ROOT, &[9; 32])).unwrap();
        assert_eq!(keys.epoch, 1);
        assert!(keys.root.is_some());
        let sealed = SealKey::from_bytes([9; 32]).seal("c", b"x");
        assert_eq!(keys.seal.open("c", &sealed).as_deref(), Some(&b"x"[..]));
    }

    #[test]
    fn root_keys_may_lie_elsewhere_but_not_some_of_them() {
        let seal = "0f".repeat(32);
        let none = format!(r#"{{"version":1,"currentEpoch":3,"sealKey":"{seal}"}}"#);
        let keys = read(&none).unwrap();
        assert_eq!((keys.epoch, keys.root.is_none()), (3, true));
        let old = format!(
            r#"{{"version":1,"currentEpoch":3,"rootKeys":{{"2":"{}"}},"sealKey":"{seal}"}}"#,
            HEXLOWER.encode(&ROOT)
        );
        assert_eq!(read(&old).err(), Some(InvalidKeyFile::Epoch));
    }

    #[test]
    fn the_key_of_cursors_is_read_and_what_is_wrong_is_said() {
        let file = |version: u32, key: &str| {
            read_cursor_key(&format!(r#"{{"version":{version},"cursorKey":"{key}"}}"#))
        };
        assert_eq!(*file(1, &"0f".repeat(32)).unwrap(), [15; 32]);
        assert_eq!(file(2, &"0f".repeat(32)).unwrap_err(), InvalidKeyFile::Version);
        for key in ["0f", "anna", &"0F".repeat(32)] {
            assert_eq!(file(1, key).unwrap_err(), InvalidKeyFile::Cursor);
        }
        assert_eq!(read_cursor_key("{}").unwrap_err(), InvalidKeyFile::Malformed);
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_it() {
        let good = write(&ROOT, &[9; 32]);
        let root = HEXLOWER.encode(&ROOT);
        for (from, to, error) in [
            ("\"version\": 1", "\"version\": 2", InvalidKeyFile::Version),
            ("\"version\"", "\"vers\"", InvalidKeyFile::Malformed),
            ("\"currentEpoch\": 1", "\"currentEpoch\": 2", InvalidKeyFile::Epoch),
            (root.as_str(), "anna", InvalidKeyFile::Root),
            ("09090909", "anna0909", InvalidKeyFile::Seal),
        ] {
            let found = read(&good.replacen(from, to, 1)).unwrap_err();
            assert_eq!(found, error);
            assert!(!found.to_string().contains("anna"));
        }
    }
}
