//! What converts, and to what.

use proptest::prelude::*;

use super::*;

fn converter(value_type: ValueType) -> Converter {
    let format = value_type
        .has_date_format()
        .then(|| "DD-MM-YYYY".parse().unwrap());
    Converter::new(value_type, format).unwrap()
}

fn convert(value_type: ValueType, raw: &str) -> Result<String, Failure> {
    let mut out = String::new();
    converter(value_type).convert(raw.as_bytes(), &mut out)?;
    Ok(out)
}

fn good(value_type: ValueType, raw: &str, expected: &str) {
    assert_eq!(convert(value_type, raw).as_deref(), Ok(expected), "{raw}");
    assert!(Value::of_type(value_type, expected).is_ok(), "{expected}");
}

fn bad(value_type: ValueType, raws: &[&str]) {
    for raw in raws {
        assert_eq!(
            convert(value_type, raw),
            Err(Failure::Mismatch),
            "{value_type:?} {raw}"
        );
    }
}

#[test]
fn texts_take_what_loses_nothing() {
    good(ValueType::Text, r#""Lana""#, r#""Lana""#);
    good(ValueType::Text, r#""a\u00e9\"\\\/""#, r#""aé\"\\/""#);
    good(ValueType::Text, "3.50", r#""3.50""#);
    good(ValueType::Text, "true", r#""true""#);
    good(ValueType::Text, r#""""#, r#""""#);
    bad(ValueType::Text, &["{}", "[]"]);
    for raw in [r#""a\u0000""#, r#""\udc00""#, "1e999"] {
        assert_eq!(convert(ValueType::Text, raw), Err(Failure::NotStorable));
    }
}

#[test]
fn long_texts_are_ignored_whole_and_counted_in_characters() {
    let quoted = |length| format!("\"{}\"", "é".repeat(length));
    assert!(convert(ValueType::Text, &quoted(500)).is_ok());
    assert_eq!(
        convert(ValueType::Text, &quoted(501)),
        Err(Failure::TooLong)
    );
    assert!(convert(ValueType::LongText, &quoted(4_000)).is_ok());
    assert_eq!(
        convert(ValueType::LongText, &quoted(4_001)),
        Err(Failure::TooLong)
    );
}

#[test]
fn numbers_are_exact_or_ignored() {
    good(ValueType::Integer, r#""3""#, "3");
    good(ValueType::Integer, "3.0", "3");
    bad(
        ValueType::Integer,
        &["3.5", r#""three""#, "true", "9223372036854775808", r#""""#],
    );
    good(ValueType::Decimal, "12.5", r#""12.5""#);
    good(ValueType::Currency, r#""-0.005""#, r#""-0.005""#);
    good(ValueType::Decimal, "1.5e2", r#""150""#);
    bad(ValueType::Decimal, &["1.2345", "1e300", "[1]"]);
    assert_eq!(
        convert(ValueType::Integer, "1e999"),
        Err(Failure::NotStorable)
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
    good(ValueType::Time, r#""23:59""#, r#""23:59:00""#);
    bad(ValueType::Time, &[r#""11:59 pm""#, "2359"]);
    let unix = Converter::new(ValueType::Date, Some(DateFormat::UnixSeconds)).unwrap();
    for raw in ["333590400", r#""333590400""#] {
        let mut out = String::new();
        unix.convert(raw.as_bytes(), &mut out).unwrap();
        assert_eq!(out, r#""1980-07-28""#);
    }
}

#[test]
fn addresses_are_checked_and_kept_as_given() {
    good(
        ValueType::Email,
        r#"" Lana.Romeijn@Example.org ""#,
        r#""Lana.Romeijn@Example.org""#,
    );
    bad(
        ValueType::Email,
        &[
            r#""lana""#,
            r#""Lana <l@example.org>""#,
            r#""l@localhost""#,
            r#""l@[127.0.0.1]""#,
            "3",
            r#""a@b@c.org""#,
        ],
    );
    good(
        ValueType::Link,
        r#""https://example.org/a?b=c""#,
        r#""https://example.org/a?b=c""#,
    );
    bad(
        ValueType::Link,
        &[
            r#""/a""#,
            r#""ftp://example.org""#,
            r#""https://""#,
            r#""https:example.org""#,
            r#""https://a b""#,
        ],
    );
    good(
        ValueType::Phone,
        r#""+61 (0)2 9876 5432""#,
        r#""+61298765432""#,
    );
    bad(
        ValueType::Phone,
        &[
            r#""0298765432""#,
            "61298765432",
            r#""+1""#,
            r#""+61 2 9876 5432 ext. 3""#,
            r#""+999 123""#,
        ],
    );
}

#[test]
fn lists_and_objects_keep_their_order() {
    good(
        ValueType::MultiSelect,
        r#"[ "b", "a", 1 ]"#,
        r#"["b","a","1"]"#,
    );
    good(ValueType::MultiSelect, r#""a""#, r#"["a"]"#);
    good(ValueType::MultiSelect, "[]", "[]");
    bad(ValueType::MultiSelect, &["[null]", "[[]]", "{}"]);
    good(
        ValueType::Object,
        r#"{ "b": 1, "a": [ 2 ] }"#,
        r#"{"b":1,"a":[2]}"#,
    );
    bad(ValueType::Object, &["[]", r#""{}""#]);
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(15_000));
    assert_eq!(convert(ValueType::Object, &large), Err(Failure::TooLong));
    assert_eq!(convert(ValueType::Geo, r#""  ""#), Err(Failure::Mismatch));
    good(ValueType::Geo, r#"" Utrecht ""#, r#""Utrecht""#);
}

proptest! {
    #[test]
    fn what_is_written_is_canonical_and_converts_to_itself(text in any::<String>(), number in any::<i64>(), fraction in 0_u16..1_000) {
        let raws = [serde_json::to_string(&text).unwrap(), number.to_string(), format!("{number}.{fraction:03}"), format!("[{number}]"), format!("{{\"a\":{number}}}")];
        for raw in raws {
            for (_, value_type) in ValueType::NAMES {
                let Ok(canonical) = convert(value_type, &raw) else { continue };
                let value = Value::of_type(value_type, &canonical).unwrap();
                prop_assert_eq!(value.to_canonical(), canonical.clone());
                if !value_type.has_date_format() {
                    prop_assert_eq!(convert(value_type, &canonical), Ok(canonical));
                }
            }
        }
    }

    #[test]
    fn any_bytes_convert_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..40), quoted in any::<bool>()) {
        let raw = if quoted { [b"\"", bytes.as_slice(), b"\""].concat() } else { bytes };
        for (_, value_type) in ValueType::NAMES {
            let mut out = String::new();
            let _ = converter(value_type).convert(&raw, &mut out);
        }
    }
}
