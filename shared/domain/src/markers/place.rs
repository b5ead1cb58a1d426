//! Where an id leaves its marker: a slot of time, at the coarsest level that is not sealed.

use std::fmt;

use contract::{
    EventId, Timestamp,
    limits::{DEDUPE_HORIZON_MS, MARKER_TTL_MS},
};
use uuid::{Uuid, Variant};

/// How finely time is cut into slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// 17.5 minutes.
    Coarse,
    /// 66 seconds.
    Middle,
    /// Four seconds.
    Fine,
}

/// A slot of time at a level. What organisation it belongs to, the caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// How long the slot is.
    pub level: Level,
    /// The how manyth since the epoch.
    pub slot: u64,
}

/// A canonical UUIDv7: an id that tells its time and leaves 94 bits open within a slot of the coarsest level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackedId {
    ms: u64,
    random: u128,
}

/// The 94 bits of an id that its coarsest slot leaves open. Within a slot no two ids share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey(pub(super) [u8; ENTRY_KEY_BYTES]);

impl Level {
    /// All of them, the coarsest first.
    pub const ALL: [Self; 3] = [Self::Coarse, Self::Middle, Self::Fine];

    /// The next finer one.
    #[must_use]
    pub fn finer(self) -> Option<Self> {
        match self {
            Self::Coarse => Some(Self::Middle),
            Self::Middle => Some(Self::Fine),
            Self::Fine => None,
        }
    }

    /// A slot is 2 to this many milliseconds long.
    fn bits(self) -> u32 {
        match self {
            Self::Coarse => COARSE_BITS,
            Self::Middle => 16,
            Self::Fine => 12,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Coarse => 0,
            Self::Middle => 1,
            Self::Fine => 2,
        }
    }
}

impl Place {
    /// When nothing asks about this place any more: what it holds may happen 30 days before its record arrives, and is
    /// kept for 35 days from there.
    #[must_use]
    pub fn expires_at(self) -> Timestamp {
        let end = self.slot.saturating_add(1).saturating_mul(1 << self.level.bits());
        let end = Timestamp::from_ms(i64::try_from(end).unwrap_or(i64::MAX));
        end.plus_ms(DEDUPE_HORIZON_MS).plus_ms(MARKER_TTL_MS)
    }
}

/// `level#slot`, as it stands in keys.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.level.number(), self.slot)
    }
}

impl PackedId {
    /// Reads an id; nothing for one that is no UUIDv7 in its canonical form, since two texts must not become one id.
    #[must_use]
    pub fn of(id: &EventId) -> Option<Self> {
        let uuid = Uuid::try_parse(id.as_str()).ok()?;
        let mut canonical = Uuid::encode_buffer();
        let is_canonical = uuid.hyphenated().encode_lower(&mut canonical) == id.as_str();
        let is_v7 = uuid.get_version_num() == 7 && uuid.get_variant() == Variant::RFC4122;
        if !(is_canonical && is_v7) {
            return None;
        }
        let bits = uuid.as_u128();
        let (upper, lower) = (bits >> 64 & low(UPPER_RANDOM_BITS), bits & low(LOWER_RANDOM_BITS));
        let ms = u64::try_from(bits >> 80).ok()?;
        Some(Self { ms, random: upper << LOWER_RANDOM_BITS | lower })
    }

    /// Its place at a level.
    #[must_use]
    pub fn place(self, level: Level) -> Place {
        Place { level, slot: self.ms >> level.bits() }
    }

    /// What tells it from every other id of its coarsest slot.
    #[must_use]
    pub fn entry_key(self) -> EntryKey {
        let within = u128::from(self.ms) & low(COARSE_BITS);
        let bits = within << (UPPER_RANDOM_BITS + LOWER_RANDOM_BITS) | self.random;
        let bytes = bits.to_be_bytes();
        EntryKey(bytes.last_chunk().copied().unwrap_or_default())
    }
}

fn low(bits: u32) -> u128 {
    (1 << bits) - 1
}

pub(super) const ENTRY_KEY_BYTES: usize = 12;
const COARSE_BITS: u32 = 20;
/// Random bits of a UUIDv7 before its variant, and after.
const UPPER_RANDOM_BITS: u32 = 12;
const LOWER_RANDOM_BITS: u32 = 62;
