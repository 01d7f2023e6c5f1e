//! Events without a timestamp: their first time counts (semantics 1.4, 5.4).

use super::*;

#[test]
fn a_late_repeat_does_not_undo_what_came_after_its_first_try() {
    let mut tables = Tables::default();
    let first = |second| undated(second, ("u1", "-"), r#"{"str::first":"A"}"#);
    tables.all([first(1), undated(2, ("u1", "-"), r#"{"str::first":"B"}"#)]);
    let again = tables.one(&overwrite(), first(3));
    assert_eq!(again.status, Status::Repeated);
    assert_eq!(again.first_micros, Some(SECOND));
    assert_eq!(tables.value(tables.user("u1"), "str::first").unwrap(), "B");
    assert_eq!(tables.units, 2);
}

#[test]
fn one_of_which_something_was_left_out_is_recognised_whatever_came_after() {
    let with = |fields, dated: bool| {
        let event = undated(3, ("u5", "n5"), fields);
        keyed(Event {
            undated: !dated,
            ..event
        })
    };
    for dated in [true, false] {
        for fields in [r#"{"str::first":"A"}"#, r#"{"str::email":"x@x.org"}"#] {
            let mut tables = Tables::default();
            tables.all([
                track(
                    0,
                    ("-", "n5"),
                    r#"{"str::email":"n5@x.org","str::last":"V"}"#,
                ),
                identify(1, ("u5", "-"), r#"{"str::email":"u5@x.org"}"#),
                identify(1, ("u6", "-"), r#"{"str::email":"x@x.org"}"#),
            ]);
            let event = || with(fields, dated);
            let status = tables.all([event()])[0];
            tables.all([identify(4, ("u5", "-"), r#"{"str::first":"B"}"#)]);
            let units = tables.units;
            let again = tables.all([Event {
                event_micros: if dated { 3 } else { 9 } * SECOND,
                ..event()
            }]);
            let same = match status {
                Status::Stored => Status::Repeated,
                status => status,
            };
            assert!(
                again == [same] || dated && again == [Status::NothingNew],
                "{fields} {dated} {status:?} {again:?}"
            );
            assert_eq!(tables.units, units);
            assert_ne!(
                tables.value(tables.user("u5"), "str::first").as_deref(),
                Some("A")
            );
        }
    }
}

#[test]
fn one_that_said_nothing_new_is_judged_anew_as_of_its_first_time() {
    let mut tables = Tables::default();
    let same = |second| undated(second, ("u1", "-"), r#"{"str::first":"A"}"#);
    let statuses = tables.all([
        identify(0, ("u1", "-"), r#"{"str::first":"A"}"#),
        same(1),
        undated(2, ("u1", "-"), r#"{"str::first":"B"}"#),
        same(3),
    ]);
    let nothing = Status::NothingNew;
    assert_eq!(statuses, [Status::Stored, nothing, Status::Stored, nothing]);
    assert_eq!(tables.value(tables.user("u1"), "str::first").unwrap(), "B");
    // Where it says something new by now, it does so at that time, once.
    let append = settings(MergeStrategy::Append);
    tables.all([identify(4, ("u1", "-"), r#"{"str::first":null}"#)]);
    let judged = tables.one(&append, same(5));
    assert_eq!(judged.status, Status::Stored);
    assert_eq!(judged.first_micros, Some(SECOND));
    assert_eq!(tables.one(&append, same(6)).status, Status::Repeated);
}

#[test]
fn one_that_had_no_unit_leaves_no_time() {
    let mut tables = Tables::default();
    let event = |second| undated(second, ("u1", "-"), r#"{"str::first":"A"}"#);
    let refused = tables.all([unfunded(event(1))]);
    assert_eq!(refused, [Status::NotFunded]);
    assert!(tables.receipts.is_empty());
    let stored = tables.one(&overwrite(), event(3));
    assert_eq!((stored.status, stored.first_micros), (Status::Stored, None));
}

#[test]
fn a_receipt_that_was_not_looked_for_is_met_and_recognised() {
    let mut tables = Tables::default();
    let event = || {
        identify(
            1,
            ("u1", "-"),
            r#"{"str::email":"e@x.org","str::first":"A"}"#,
        )
    };
    tables.all([
        identify(0, ("u1", "-"), r#"{"str::first":"O","str::last":"O"}"#),
        identify(0, ("u2", "-"), r#"{"str::email":"e@x.org"}"#),
    ]);
    // Stored under another strategy, which writes nothing of it but its receipt, ...
    let append = settings(MergeStrategy::Append);
    assert_eq!(
        tables.one(&append, track(1, ("u1", "-"), "{}")).status,
        Status::NotFound
    );
    let with_id = Event {
        anonymous_id: "a1".into(),
        ..event()
    };
    assert_eq!(tables.one(&append, with_id.clone()).status, Status::Stored);
    let units = tables.units;
    // ... which is met when it would leave another one.
    assert_eq!(tables.one(&overwrite(), with_id).status, Status::Repeated);
    assert_eq!(tables.units, units);
}
