//! Any JSON value, as any type: the corners that nobody thought of.

use weir_values::BlockedRule;

use super::*;

fn any_number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has none", |number| number.is_finite())
            .prop_map(|number| number.to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,6})?",
        "-?[1-9][0-9]{300,2000}",
        "0\\.[0-9]{300,2000}",
        Just("1e400".to_owned()),
        Just("1e-16384".to_owned()),
        Just("0e-99999".to_owned()),
        Just("1e99999999999999999999".to_owned()),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    let quoted = |text: String| serde_json::to_string(&text).unwrap();
    prop_oneof![
        any::<String>().prop_map(quoted),
        "[ a-z@.+0-9:/\u{200b}\u{feff}é-]{0,20}".prop_map(quoted),
        "[0-9]{1,2}-[0-9]{1,2}-[0-9]{1,4}".prop_map(quoted),
        "-?[0-9]{1,20}(\\.[0-9]{1,5})?".prop_map(quoted),
        // Every escape there is, and halves of characters among them.
        "\"(\\\\u(d[89a-f]|00|20)[0-9a-f]{2}|\\\\[nt\"/\\\\]|[a-z]){0,6}\"".prop_filter(
            "all four digits",
            |text| !text.contains("\\u20")
                || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
        ),
        Just(r#""\ud83d""#.to_owned()),
        Just(r#""a\u0000""#.to_owned()),
    ]
}

/// As a customer may send it: with white space, duplicate keys, odd numbers and texts.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any_number(),
        any_text(),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let key = prop_oneof![Just("\"a\"".to_owned()), any_text()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|all| format!("[ {} ]", all.join(" ,\n"))),
            prop::collection::vec((key, inner), 0..5).prop_map(|pairs| {
                let pairs: Vec<_> = pairs
                    .iter()
                    .map(|(key, value)| format!("{key} : {value}"))
                    .collect();
                format!("{{{}}}", pairs.join(", "))
            }),
        ]
    })
}

fn any_converter() -> impl Strategy<Value = (ValueType, Converter)> {
    let dates = [
        "DD-MM-YYYY",
        "ISO 8601",
        "Unix seconds",
        "Unix milliseconds",
        "YYYY-MM-DD HH:mm:ss",
        "RFC 2822",
    ];
    let times = ["HH:mm", "h:mm A"];
    let countries = ["", "", "AU", "US", "IT", "NO"];
    (
        prop::sample::select(ValueType::NAMES.to_vec()),
        prop::sample::subsequence(dates.to_vec(), 1..4),
        prop::sample::subsequence(times.to_vec(), 0..3),
        prop::sample::select(countries.to_vec()),
        any::<[bool; 5]>(),
    )
        .prop_map(|((_, value_type), dates, times, country, flags)| {
            let [round, words, truncate, blank_clears, unique] = flags;
            let is = |types: &[ValueType]| types.contains(&value_type);
            let options = RawOptions {
                formats: match value_type {
                    ValueType::Date | ValueType::TimeAndDate => dates,
                    ValueType::Time => times,
                    _ => vec![],
                },
                phone_country: match value_type {
                    ValueType::Phone => country,
                    _ => "",
                },
                round: round && is(&[ValueType::Decimal, ValueType::Currency]),
                words: words && is(&[ValueType::Boolean]),
                truncate: truncate && is(&[ValueType::Text, ValueType::LongText]),
                blank: blank_clears.into(),
            };
            let unique = unique && value_type.may_be_unique_identifier();
            (
                value_type,
                with(value_type, &options).blocking(unique.then(BlockedRule::default)),
            )
        })
}

/// Longer than what came by no more than the quotes and brackets of one value, and the
/// digits of one number or time.
const LONGER: usize = 40;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Semantics 2.4, 2.4c: conversion is total, and what goes out is canonical JSON that can
    /// be read again, and no larger than what came in.
    #[test]
    fn any_value_is_taken_or_ignored((value_type, converter) in any_converter(), raw in any_json()) {
        let raw = raw.as_bytes();
        match run(&converter, raw) {
            Ok(Some(canonical)) => {
                prop_assert!(canonical.len() <= raw.len() + LONGER, "{canonical}");
                prop_assert!(!canonical.contains("\\u0000"));
                let parsed: Result<Box<serde_json::value::RawValue>, _> = serde_json::from_str(&canonical);
                prop_assert!(parsed.is_ok(), "{canonical}");
                let value = Value::of_type(value_type, &canonical);
                prop_assert_eq!(value.map(|value| value.to_canonical()), Ok(canonical));
            }
            Ok(None) => {}
            Err(failure) => {
                prop_assert!(!converter.reason(failure).is_empty());
                prop_assert_eq!(converter.code(failure).about(), weir_reasons::About::Value);
            }
        }
    }

    /// A path with `[]` leads to many values.
    #[test]
    fn any_values_are_a_list(values in prop::collection::vec(any_json(), 0..6)) {
        let listed: Vec<Element<'_>> = values
            .iter()
            .enumerate()
            .map(|(index, value)| Element { raw: value.as_bytes(), index })
            .collect();
        let length: usize = values.iter().map(|value| value.len() + 3).sum();
        for value_type in [ValueType::MultiSelect, ValueType::Object] {
            let (mut out, mut left_out) = (String::new(), LeftOut::default());
            let taken = converter(value_type).convert_all(&listed, &mut out, &mut left_out);
            if taken == Ok(Taken::Value) {
                prop_assert!(out.len() <= length + LONGER);
                prop_assert!(Value::of_type(value_type, &out).is_ok(), "{}", out);
            }
        }
    }

    #[test]
    fn what_is_written_converts_to_itself(raw in any_json(), unique in any::<bool>()) {
        for (_, value_type) in ValueType::NAMES {
            let unique = unique && value_type.may_be_unique_identifier();
            let converter = converter(value_type).blocking(unique.then(BlockedRule::default));
            let Ok(Some(canonical)) = run(&converter, raw.as_bytes()) else { continue };
            if !value_type.needs_format() {
                prop_assert_eq!(run(&converter, canonical.as_bytes()), Ok(Some(canonical.clone())));
            }
        }
    }

    #[test]
    fn any_bytes_convert_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..40), quoted in any::<bool>()) {
        let raw = if quoted { [b"\"", bytes.as_slice(), b"\""].concat() } else { bytes };
        for (_, value_type) in ValueType::NAMES {
            let _ = run(&converter(value_type), &raw);
        }
    }
}
