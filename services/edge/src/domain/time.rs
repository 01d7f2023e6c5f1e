//! Timestamps as clients write them → microseconds of Unix time.
//!
//! Reads ISO 8601 with its usual liberties (no zone, a space for the `T`, `+10`, `+1000`,
//! any number of decimals), and Unix time in seconds or milliseconds. Years 1 to 9999.

use chrono::{DateTime, NaiveTime};
use weir_json::Cursor;
use weir_values::{number, trimmed_invisible};

const MICROS: i64 = 1_000_000;
/// From here on a number counts milliseconds, below seconds (1e11 s is the year 5138).
const MILLIS_FROM: u64 = 100_000_000_000;
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
        // A text may have zeros in front, which no JSON number has.
        let zeros = digits.bytes().take_while(|byte| *byte == b'0').count();
        let micros = of_number(&digits[zeros.min(whole.saturating_sub(1))..])?;
        let is_negative = digits.len() < text.len();
        return in_range(if is_negative { -micros } else { micros });
    }
    let mut cursor = Cursor(text);
    let mut micros = cursor
        .day()?
        .and_time(NaiveTime::MIN)
        .and_utc()
        .timestamp_micros();
    if cursor.end().is_none() {
        cursor.one_of(b"Tt ")?;
        micros += time_of_day(&mut cursor)? - zone(&mut cursor)?;
    }
    cursor.end()?;
    in_range(micros)
}

/// `HH:mm`, `HH:mm:ss`, with decimals; a leap second is the next minute's first.
fn time_of_day(cursor: &mut Cursor<'_>) -> Option<i64> {
    let (hour, minute) = cursor.minutes()?;
    let (second, micros) = match cursor.literal(":") {
        Some(()) => cursor.seconds(b".,", usize::MAX)?,
        None => (0, 0),
    };
    let seconds = hour * 3_600 + minute * 60 + second;
    let is_on_a_clock = hour < 24 && minute < 60 && second <= 60;
    is_on_a_clock.then_some(i64::from(seconds) * MICROS + i64::from(micros))
}

/// What to subtract; nothing is UTC.
fn zone(cursor: &mut Cursor<'_>) -> Option<i64> {
    let _ = cursor.literal(" ");
    let is_utc = cursor
        .end()
        .or_else(|| cursor.word("Z"))
        .or_else(|| cursor.word("UTC"));
    let east = match is_utc {
        Some(()) => 0,
        None => cursor.offset()?,
    };
    Some(i64::from(east) * MICROS)
}

/// What a JSON number says, however many digits it has; below microseconds they are cut off.
pub fn of_number(text: &str) -> Option<i64> {
    let counts_millis = number::cut(text, 0)?.unsigned_abs() >= MILLIS_FROM;
    in_range(number::cut(text, if counts_millis { 3 } else { 6 })?)
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
            "0001752127740",
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
        assert_eq!(of_text("-00.5"), Some(-500_000));
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
