//! Generators for tests: JSON, and what nearly is.

use proptest::prelude::*;

/// Valid JSON texts of every kind, with white space where it may stand.
pub fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter_map("finite", |n| n.is_finite().then(|| format!("{n:e}"))),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        Just(r#""\ud83d\ude00 ]}\",[{\\""#.to_owned()),
        Just(r#""half \ud83d \u0000""#.to_owned()),
        "-?[1-9][0-9]{0,400}(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,9})?",
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let space = "[ \n\t]{0,2}";
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..5), space).prop_map(|(items, space)| format!(
                "[{space}{}]",
                items.join(&format!("{space},"))
            )),
            (prop::collection::vec((any::<String>(), inner), 0..5), space).prop_map(
                |(members, space)| {
                    let members: Vec<String> = members
                        .into_iter()
                        .map(|(key, value)| {
                            format!("{}{space}:{value}", serde_json::Value::from(key))
                        })
                        .collect();
                    format!("{{{space}{}{space}}}", members.join(","))
                }
            ),
        ]
    })
}

/// Valid JSON of which sometimes a character is missing, doubled or another.
pub fn almost_json() -> impl Strategy<Value = String> {
    (
        json(),
        any::<prop::sample::Index>(),
        0..4,
        "[\\[\\]{}\",:\\\\eE+.0-9-]",
    )
        .prop_map(|(text, at, change, other)| {
            let mut characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len());
            match change {
                1 => drop(characters.remove(at)),
                2 => characters.insert(at, characters[at]),
                3 => characters[at] = other.chars().next().expect("one is generated"),
                _ => {}
            }
            characters.into_iter().collect()
        })
}

/// Things that are no events, and mostly no JSON, but have their quotes and brackets in order.
pub fn poison() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"{\"a\":\"\xff\xfe\"}".to_vec()),
        Just(b"{\"a\":\"\x01\n\"}".to_vec()),
        Just(br#"{"user_id":"\ud800"}"#.to_vec()),
        Just(b"{\"a\":nonsense 1e999}".to_vec()),
        Just(b"{} {} garbage".to_vec()),
        (1_usize..6_000).prop_map(|n| [b"[".repeat(n), b"]".repeat(n)].concat()),
        (1_usize..6_000).prop_map(|n| [b"{\"a\":".repeat(n), b"}".repeat(n)].concat()),
        prop::collection::vec(any::<u8>(), 1..50).prop_map(|mut bytes| {
            bytes.retain(|byte| !b"\"\\[]{}, \n\r\t".contains(byte));
            bytes.push(b'x');
            bytes
        }),
    ]
}
