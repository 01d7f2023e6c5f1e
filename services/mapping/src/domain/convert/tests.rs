//! What converts, and to what (semantics 2.3, 2.4).

use proptest::prelude::*;
use weir_values::options::RawOptions;
use weir_values::{BlockedRule, BlockedValue, BlockedValues, Value};

use super::*;

mod addresses;
mod corners;
mod lists;
mod options;

fn converter(value_type: ValueType) -> Converter {
    let format = value_type.needs_format().then_some("DD-MM-YYYY");
    written_as(value_type, format.as_slice())
}

fn written_as(value_type: ValueType, formats: &[&str]) -> Converter {
    with(
        value_type,
        &RawOptions {
            formats: formats.to_vec(),
            ..RawOptions::default()
        },
    )
}

fn with(value_type: ValueType, options: &RawOptions<'_>) -> Converter {
    let options = Options::read(value_type, options).unwrap();
    Converter::new(value_type, options).unwrap()
}

fn run(converter: &Converter, raw: &[u8]) -> Result<Option<String>, Failure> {
    let (mut out, mut left_out) = (String::new(), LeftOut::default());
    let taken = converter.convert(raw, &mut out, &mut left_out)?;
    Ok((taken == Taken::Value).then_some(out))
}

fn convert(value_type: ValueType, raw: &str) -> Result<String, Failure> {
    let taken = run(&converter(value_type), raw.as_bytes())?;
    Ok(taken.unwrap_or_else(|| panic!("{raw} is no value")))
}

fn good(value_type: ValueType, raw: &str, expected: &str) {
    assert_eq!(convert(value_type, raw).as_deref(), Ok(expected), "{raw}");
    assert!(Value::of_type(value_type, expected).is_ok(), "{expected}");
}

fn fails(value_type: ValueType, failure: Failure, raws: &[&str]) {
    for raw in raws {
        let failed = convert(value_type, raw);
        assert_eq!(failed, Err(failure), "{value_type:?} {raw}");
    }
}

fn bad(value_type: ValueType, raws: &[&str]) {
    fails(value_type, Failure::Mismatch, raws);
}

