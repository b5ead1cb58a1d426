//! Logarithm and exponential from the four operations alone: those are exact to the bit on every machine, the ones of a
//! system's library are not, and equal events are to give equal scores wherever they are computed.

/// The binary logarithm; minus infinity for 0, nothing a number for what is negative.
pub(crate) fn log2(x: f64) -> f64 {
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if !(x > 0.0 && x < f64::INFINITY) {
        return if x > 0.0 { x } else { f64::NAN };
    }
    if x < f64::MIN_POSITIVE {
        return log2(x * TWO_TO_54) - 54.0;
    }
    let (mut exponent, mut mantissa) = parts(x);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1.0;
    }
    // ln m = 2 artanh((m − 1) / (m + 1)); the argument is at most 0.172, so 12 terms are beyond the last bit.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..12_u32).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    exponent + 2.0 * s * series * std::f64::consts::LOG2_E
}

/// 2 to the power of `x`.
pub(crate) fn exp2(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let x = x.clamp(EXPONENT_MIN, EXPONENT_MAX);
    let whole = (x + 0.5).floor();
    let rest = (x - whole) * std::f64::consts::LN_2;
    // The argument is at most 0.347, so 16 terms are beyond the last bit.
    let series = (1..=16_u32).rev().fold(1.0, |sum, k| 1.0 + sum * rest / f64::from(k));
    #[expect(clippy::as_conversions, reason = "a whole number between -1,022 and 1,023")]
    let biased = (whole as i64 + 1_023) as u64;
    series * f64::from_bits(biased << MANTISSA_BITS)
}

/// e to the power of `x`.
pub(crate) fn exp(x: f64) -> f64 {
    exp2(x * std::f64::consts::LOG2_E)
}

/// The logistic function.
pub(crate) fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + exp(-z))
}

/// A whole number as a float; beyond 2^53 the nearest one.
pub(crate) fn float(number: i64) -> f64 {
    #[expect(clippy::as_conversions, reason = "beyond 2^53 the nearest float is meant")]
    let number = number as f64;
    number
}

/// Exponent and mantissa, 1 to below 2, of a normal positive number.
fn parts(x: f64) -> (f64, f64) {
    let bits = x.to_bits();
    let exponent = i32::try_from(bits >> MANTISSA_BITS).unwrap_or_default() - 1_023;
    let mantissa = f64::from_bits((bits & MANTISSA_MASK) | 1.0_f64.to_bits());
    (exponent.into(), mantissa)
}

const MANTISSA_BITS: u32 = 52;
const MANTISSA_MASK: u64 = (1 << MANTISSA_BITS) - 1;
const TWO_TO_54: f64 = 18_014_398_509_481_984.0;
const EXPONENT_MIN: f64 = -1_022.0;
const EXPONENT_MAX: f64 = 1_023.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn powers_of_two_are_exact() {
        for n in -1_000_i32..=1_000 {
            let power = 2_f64.powi(n);
            assert_eq!(log2(power), f64::from(n));
            assert_eq!(exp2(f64::from(n)), power);
        }
        assert_eq!(log2(f64::from_bits(1)), -1_074.0);
    }

    #[test]
    fn the_ends_are_what_they_are() {
        assert_eq!(log2(0.0), f64::NEG_INFINITY);
        assert_eq!(log2(f64::INFINITY), f64::INFINITY);
        assert!(log2(-1.0).is_nan() && log2(f64::NAN).is_nan() && exp(f64::NAN).is_nan());
        assert!(exp(-1e9) < 1e-300 && exp(1e9) > 1e300);
        assert_eq!((exp(0.0), sigmoid(0.0)), (1.0, 0.5));
    }

    proptest! {
        #[test]
        fn they_agree_with_the_library(x in 1e-12_f64..1e12, z in -40.0_f64..40.0) {
            prop_assert!((log2(x) - x.log2()).abs() <= 1e-14 * x.log2().abs().max(1.0));
            prop_assert!((exp(z) / z.exp() - 1.0).abs() <= 1e-13);
        }
    }
}
