//! Numbers as texts: exact, never through a float (semantics 2.3, 2.4).
//!
//! The work grows with the length of the text alone: an exponent moves the point, and neither
//! allocates nor loops, whatever it says.

use std::cmp::Ordering;

/// A text that is no JSON number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a number")]
pub struct NotANumber;

/// Numbers are held in units of `10^-18`: finer than any tolerance below.
const FINEST: i64 = 18;
/// Digits in front of the point: no i64 has more.
const MAX_WHOLE: i64 = 19;
/// What is left of a number when a float has held it (semantics 2.4): a millionth of a
/// millionth of its size, at least as much, and at most a millionth; in the units above.
const RESIDUE_OF_SIZE: u128 = 1_000_000_000_000;
const LEAST_RESIDUE: u128 = 1_000_000;
const MOST_RESIDUE: u128 = 1_000_000_000_000;
/// Exponents beyond are taken for this: no text is long enough to bring such a number back.
const MAX_EXPONENT: i64 = 1_000_000_000_000;

/// Reads a JSON number as a whole multiple of `10^-scale`, or nothing when it is not one
/// or is out of the range of an i64. `1.5e2` at scale 0 is 150, `0.001` at scale 3 is 1.
pub fn scaled(text: &str, scale: u32) -> Option<i64> {
    let number = Number::read(text).ok()?;
    let (below, exact) = number.parts(scale)?;
    exact.then(|| number.signed(below)).flatten()
}

/// As [`scaled`], for a number that a float may have held: what floats leave over is no
/// decimal place. `0.30000000000000004` at scale 3 is 300, `39.989999999999995` is 39990.
pub fn scaled_near(text: &str, scale: u32) -> Option<i64> {
    let number = Number::read(text).ok()?;
    let (below, exact) = number.parts(scale)?;
    if exact {
        return number.signed(below);
    }
    let unit = unit_of(scale);
    // What is finer than the units is as if it was one more.
    let above_it = number.units - below * unit + u128::from(number.is_cut);
    let below_next = (below + 1) * unit - number.units;
    let allowed = (number.units / RESIDUE_OF_SIZE).clamp(LEAST_RESIDUE, MOST_RESIDUE);
    if above_it <= allowed {
        number.signed(below)
    } else if below_next <= allowed {
        number.signed(below + 1)
    } else {
        None
    }
}

/// The largest multiple of `10^-scale` that is not above a number; nothing where that is out
/// of the range of an i64.
///
/// # Errors
/// Where the text is no number at all.
pub fn floored(text: &str, scale: u32) -> Result<Option<i64>, NotANumber> {
    let number = Number::read(text)?;
    let floor = number.parts(scale).and_then(|(below, exact)| {
        let away = u128::from(number.negative && !exact);
        number.signed(below + away)
    });
    Ok(floor)
}

/// The multiple of `10^-scale` that is left of a number when what is finer is cut off; nothing
/// where the text is no number, or out of the range of an i64.
pub fn cut(text: &str, scale: u32) -> Option<i64> {
    if let Some(number) = scaled_short(text.as_bytes(), scale) {
        return Some(number);
    }
    let number = Number::read(text).ok()?;
    let (whole, _) = number.parts(scale)?;
    number.signed(whole)
}

/// The multiple of `10^-scale` that is nearest to a number, of two that are equally near the even
/// one; nothing where the text is no number, or out of the range of an i64.
pub fn rounded(text: &str, scale: u32) -> Option<i64> {
    let number = Number::read(text).ok()?;
    let (below, _) = number.parts(scale)?;
    let unit = unit_of(scale);
    let is_odd = below % 2 == 1;
    let up = match (number.units - below * unit).cmp(&(unit / 2)) {
        Ordering::Greater => true,
        Ordering::Less => false,
        // What is finer than the units decides.
        Ordering::Equal => number.is_cut || is_odd,
    };
    number.signed(below + u128::from(up))
}