#[test]
fn texts_take_what_loses_nothing() {
    good(ValueType::Text, r#""Lana""#, r#""Lana""#);
    good(ValueType::Text, r#""a\u00e9\"\\\/""#, r#""aé\"\\/""#);
    good(ValueType::Text, r#"" a b ""#, r#"" a b ""#);
    good(ValueType::Text, "3.50", r#""3.50""#);
    good(ValueType::Text, "1e400", r#""1e400""#);
    good(ValueType::Text, "0e-99999", r#""0e-99999""#);
    good(ValueType::Text, "true", r#""true""#);
    bad(ValueType::Text, &["{}", "[]"]);
    fails(
        ValueType::Text,
        Failure::NotStorable,
        &[r#""a\u0000""#, r#""\udc00""#, r#""Lana \ud83d""#],
    );
}

#[test]
fn long_texts_are_ignored_whole_and_counted_in_characters() {
    let quoted = |length| format!("\"{}\"", "é".repeat(length));
    assert!(convert(ValueType::Text, &quoted(500)).is_ok());
    fails(
        ValueType::Text,
        Failure::TooLong,
        &[&quoted(501), &"9".repeat(2_000)],
    );
    assert!(convert(ValueType::LongText, &quoted(4_000)).is_ok());
    good(
        ValueType::LongText,
        &"9".repeat(2_000),
        &format!("\"{}\"", "9".repeat(2_000)),
    );
    fails(ValueType::LongText, Failure::TooLong, &[&quoted(4_001)]);
}

/// Semantics 2.4a: for every type.
#[test]
fn a_blank_text_is_no_value_and_a_null_is_one_that_clears() {
    for (_, value_type) in ValueType::NAMES {
        for unique in [false, true] {
            let converter = converter(value_type).blocking(unique.then(BlockedRule::default));
            let taken = |raw: &str| {
                let mut left_out = LeftOut::default();
                let taken = converter.convert(raw.as_bytes(), &mut String::new(), &mut left_out);
                assert!(left_out.is_empty(), "{value_type:?} {raw}");
                taken
            };
            for raw in [
                r#""""#,
                r#""  ""#,
                r#""\t\u00a0\n""#,
                "\"\u{3000}\"",
                r#""\ufeff\u200b""#,
            ] {
                assert_eq!(taken(raw), Ok(Taken::Nothing), "{value_type:?} {raw}");
            }
            assert_eq!(taken("null"), Ok(Taken::Null), "{value_type:?}");
        }
    }
}

#[test]
fn numbers_are_exact_or_ignored() {
    good(ValueType::Integer, r#""3""#, "3");
    good(ValueType::Integer, "3.0", "3");
    good(ValueType::Integer, "2.9999999999999996", "3");
    good(ValueType::Integer, "1e-16384", "0");
    bad(
        ValueType::Integer,
        &[
            "3.5",
            r#""three""#,
            "true",
            "9223372036854775808",
            "1e999",
            "1e-1",
        ],
    );
    good(ValueType::Decimal, "12.5", r#""12.5""#);
    good(ValueType::Currency, r#""-0.005""#, r#""-0.005""#);
    good(ValueType::Decimal, "1.5e2", r#""150""#);
    good(ValueType::Decimal, "0e-99999", r#""0""#);
    good(ValueType::Decimal, "-1e-16384", r#""0""#);
    bad(ValueType::Decimal, &["1.2345", "1e300", "1e400", "[1]"]);
    let nines = "9".repeat(2_000);
    bad(ValueType::Decimal, &[&nines, &format!("\"{nines}\"")]);
}

/// Of a JSON number, and not of a text.
#[test]
fn what_a_float_leaves_over_is_no_decimal_place() {
    for value_type in [ValueType::Decimal, ValueType::Currency] {
        good(value_type, "0.30000000000000004", r#""0.3""#);
        good(value_type, "39.989999999999995", r#""39.99""#);
        bad(value_type, &[r#""0.30000000000000004""#, "0.3001"]);
    }
    bad(ValueType::Integer, &[r#""2.9999999999999996""#]);
    good(
        ValueType::Text,
        "0.30000000000000004",
        r#""0.30000000000000004""#,
    );
}

#[test]
fn booleans_are_true_or_false() {
    good(ValueType::Boolean, "true", "true");
    good(ValueType::Boolean, r#""False""#, "false");
    bad(ValueType::Boolean, &["1", "0", r#""yes""#, "{}"]);
}

#[test]
fn dates_are_read_in_their_format_only() {
    good(ValueType::Date, r#""28-07-1980""#, r#""1980-07-28""#);
    good(
        ValueType::TimeAndDate,
        r#""28-07-1980""#,
        r#""1980-07-28T00:00:00Z""#,
    );
    bad(
        ValueType::Date,
        &[r#""1980-07-28""#, "333590400", "true", r#""31-02-1980""#],
    );
    for value_type in [ValueType::Date, ValueType::TimeAndDate] {
        fails(value_type, Failure::OutOfRange, &[r#""01-01-0000""#]);
    }
    good(ValueType::Time, r#""23:59""#, r#""23:59:00""#);
    bad(ValueType::Time, &[r#""11:59 pm""#, "2359"]);
}

#[test]
fn the_format_of_a_row_is_the_one_that_counts() {
    let check = |value_type, format, raw: &str, expected: Result<&str, Failure>| {
        let converter = written_as(value_type, &[format]);
        let converted = run(&converter, raw.as_bytes()).map(Option::unwrap);
        assert_eq!(
            converted.as_deref().map_err(|failure| *failure),
            expected,
            "{raw}"
        );
    };
    for raw in ["333590400", r#""333590400""#] {
        check(ValueType::Date, "Unix seconds", raw, Ok(r#""1980-07-28""#));
    }
    check(
        ValueType::Date,
        "Unix seconds",
        "1e400",
        Err(Failure::OutOfRange),
    );
    check(
        ValueType::TimeAndDate,
        "Unix milliseconds",
        "-99999999999999",
        Err(Failure::OutOfRange),
    );
    // A date is the day as it is written, and an instant is not (semantics 2.5).
    let birthday = r#""1980-07-28T00:00:00+10:00""#;
    check(ValueType::Date, "ISO 8601", birthday, Ok(r#""1980-07-28""#));
    check(
        ValueType::TimeAndDate,
        "ISO 8601",
        birthday,
        Ok(r#""1980-07-27T14:00:00Z""#),
    );
    check(
        ValueType::Time,
        "h:mm A",
        r#""11:59 pm""#,
        Ok(r#""23:59:00""#),
    );
    check(
        ValueType::Time,
        "h:mm A",
        r#""23:59""#,
        Err(Failure::Mismatch),
    );
    check(
        ValueType::Time,
        "HH:mm",
        r#""23:59:00""#,
        Err(Failure::Mismatch),
    );
    let iso = RawOptions {
        formats: vec!["ISO 8601"],
        ..RawOptions::default()
    };
    let iso = Options::read(ValueType::Date, &iso).unwrap();
    assert_eq!(Converter::new(ValueType::Time, iso), None);
    assert_eq!(Converter::new(ValueType::Date, Options::default()), None);
}

#[test]
fn objects_and_lists_are_kept_as_they_were_sent() {
    for (raw, expected) in [
        (r#"{ "b": 1, "a": [ 2 ] }"#, r#"{"b":1,"a":[2]}"#),
        ("[]", "[]"),
        ("{ }", "{}"),
        (r#"[ null, {"a": 1} ]"#, r#"[null,{"a":1}]"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
        (
            r#"{"a" : 1e-16384, "b":0e-99999,"c":1E+400,"d":-0.0}"#,
            r#"{"a":1e-16384,"b":0e-99999,"c":1E+400,"d":-0.0}"#,
        ),
        (
            r#"{"a":"\u00e9\/ \ud83d\ude00"}"#,
            r#"{"a":"\u00e9\/ \ud83d\ude00"}"#,
        ),
    ] {
        good(ValueType::Object, raw, expected);
    }
    bad(ValueType::Object, &[r#""{}""#, "1", "true"]);
    fails(
        ValueType::Object,
        Failure::NotStorable,
        &[
            r#"{"a":"\ud800"}"#,
            r#"{"a":["\u0000"]}"#,
            r#"{"\udc00":1}"#,
        ],
    );
    let object = |length: usize| format!("{{\"a\": \"{}\"}}", "x".repeat(length - 8));
    assert!(convert(ValueType::Object, &object(15_000)).is_ok());
    fails(ValueType::Object, Failure::TooLong, &[&object(15_001)]);
    good(ValueType::Geo, r#"" Utrecht ""#, r#""Utrecht""#);
}
