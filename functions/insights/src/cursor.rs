//! Where the next page begins, signed: a caller can give a cursor back, and neither make nor change one.

use std::fmt;

use contract::{Code, Timestamp};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::parameters::CURSOR_CHARACTERS_MAX;

/// The key that signs cursors. It is never printed.
#[derive(Clone)]
pub struct CursorKey(Hmac<Sha256>);

/// Everything that a cursor goes with: the organisation, the endpoint, what stands in the path, the parameters.
#[derive(Debug)]
pub(crate) struct Bound<'a>(pub(crate) Vec<&'a str>);

/// A place in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Start of the time that the list is about.
    pub(crate) from: Timestamp,
    /// Its end.
    pub(crate) to: Timestamp,
    /// The time of the last thing that was told.
    pub(crate) at: Timestamp,
    /// Its id.
    pub(crate) id: String,
}

impl CursorKey {
    /// A key of 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        Self(Hmac::new_from_slice(&bytes).expect("every length"))
    }

    /// The cursor for `place`, which goes with `bound` alone.
    pub(crate) fn seal(&self, bound: &Bound<'_>, place: &Place) -> String {
        let mut bytes = Vec::with_capacity(TIMES_BYTES + place.id.len() + MAC_BYTES);
        for time in [place.from, place.to, place.at] {
            bytes.extend_from_slice(&time.ms().to_be_bytes());
        }
        bytes.extend_from_slice(place.id.as_bytes());
        let mac = self.mac(bound, &bytes).finalize().into_bytes();
        bytes.extend(mac.into_iter().take(MAC_BYTES));
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The place of a cursor that goes with `bound`.
    pub(crate) fn open(&self, bound: &Bound<'_>, text: &str) -> Result<Place, Code> {
        let read = || {
            let text = Some(text).filter(|text| text.len() <= CURSOR_CHARACTERS_MAX)?;
            let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
            let (said, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
            self.mac(bound, said).verify_truncated_left(mac).ok()?;
            let (from, rest) = time(said)?;
            let (to, rest) = time(rest)?;
            let (at, id) = time(rest)?;
            Some(Place { from, to, at, id: std::str::from_utf8(id).ok()?.to_owned() })
        };
        read().ok_or(Code::BadCursor)
    }

    /// Parts cannot run into each other: each goes with its length.
    fn mac(&self, Bound(parts): &Bound<'_>, said: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        let length = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX).to_be_bytes();
        for part in parts.iter().map(|part| part.as_bytes()).chain([said]) {
            mac.update(&length(part.len()));
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey(***)")
    }
}

fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (ms, rest) = bytes.split_first_chunk()?;
    Some((Timestamp::from_ms(i64::from_be_bytes(*ms)), rest))
}

const TIMES_BYTES: usize = 24;
/// 128 bits: nobody guesses them.
const MAC_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CursorKey {
        CursorKey::new([7; 32])
    }

    fn place() -> Place {
        let at = Timestamp::from_ms;
        Place { from: at(-5), to: at(1_760_000_000_000), at: at(3), id: "s_1".to_owned() }
    }

    #[test]
    fn a_cursor_reads_back_and_its_key_is_not_printed() {
        let bound = Bound(vec!["acme", "/v1/sessions", ""]);
        let cursor = key().seal(&bound, &place());
        assert_eq!(key().open(&bound, &cursor), Ok(place()));
        assert_eq!(format!("{:?}", key()), "CursorKey(***)");
    }

    #[test]
    fn a_cursor_of_another_question_or_key_is_none() {
        let bound = Bound(vec!["acme", "/v1/sessions", "state", "open"]);
        let cursor = key().seal(&bound, &place());
        for other in [
            vec!["bolt", "/v1/sessions", "state", "open"],
            vec!["acme", "/v1/incidents", "state", "open"],
            vec!["acme", "/v1/sessions", "state", "closed"],
            vec!["acme", "/v1/sessions", "stateopen"],
            vec!["acme", "/v1/sessions"],
            vec!["acme", "/v1/sessions", "state", "open", ""],
        ] {
            assert_eq!(key().open(&Bound(other), &cursor), Err(Code::BadCursor));
        }
        assert_eq!(CursorKey::new([8; 32]).open(&bound, &cursor), Err(Code::BadCursor));
    }

    #[test]
    fn one_changed_character_or_one_less_is_noticed() {
        let bound = Bound(vec!["acme"]);
        let cursor = key().seal(&bound, &place());
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(key().open(&bound, &changed), Err(Code::BadCursor), "at {at}");
            assert_eq!(key().open(&bound, &cursor[..at]), Err(Code::BadCursor), "up to {at}");
        }
        for hostile in ["ä", "====", &"A".repeat(100_000)] {
            assert_eq!(key().open(&bound, hostile), Err(Code::BadCursor));
        }
    }
}