/// What [`scaled`] reads, of the form that most numbers have: up to eighteen digits, without
/// an exponent. Nothing where the number is not of that form, or has more than `scale` decimals.
pub fn scaled_short(text: &[u8], scale: u32) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || digits.len() > 18 || (digits[0] == b'0' && digits.len() > 1) {
        return None;
    }
    let mut value = 0_i64;
    let mut point = None;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() && index > 0 => point = Some(index),
            _ => return None,
        }
    }
    let decimals = point.map_or(0, |point| digits.len() - point - 1);
    if point.is_some() && decimals == 0 {
        return None;
    }
    let power = scale.checked_sub(u32::try_from(decimals).ok()?)?;
    let magnitude = value.checked_mul(10_i64.checked_pow(power)?)?;
    Some(if digits.len() < text.len() {
        -magnitude
    } else {
        magnitude
    })
}

/// A number cut to the finest units.
struct Number {
    negative: bool,
    /// In units of `10^-18`.
    units: u128,
    /// There is something finer than the units.
    is_cut: bool,
    /// It has more digits in front of the point than any i64.
    is_huge: bool,
}

impl Number {
    fn read(text: &str) -> Result<Self, NotANumber> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(NotANumber),
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero || !digits(whole) || !digits(fraction) {
            return Err(NotANumber);
        }
        let mut number = Self {
            negative,
            units: 0,
            is_cut: false,
            is_huge: false,
        };
        number.set(whole, fraction, exponent);
        Ok(number)
    }

    /// Puts the digits where they belong.
    fn set(&mut self, whole: &str, fraction: &str, exponent: i64) {
        let digits = || whole.bytes().chain(fraction.bytes());
        let zeros = digits().take_while(|digit| *digit == b'0').count();
        let significant = digits().skip(zeros);
        let count = length(whole) + length(fraction) - as_i64(zeros);
        if count == 0 {
            return;
        }
        // Digits in front of the point; below zero there are zeros behind it first.
        let before_point = length(whole) - as_i64(zeros) + exponent;
        if before_point > MAX_WHOLE {
            self.is_huge = true;
            return;
        }
        let room = (before_point + FINEST).clamp(0, count);
        let (mut units, mut taken) = (0_u128, 0);
        for digit in significant {
            if taken == room {
                self.is_cut |= digit != b'0';
                continue;
            }
            units = units * 10 + u128::from(digit - b'0');
            taken += 1;
        }
        let zeros_behind = (before_point + FINEST - taken).max(0);
        let zeros_behind = u32::try_from(zeros_behind).expect("at most 19 and 18");
        self.units = units * 10_u128.pow(zeros_behind);
    }

    /// How many whole units of a scale fit in, and whether nothing is left over.
    fn parts(&self, scale: u32) -> Option<(u128, bool)> {
        let unit = unit_of(scale);
        let exact = self.units.is_multiple_of(unit) && !self.is_cut;
        (!self.is_huge).then(|| (self.units / unit, exact))
    }

    fn signed(&self, magnitude: u128) -> Option<i64> {
        let magnitude = i128::try_from(magnitude).ok()?;
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }
}

fn unit_of(scale: u32) -> u128 {
    10_u128.pow(FINEST.unsigned_abs() as u32 - scale)
}

fn length(text: &str) -> i64 {
    as_i64(text.len())
}

fn as_i64(length: usize) -> i64 {
    i64::try_from(length).expect("no text is that long")
}

