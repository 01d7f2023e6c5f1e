//! Timestamps as clients write them → microseconds of Unix time.
//!
//! Reads ISO 8601 with its usual liberties (no zone, a space for the `T`, `+10`, `+1000`,
//! any number of decimals), and Unix time in seconds or milliseconds. Years 1 to 9999.

use chrono::{DateTime, NaiveDate};
use weir_values::trimmed_invisible;

const MICROS: i64 = 1_000_000;
/// From 1e11 on, a number of twelve digits, it counts milliseconds, else seconds (1e11 s is the
/// year 5138).
const MILLIS_DIGITS: i64 = 12;
/// 9999-12-31T23:59:59.999999Z and 0001-01-01T00:00:00Z.
const LATEST: i64 = 253_402_300_799_999_999;
const EARLIEST: i64 = -62_135_596_800_000_000;

/// Digits of the whole part from which on a text is Unix time; a shorter one might as well be
/// a year, a month or a day such as 20250710.
const UNIX_FROM: usize = 9;

/// What a string says.
pub fn of_text(text: &str) -> Option<i64> {
    let text = trimmed_invisible(text);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
    if whole >= UNIX_FROM || digits[whole..].starts_with(['.', 'e', 'E']) {
        return of_number(text);
    }
    let mut read = Reader(text.as_bytes());
    let year = read.digits(4)?;
    read.take(b"-")?;
    let month = read.digits(2)?;
    read.take(b"-")?;
    let day = read.digits(2)?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let mut micros = date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros();
    if !read.0.is_empty() {
        read.take(b"Tt ")?;
        micros += read.time_of_day()?;
        micros -= read.zone()?;
    }
    in_range(micros).filter(|_| read.0.is_empty())
}

/// What a JSON number says, however many digits it has; below microseconds they are cut off.
pub fn of_number(text: &str) -> Option<i64> {
    let (negative, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (number, 0),
    };
    let (whole, decimals) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let digits = || whole.bytes().chain(decimals.bytes());
    if whole.is_empty() || !digits().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let zeros = digits().take_while(|digit| *digit == b'0').count();
    let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?;
    let micros = micros_of(digits().skip(zeros), point.saturating_add(exponent))?;
    in_range(if negative { -micros } else { micros })
}

/// `+3` and the like; what is out of all bounds is as far out as can be.
fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -size } else { size })
}

/// The microseconds of `0.digits` times ten to the power of `point`, the first digit being none
/// of zero.
fn micros_of(digits: impl Iterator<Item = u8>, point: i64) -> Option<i64> {
    let mut digits = digits.peekable();
    if digits.peek().is_none() {
        return Some(0);
    }
    // The fifteen digits of the year 9999 in milliseconds, and no more.
    if point > 15 {
        return None;
    }
    let shift = if point >= MILLIS_DIGITS { 3 } else { 6 };
    let places = usize::try_from(point + shift).unwrap_or(0);
    let digits = digits.chain(std::iter::repeat(b'0')).take(places);
    digits.into_iter().try_fold(0_i64, |micros, digit| {
        micros.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
    })
}

