//! Rows of several paths (semantics 2.2): the first that gives a value counts.

use super::*;

fn several(paths: &[&'static str], target: &'static str, blank_clears: bool) -> RawRow<'static> {
    RawRow {
        paths: paths.to_vec(),
        target,
        options: RawOptions {
            blank: blank_clears.into(),
            ..RawOptions::default()
        },
    }
}

fn under(strategy: MergeStrategy, blank_clears: bool) -> Snapshot {
    let mut snapshot = snapshot(&[
        several(
            &["email", "contact.email", "emails[0]"],
            "str::email",
            blank_clears,
        ),
        several(&["tags", "products[].sku"], "sst:cm:tags", blank_clears),
        row("score", "int:cm:score", ""),
    ]);
    snapshot.source.settings.merge_strategy = strategy;
    snapshot
}

/// Fields, what they come to, and the lines of the log.
fn said(snapshot: &Snapshot, traits: &str) -> (String, Traits, Vec<String>) {
    let mut mapper = Mapper::new(snapshot, None);
    let Outcome::Mapped {
        fields_json,
        traits,
        ..
    } = mapper.map(&event(EventKind::Identify, traits, "{}"))
    else {
        panic!("it is mapped");
    };
    let lines = mapper.into_log().into_iter();
    let lines = lines.map(|line| format!("{} {}", line.path, line.code));
    (fields_json.to_string(), traits, lines.collect())
}

const A: &str = r#"{"str::email":"a@x.io"}"#;
const B: &str = r#"{"str::email":"b@x.io"}"#;
const C: &str = r#"{"str::email":"c@x.io"}"#;
const CLEARED: &str = r#"{"str::email":null}"#;

