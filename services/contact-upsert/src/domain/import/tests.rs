//! Rows as events (semantics 3.13).

use super::*;

const NOW: i64 = 1_752_127_200_000_000;

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn reader(names: &[&str], by: By) -> Reader {
    Reader::new(Header::read(&columns(names), by).unwrap(), NOW)
}

fn cells(reader: &Reader, cells: &[&str]) -> Result<Given, Reason> {
    reader.read(&Row::Cells(columns(cells)))
}

#[test]
fn cells_become_the_object_that_paths_lead_into() {
    let names = [
        "userId",
        "email",
        "address.city",
        "address[\"zip code\"]",
        "timestamp",
        "user_ids",
    ];
    let reader = reader(&names, By::Paths);
    let given = cells(
        &reader,
        &[
            " u 1 ",
            "l\"@x.org",
            "Perth",
            "",
            "2025-07-10T06:00:00Z",
            "x",
        ],
    );
    let given = given.unwrap();
    assert_eq!(given.user_id, "u 1");
    assert_eq!(given.micros, Some(NOW));
    assert_eq!(
        given.traits,
        r#"{"email":"l\"@x.org","address":{"city":"Perth"}}"#
    );
    let empty = cells(&reader, &["u", "", "", "", " ", ""]).unwrap();
    assert_eq!((empty.traits.as_str(), empty.micros), ("{}", None));
    for short in [&["u"][..], &["u", "", "", "", "", "", ""]] {
        assert_eq!(cells(&reader, short), Err(Reason::RowColumns));
    }
}

#[test]
fn columns_that_are_ids_of_fields_hold_lists_and_objects_as_json() {
    let names = ["str::first", "sst:cm:l", "obj:cm:o", "anonymous_id"];
    let reader = reader(&names, By::Fields);
    let given = cells(&reader, &["[1]", r#" ["a"]"#, "{\"a\":1}", "a1"]).unwrap();
    assert_eq!(
        given.traits,
        r#"{"str::first":"[1]","sst:cm:l":["a"],"obj:cm:o":{"a":1}}"#
    );
    let given = cells(&reader, &["", "[a]", "{", ""]).unwrap();
    assert_eq!(given.traits, r#"{"sst:cm:l":"[a]","obj:cm:o":"{"}"#);
    assert_eq!(
        Header::fields(&columns(&names)),
        ["str::first", "sst:cm:l", "obj:cm:o"]
    );
}

#[test]
fn all_columns_that_are_none_are_named() {
    let faults = |names: &[&str], by| -> Vec<usize> {
        let faults = Header::read(&columns(names), by).unwrap_err();
        faults.into_iter().map(|(at, _)| at).collect()
    };
    assert_eq!(
        faults(&["email", "", "a[0]", "email", "b..c"], By::Paths),
        [1, 2, 3, 4]
    );
    assert_eq!(faults(&["a", "a.b", "c.d", "c"], By::Paths), [1, 3]);
    assert_eq!(faults(&["user_id", "userId"], By::Paths), [1]);
    assert_eq!(
        faults(&["email", "str::email", "first"], By::Fields),
        [0, 2]
    );
    assert_eq!(faults(&vec!["x"; MAX_ID * 4], By::Paths), [1_000]);
}

#[test]
fn json_rows_are_read_like_events_or_as_plain_objects() {
    let reader = reader(&[], By::Paths);
    let json = |text: &str| reader.read(&Row::Json(text.to_owned()));
    let given =
        json(r#"{"userId":7,"anonymousId":[],"traits":{"a":null},"timestamp":"2025-07-10"}"#);
    let given = given.unwrap();
    assert_eq!(
        (given.user_id.as_ref(), given.traits.as_str()),
        ("7", r#"{"a":null}"#)
    );
    assert!(given.anonymous_is_unusable && given.micros.is_some());
    let flat = json(r#" {"user_id":"u","email":"l@x.org"} "#).unwrap();
    assert_eq!(flat.traits, r#"{"user_id":"u","email":"l@x.org"}"#);
    assert!(!flat.anonymous_is_unusable);
    assert_eq!(
        json(r#"{"user_id":null,"traits":[]}"#).unwrap().traits,
        "{}"
    );
    for (text, reason) in [
        ("[]", Reason::NotAnObject),
        ("{", Reason::InvalidJson),
        (r#"{"user_id":{}}"#, Reason::UserIdUnusable),
        (r#"{"user_id":"a\u200bb"}"#, Reason::UserIdUnusable),
        (r#"{"traits":"x"}"#, Reason::TraitsNotAnObject),
        (r#"{"timestamp":[]}"#, Reason::TimestampUnreadable),
        (r#"{"timestamp":"soon"}"#, Reason::TimestampUnreadable),
        (
            r#"{"timestamp":"2025-07-12T06:00:00Z"}"#,
            Reason::TimestampInFuture,
        ),
    ] {
        assert_eq!(json(text), Err(reason), "{text}");
    }
}

#[test]
fn members_that_lead_to_no_field_are_found() {
    let unknown = ["str::emial".to_owned()].into();
    let strangers = |json| {
        let strangers = Header::strangers(json, &unknown);
        let names = strangers.into_iter().map(|(name, _)| name.into_owned());
        names.collect::<Vec<_>>()
    };
    for (json, named) in [
        (
            r#"{"user_id":"u","timestamp":null,"str::email":"a"}"#,
            &[][..],
        ),
        (
            r#"{"userId":"u","create_time":"x","refused_code":"X"}"#,
            &[],
        ),
        (
            r#"{"user_id":"u","first":1,"str::emial":"a"}"#,
            &["first", "str::emial"],
        ),
        (r#"{"a\u0062":1}"#, &["ab"]),
        // Beside traits nothing is looked at, and ids are none of them.
        (
            r#"{"str::first":"A","traits":{"str::last":"B","user_id":1}}"#,
            &["str::first", "user_id"],
        ),
        (r#"{"traits":null,"str::first":"A"}"#, &["str::first"]),
        ("[1]", &[]),
    ] {
        assert_eq!(strangers(json), named, "{json}");
    }
}

#[test]
fn blank_ids_are_absent_and_unusable_ones_are_not() {
    for blank in ["", " ", "\u{feff}"] {
        assert_eq!(id(blank), Some(ByteString::new()), "{blank:?}");
    }
    assert_eq!(id("\u{feff}u 1\u{200b}").unwrap(), "u 1");
    assert_eq!(id(&"é".repeat(255)).map(|id| id.len()), Some(510));
    for unusable in ["a\u{200b}b", "a\0", &"x".repeat(256)] {
        assert_eq!(id(unusable), None, "{unusable:?}");
    }
}

#[test]
fn a_row_has_one_message_and_later_rows_later_ones() {
    let import = Uuid::from_u128(7);
    let (two, ten) = (message_id(import, 2), message_id(import, 10));
    assert!(two < ten);
    assert_eq!(message_id(import, 2), two);
    assert!(message_id(import, 1_000_000_000_000 - 1) > ten);
}
