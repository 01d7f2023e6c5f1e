//! Options × values (semantics 2.4a): what each takes, and what it leaves as strict as it was.

use ValueType::{
    Boolean, Currency, Date, Decimal, Email, Integer, LongText, MultiSelect, Object, Phone,
    SingleSelect, Text, Time, TimeAndDate,
};

use weir_values::BlockedRule;

use super::*;

/// What a value comes to.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    As(String),
    Null,
    Nothing,
    Ignored(Failure),
}

fn came(converter: &Converter, raw: &str) -> Came {
    let (mut out, mut left_out) = (String::new(), LeftOut::default());
    match converter.convert(raw.as_bytes(), &mut out, &mut left_out) {
        Ok(Taken::Value) => Came::As(out),
        Ok(Taken::Null) => Came::Null,
        Ok(Taken::Nothing) => Came::Nothing,
        Err(failure) => Came::Ignored(failure),
    }
}

/// Each value with what it comes to under the options; an empty text: it is no such value.
fn check(value_type: ValueType, options: &RawOptions<'_>, values: &[(&str, &str)]) {
    let converter = with(value_type, options);
    for (raw, expected) in values {
        let expected = match *expected {
            "" => Came::Ignored(Failure::Mismatch),
            expected => Came::As(expected.to_owned()),
        };
        assert_eq!(came(&converter, raw), expected, "{value_type:?} {raw}");
    }
}

fn strict() -> RawOptions<'static> {
    RawOptions::default()
}

