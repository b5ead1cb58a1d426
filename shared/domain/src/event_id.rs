//! Identities for events that come without one.

use contract::{EventId, OrgId, Timestamp};
use sha2::{Digest, Sha256};

use crate::pseudonym::Token;

/// The id of the event that a host names by an idempotency key: the same key of the same organisation is the same event.
///
/// A UUIDv8 from the first 16 bytes of `SHA-256("tribometer/event-id" 00 || len16(org) || org || token)`. It takes the
/// key's token, not the key: event ids are shown and forwarded, and a plain hash of a key such as `anna@example.org:1`
/// could be guessed back. Like every token it changes with the epoch.
#[must_use]
pub fn derived(org: &OrgId, key: &Token) -> EventId {
    let length = u16::try_from(org.as_str().len()).unwrap_or(u16::MAX);
    let digest = Sha256::new()
        .chain_update(DERIVED_LABEL)
        .chain_update(length.to_be_bytes())
        .chain_update(org.as_str())
        .chain_update(key.as_str())
        .finalize();
    uuid(u128::from_be_bytes(digest.first_chunk().copied().unwrap_or_default()), 8)
}

/// A UUIDv7 (RFC 9562): 48 bits of milliseconds since the epoch, then 74 bits of the entropy.
#[must_use]
pub fn v7(now: Timestamp, entropy: [u8; 16]) -> EventId {
    let ms = u128::try_from(now.ms()).unwrap_or_default();
    let random = u128::from_be_bytes(entropy) & ((1 << 80) - 1);
    uuid(ms << 80 | random, 7)
}

/// Writes the version and the variant over their bits, and the whole in its canonical form.
fn uuid(bits: u128, version: u128) -> EventId {
    let bits = bits & !(0xf << 76) | version << 76;
    let bits = bits & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{bits:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    let text = [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-");
    #[expect(clippy::expect_used, reason = "36 hexadecimal digits and dashes are an event id")]
    EventId::parse(text).expect("a UUID")
}

const DERIVED_LABEL: &[u8] = b"tribometer/event-id\0";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pseudonym::Kind;

    #[test]
    fn a_version_seven_uuid_tells_its_time_and_keeps_its_entropy() {
        let now = Timestamp::from_ms(1_700_000_000_123);
        let id = v7(now, [0xff; 16]);
        assert_eq!(id.as_str(), "018bcfe5-687b-7fff-bfff-ffffffffffff");
        assert_eq!(id.uuid_v7_ms(), Some(now.ms()));
        assert_ne!(v7(now, [1; 16]), id);
        assert_eq!(
            v7(Timestamp::from_ms(-1), [0; 16]).as_str(),
            "00000000-0000-7000-8000-000000000000"
        );
    }

    #[test]
    fn one_key_of_one_organisation_is_one_event() {
        let token = |last: char| {
            Token::parse(Kind::Object, &format!("o1.3.{}{last}", "0".repeat(25))).unwrap()
        };
        let org = |name: &str| OrgId::parse(name).unwrap();
        let id = derived(&org("acme"), &token('0'));
        assert_eq!(id, derived(&org("acme"), &token('0')));
        assert_ne!(id, derived(&org("acme2"), &token('0')));
        assert_ne!(id, derived(&org("acme"), &token('4')));
        assert_eq!(id.as_str().len(), 36);
        assert_eq!(id.as_str().as_bytes()[14], b'8');
        assert_eq!(id.clone().canonical(), id);
    }
}
