//! Numbers as texts: exact, never through a float (semantics 2.3, 2.4).

/// Reads a JSON number as a whole multiple of `10^-scale`, or nothing when it is not one
/// or is out of the range of an i64. `1.5e2` at scale 0 is 150, `0.001` at scale 3 is 1.
pub fn scaled(text: &str, scale: u32) -> Option<i64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction_digits = i32::try_from(fraction.len()).ok()?;
    let power = exponent
        .checked_sub(fraction_digits)?
        .checked_add(scale.try_into().ok()?)?;
    let magnitude = shifted(whole.bytes().chain(fraction.bytes()), power)?;
    let signed = i128::from(magnitude) * if negative { -1 } else { 1 };
    i64::try_from(signed).ok()
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

/// Digits, times `10^power`; nothing when that leaves a fraction or overflows.
fn shifted(digits: impl Iterator<Item = u8> + Clone, power: i32) -> Option<u64> {
    let mut zeros = 0_i32;
    let mut value = 0_u64;
    // Zeros are held back until a digit follows, so that trailing ones can be cut off.
    for digit in digits {
        if digit == b'0' {
            zeros = zeros.checked_add(1)?;
            continue;
        }
        if value > 0 {
            value = value.checked_mul(10_u64.checked_pow(zeros.try_into().ok()?)?)?;
        }
        zeros = 0;
        value = value.checked_mul(10)?.checked_add((digit - b'0').into())?;
    }
    if value == 0 {
        return Some(0);
    }
    let power = power.checked_add(zeros)?;
    let power = u32::try_from(power).ok()?;
    value.checked_mul(10_u64.checked_pow(power)?)
}

fn read_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
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
                prop_assert!(text.parse::<f64>().unwrap().is_finite());
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
        fn any_text_is_read_or_refused(text in ".{0,40}", scale in 0_u32..7) {
            let _ = scaled(&text, scale);
        }
    }
}
