//! The same message with other content is no repeat (semantics 1.4), although it leaves the
//! same trace.

use super::*;

fn said(fields: &str) -> Event {
    identify(3, ("u1", "-"), fields)
}

#[test]
fn other_content_of_a_message_that_changes_nothing_says_nothing_new() {
    for (first, second) in [
        (r#"{"str::first":"1"}"#, r#"{"str::first":"0"}"#),
        (r#"{"str::first":"1"}"#, r#"{"str::first":null}"#),
        (
            r#"{"str::first":"1","str::last":"X"}"#,
            r#"{"str::first":"0","str::last":"X"}"#,
        ),
        (r#"{"str::email":"b@x.org"}"#, r#"{"str::email":"a@x.org"}"#),
        (
            r#"{"str::first":"1","str::email":"b@x.org"}"#,
            r#"{"str::first":"1","str::email":"a@x.org"}"#,
        ),
    ] {
        let mut tables = Tables::default();
        let statuses = tables.all([said(first), said(second), said(first), said(second)]);
        let expected = [
            Status::Stored,
            Status::NothingNew,
            Status::Repeated,
            Status::NothingNew,
        ];
        assert_eq!(statuses, expected, "{first} {second}");
        assert_eq!(tables.units, 1);
    }
}

#[test]
fn what_was_outdone_in_part_when_it_was_stored_is_a_repeat_when_it_comes_again() {
    for (first, second) in [
        (
            r#"{"str::first":"1"}"#,
            r#"{"str::first":"0","str::last":"X"}"#,
        ),
        (
            r#"{"str::email":"b@x.org"}"#,
            r#"{"str::email":"a@x.org","str::first":"A"}"#,
        ),
    ] {
        let mut tables = Tables::default();
        let statuses = tables.all([said(first), said(second), said(second), said(first)]);
        let expected = [
            Status::Stored,
            Status::Stored,
            Status::Repeated,
            Status::Repeated,
        ];
        assert_eq!(statuses, expected, "{first} {second}");
        assert_eq!(tables.units, 2);
        // Whatever came in between.
        let newer = identify(4, ("u1", "-"), r#"{"str::first":"N","str::last":"N"}"#);
        assert_eq!(
            tables.all([newer, said(second)]),
            [Status::Stored, Status::Repeated]
        );
    }
}

#[test]
fn a_repeat_needs_no_look_up_of_its_receipt() {
    let settings = overwrite();
    let (first, second) = (
        r#"{"str::first":"1","str::last":"X"}"#,
        r#"{"str::first":"0"}"#,
    );
    let mut tables = Tables::default();
    tables.all([said(first)]);
    assert!(!tables.looks_up_receipts(&settings, &[said(first)]));
    let newer = identify(4, ("u1", "-"), r#"{"str::first":"N"}"#);
    assert!(!tables.looks_up_receipts(&settings, std::slice::from_ref(&newer)));
    assert!(tables.looks_up_receipts(&settings, &[said(second)]));
    tables.all([newer]);
    assert!(!tables.looks_up_receipts(&settings, &[said(first)]));
}
