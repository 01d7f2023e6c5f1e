//! What a mapping makes of one event, row by row (semantics 7.6).

use super::*;

fn draft() -> Snapshot {
    let several = RawRow {
        paths: vec!["email", "contact.email"],
        ..row("", "str::email", "")
    };
    snapshot(&[
        several,
        row("birthday", "dtz::b", "DD-MM-YYYY"),
        row("score", "int:cm:score", ""),
        row("tags", "sst:cm:tags", ""),
    ])
}

/// Of each row what was taken, and the codes of what was not.
fn short(rows: &[RowSaid]) -> Vec<String> {
    let one = |row: &RowSaid| {
        let taken = match &row.taken {
            TakenAs::Value { path, canonical } => format!("{path} {canonical}"),
            TakenAs::Cleared => "cleared".to_owned(),
            TakenAs::Untouched => "-".to_owned(),
        };
        let lines = row.ignored.iter();
        lines.fold(taken, |all, line| {
            format!("{all} {}:{}", line.path, line.code)
        })
    };
    rows.iter().map(one).collect()
}

#[test]
fn each_row_says_what_it_took_and_what_it_did_not() {
    let snapshot = draft();
    let traits =
        r#"{"email":"lana","contact":{"email":"lana@x.io"},"birthday":null,"tags":["a",{},null]}"#;
    let located = RawEvent {
        location: Some(br#"{"city":[1],"country":"Chile"}"#),
        ..event(EventKind::Identify, traits, "{}")
    };
    let said = explain(&snapshot, None, &located);
    assert_eq!(
        short(&said.fields),
        [
            r#"1 "lana@x.io" traits.email:EMAIL_INVALID"#,
            "cleared",
            "-",
            r#"0 ["a"] traits.tags:LIST_INVALID traits.tags:LIST_INVALID"#,
        ]
    );
    assert_eq!(said.attributes, []);
    let beside: Vec<&str> = said.beside.iter().map(|line| line.path.as_str()).collect();
    assert_eq!(beside, ["location.city"]);
    assert!(matches!(
        said.outcome,
        Outcome::Mapped {
            traits: Traits::Values,
            ..
        }
    ));
}

#[test]
fn of_a_track_both_mappings_say_it() {
    let snapshot = draft();
    let track = event(EventKind::Track, r#"{"score":"x"}"#, r#"{"count":1.5}"#);
    let said = explain(&snapshot, None, &track);
    assert_eq!(
        short(&said.attributes),
        ["- properties.count:INTEGER_INVALID", r#"0 "1.5""#]
    );
    assert_eq!(short(&said.fields)[2], "- traits.score:INTEGER_INVALID");
    let nameless = RawEvent {
        event_name: "Logout",
        ..track
    };
    let said = explain(&snapshot, None, &nameless);
    assert_eq!(said.outcome, Outcome::NoMapping);
    // What the rows would take is said all the same.
    assert_eq!(short(&said.fields)[2], "- traits.score:INTEGER_INVALID");
    assert_eq!(said.attributes, vec![]);
}

#[test]
fn traits_that_are_no_object_are_said_beside_the_rows() {
    let snapshot = draft();
    let said = explain(&snapshot, None, &event(EventKind::Identify, "7", "{}"));
    assert_eq!(short(&said.fields), ["-", "-", "-", "-"]);
    assert_eq!(said.beside.len(), 1);
}

proptest! {
    /// What is told of the rows is what is stored and logged of such an event.
    #[test]
    fn what_is_explained_is_what_is_mapped(
        email in any_leaf(), other in any_leaf(), birthday in any_leaf(), tags in any_leaf(),
    ) {
        let snapshot = draft();
        let traits = format!(
            r#"{{"email":{email},"contact":{{"email":{other}}},"birthday":{birthday},"tags":[{tags}]}}"#
        );
        let identify = event(EventKind::Identify, &traits, "{}");
        let (fields, _, log) = map(&snapshot, &identify);
        let said = explain(&snapshot, None, &identify);
        let targets = ["str::email", "dtz::b", "int:cm:score", "sst:cm:tags"];
        let members: Vec<String> = targets
            .iter()
            .zip(&said.fields)
            .filter_map(|(target, row)| match &row.taken {
                TakenAs::Value { canonical, .. } => Some(format!("\"{target}\":{canonical}")),
                TakenAs::Cleared => Some(format!("\"{target}\":null")),
                TakenAs::Untouched => None,
            })
            .collect();
        let expected = match members.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", members.join(",")),
        };
        prop_assert_eq!(fields, expected);
        let lines: Vec<LogEntry> = said.fields.into_iter().flat_map(|row| row.ignored).collect();
        prop_assert_eq!(lines, log);
    }
}
