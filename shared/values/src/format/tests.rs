//! What is a date, in which format (semantics 2.5).

use chrono::{NaiveDate, SecondsFormat, TimeDelta};
use proptest::prelude::*;

use super::*;
use Unread::{Mismatch, OutOfRange};

mod times;

fn instant(format: &str, text: &str) -> Result<String, Unread> {
    let format: DateFormat = format.parse().unwrap();
    let read = format.read_instant(text)?;
    Ok(read.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn date(format: &str, text: &str) -> Result<String, Unread> {
    let format: DateFormat = format.parse().unwrap();
    Ok(format.read_date(text)?.to_string())
}

fn good(format: &str, text: &str, expected: &str) {
    assert_eq!(
        instant(format, text).as_deref(),
        Ok(expected),
        "{format}: {text}"
    );
}

fn bad(format: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(instant(format, text), Err(Mismatch), "{format}: {text}");
        assert_eq!(date(format, text), Err(Mismatch), "{format}: {text}");
    }
}

#[test]
fn the_birthday_of_the_sample_is_read_in_its_own_format_only() {
    good("DD-MM-YYYY", "28-07-1980", "1980-07-28T00:00:00Z");
    for format in [
        "YYYY-MM-DD",
        "MM-DD-YYYY",
        "DD/MM/YYYY",
        "ISO 8601",
        "RFC 2822",
    ] {
        bad(format, &["28-07-1980"]);
    }
}

#[test]
fn every_digit_of_a_pattern_must_be_there() {
    let texts = [
        "28-7-1980",
        "28-07-80",
        "28-07-1980 ",
        " 28-07-1980",
        "28-07-19801",
        "31-02-1980",
        "٢٨-07-1980",
        "",
    ];
    bad("DD-MM-YYYY", &texts);
    good(
        "DD.MM.YYYY HH:mm:ss",
        "28.07.1980 23:59:58",
        "1980-07-28T23:59:58Z",
    );
    bad("DD.MM.YYYY HH:mm", &["28.07.1980 24:00", "28.07.1980 9:00"]);
    good("YYYYMMDD", "19800728", "1980-07-28T00:00:00Z");
}

#[test]
fn presets_are_read_with_every_separator_and_time() {
    for (order, written) in [
        (["YYYY", "MM", "DD"], ["1980", "07", "28"]),
        (["DD", "MM", "YYYY"], ["28", "07", "1980"]),
        (["MM", "DD", "YYYY"], ["07", "28", "1980"]),
    ] {
        for separator in ["-", "/", "."] {
            let (format, text) = (order.join(separator), written.join(separator));
            good(&format, &text, "1980-07-28T00:00:00Z");
            good(
                &format!("{format} HH:mm"),
                &format!("{text} 23:59"),
                "1980-07-28T23:59:00Z",
            );
            good(
                &format!("{format} HH:mm:ss"),
                &format!("{text} 23:59:58"),
                "1980-07-28T23:59:58Z",
            );
        }
    }
}

#[test]
fn unpadded_numbers_names_of_months_fractions_and_zones_have_tokens() {
    good("D/M/YYYY", "7/4/1980", "1980-04-07T00:00:00Z");
    good("D/M/YYYY H:mm", "28/12/1980 9:05", "1980-12-28T09:05:00Z");
    bad(
        "D/M/YYYY",
        &["128/4/1980", "/4/1980", "7/13/1980", "7/4/80"],
    );
    good("DD MMM YYYY", "28 Jul 1980", "1980-07-28T00:00:00Z");
    good("MMM D, YYYY", "DEC 3, 1980", "1980-12-03T00:00:00Z");
    bad(
        "DD MMM YYYY",
        &["28 July 1980", "28 Juillet 1980", "28 07 1980"],
    );
    good(
        "YYYY-MM-DD HH:mm:ss.SSS",
        "1980-07-28 01:02:03.004",
        "1980-07-28T01:02:03.004Z",
    );
    bad(
        "YYYY-MM-DD HH:mm:ss.SSS",
        &["1980-07-28 01:02:03.04", "1980-07-28 01:02:03"],
    );
    for (zone, expected) in [
        ("Z", "1980-07-28T01:02:00Z"),
        ("+10", "1980-07-27T15:02:00Z"),
        ("+1000", "1980-07-27T15:02:00Z"),
        ("-01:30", "1980-07-28T02:32:00Z"),
    ] {
        good(
            "DD.MM.YYYY HH:mm Z",
            &format!("28.07.1980 01:02 {zone}"),
            expected,
        );
    }
    bad(
        "DD.MM.YYYY HH:mm Z",
        &[
            "28.07.1980 01:02",
            "28.07.1980 01:02 +-10",
            "28.07.1980 01:02 +24:00",
            "28.07.1980 01:02 CEST",
        ],
    );
    good(
        "YYYY-MM-DD[T]HH:mm:ssZ",
        "1980-07-28T01:02:03Z",
        "1980-07-28T01:02:03Z",
    );
    good(
        "[born] D. M. YYYY",
        "born 7. 4. 1980",
        "1980-04-07T00:00:00Z",
    );
    good("DD[]MM[]YYYY", "28071980", "1980-07-28T00:00:00Z");
    good("[ ]MMM[  ]D YYYY", " Jul  4 1980", "1980-07-04T00:00:00Z");
    good(
        "MMM\u{202f}D YYYY",
        "Jul\u{202f}4 1980",
        "1980-07-04T00:00:00Z",
    );
}

#[test]
fn iso_8601_is_read_with_and_without_time_and_zone() {
    let iso = |text, expected| good("ISO 8601", text, expected);
    iso("2025-07-10", "2025-07-10T00:00:00Z");
    iso("2025-07-10T06:09", "2025-07-10T06:09:00Z");
    iso("2025-07-10T06:09:00+10:00", "2025-07-09T20:09:00Z");
    iso("2025-07-10T06:09:00-0130", "2025-07-10T07:39:00Z");
    iso(
        "2025-07-10T06:09:00.123456789+10",
        "2025-07-09T20:09:00.123456Z",
    );
    iso("2025-07-10T06:09:00,5Z", "2025-07-10T06:09:00.500Z");
    bad(
        "ISO 8601",
        &[
            "2025-7-10",
            "20250710",
            "2025-07-10 06:09",
            "2025-07-10T6:09",
            "2025-07-10T06:09:60Z",
            "2025-07-10T06:09:00+24",
            "2025-07-10T06:09:00+-10",
            "2025-07-10T06:09:00Zx",
            "2025-07-10T06:09:00UTC",
            "2025-07-10T06:09:00.Z",
            "2025-07-10T",
        ],
    );
}

#[test]
fn what_databases_and_languages_write_is_read() {
    let sql = |text, expected| good("YYYY-MM-DD HH:mm:ss", text, expected);
    sql("2025-07-10 06:09:00", "2025-07-10T06:09:00Z");
    sql("2025-07-10 06:09:00.123+00:00", "2025-07-10T06:09:00.123Z");
    sql("2025-07-10 06:09:00.123456", "2025-07-10T06:09:00.123456Z");
    sql("2025-07-10 06:09:00+10", "2025-07-09T20:09:00Z");
    sql("2025-07-10 06:09:00 +1000", "2025-07-09T20:09:00Z");
    sql("2025-07-10 06:09:00 UTC", "2025-07-10T06:09:00Z");
    bad(
        "YYYY-MM-DD HH:mm:ss",
        &[
            "2025-07-10T06:09:00",
            "2025-07-10 06:09",
            "2025-07-10 06:09:00 ",
            "2025-07-10 06:09:00.",
            "10-07-2025 06:09:00",
        ],
    );
    let mail = |text, expected| good("RFC 2822", text, expected);
    mail("Thu, 10 Jul 2025 06:09:00 +0000", "2025-07-10T06:09:00Z");
    mail("10 Jul 2025 06:09:00 -0130", "2025-07-10T07:39:00Z");
    mail("Thu, 10 Jul 2025 06:09:00 GMT", "2025-07-10T06:09:00Z");
    bad(
        "RFC 2822",
        &[
            "2025-07-10",
            "Thu, 10 Jul 2025",
            "Fri, 10 Jul 2025 06:09:00 +0000",
            "Sat, 31 Dec 2016 23:59:60 +0000",
            "10 Jul 25 06:09:00 +0000",
            "Thu, 10 Jul 25 06:09:00 +0000",
            "Thu,10 Jul 25 06:09:00 GMT",
            " Thu,  10  Jul  25 06:09:00 +0000",
            "28 Jul 80 00:00:00 +1000",
            "10 Jul 125 06:09:00 +0000",
            "10 Jul 02025 06:09:00 +0000",
            "10 Jul 25 06:09:00 +0000 (Thu, 10 Jul 2025)",
        ],
    );
    mail("Thu,10 Jul 2025 06:09:00 GMT", "2025-07-10T06:09:00Z");
    mail("10 Jul 0080 06:09:00 +0000", "0080-07-10T06:09:00Z");
}

#[test]
fn unix_times_are_exact_to_the_microsecond() {
    good("Unix seconds", "1752127740", "2025-07-10T06:09:00Z");
    good("Unix seconds", "1752127740.5", "2025-07-10T06:09:00.500Z");
    good(
        "Unix seconds",
        "1752127740.1234567",
        "2025-07-10T06:09:00.123456Z",
    );
    good("Unix seconds", "1.75212774e9", "2025-07-10T06:09:00Z");
    good(
        "Unix milliseconds",
        "1752127740001",
        "2025-07-10T06:09:00.001Z",
    );
    good("Unix seconds", "-1", "1969-12-31T23:59:59Z");
    bad("Unix milliseconds", &["2025-07-10", "", "0x1"]);
}

/// A date is the day as it is written: birthdays have no zone.
#[test]
fn a_date_keeps_its_day_whatever_the_zone() {
    let check =
        |format, text, expected: &str| assert_eq!(date(format, text).as_deref(), Ok(expected));
    check("ISO 8601", "1980-07-28T00:00:00+10:00", "1980-07-28");
    check("ISO 8601", "1980-07-28T23:00:00-10:00", "1980-07-28");
    check(
        "YYYY-MM-DD HH:mm:ss",
        "1980-07-28 00:00:00+10",
        "1980-07-28",
    );
    check("RFC 2822", "Mon, 28 Jul 1980 00:00:00 +1000", "1980-07-28");
    check("DD.MM.YYYY HH:mm Z", "28.07.1980 00:00 +10", "1980-07-28");
    check("Unix seconds", "333590400", "1980-07-28");
    check("ISO 8601", "0001-01-01T00:00:00+10:00", "0001-01-01");
}

#[test]
fn years_are_from_1_to_9999_in_every_format() {
    for (format, text) in [
        ("ISO 8601", "0000-01-01T00:00:00Z"),
        ("ISO 8601", "0000-12-31"),
        ("YYYY-MM-DD HH:mm:ss", "0000-01-01 00:00:00"),
        ("DD-MM-YYYY", "01-01-0000"),
        ("D.M.YYYY", "1.1.0000"),
        ("Unix seconds", "-62135596801"),
        ("Unix seconds", "253402300800"),
        ("Unix seconds", "1e400"),
        ("Unix seconds", "-1e18"),
        ("Unix milliseconds", "253402300800000"),
        ("Unix milliseconds", "9223372036854775807"),
        ("Unix milliseconds", "-99999999999999999999"),
    ] {
        assert_eq!(instant(format, text), Err(OutOfRange), "{format}: {text}");
        assert_eq!(date(format, text), Err(OutOfRange), "{format}: {text}");
    }
    // The zone counts for an instant.
    for text in ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"] {
        assert_eq!(instant("ISO 8601", text), Err(OutOfRange), "{text}");
    }
    good("Unix seconds", "-62135596800", "0001-01-01T00:00:00Z");
    good(
        "Unix seconds",
        "253402300799.999999",
        "9999-12-31T23:59:59.999999Z",
    );
    good("ISO 8601", "0001-01-01", "0001-01-01T00:00:00Z");
}