fn read_exponent(text: &str) -> Result<i64, NotANumber> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotANumber);
    }
    let magnitude = digits.bytes().fold(0, |number: i64, digit| {
        (number * 10 + i64::from(digit - b'0')).min(MAX_EXPONENT)
    });
    Ok(sign * magnitude)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_lossless_numbers_are_read() {
        let check =
            |text: &str, scale, expected| assert_eq!(scaled(text, scale), expected, "{text}");
        check("3", 0, Some(3));
        check("3.0", 0, Some(3));
        check("1.5e2", 0, Some(150));
        check("1500e-2", 0, Some(15));
        check("-0", 0, Some(0));
        check("0e999999", 0, Some(0));
        check("3.5", 0, None);
        check("12.5", 3, Some(12_500));
        check("12.500000", 3, Some(12_500));
        check("1.2345", 3, None);
        check("9223372036854775807", 0, Some(i64::MAX));
        check("-9223372036854775808", 0, Some(i64::MIN));
        check("9223372036854775808", 0, None);
        check("18446744073709551616", 0, None);
        check("1e999", 0, None);
        check("1e99999999999", 0, None);
        check("-1e-999", 3, None);
        check("0e99999999999999999999", 3, Some(0));
        check("0e-99999", 0, Some(0));
        check(&format!("0.{}1e5001", "0".repeat(5_000)), 0, Some(1));
        check(&format!("1{}e-5000", "0".repeat(5_000)), 3, Some(1_000));
        check(&"9".repeat(2_000), 3, None);
        check("9223372036854775.807", 3, Some(i64::MAX));
        check("9223372036854775.808", 3, None);
        // A text was never a float.
        check("0.30000000000000004", 3, None);
    }

    /// Semantics 2.4: within a millionth of a millionth of its size, at least and at most that.
    #[test]
    fn what_a_float_leaves_over_is_no_decimal_place() {
        let check =
            |text: &str, scale, expected| assert_eq!(scaled_near(text, scale), expected, "{text}");
        check("0.30000000000000004", 3, Some(300));
        check("39.989999999999995", 3, Some(39_990));
        check("-39.989999999999995", 3, Some(-39_990));
        check("2.9999999999999996", 0, Some(3));
        check("3.0000000000000004", 0, Some(3));
        check("0.1", 3, Some(100));
        check("12.3454", 3, None);
        check("12.0005", 3, None);
        check("3.5", 0, None);
        check("-0.0000000000000001", 3, Some(0));
        check("1e-16384", 3, Some(0));
        check("-1e-99999999999999999999", 0, Some(0));
        // As much as is allowed, and more than that: small, of some size, large.
        check("0.000000000001", 3, Some(0));
        check("0.0000000000010000001", 3, None);
        check("0.999999999999", 0, Some(1));
        check("0.9999999999989", 0, None);
        check("1000.000000001", 3, Some(1_000_000));
        check("1000.0000000011", 3, None);
        check("999999999.999999", 0, Some(1_000_000_000));
        check("999999999.999998", 0, None);
        check("4503599627370495.000001", 0, Some(4_503_599_627_370_495));
        check("4503599627370495.000002", 0, None);
        check("9223372036854775807.0000001", 0, Some(i64::MAX));
        check("9223372036854775807.9999999", 0, None);
        check("-9223372036854775807.9999999", 0, Some(i64::MIN));
        check("1e400", 3, None);
    }

    /// Semantics 2.4a.
    #[test]
    fn half_is_rounded_to_the_even_neighbour() {
        let check = |text: &str, scale, expected| {
            assert_eq!(rounded(text, scale), expected, "{text}");
        };
        check("1.2344", 3, Some(1_234));
        check("1.2345", 3, Some(1_234));
        check("1.2355", 3, Some(1_236));
        check("1.2346", 3, Some(1_235));
        check("-1.2345", 3, Some(-1_234));
        check("-1.2355", 3, Some(-1_236));
        check("0.0005", 3, Some(0));
        check("-0.0005", 3, Some(0));
        check("0.0015", 3, Some(2));
        check("0.9995", 3, Some(1_000));
        check("2.5", 0, Some(2));
        check("3.5", 0, Some(4));
        check("12.5", 3, Some(12_500));
        check("1e-99999", 3, Some(0));
        check("1e-4", 3, Some(0));
        check("9e-4", 3, Some(1));
        // More than half by what is finer than anything that is counted in.
        check("1.23450000000000000000000001", 3, Some(1_235));
        check("0.30000000000000004", 3, Some(300));
        check("9223372036854775.8074", 3, Some(i64::MAX));
        check("9223372036854775.8075", 3, None);
        check("-9223372036854775.8085", 3, Some(i64::MIN));
        check("1e400", 3, None);
        check("1.2.3", 3, None);
    }

    #[test]
    fn what_is_too_fine_is_cut_off_downwards() {
        let check = |text: &str, expected| assert_eq!(floored(text, 6), expected, "{text}");
        check("1752127740.1234567", Ok(Some(1_752_127_740_123_456)));
        check("-0.0000001", Ok(Some(-1)));
        check("-1", Ok(Some(-1_000_000)));
        check("1e-99999", Ok(Some(0)));
        check("-1e-99999", Ok(Some(-1)));
        check("1e99", Ok(None));
        check("soon", Err(NotANumber));
    }

    #[test]
    fn texts_that_are_no_json_numbers_are_refused() {
        for text in [
            "", "-", "007", "+1", "1.", ".5", "1e", "1e+", " 1", "1 ", "0x1", "1_0", "NaN", "--1",
            "१",
        ] {
            assert_eq!(scaled(text, 3), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_integer_survives(number in any::<i64>(), zeros in 0_usize..30) {
            prop_assert_eq!(scaled(&number.to_string(), 0), Some(number));
            let text = format!("{number}.{}", "0".repeat(zeros + 1));
            prop_assert_eq!(scaled(&text, 0), Some(number));
        }

        #[test]
        fn an_exponent_only_moves_the_point(number in -1_000_000_i64..1_000_000, power in 0_u32..9) {
            let text = format!("{number}e-{power}");
            prop_assert_eq!(scaled(&text, power), Some(number));
        }

        #[test]
        fn the_short_way_reads_the_same(
            text in prop_oneof!["-?[0-9]{1,20}(\\.[0-9]{0,5})?", "[-.0-9e]{0,20}", "-?0?[1-9]{0,17}0{0,4}"],
            scale in 0_u32..7,
        ) {
            if let Some(short) = scaled_short(text.as_bytes(), scale) {
                prop_assert_eq!(scaled(&text, scale), Some(short));
                prop_assert_eq!(scaled_near(&text, scale), Some(short));
                prop_assert_eq!(floored(&text, scale), Ok(Some(short)));
            }
        }

        #[test]
        fn short_numbers_take_the_short_way(number in -99_999_999_i64..99_999_999, fraction in 0_u16..1_000) {
            prop_assert_eq!(scaled_short(number.to_string().as_bytes(), 0), Some(number));
            let text = format!("{}.{fraction:03}", number.unsigned_abs().max(1));
            prop_assert_eq!(scaled_short(text.as_bytes(), 3), scaled(&text, 3));
            prop_assert!(scaled_short(text.as_bytes(), 3).is_some());
        }

        #[test]
        fn any_text_is_read_or_refused(
            text in prop_oneof![".{0,40}", "-?[0-9]{1,400}(\\.[0-9]{1,400})?([eE][+-]?[0-9]{1,30})?"],
            scale in 0_u32..7,
        ) {
            let exact = scaled(&text, scale);
            let nearest = rounded(&text, scale);
            if let (Some(nearest), Ok(Some(floor))) = (nearest, floored(&text, scale)) {
                prop_assert!(nearest - floor <= 1 && nearest >= floor, "{nearest} {floor}");
            }
            if exact.is_some() {
                prop_assert_eq!(nearest, exact);
                prop_assert_eq!(scaled_near(&text, scale), exact);
                prop_assert_eq!(floored(&text, scale), Ok(exact));
            }
        }

        /// The arithmetic that people meet it in: sums and products of prices.
        #[test]
        fn sums_of_floats_are_the_decimals_that_were_meant(
            a in -10_000_000_i64..10_000_000, b in -10_000_000_i64..10_000_000,
        ) {
            let sum = a as f64 / 1_000.0 + b as f64 / 1_000.0;
            prop_assert_eq!(scaled_near(&sum.to_string(), 3), Some(a + b));
        }
    }
}
