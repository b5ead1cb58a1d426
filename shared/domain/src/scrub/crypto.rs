//! Wallets, which their checksums give away.

use sha2::{Digest, Sha256};

use super::{
    EntityKind, Span,
    bytes::{at, cut, reads},
    candidate::Candidate,
};

/// A Bitcoin or Ethereum address that is exactly the word from the candidate to `end`.
pub(super) fn find(candidate: &Candidate<'_>, end: usize) -> Option<Span> {
    let Candidate { bytes, start, .. } = *candidate;
    let word = cut(bytes, start, end);
    let valid = match (at(bytes, start), word.len()) {
        (b'1' | b'3', 26..=35) => is_base58check(word),
        (b'0', 42) => word.starts_with(b"0x") && word.iter().skip(2).all(u8::is_ascii_hexdigit),
        (b'b' | b't' | b'B' | b'T', 14..=90) => {
            (reads(bytes, start, "bc1") || reads(bytes, start, "tb1")) && is_bech32(word)
        }
        _ => false,
    };
    if valid { candidate.span(end, EntityKind::Crypto) } else { None }
}

/// 25 bytes whose last four are the beginning of the double hash of the others.
fn is_base58check(word: &[u8]) -> bool {
    let mut decoded = [0_u8; 25];
    for character in word {
        let Some(value) = BASE58.iter().position(|known| known == character) else { return false };
        let mut carry = u32::try_from(value).unwrap_or_default();
        for byte in decoded.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    let (body, check) = decoded.split_at(21);
    Sha256::digest(Sha256::digest(body)).starts_with(check)
}

/// BIP 173 and 350: the checksum of either leaves its own constant.
fn is_bech32(word: &[u8]) -> bool {
    let Some((prefix, data)) = word.split_at_checked(3) else { return false };
    let Some((human, _)) = prefix.split_at_checked(2) else { return false };
    let human = || human.iter().map(u8::to_ascii_lowercase);
    let values = data.iter().map(|byte| {
        BECH32
            .iter()
            .position(|known| *known == byte.to_ascii_lowercase())
            .and_then(|value| u32::try_from(value).ok())
    });
    let Some(values) = values.collect::<Option<Vec<u32>>>() else { return false };
    let expanded = human()
        .map(|byte| u32::from(byte >> 5))
        .chain([0])
        .chain(human().map(|byte| u32::from(byte & 31)));
    let checksum = expanded.chain(values).fold(1_u32, |checksum, value| {
        let top = checksum >> 25;
        let next = ((checksum & 0x1ff_ffff) << 5) ^ value;
        GENERATORS.iter().enumerate().fold(next, |next, (bit, generator)| {
            if (top >> bit) & 1 == 1 { next ^ generator } else { next }
        })
    });
    matches!(checksum, 1 | 0x2bc8_30a3)
}

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
