//! Whole events of every corner of JSON, from a fixed seed.
//!
//! What comes out can always be split into events; what is inside may be anything that a
//! client, a broken client or an enemy writes.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use weir_proto::mapping::v1::ValueType;

/// Traits and properties that the fuzzed account maps, one of each type and called by it.
pub fn mapped() -> impl Iterator<Item = (String, ValueType)> {
    let types = (1..).map_while(|number| ValueType::try_from(number).ok());
    types.map(|value_type| {
        let name = value_type.as_str_name();
        let name = name.strip_prefix("VALUE_TYPE_").unwrap_or(name);
        (name.to_lowercase(), value_type)
    })
}

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-0.0",
    "7",
    "-1",
    "3.0",
    "3.5",
    "0.1",
    "1.000",
    "123.4567",
    "0.30000000000000004",
    "39.989999999999995",
    "1e5",
    "1E+5",
    "1e-3",
    "1e400",
    "-1e400",
    "1e-16383",
    "1e-16384",
    "0e-99999",
    "0e99999",
    "1e2147483648",
    "1e-99999999999999999999",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "9223372036854775.807",
    "9223372036854775.808",
    "1752127740",
    "1752127740123",
    "-62135596801",
    "253402300800",
];

const TEXTS: &[&str] = &[
    "",
    " ",
    "\\t",
    "\\u0000",
    "a\\u0000b",
    "\\ud83d",
    "Lana \\ud83d",
    "\\udc00x",
    "\\ud83d\\ude00",
    "\\ud800\\ud800\\udc00",
    "\\ufeffinv@example.org",
    "inv@example.org\\u200b",
    "a\\u200bb@example.org",
    "\\u202eevil",
    "\\u212aate@example.org",
    "Kate@Example.org",
    "a@b.example",
    "noone@",
    "+61 2 9876 5432",
    "02 9876 5432",
    "\\u00ad+61298765432",
    "https://example.org/a?b=c#d",
    "http://",
    "javascript:alert(1)",
    "3",
    "3.0",
    "1e400",
    "0.30000000000000004",
    "true",
    "FALSE",
    "yes",
    "28-07-1980",
    "1980-07-28",
    "1980-07-28T00:00:00+10:00",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999999Z",
    "9999-12-31T23:59:59-14:00",
    "+12025-07-10T06:09:00Z",
    "2025-07-10 06:09:00.123+00:00",
    "Thu, 10 Jul 2025 06:09:00 +0000",
    "25:61",
    "23:59:60",
    "1:05 PM",
    "null",
    "undefined",
    "0000-0000",
    "{{user.id}}",
    "${id}",
    "%s%n",
    "\\\\",
    "\\\"",
    "\\/",
    "é",
    "日本",
    "e\\u0301",
];

fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(TEXTS).prop_map(|text| format!("\"{text}\"")),
        1 => (1_usize..17_000).prop_map(|n| format!("\"{}\"", "x".repeat(n))),
        1 => prop::sample::select(vec![120, 255, 256, 500, 501, 4_000, 4_001, 15_001])
            .prop_map(|n| format!("\"{}\"", "é".repeat(n))),
        2 => "[ -!#-\\[\\]-~]{0,20}".prop_map(|text| format!("\"{text}\"")),
    ]
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => string(),
        3 => prop::sample::select(NUMBERS).prop_map(str::to_owned),
        1 => (1_usize..2_000).prop_map(|n| "9".repeat(n)),
        1 => (1_usize..2_000).prop_map(|n| format!("0.{}1", "0".repeat(n))),
        1 => prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let nested = scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec((key(), inner), 0..5).prop_map(|all| {
                let members: Vec<String> = all
                    .into_iter()
                    .map(|(key, value)| format!("{key}:{value}"))
                    .collect();
                format!("{{{}}}", members.join(" , "))
            }),
        ]
    });
    prop_oneof![
        12 => nested,
        1 => (1_usize..200).prop_map(|n| format!("{}{}", "[".repeat(n), "]".repeat(n))),
        1 => (1_usize..200).prop_map(|n| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n))),
        // An object of 14 KB that must not grow.
        1 => prop::sample::select(NUMBERS)
            .prop_map(|number| format!("{{\"n\":[{}]}}", vec![number; 14_000 / (number.len() + 1)].join(","))),
        // No JSON at all, but its quotes and brackets are in order.
        1 => prop::sample::select(vec!["nonsense", "012", "1.", "+1", "'a'", "\"\\q\"", "\"a\u{1}b\"", "NaN"])
            .prop_map(str::to_owned),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec!["a", "sku", "a.b", "", "\\u0061", "\\u0000", "\\ud800", "$.x", "é"])
            .prop_map(|key| format!("\"{key}\"")),
        1 => "[a-z]{1,8}".prop_map(|key| format!("\"{key}\"")),
    ]
}

/// An object over the mapped names.
fn object() -> impl Strategy<Value = String> {
    let names: Vec<String> = mapped().map(|(name, _)| name).collect();
    let member = (prop::sample::select(names), value());
    prop_oneof![
        8 => prop::collection::vec(member, 0..8).prop_map(|all| {
            let members: Vec<String> =
                all.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        }),
        1 => value(),
    ]
}

fn member(
    name: &'static str,
    often: f64,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    prop::option::weighted(often, value).prop_map(move |value| {
        value.map_or_else(String::new, |value| format!("\"{name}\":{value}"))
    })
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0_u32..400).prop_map(|n| format!("\"fuzz-{n}\"")),
        1 => scalar(),
    ]
}

/// One raw event, of which anything may be wrong.
fn event() -> impl Strategy<Value = String> {
    let ids = (
        member("user_id", 0.7, id()),
        member("userId", 0.1, id()),
        member("anonymous_id", 0.4, id()),
        member(
            "message_id",
            0.9,
            prop_oneof![8 => "[a-z0-9]{12}".prop_map(|id| format!("\"{id}\"")), 1 => scalar()],
        ),
    );
    let rest = (
        member(
            "event",
            0.95,
            prop_oneof![8 => Just("\"Fuzzed\"".to_owned()), 1 => scalar()],
        ),
        member(
            "timestamp",
            0.5,
            prop_oneof![3 => Just("\"2026-07-10T06:09:00Z\"".to_owned()), 1 => scalar()],
        ),
        member("traits", 0.8, object()),
        member("properties", 0.8, object()),
        member("location", 0.2, value()),
        member("ip", 0.1, value()),
        member("audience", 0.1, value()),
    );
    (ids, rest).prop_map(|((a, b, c, d), (e, f, g, h, i, j, k))| {
        let members: Vec<String> = [a, b, c, d, e, f, g, h, i, j, k]
            .into_iter()
            .filter(|member| !member.is_empty())
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

/// Events without end, the same ones for the same seed.
pub struct Fuzz {
    runner: TestRunner,
    event: BoxedStrategy<String>,
}

impl Fuzz {
    /// From a seed.
    pub fn new(seed: u8) -> Self {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        Self {
            runner: TestRunner::new_with_rng(Config::default(), rng),
            event: event().boxed(),
        }
    }

    /// The next one.
    pub fn event(&mut self) -> String {
        let tree = self.event.new_tree(&mut self.runner);
        tree.expect("nothing is filtered out").current()
    }
}