#[test]
fn patterns_that_cannot_be_meant_are_refused_and_said_why() {
    for (text, why) in [
        ("", "a year, a month and a day"),
        ("YYYY", "a year, a month and a day"),
        ("HH:mm", "a year, a month and a day"),
        ("YY-MM-DD", "\"YY\" is no token"),
        ("DDD-MM-YYYY", "\"DDD\" is no token"),
        ("DD MMMM YYYY", "\"MMMM\" is no token"),
        ("Do MMM YYYY", "\"o\" is no token"),
        ("YYYY-MM-DD hh:mm", "\"hh\" is no token"),
        ("YYYY-MM-DDTHH:mm", "written as [T]"),
        ("DD.MM.YYYY HH:mm X", "\"X\" is no token"),
        ("DD.MM.YYYY HH:nn", "\"nn\" is no token"),
        ("DD.MM.YYYY 5", "\"5\" is no token"),
        ("YYYY-MM-DD HH:mm:ss.S", "\"S\" is no token"),
        ("iso 8601", "choose one of ISO 8601"),
        ("YYYY-MM-DD mm", "a minute needs a hour"),
        ("YYYY-MM-DD HH:ss", "a second needs a minute"),
        ("YYYY-MM-DD HH:mm SSS", "a millisecond needs a second"),
        ("YYYY-YYYY-MM-DD", "the year is in it twice"),
        ("D MMM M YYYY", "the month is in it twice"),
        ("DMMYYYY", "must not begin with a digit"),
        ("D[1]MMYYYY", "must not begin with a digit"),
        ("YYYY-MM-DD[", "never closed"),
        ("YYYY]-MM-DD", "closes nothing"),
        ("YYYY-MM-DD\u{200b}", "nobody sees"),
        (" DD-MM-YYYY", "begins or ends with white space"),
        ("DD-MM-YYYY ", "begins or ends with white space"),
        ("DD-MM-YYYY HH:mm\u{a0}", "begins or ends with white space"),
        ("\u{3000}DD-MM-YYYY", "begins or ends with white space"),
        ("ISO 8601 ", "begins or ends with white space"),
        (" ", "begins or ends with white space"),
        ("DD-MM-YYYY\t", "nobody sees"),
        ("DD-MM-YYYY\n", "nobody sees"),
        ("DD-MM-YYYY  HH:mm", "white space twice"),
        ("DD-MM-YYYY \u{a0}HH:mm", "white space twice"),
        ("YYYY-MM-DD[\0]", "nobody sees"),
        (&"YYYY-MM-DD ".repeat(6), "shorter"),
    ] {
        let error = text.parse::<DateFormat>().expect_err(text).to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn dates_need_a_format_times_may_have_one_and_nothing_else_has() {
    let of = |value_type, text| Format::of(value_type, text).map(|format| format.is_some());
    for value_type in [ValueType::Date, ValueType::TimeAndDate] {
        assert!(of(value_type, "").is_err());
        assert_eq!(of(value_type, "DD-MM-YYYY"), Ok(true));
        assert!(of(value_type, "HH:mm").is_err());
    }
    assert_eq!(of(ValueType::Time, ""), Ok(false));
    assert_eq!(of(ValueType::Time, "h:mm A"), Ok(true));
    assert!(of(ValueType::Time, "DD-MM-YYYY").is_err());
    assert_eq!(of(ValueType::Email, ""), Ok(false));
    assert!(of(ValueType::Email, "ISO 8601").is_err());
}

proptest! {
    #[test]
    fn what_a_pattern_writes_it_reads(days in 0_i64..3_652_058) {
        let day = NaiveDate::from_ymd_opt(1, 1, 1).unwrap() + TimeDelta::days(days);
        for (format, written) in [("DD/MM/YYYY", "%d/%m/%Y"), ("D.M.YYYY", "%-d.%-m.%Y"), ("MMM DD YYYY", "%b %d %Y")] {
            let format: DateFormat = format.parse().unwrap();
            prop_assert_eq!(format.read_date(&day.format(written).to_string()), Ok(day));
        }
    }

    /// Whatever is read has four digits in its year: its canonical text can be read again.
    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![
        "[-0-9T:.Z+é ]{0,30}",
        "[0-9]{4}-[0-1][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([+-][0-9]{2}:?[0-9]{2})?",
        "(Mon, |Tue, )?[0-9]{1,2} Jul [0-9]{1,5} [0-2][0-9]:[0-5][0-9](:[0-6][0-9])? [+-][0-9]{4}",
        "-?[0-9]{1,25}(\\.[0-9]{1,9})?(e[0-9]{1,4})?",
    ]) {
        for format in ["ISO 8601", "Unix seconds", "Unix milliseconds", "RFC 2822", "YYYY-MM-DD HH:mm:ss", "DD-MM-YYYY HH:mm:ss", "D/M/YYYY H:mm Z"] {
            let format: DateFormat = format.parse().unwrap();
            if let Ok(instant) = format.read_instant(&text) {
                let json = crate::Value::TimeAndDate(instant).to_canonical();
                prop_assert_eq!(crate::Value::of_type(ValueType::TimeAndDate, &json), Ok(crate::Value::TimeAndDate(instant)));
            }
            if let Ok(date) = format.read_date(&text) {
                let json = crate::Value::Date(date).to_canonical();
                prop_assert_eq!(crate::Value::of_type(ValueType::Date, &json), Ok(crate::Value::Date(date)));
            }
        }
    }

    #[test]
    fn any_format_is_read_or_refused(format in "[YMDHhmsSZAT\\[\\]:./ -]{0,16}", text in "[0-9:. APM]{0,16}") {
        if let Ok(format) = format.parse::<DateFormat>() {
            let _ = format.read_instant(&text);
            prop_assert_eq!(format.to_string().parse(), Ok(format));
        }
        if let Ok(format) = format.parse::<TimeFormat>() {
            let _ = format.read(&text);
            prop_assert_eq!(format.to_string().parse(), Ok(format));
        }
    }
}