#[test]
fn dates_are_read_in_the_first_format_that_fits() {
    let formats = |formats: &[&'static str]| RawOptions {
        formats: formats.to_vec(),
        ..strict()
    };
    let both = formats(&["ISO 8601", "DD-MM-YYYY", "Unix seconds"]);
    check(
        Date,
        &both,
        &[
            (r#""1980-07-28""#, r#""1980-07-28""#),
            (r#""28-07-1980""#, r#""1980-07-28""#),
            ("333590400", r#""1980-07-28""#),
            (r#""333590400""#, r#""1980-07-28""#),
            (r#""07/28/1980""#, ""),
            (r#""1980-28-07""#, ""),
            ("true", ""),
        ],
    );
    check(
        TimeAndDate,
        &both,
        &[
            (
                r#""2025-07-10T06:09:00+10:00""#,
                r#""2025-07-09T20:09:00Z""#,
            ),
            (r#""10-07-2025""#, r#""2025-07-10T00:00:00Z""#),
            ("1752127740.5", r#""2025-07-10T06:09:00.500Z""#),
        ],
    );
    // What could be either is what the first one says.
    let swapped = [
        ("DD/MM/YYYY", "MM/DD/YYYY", "2025-02-01"),
        ("MM/DD/YYYY", "DD/MM/YYYY", "2025-01-02"),
    ];
    for (first, second, expected) in swapped {
        let expected = format!("\"{expected}\"");
        check(
            Date,
            &formats(&[first, second]),
            &[
                (r#""01/02/2025""#, &expected),
                (r#""28/02/2025""#, r#""2025-02-28""#),
                (r#""02/28/2025""#, r#""2025-02-28""#),
                (r#""28/28/2025""#, ""),
            ],
        );
    }
    check(
        Time,
        &formats(&["h:mm A", "HH:mm"]),
        &[
            (r#""11:59 pm""#, r#""23:59:00""#),
            (r#""23:59""#, r#""23:59:00""#),
            (r#""23:59:00""#, ""),
        ],
    );
    // A number is read by those formats alone that numbers are written in.
    check(Date, &formats(&["DD-MM-YYYY"]), &[("28071980", "")]);
    // Outside of all years is said where no other format reads it.
    let outside = with(Date, &formats(&["DD-MM-YYYY", "YYYY-MM-DD"]));
    let of_year_zero = came(&outside, r#""01-01-0000""#);
    assert_eq!(of_year_zero, Came::Ignored(Failure::OutOfRange));
    let reason = outside.reason(Failure::Mismatch);
    assert_eq!(
        reason,
        "expected a date written as DD-MM-YYYY, or as YYYY-MM-DD"
    );
}

#[test]
fn a_number_without_a_plus_is_of_the_country() {
    let of = |phone_country| RawOptions {
        phone_country,
        ..strict()
    };
    let plain = [
        (r#""+61 2 9876 5432""#, r#""+61298765432""#),
        (r#""+1 212 555 0123""#, r#""+12125550123""#),
        (r#""+61 2 98""#, ""),
    ];
    for country in ["", "AU", "US"] {
        check(Phone, &of(country), &plain);
    }
    let national = [
        (r#""02 9876 5432""#, r#""+61298765432""#),
        (r#""(02) 9876-5432""#, r#""+61298765432""#),
        (r#""0412.345.678""#, r#""+61412345678""#),
        (r#""\u200b0412 345 678\ufeff""#, r#""+61412345678""#),
        // As a spreadsheet hands it on.
        ("412345678", r#""+61412345678""#),
        (r#""61412345678""#, r#""+61412345678""#),
        // Dialled abroad from there.
        (r#""0011 64 9 373 7599""#, r#""+6493737599""#),
        (r#""0412 345 678 ext. 3""#, ""),
        (r#""1800 FLOWERS""#, ""),
        (r#""212 555 0123""#, ""),
        (r#""98""#, ""),
        ("4.5", ""),
        ("1e9", ""),
        ("-412345678", ""),
        ("true", ""),
        ("{}", ""),
        (r#""28-07-1980""#, ""),
    ];
    check(Phone, &of("AU"), &national);
    for (raw, _) in national {
        check(Phone, &strict(), &[(raw, "")]);
    }
    check(
        Phone,
        &of("US"),
        &[(r#""212 555 0123""#, r#""+12125550123""#)],
    );
    check(
        Phone,
        &of("IT"),
        &[(r#""06 1234 5678""#, r#""+390612345678""#)],
    );
    let reason = with(Phone, &of("AU")).reason(Failure::Mismatch);
    assert!(
        reason.starts_with("expected a phone number: of AU"),
        "{reason}"
    );
}

/// The phone library knows the countries that a mapping may name, and no other.
#[test]
fn the_countries_are_those_of_the_phone_library() {
    let known = rlibphonenumber::PHONE_NUMBER_UTIL.get_supported_regions();
    let mut known: Vec<String> = known.map(|region| region.to_string()).collect();
    known.sort();
    assert_eq!(known, weir_values::options::COUNTRIES);
}

#[test]
fn decimals_are_rounded_half_to_even_where_that_is_wanted() {
    let round = RawOptions {
        round: true,
        ..strict()
    };
    let values = [
        ("1.2345", r#""1.234""#),
        ("1.2355", r#""1.236""#),
        (r#"" 1.23456 ""#, r#""1.235""#),
        ("-0.0004", r#""0""#),
        ("-0.0006", r#""-0.001""#),
        ("39.98999", r#""39.99""#),
        ("1e-16384", r#""0""#),
    ];
    for value_type in [Decimal, Currency] {
        check(value_type, &round, &values);
        for (raw, _) in &values[..4] {
            check(value_type, &strict(), &[(raw, "")]);
        }
        check(
            value_type,
            &round,
            &[
                ("12.5", r#""12.5""#),
                ("3", r#""3""#),
                ("9223372036854775.8074", r#""9223372036854775.807""#),
                ("9223372036854775.8075", ""),
                ("1e400", ""),
                (r#""$ 5""#, ""),
                ("true", ""),
                ("[1.5]", ""),
            ],
        );
    }
}

#[test]
fn booleans_are_written_in_words_where_that_is_wanted() {
    let words = RawOptions {
        words: true,
        ..strict()
    };
    let taken = [
        (r#""yes""#, "true"),
        (r#""NO""#, "false"),
        (r#""On""#, "true"),
        (r#""off""#, "false"),
        (r#""y""#, "true"),
        (r#""N""#, "false"),
        (r#""1""#, "true"),
        (r#""0""#, "false"),
        ("1", "true"),
        ("0", "false"),
        ("1.0", "true"),
    ];
    check(Boolean, &words, &taken);
    for (raw, _) in taken {
        check(Boolean, &strict(), &[(raw, "")]);
    }
    let always = [
        ("true", "true"),
        (r#""False""#, "false"),
        ("2", ""),
        (r#""ja""#, ""),
        ("{}", ""),
    ];
    check(Boolean, &words, &always);
    check(Boolean, &strict(), &always);
}

#[test]
fn texts_are_cut_to_their_limit_where_that_is_wanted() {
    let truncate = RawOptions {
        truncate: true,
        ..strict()
    };
    let quoted = |text: &str, count: usize| format!("\"{}\"", text.repeat(count));
    for (value_type, limit) in [(Text, 500), (LongText, 4_000)] {
        let too_long = quoted("é", limit + 1);
        check(
            value_type,
            &truncate,
            &[
                (&too_long, &quoted("é", limit)),
                (&quoted("é", limit), &quoted("é", limit)),
                (r#""short""#, r#""short""#),
                ("3.50", r#""3.50""#),
                ("{}", ""),
            ],
        );
        let refused = came(&with(value_type, &strict()), &too_long);
        assert_eq!(refused, Came::Ignored(Failure::TooLong));
        // A number that lost digits would be another one.
        let digits = "9".repeat(limit + 1);
        let refused = came(&with(value_type, &truncate), &digits);
        assert_eq!(refused, Came::Ignored(Failure::TooLong));
        let blank = format!("\"{}x\"", " ".repeat(limit));
        assert_eq!(came(&with(value_type, &truncate), &blank), Came::Nothing);
    }
    // Whoever is told apart by it would be somebody else with a part of it.
    let key = with(Text, &truncate).blocking(Some(BlockedRule::default()));
    let refused = came(&key, &quoted("x", 501));
    assert_eq!(refused, Came::Ignored(Failure::TooLong));
}

#[test]
fn a_blank_text_clears_where_that_is_wanted() {
    for (name, value_type) in ValueType::NAMES {
        let formats = match value_type.needs_format() {
            true => vec!["ISO 8601"],
            false => vec![],
        };
        for (blank_clears, expected) in [(false, Came::Nothing), (true, Came::Null)] {
            let options = RawOptions {
                formats: formats.clone(),
                blank: blank_clears.into(),
                ..strict()
            };
            let converter = with(value_type, &options);
            for raw in [r#""""#, r#"" \t""#, r#""\ufeff\u200b""#] {
                assert_eq!(came(&converter, raw), expected, "{name} {raw}");
            }
            assert_eq!(came(&converter, "null"), Came::Null, "{name}");
        }
    }
    let clears = RawOptions {
        blank: true.into(),
        ..strict()
    };
    check(Integer, &clears, &[("3", "3"), (r#""x""#, "")]);
    check(Email, &clears, &[(r#""a@b.io""#, r#""a@b.io""#)]);
    check(SingleSelect, &clears, &[(r#""red""#, r#""red""#)]);
    check(Object, &clears, &[("[]", "[]"), ("1", "")]);
    // In a list it is still nothing.
    check(MultiSelect, &clears, &[(r#"["", "a"]"#, r#"["a"]"#)]);
}
