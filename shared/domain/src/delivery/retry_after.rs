//! `Retry-After`, in seconds or as an HTTP date in any of its three spellings.

use contract::Timestamp;

use super::DeliveryPolicy;

/// The pause a `Retry-After` header asks for, in ms, held within the policy's bounds; nothing when it cannot be read.
/// A negative number and a date in the past ask for the shortest pause.
#[must_use]
pub fn retry_after_ms(header: &str, now: Timestamp, policy: &DeliveryPolicy) -> Option<i64> {
    let text = header.trim();
    let wanted = match seconds(text) {
        Some(seconds) => seconds.saturating_mul(1_000),
        None => http_date(text)?.since_ms(now),
    };
    Some(wanted.max(policy.retry_after_min_ms).min(policy.retry_after_max_ms))
}

/// A number of any length: one that overflows is as good as the longest pause.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| if digits.len() < text.len() { 0 } else { text.parse().unwrap_or(i64::MAX) })
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or `Sun Nov  6 08:49:37 1994`.
fn http_date(text: &str) -> Option<Timestamp> {
    if !text.is_ascii() || text.len() > LONGEST_DATE {
        return None;
    }
    let parts: Vec<&str> =
        text.split([' ', '-', ',']).filter(|part| !part.is_empty()).skip(1).collect();
    let (day, month, year, time) = match parts.as_slice() {
        [day, month, year, time, "GMT"] => (day, month, year, time),
        [month, day, time, year] => (day, month, year, time),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    let (day, year) = (day.parse::<u8>().ok()?, year.parse::<u16>().ok()?);
    let year = match year {
        0..70 => 2000 + year,
        70..100 => 1900 + year,
        _ => year,
    };
    Timestamp::parse(&format!("{year:04}-{month:02}-{day:02}T{time}Z"))
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const LONGEST_DATE: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_all_three_dates_are_read_and_held_within_an_hour() {
        let now = Timestamp::parse("1994-11-06T08:47:37Z").unwrap();
        let check = |header: &str, expected: Option<i64>| {
            let pause = retry_after_ms(header, now, &DeliveryPolicy::default());
            assert_eq!(pause, expected, "{header}");
        };
        check("120", Some(120_000));
        check(" 7 ", Some(7_000));
        check("0", Some(1_000));
        check("-5", Some(1_000));
        check("99999999", Some(3_600_000));
        check("99999999999999999999999999", Some(3_600_000));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(120_000));
        check("Sunday, 06-Nov-94 08:49:37 GMT", Some(120_000));
        check("Sun Nov  6 08:49:37 1994", Some(120_000));
        check("Sun, 06 Nov 1994 08:40:00 GMT", Some(1_000));
        check("Fri, 31 Dec 2999 23:59:59 GMT", Some(3_600_000));
        for unreadable in ["", "-", "soon", "1.5", "Sun, 31 Feb 1994 08:49:37 GMT", "12 34", "٣"] {
            check(unreadable, None);
        }
    }
}