#[test]
fn the_first_path_that_gives_a_value_counts() {
    for (traits, fields, lines) in [
        (
            r#"{"email":"a@x.io","contact":{"email":"b@x.io"}}"#,
            A,
            vec![],
        ),
        (
            r#"{"contact":{"email":"b@x.io"},"emails":["c@x.io"]}"#,
            B,
            vec![],
        ),
        (r#"{"emails":["c@x.io"]}"#, C, vec![]),
        // Null, blank, blocked and unconvertible go on to the next.
        (r#"{"email":null,"contact":{"email":"b@x.io"}}"#, B, vec![]),
        (r#"{"email":" ","contact":{"email":"b@x.io"}}"#, B, vec![]),
        (
            r#"{"email":"undefined","contact":{"email":"b@x.io"}}"#,
            B,
            vec!["traits.email VALUE_BLOCKED"],
        ),
        (
            r#"{"email":"lana","contact":{"email":7},"emails":["c@x.io"]}"#,
            C,
            vec![
                "traits.email EMAIL_INVALID",
                "traits.contact.email EMAIL_INVALID",
            ],
        ),
        // What is behind the one that counts is not looked at.
        (
            r#"{"email":"a@x.io","contact":{"email":"lana"}}"#,
            A,
            vec![],
        ),
    ] {
        for clears in [false, true] {
            let snapshot = under(MergeStrategy::Overwrite, clears);
            let expected = (fields.to_owned(), Traits::Values, lines.clone());
            let (fields, came_to, found) = said(&snapshot, traits);
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            assert_eq!((fields, came_to, found), expected, "{traits}");
        }
    }
}

#[test]
fn where_no_path_gives_a_value_a_null_clears_unless_another_was_ignored() {
    for strategy in [MergeStrategy::Overwrite, MergeStrategy::Append] {
        for (traits, blank_clears, fields, came_to, lines) in [
            ("{}", true, "", Traits::None, 0),
            (r#"{"email":null}"#, false, CLEARED, Traits::Clears, 0),
            (r#"{"emails":[null]}"#, false, CLEARED, Traits::Clears, 0),
            (
                r#"{"email":"","contact":{"email":null}}"#,
                false,
                CLEARED,
                Traits::Clears,
                0,
            ),
            (
                r#"{"email":"","contact":{"email":" "}}"#,
                false,
                "",
                Traits::None,
                0,
            ),
            (
                r#"{"email":"","contact":{"email":" "}}"#,
                true,
                CLEARED,
                Traits::Clears,
                0,
            ),
            // Whoever sent the address did not mean to take it away.
            (
                r#"{"email":"lana","contact":{"email":null}}"#,
                false,
                "",
                Traits::AllIgnored,
                1,
            ),
            (
                r#"{"email":null,"contact":{"email":"lana"}}"#,
                false,
                "",
                Traits::AllIgnored,
                1,
            ),
            (
                r#"{"email":"","contact":{"email":"lana"}}"#,
                true,
                "",
                Traits::AllIgnored,
                1,
            ),
        ] {
            let (found, said, log) = said(&under(strategy, blank_clears), traits);
            let (fields, came_to) = match (strategy, came_to) {
                (MergeStrategy::Append, Traits::Clears) => ("", Traits::None),
                _ => (fields, came_to),
            };
            assert_eq!((found.as_str(), said), (fields, came_to), "{traits}");
            assert_eq!(log.len(), lines, "{traits}");
        }
    }
}

#[test]
fn a_path_with_brackets_may_be_among_them() {
    let snapshot = under(MergeStrategy::Overwrite, false);
    for (traits, fields, lines) in [
        (
            r#"{"tags":["a"],"products":[{"sku":"b"}]}"#,
            r#"{"sst:cm:tags":["a"]}"#,
            0,
        ),
        (
            r#"{"tags":[{}],"products":[{"sku":"b"},{"sku":null}]}"#,
            r#"{"sst:cm:tags":["b"]}"#,
            2,
        ),
        (
            r#"{"tags":[],"products":[{"sku":"b"}]}"#,
            r#"{"sst:cm:tags":["b"]}"#,
            0,
        ),
        (r#"{"tags":[],"products":[]}"#, r#"{"sst:cm:tags":null}"#, 0),
        (
            r#"{"tags":[],"products":[{}]}"#,
            r#"{"sst:cm:tags":null}"#,
            0,
        ),
        (r#"{"tags":[null],"products":[]}"#, "", 1),
    ] {
        let (found, _, log) = said(&snapshot, traits);
        assert_eq!(
            (found.as_str(), log.len()),
            (fields, lines),
            "{traits} {log:?}"
        );
    }
}

#[test]
fn attributes_of_activities_have_the_same_rows() {
    let mut snapshot = default_snapshot();
    let login = snapshot.activities.remove("Login").unwrap();
    let total = RawRow {
        options: RawOptions {
            round: true,
            ..RawOptions::default()
        },
        ..several(&["total", "cart.total", "items[0].price"], "total", true)
    };
    let day = RawRow {
        options: RawOptions {
            formats: vec!["ISO 8601", "D/M/YYYY"],
            ..RawOptions::default()
        },
        ..row("day", "day", "")
    };
    let rows = [
        (total, Some(ValueType::Currency)),
        (day, Some(ValueType::Date)),
    ];
    let login = CompiledActivity::compile(ActivityMapping {
        activity: login.activity,
        attributes: read_attributes(&rows).unwrap(),
    });
    snapshot.activities.insert("Login".to_owned(), login);
    for (properties, expected) in [
        (r#"{"total":1.23456}"#, r#"{"total":"1.235"}"#),
        (
            r#"{"total":"","cart":{"total":"x"},"items":[{"price":2}],"day":"1/2/2025"}"#,
            r#"{"total":"2","day":"2025-02-01"}"#,
        ),
        // There is nothing to clear.
        (r#"{"total":null,"cart":{"total":" "}}"#, "{}"),
    ] {
        let track = event(EventKind::Track, "{}", properties);
        let (_, attributes, _) = map(&snapshot, &track);
        assert_eq!(attributes.as_deref(), Some(expected), "{properties}");
    }
}

proptest! {
    /// Of a row's paths the first that would give a value alone gives it; lines and values are
    /// those of the paths up to there.
    #[test]
    fn several_paths_are_as_each_of_them_alone_one_after_the_other(
        leaves in prop::collection::vec(any_leaf(), 3),
        present in prop::collection::vec(any::<bool>(), 3),
        blank_clears in any::<bool>(),
    ) {
        let names = ["email", "birthday", "score"];
        let texts: Vec<String> = names
            .iter()
            .zip(&leaves)
            .zip(&present)
            .filter(|(_, present)| **present)
            .map(|((name, leaf), _)| format!("\"{name}\":{leaf}"))
            .collect();
        let traits = format!("{{{}}}", texts.join(","));
        let alone: Vec<_> = names
            .iter()
            .map(|name| said(&snapshot(&[several(&[name], "str::email", blank_clears)]), &traits))
            .collect();
        let valued = alone.iter().position(|(_, came_to, _)| *came_to == Traits::Values);
        let asked = &alone[..valued.map_or(3, |index| index + 1)];
        let lines: Vec<String> = asked.iter().flat_map(|(_, _, lines)| lines.clone()).collect();
        let expected = match valued {
            Some(index) => alone[index].0.clone(),
            None if lines.is_empty() => alone
                .iter()
                .map(|(fields, _, _)| fields.clone())
                .find(|fields| !fields.is_empty())
                .unwrap_or_default(),
            None => String::new(),
        };
        let together = said(&snapshot(&[several(&names, "str::email", blank_clears)]), &traits);
        prop_assert_eq!((together.0, together.2), (expected, lines), "{}", traits);
    }
}
