//! What is a date, in which format.

use chrono::SecondsFormat;
use proptest::prelude::*;

use super::*;

fn check(format: &str, text: &str, expected: Option<&str>) {
    let format: DateFormat = format.parse().unwrap();
    let read = format
        .read(text)
        .map(|instant| instant.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    assert_eq!(read.as_deref(), expected, "{format}: {text}");
}

#[test]
fn the_birthday_of_the_sample_is_read_in_its_own_format_only() {
    check("DD-MM-YYYY", "28-07-1980", Some("1980-07-28T00:00:00Z"));
    check("YYYY-MM-DD", "28-07-1980", None);
    check("MM-DD-YYYY", "28-07-1980", None);
    check("DD/MM/YYYY", "28-07-1980", None);
}

#[test]
fn every_digit_of_a_pattern_must_be_there() {
    for text in [
        "28-7-1980",
        "28-07-80",
        "28-07-1980 ",
        " 28-07-1980",
        "28-07-19801",
        "31-02-1980",
        "٢٨-07-1980",
        "",
    ] {
        check("DD-MM-YYYY", text, None);
    }
    check(
        "DD.MM.YYYY HH:mm:ss",
        "28.07.1980 23:59:58",
        Some("1980-07-28T23:59:58Z"),
    );
    check("DD.MM.YYYY HH:mm", "28.07.1980 24:00", None);
    check("YYYYMMDD", "19800728", Some("1980-07-28T00:00:00Z"));
    check(
        "YYYY-MM-DDTHH:mm:ssZ",
        "1980-07-28T01:02:03Z",
        Some("1980-07-28T01:02:03Z"),
    );
}

#[test]
fn iso_8601_is_read_with_and_without_time_and_zone() {
    check("ISO 8601", "2025-07-10", Some("2025-07-10T00:00:00Z"));
    check("ISO 8601", "2025-07-10T06:09", Some("2025-07-10T06:09:00Z"));
    check(
        "ISO 8601",
        "2025-07-10T06:09:00+10:00",
        Some("2025-07-09T20:09:00Z"),
    );
    check(
        "ISO 8601",
        "2025-07-10T06:09:00-0130",
        Some("2025-07-10T07:39:00Z"),
    );
    check(
        "ISO 8601",
        "2025-07-10T06:09:00.123456789+10",
        Some("2025-07-09T20:09:00.123456Z"),
    );
    for text in [
        "2025-7-10",
        "20250710",
        "2025-07-10 06:09",
        "2025-07-10T6:09",
        "2025-07-10T06:09:60Z",
        "2025-07-10T06:09:00+24",
        "2025-07-10T06:09:00Zx",
        "2025-07-10T",
        "0000-01-01T00:00:00+10",
    ] {
        check("ISO 8601", text, None);
    }
}

#[test]
fn unix_times_are_exact() {
    check("Unix seconds", "1752127740", Some("2025-07-10T06:09:00Z"));
    check(
        "Unix seconds",
        "1752127740.5",
        Some("2025-07-10T06:09:00.500Z"),
    );
    check(
        "Unix milliseconds",
        "1752127740001",
        Some("2025-07-10T06:09:00.001Z"),
    );
    check("Unix seconds", "1e99", None);
    check("Unix milliseconds", "2025-07-10", None);
}

#[test]
fn patterns_that_say_no_whole_date_are_refused() {
    for text in [
        "",
        "YYYY",
        "YY-MM-DD",
        "D-M-YYYY",
        "YYYY-MM-DD hh:mm",
        "YYYY-MM-DD mm",
        "YYYY-MM-DD HH:ss",
        "YYYY-YYYY-MM-DD",
        "iso 8601",
    ] {
        assert_eq!(text.parse::<DateFormat>(), Err(InvalidDateFormat), "{text}");
    }
    for separator in ['-', '/', '.'] {
        for time in ["", " HH:mm", " HH:mm:ss"] {
            for order in [
                ["YYYY", "MM", "DD"],
                ["DD", "MM", "YYYY"],
                ["MM", "DD", "YYYY"],
            ] {
                let preset = format!("{}{time}", order.join(&separator.to_string()));
                assert!(preset.parse::<DateFormat>().is_ok(), "{preset}");
            }
        }
    }
}

#[test]
fn times_of_day_are_strict() {
    assert_eq!(read_time("23:59"), NaiveTime::from_hms_opt(23, 59, 0));
    assert_eq!(read_time("23:59:01"), NaiveTime::from_hms_opt(23, 59, 1));
    for text in ["24:00", "9:00", "23:59:", "23:59:60", "23:59 "] {
        assert_eq!(read_time(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn what_a_pattern_writes_it_reads(days in 0_i64..2_900_000) {
        let date = NaiveDate::from_ymd_opt(1, 1, 1).unwrap() + TimeDelta::days(days);
        let format: DateFormat = "DD/MM/YYYY".parse().unwrap();
        let text = date.format("%d/%m/%Y").to_string();
        prop_assert_eq!(format.read(&text).map(|instant| instant.date_naive()), Some(date));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-0-9T:.Z+é ]{0,30}") {
        for format in ["ISO 8601", "Unix seconds", "Unix milliseconds", "DD-MM-YYYY HH:mm:ss"] {
            let format: DateFormat = format.parse().unwrap();
            let _ = format.read(&text);
        }
    }
}