/// RFC 3339, to the second.
pub fn shown(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

fn in_range(micros: i64) -> Option<i64> {
    (EARLIEST..=LATEST).contains(&micros).then_some(micros)
}

/// Decimals of a `unit` of microseconds, the rest cut off.
fn part_of(decimals: &[u8], unit: i64) -> i64 {
    let mut place = unit;
    decimals.iter().fold(0, |sum, digit| {
        place /= 10;
        sum + place * i64::from(digit.wrapping_sub(b'0'))
    })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, one_of: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        one_of.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let number = digits.iter().try_fold(0, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + u32::from(digit - b'0'))
        })?;
        self.0 = rest;
        Some(number)
    }

    /// `HH:mm`, `HH:mm:ss`, with decimals; a leap second is the next minute's first.
    fn time_of_day(&mut self) -> Option<i64> {
        let hour = self.digits(2).filter(|hour| *hour < 24)?;
        self.take(b":")?;
        let minute = self.digits(2).filter(|minute| *minute < 60)?;
        let mut micros = i64::from(hour * 3_600 + minute * 60) * MICROS;
        if self.take(b":").is_some() {
            let second = self.digits(2).filter(|second| *second <= 60)?;
            micros += i64::from(second) * MICROS;
            if self.take(b".,").is_some() {
                let length = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
                let (decimals, rest) = self.0.split_at(length);
                self.0 = rest;
                if decimals.is_empty() {
                    return None;
                }
                micros += part_of(decimals, MICROS);
            }
        }
        Some(micros)
    }

    /// What to subtract; nothing is UTC.
    fn zone(&mut self) -> Option<i64> {
        let _ = self.take(b" ");
        if self.0.is_empty() || self.take(b"Zz").is_some() {
            return Some(0);
        }
        if self.0.eq_ignore_ascii_case(b"utc") {
            self.0 = &[];
            return Some(0);
        }
        let sign = if self.take(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.digits(2).filter(|hours| *hours < 24)?;
        let colon = self.take(b":").is_some();
        let minutes = if self.0.is_empty() && !colon {
            0
        } else {
            self.digits(2).filter(|minutes| *minutes < 60)?
        };
        Some(sign * i64::from(hours * 3_600 + minutes * 60) * MICROS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: i64 = 1_752_127_740_000_000;

    #[test]
    fn what_arrives_is_read() {
        for text in [
            "2025-07-10T06:09:00Z",
            "2025-07-10T06:09:00",
            "2025-07-10 06:09:00",
            "2025-07-10t06:09",
            "2025-07-10T16:09:00+10",
            "2025-07-10T16:09:00+1000",
            "2025-07-10 16:09:00 +10:00",
            "2025-07-10T05:39:00-00:30",
            "2025-07-10T06:08:60Z",
            " 2025-07-10T06:09:00.0000001Z ",
            "2025-07-10 06:09:00 UTC",
            "\u{feff}2025-07-10T06:09:00Z\u{200b}",
            "1752127740",
            "1752127740.000",
            " 1752127740000.0004 ",
            "1.75212774e9",
            "1752127740000",
        ] {
            assert_eq!(of_text(text), Some(EXAMPLE), "{text}");
        }
        assert_eq!(of_text("2025-07-10"), Some(EXAMPLE - 22_140 * MICROS));
        assert_eq!(
            of_text("2025-07-10T06:09:00.123456789Z"),
            Some(EXAMPLE + 123_456)
        );
        assert_eq!(of_text("9999-12-31T23:59:59.999999999Z"), Some(LATEST));
        assert_eq!(of_text("0001-01-01T00:00:00Z"), Some(EARLIEST));
    }

    #[test]
    fn what_can_not_be_read_is_not_guessed() {
        for text in [
            "",
            "soon",
            "2025",
            "1752127740.123.4",
            "1752127740.",
            "1752127740,5",
            "--1752127740",
            "1752127740-01-01",
            "20250710",
            "10-07-2025",
            "2025-7-10",
            "2025-13-01",
            "2025-02-30",
            "2025-07-10T24:00:00Z",
            "2025-07-10T06",
            "2025-07-10T06:09:00.Z",
            "2025-07-10T06:09:00X",
            "2025-07-10T06:09:00+1",
            "2025-07-10T06:09:00Z Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "+2025-07-10",
            "２025-07-10",
            "2025-07-10T06:09:00+10:",
            "true",
        ] {
            assert_eq!(of_text(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_unix_time() {
        for text in [
            "1752127740",
            "1752127740000",
            "1752127740.0",
            "1.75212774e9",
            "1.75212774e12",
        ] {
            assert_eq!(of_number(text), Some(EXAMPLE), "{text}");
        }
        assert_eq!(of_number("1752127740.1234567"), Some(EXAMPLE + 123_456));
        assert_eq!(of_number("-1.5"), Some(-1_500_000));
        assert_eq!(of_text("1752127740.123"), Some(EXAMPLE + 123_000));
        assert_eq!(of_number("1.752127740123e9"), Some(EXAMPLE + 123_000));
        assert_eq!(of_number("1.752127740123e+12"), Some(EXAMPLE + 123_000));
        assert_eq!(of_text("-1.5"), Some(-1_500_000));
        for zero in ["0", "-0", "0e-99999", "1e-16384", "0e99999999999999999999"] {
            assert_eq!(of_number(zero), Some(0), "{zero}");
        }
        assert_eq!(
            of_number(&format!("1752127740.{}", "0".repeat(2_000))),
            Some(EXAMPLE)
        );
        assert_eq!(of_number("99999999999"), Some(99_999_999_999_000_000));
        assert_eq!(of_number("1e11"), Some(100_000_000_000_000));
        let long = "9".repeat(2_000);
        for text in [
            "1e300",
            "99999999999999999999",
            "1e16",
            "true",
            "1752127740.",
            ".5",
            "1752127740e",
            "1e99999999999999999999",
            &long,
        ] {
            assert_eq!(of_number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_survives_writing_and_reading(micros in EARLIEST..=LATEST) {
            let time = DateTime::from_timestamp_micros(micros).unwrap();
            prop_assert_eq!(of_text(&time.to_rfc3339()), Some(micros));
        }

        #[test]
        fn nothing_makes_it_panic(text: String, number in "-?[0-9]{0,25}(\\.[0-9]{0,30})?(e-?[0-9]{1,4})?") {
            let _ = (of_text(&text), of_text(&number), of_number(&number));
        }
    }
}
