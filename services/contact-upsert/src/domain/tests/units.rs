//! Who gets the units (semantics 6.4).

use super::*;

#[test]
fn units_that_earlier_events_do_not_need_go_to_later_ones() {
    let mut tables = Tables::default();
    let known = || identify(0, ("u1", "-"), r#"{"str::first":"Lana"}"#);
    tables.all([known()]);
    let person = |id| unfunded(identify(1, (id, "-"), ""));
    let statuses = tables.run(
        &overwrite(),
        &[
            // A repeat, nothing new, and a remove that is kept.
            known(),
            identify(2, ("u1", "-"), r#"{"str::first":"Lana"}"#),
            find(3, ("u9", "-")),
            person("u2"),
            person("u3"),
            person("u4"),
            person("u5"),
        ],
    );
    let expected = [
        Status::Repeated,
        Status::NothingNew,
        Status::Kept,
        Status::Stored,
        Status::Stored,
        Status::Stored,
        Status::NotFunded,
    ];
    assert_eq!((&statuses[..], tables.units), (&expected[..], 4));
}

#[test]
fn without_a_unit_a_repeat_and_nothing_new_are_what_they_are() {
    let mut tables = Tables::default();
    let known = || identify(0, ("u1", "-"), r#"{"str::first":"Lana"}"#);
    tables.all([known()]);
    let statuses = tables.all([
        unfunded(known()),
        unfunded(identify(2, ("u1", "-"), r#"{"str::first":"Lana"}"#)),
        unfunded(identify(3, ("u1", "-"), r#"{"str::first":"Lena"}"#)),
        unfunded(find(4, ("u1", "-"))),
    ]);
    let refused = Status::NotFunded;
    assert_eq!(
        statuses,
        [Status::Repeated, Status::NothingNew, refused, refused]
    );
}
