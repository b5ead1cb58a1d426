//! The check digits that tell an identifier from any other number. All take digit values, not characters.

/// Cards, Swedish numbers, Italian and French company numbers.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, value) => value,
            (_, value @ 0..5) => value * 2,
            (_, value) => value * 2 - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 7064 mod 11,10 over all digits, the last being the check digit: German and Croatian numbers.
pub(super) fn iso_7064(digits: &[u8]) -> bool {
    let Some((check, body)) = digits.split_last() else { return false };
    let product = body.iter().fold(10, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(*check)
}

/// The sum of digits times weights.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

/// The digits as a number; at most 18 of them.
pub(super) fn value(digits: &[u8]) -> u64 {
    digits.iter().take(18).fold(0, |value, digit| value * 10 + u64::from(*digit))
}

/// Whether two digits each make a day and a month; months may carry a century in steps of `century`.
pub(super) fn is_day_month(day: u64, month: u64) -> bool {
    (1..=31).contains(&day) && (1..=12).contains(&month)
}
