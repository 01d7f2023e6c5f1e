//! Numbers, dates and times as digits, written without the machinery of `fmt`: that took
//! most of the time of writing them. What it would write stands in the tests.

use std::fmt::Write;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, SecondsFormat, Timelike, Utc};

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// `-12`.
pub fn integer(number: i64, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// `-12.5`; without trailing zeros.
pub fn thousandths(number: i64, out: &mut String) {
    if number < 0 {
        out.push('-');
    }
    let magnitude = number.unsigned_abs();
    out.push_str(itoa::Buffer::new().format(magnitude / 1_000));
    let fraction = magnitude % 1_000;
    if fraction == 0 {
        return;
    }
    let mut text = *b".000";
    put(&mut text[1..], fraction);
    let zeros = text.iter().rev().take_while(|byte| **byte == b'0').count();
    push(&text[..text.len() - zeros], out);
}

/// `1980-07-28`.
pub fn date(date: NaiveDate, out: &mut String) {
    match four_digits(date) {
        Some(year) => push(&date_text(year, date), out),
        None => {
            let _ = write!(out, "{date}");
        }
    }
}

/// `2025-07-10T06:09:00Z`, with three, six or nine digits of the second where it has a fraction.
pub fn instant(instant: DateTime<Utc>, out: &mut String) {
    let (date, time) = (instant.date_naive(), instant.time());
    let nanos = time.nanosecond();
    let Some(year) = four_digits(date).filter(|_| nanos < NANOS_PER_SECOND) else {
        out.push_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        return;
    };
    let mut text = *b"0000-00-00T00:00:00.000000000";
    text[..10].copy_from_slice(&date_text(year, date));
    text[11..19].copy_from_slice(&time_text(time));
    put(&mut text[20..], nanos.into());
    let length = match nanos {
        0 => 19,
        _ if nanos % 1_000_000 == 0 => 23,
        _ if nanos % 1_000 == 0 => 26,
        _ => 29,
    };
    push(&text[..length], out);
    out.push('Z');
}

/// `23:59:59`.
pub fn time(time: NaiveTime, out: &mut String) {
    push(&time_text(time), out);
}

/// Other years are written with a sign.
fn four_digits(date: NaiveDate) -> Option<u64> {
    u64::try_from(date.year())
        .ok()
        .filter(|year| *year <= 9_999)
}

fn date_text(year: u64, date: NaiveDate) -> [u8; 10] {
    let mut text = *b"0000-00-00";
    put(&mut text[..4], year);
    put(&mut text[5..7], date.month().into());
    put(&mut text[8..], date.day().into());
    text
}

fn time_text(time: NaiveTime) -> [u8; 8] {
    let mut text = *b"00:00:00";
    put(&mut text[..2], time.hour().into());
    put(&mut text[3..5], time.minute().into());
    // chrono's leap second is the one before with more than a second of nanoseconds.
    let leap = time.nanosecond() / NANOS_PER_SECOND;
    put(&mut text[6..], (time.second() + leap).into());
    text
}

/// Fills bytes with the digits of a number, and zeros in front.
fn put(bytes: &mut [u8], mut number: u64) {
    for byte in bytes.iter_mut().rev() {
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn push(ascii: &[u8], out: &mut String) {
    out.push_str(std::str::from_utf8(ascii).expect("digits are ASCII"));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    fn plain_thousandths(number: i64) -> String {
        let sign = if number < 0 { "-" } else { "" };
        let magnitude = number.unsigned_abs();
        let text = format!("{sign}{}.{:03}", magnitude / 1_000, magnitude % 1_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    #[test]
    fn a_leap_second_is_the_sixtieth() {
        let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap();
        assert_eq!(written(|out| time(leap, out)), "23:59:60");
        let late = NaiveDate::MIN.and_time(leap).and_utc();
        let plain = late.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        assert_eq!(written(|out| instant(late, out)), plain);
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_fmt_does(number in prop_oneof![any::<i64>(), -10_000_i64..10_000]) {
            prop_assert_eq!(written(|out| integer(number, out)), number.to_string());
            prop_assert_eq!(written(|out| thousandths(number, out)), plain_thousandths(number));
        }

        #[test]
        fn times_are_written_as_chrono_does(
            seconds in prop_oneof![
                -70_000_000_000_i64..260_000_000_000,
                DateTime::<Utc>::MIN_UTC.timestamp()..DateTime::<Utc>::MAX_UTC.timestamp(),
            ],
            fraction in 0_u32..1_000,
            unit in prop_oneof![Just(0), Just(1), Just(1_000), Just(1_000_000)],
        ) {
            let at = DateTime::from_timestamp(seconds, fraction * unit).unwrap();
            let plain = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            prop_assert_eq!(written(|out| instant(at, out)), plain);
            prop_assert_eq!(written(|out| date(at.date_naive(), out)), at.date_naive().to_string());
            let plain = at.format("%H:%M:%S").to_string();
            prop_assert_eq!(written(|out| time(at.time(), out)), plain);
        }
    }
}
