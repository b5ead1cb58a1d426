//! One instant: milliseconds since the Unix epoch inside, RFC 3339 in UTC with milliseconds on the wire.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::limits::{DAY_MS, HOUR_MS};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// An instant from milliseconds since the epoch, held within the years 0 to 9999.
    #[must_use]
    pub fn from_ms(ms: i64) -> Self {
        Self(ms.clamp(MS_MIN, MS_MAX))
    }

    /// Parses RFC 3339 with an offset; finer than a millisecond is cut off. Nothing else is accepted.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(parsed.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Self::from_ms)
    }

    /// The same, or a day (`2026-02-01`) for its beginning in UTC.
    #[must_use]
    pub fn parse_time_or_day(text: &str) -> Option<Self> {
        let is_day = text.len() == "2026-02-01".len();
        if is_day { Self::parse(&format!("{text}T00:00:00Z")) } else { Self::parse(text) }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn ms(self) -> i64 {
        self.0
    }

    /// This instant moved by `ms` milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self::from_ms(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; negative when it lies later.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The start of the UTC hour that holds this instant.
    #[must_use]
    pub fn hour(self) -> Self {
        Self(self.0.div_euclid(HOUR_MS) * HOUR_MS)
    }

    /// The start of the UTC day that holds this instant.
    #[must_use]
    pub fn day(self) -> Self {
        Self(self.0.div_euclid(DAY_MS) * DAY_MS)
    }

    /// Year, month, day and hour in UTC: the parts of an archive partition.
    #[must_use]
    pub fn partition(self) -> (i32, u8, u8, u8) {
        let at = self.date_time();
        (at.year(), u8::from(at.month()), at.day(), at.hour())
    }

    fn date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .to_offset(UtcOffset::UTC)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.date_time();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond()
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom("expected an RFC 3339 time with an offset"))
    }
}

/// 0000-01-01T00:00:00Z.
const MS_MIN: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z.
const MS_MAX: i64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_turned_into_utc() {
        let at = Timestamp::parse("2026-02-12T01:00:00.5+02:00").unwrap();
        assert_eq!(at.to_string(), "2026-02-11T23:00:00.500Z");
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
    }

    #[test]
    fn a_time_without_an_offset_is_refused() {
        for bad in
            ["2026-02-12T01:00:00", "2026-02-12", "now", "", "1700000000", "2026-02-30T00:00:00Z"]
        {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_day_is_its_beginning_in_utc() {
        let day = Timestamp::parse("2026-02-12T00:00:00Z");
        assert_eq!(Timestamp::parse_time_or_day("2026-02-12"), day);
        assert_eq!(Timestamp::parse_time_or_day("2026-02-12T02:00:00+02:00"), day);
        for bad in ["2026-02-30", "2026-2-012", "12-02-2026", "éééééé", "", "2026-02-12T00:00:00"]
        {
            assert_eq!(Timestamp::parse_time_or_day(bad), None, "{bad}");
        }
    }

    #[test]
    fn hours_and_days_begin_at_their_start_even_before_the_epoch() {
        assert_eq!(Timestamp::from_ms(-1).hour().ms(), -HOUR_MS);
        assert_eq!(Timestamp::from_ms(HOUR_MS).hour().ms(), HOUR_MS);
        assert_eq!(Timestamp::from_ms(DAY_MS - 1).day().ms(), 0);
    }
}
