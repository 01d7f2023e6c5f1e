//! The walks beside another reader: they take what serde_json takes, and find what it finds.
//!
//! Takes seconds; with `WEIR_TEST_LONG` set, as `./weir test long` does, minutes.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use weir_json::generate::{almost_json, json};
use weir_json::{
    Fault, Kind, NotJson, Raw, array, behind_value, compact, is_empty_list, kind, members,
    members_in_front, object, plain, text, unescaped,
};

fn config() -> ProptestConfig {
    let is_long = std::env::var_os("WEIR_TEST_LONG").is_some();
    ProptestConfig {
        cases: if is_long { 500_000 } else { 2_000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Objects, what nearly is one, and what shares no more than the alphabet with one.
fn input() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        3 => almost_json(),
        // Numbers, strings and words, of which each may be wrong in every part.
        2 => "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
        2 => "\"(\\\\[\"\\\\/bfnrtxu]|\\\\u[0-9a-fA-Fg]{3,4}|[a\u{1f}\u{7f}é]){0,4}\"",
        1 => " ?(nul|null|true|True|tru|false|falsee| )[\t\u{b}]?",
        1 => "[]\\[{}\":,\\\\u0d8efalstrn1.+ \n\u{1}é-]{0,40}",
    ];
    let key = prop_oneof![
        "[ab]".prop_map(|key| format!("\"{key}\"")),
        Just(r#""\u0061""#.to_owned()),
        any::<String>().prop_map(|key| Value::from(key).to_string()),
        Just(r#""\ud800""#.to_owned()),
    ];
    let members = prop::collection::vec((key, value), 0..4);
    let object = members.prop_map(|members| {
        let members: Vec<String> = members
            .into_iter()
            .map(|(key, value)| format!("{key}: {value}"))
            .collect();
        format!("{{{}}}", members.join(" ,"))
    });
    prop_oneof![4 => object, 1 => almost_json()]
}

fn ours(text: &str) -> Result<Vec<(&str, &str)>, Fault> {
    let mut found = Vec::new();
    members(text, |key, span| found.push((key, &text[span])))?;
    Ok(found)
}

fn theirs<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// What the trusted walks make of a value; serde reads its leaves.
fn tree(raw: Raw<'_>) -> Result<Value, NotJson> {
    Ok(match kind(raw)? {
        Kind::Object => {
            let mut members = serde_json::Map::new();
            object(raw, |key, value| {
                members.insert(text(key)?.into_owned(), tree(value)?);
                Ok(())
            })?;
            members.into()
        }
        Kind::Array => {
            let mut elements = Vec::new();
            array(raw, |element| {
                elements.push(tree(element)?);
                Ok(())
            })?;
            assert_eq!(elements.is_empty(), is_empty_list(raw));
            elements.into()
        }
        Kind::String => text(raw)?.into_owned().into(),
        Kind::Number | Kind::Boolean | Kind::Null => {
            serde_json::from_slice(raw).map_err(|_| NotJson)?
        }
    })
}

/// Whether PostgreSQL takes every text of a tree.
fn is_storable(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(elements) => elements.iter().all(is_storable),
        Value::Object(members) => members
            .iter()
            .all(|(key, value)| !key.contains('\0') && is_storable(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn untrusted_text_is_taken_and_read_as_another_reader_does(input in input()) {
        let is_object = input.trim_start_matches([' ', '\n', '\r', '\t']).starts_with('{');
        // Which looks at the grammar alone, as the walk does.
        let takes = is_object && theirs::<IgnoredAny>(&input).is_some();
        let found = ours(&input);
        prop_assert_eq!(found.is_ok(), takes, "{}", input);
        let Ok(found) = found else { return Ok(()) };
        let named: Option<BTreeMap<String, &str>> = found
            .iter()
            .map(|(key, value)| Some((unescaped(key)?.into_owned(), *value)))
            .collect();
        let expected = theirs::<BTreeMap<String, &RawValue>>(&input);
        let expected = expected.map(|members| {
            members.into_iter().map(|(key, value)| (key, value.get())).collect()
        });
        prop_assert_eq!(named, expected, "{}", input);
        for (_, value) in found {
            let quoted = unescaped(value).map(|text| text.into_owned());
            prop_assert_eq!(quoted, theirs::<String>(value), "{}", value);
        }
    }

    #[test]
    fn trusted_bytes_are_read_as_another_reader_does(input in json(), behind in "[ ,\\]}x\"]{0,3}") {
        let expected = theirs::<Value>(&input);
        let raw = input.trim_end().as_bytes();
        prop_assert_eq!(tree(raw).ok(), expected.clone(), "{}", input);
        let longer = format!("{input}{behind}");
        let end = behind_value(longer.as_bytes(), 0).unwrap();
        if matches!(kind(raw), Ok(Kind::Object | Kind::Array | Kind::String)) {
            prop_assert_eq!(end, raw.len());
        }
        if kind(raw) == Ok(Kind::Object) {
            prop_assert_eq!(members_in_front(&longer, |_, _| {}), Some(raw.len()));
        }

        let mut out = String::new();
        let compacted = compact(raw, usize::MAX / 2, &mut out);
        if let Some(expected) = expected {
            prop_assert_eq!(compacted.is_ok(), is_storable(&expected), "{}", input);
            if compacted.is_ok() {
                prop_assert_eq!(theirs::<Value>(&out), Some(expected));
                prop_assert!(out.len() <= raw.len());
            }
        }
    }

    #[test]
    fn what_is_written_without_spaces_stays_as_it_is(value in json()) {
        let Some(value) = theirs::<Value>(&value).filter(is_storable) else { return Ok(()) };
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let mut out = String::new();
        compact(pretty.as_bytes(), usize::MAX / 2, &mut out).unwrap();
        prop_assert_eq!(out, value.to_string());
    }

    #[test]
    fn any_bytes_end_every_walk(
        bytes in prop::collection::vec(
            prop_oneof![3 => prop::sample::select(b"{\":,[]}\\u1".to_vec()), 1 => any::<u8>()],
            0..64,
        ),
    ) {
        let _ = object(&bytes, |_, _| Ok(()));
        let _ = array(&bytes, |_| Ok(()));
        let _ = compact(&bytes, 32, &mut String::new());
        let _ = (text(&bytes), plain(&bytes), tree(&bytes));
        let _ = behind_value(&bytes, 0);
        let lossy = String::from_utf8_lossy(&bytes);
        let _ = (ours(&lossy), unescaped(&lossy));
    }
}
