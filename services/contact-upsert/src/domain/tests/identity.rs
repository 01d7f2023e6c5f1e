//! Who is it (semantics 3.2-3.7).

use weir_reasons::Reason;

use super::*;

#[test]
fn a_visitor_of_whom_something_is_known_becomes_the_person_who_signs_in() {
    let mut tables = Tables::default();
    tables.all([
        track(0, ("-", "a1"), r#"{"int::score":"7","str::first":"Lana"}"#),
        identify(1, ("u1", "-"), r#"{"str::last":"Romeijn"}"#),
        identify(2, ("u1", "a1"), r#"{"str::language":"nl"}"#),
    ]);
    assert_eq!(tables.user("u1"), tables.visitor("a1"));
    let first = tables.value(tables.user("u1"), "str::first");
    assert_eq!(first.as_deref(), Some("Lana"));
    let last = tables.value(tables.user("u1"), "str::last");
    assert_eq!(last.as_deref(), Some("Romeijn"));
}

#[test]
fn a_visitor_with_another_address_than_the_person_or_the_event_stays_another() {
    let visitor = || track(0, ("-", "a1"), r#"{"str::email":"v@x.org"}"#);
    let person = r#"{"str::email":"p@x.org"}"#;
    for (known, event) in [(person, ""), ("", person), (person, person)] {
        let mut tables = Tables::default();
        let statuses = tables.all([
            visitor(),
            identify(1, ("u1", "-"), known),
            identify(2, ("u1", "a1"), event),
        ]);
        assert_ne!(tables.user("u1"), tables.visitor("a1"), "{statuses:?}");
    }
    // Nor does it become somebody who was unknown so far.
    let mut tables = Tables::default();
    tables.all([visitor(), identify(1, ("u1", "a1"), person)]);
    assert_ne!(tables.user("u1"), tables.visitor("a1"));
    assert!(tables.user("u1").is_some());
}

#[test]
fn the_second_unique_identifier_contradicts_under_next_if_empty_as_well() {
    let next = Settings {
        key_strategy: KeyStrategy::NextIfEmpty,
        ..overwrite()
    };
    let mut tables = Tables::default();
    for event in [
        track(0, ("-", "a1"), r#"{"phn::phone":"+61400000001"}"#),
        identify(
            1,
            ("u1", "-"),
            r#"{"phn::phone":"+61400000002","str::email":"p@x.org"}"#,
        ),
        identify(2, ("u1", "a1"), r#"{"str::first":"Lana"}"#),
    ] {
        tables.one(&next, event);
    }
    assert_ne!(tables.user("u1"), tables.visitor("a1"));
}

#[test]
fn others_are_compared_with_the_contact_as_it_is_after_those_before_them() {
    let mut tables = Tables::default();
    tables.all([
        identify(0, ("u1", "-"), ""),
        identify(
            1,
            ("-", "a2"),
            r#"{"phn::phone":"+61400000002","str::email":"e@x.org"}"#,
        ),
        track(2, ("-", "a3"), r#"{"phn::phone":"+61400000003"}"#),
        identify(3, ("u1", "a3"), r#"{"str::email":"e@x.org"}"#),
    ]);
    // The one with the address brought a phone number, which the visitor contradicts.
    assert_eq!(tables.visitor("a2"), tables.user("u1"));
    assert_ne!(tables.visitor("a3"), tables.user("u1"));
}

type Kind = fn(i64, (&str, &str), &str) -> Event;

#[test]
fn an_address_that_a_newer_one_overtook_says_nothing_of_its_holder() {
    let holder = || identify(0, ("-", "a1"), r#"{"str::email":"old@x.org"}"#);
    let event = |kind: Kind| {
        kind(
            5,
            ("u1", "-"),
            r#"{"str::email":"old@x.org","str::first":"Lana"}"#,
        )
    };
    for newer in [r#"{"str::email":"new@x.org"}"#, r#"{"str::email":null}"#] {
        for (strategy, kind) in [
            (MergeStrategy::Overwrite, identify as Kind),
            (MergeStrategy::Overwrite, track),
            (MergeStrategy::Append, identify),
            (MergeStrategy::Ignore, track),
        ] {
            let mut tables = Tables::default();
            tables.all([
                identify(1, ("u1", "-"), r#"{"str::email":"was@x.org"}"#),
                holder(),
                identify(10, ("u1", "-"), newer),
            ]);
            let judged = tables.one(&settings(strategy), event(kind));
            assert_ne!(tables.user("u1"), tables.visitor("a1"), "{strategy:?}");
            assert_eq!(
                judged.ignored,
                [(
                    "str::email".to_owned(),
                    Reason::Stale,
                    "\"old@x.org\"".to_owned()
                )]
            );
        }
    }
}

#[test]
fn whoever_holds_an_address_is_found_by_it_however_old_the_event() {
    let mut tables = Tables::default();
    tables.all([
        identify(10, ("u1", "-"), r#"{"str::email":"e@x.org"}"#),
        identify(2, ("-", "a2"), r#"{"str::email":"E@x.org"}"#),
    ]);
    assert_eq!(tables.visitor("a2"), tables.user("u1"));
}

#[test]
fn an_address_of_somebody_else_with_a_user_id_is_reported_with_its_value() {
    let mut tables = Tables::default();
    tables.all([
        identify(0, ("u1", "-"), r#"{"str::email":"e@x.org"}"#),
        identify(1, ("u2", "-"), ""),
    ]);
    for strategy in [MergeStrategy::Overwrite, MergeStrategy::Append] {
        let event = track(2, ("u2", "-"), r#"{"str::email":"E@x.org"}"#);
        let judged = tables.clone().one(&settings(strategy), event);
        let taken = (
            "str::email".to_owned(),
            Reason::IdentifierTaken,
            "\"E@x.org\"".to_owned(),
        );
        assert_eq!(
            (judged.status, judged.ignored),
            (Status::Stored, vec![taken])
        );
    }
}

#[test]
fn what_overtook_an_ordinary_field_is_not_reported() {
    let mut tables = Tables::default();
    tables.all([identify(10, ("u1", "-"), r#"{"str::first":"Lana"}"#)]);
    let late = identify(5, ("u1", "a1"), r#"{"str::first":"Lena"}"#);
    let judged = tables.one(&overwrite(), late);
    assert_eq!((judged.status, judged.ignored), (Status::Stored, vec![]));
}

#[test]
fn the_older_contact_stays_and_the_newer_word_counts() {
    let mut tables = Tables::default();
    tables.all([
        track(5, ("-", "a1"), r#"{"str::first":"New","str::last":"Old"}"#),
        identify(3, ("u1", "-"), r#"{"str::first":"Old"}"#),
        identify(7, ("u1", "-"), r#"{"str::last":"New"}"#),
    ]);
    let older = tables.visitor("a1");
    tables.all([identify(8, ("u1", "a1"), "")]);
    assert_eq!(tables.user("u1"), older);
    for field in ["str::first", "str::last"] {
        assert_eq!(tables.value(older, field).as_deref(), Some("New"));
    }
}

#[test]
fn under_append_and_ignore_a_merge_fills_what_is_empty_and_no_more() {
    for strategy in [MergeStrategy::Append, MergeStrategy::Ignore] {
        let mut tables = Tables::default();
        tables.all([
            // The other one is older, and what it knows is newer.
            track(
                50,
                ("-", "a1"),
                r#"{"str::first":"Theirs","str::language":"nl","str::last":"Theirs"}"#,
            ),
            identify(
                1,
                ("u1", "-"),
                r#"{"str::first":"Own","str::language":"en"}"#,
            ),
            identify(60, ("u1", "-"), r#"{"str::language":null}"#),
        ]);
        let older = tables.visitor("a1");
        tables.one(&settings(strategy), identify(61, ("u1", "a1"), ""));
        assert_eq!(tables.user("u1"), older, "{strategy:?}");
        let value = |field| tables.value(older, field);
        assert_eq!(value("str::first").as_deref(), Some("Own"));
        assert_eq!(value("str::last").as_deref(), Some("Theirs"));
        // What was cleared is empty.
        assert_eq!(value("str::language").as_deref(), Some("nl"));
    }
}

#[test]
fn append_writes_what_was_cleared() {
    let mut tables = Tables::default();
    tables.all([
        identify(0, ("u1", "-"), r#"{"str::first":"Lana"}"#),
        identify(9, ("u1", "-"), r#"{"str::first":null}"#),
    ]);
    let append = settings(MergeStrategy::Append);
    let judged = tables.one(
        &append,
        identify(5, ("u1", "-"), r#"{"str::first":"Lena"}"#),
    );
    assert_eq!(judged.status, Status::Stored);
    let value = tables.value(tables.user("u1"), "str::first");
    assert_eq!(value.as_deref(), Some("Lena"));
}

#[test]
fn addresses_in_any_field_of_their_type_are_compared_without_ascii_case_and_ids_with_it() {
    let own = Settings {
        unique_identifiers: vec!["str:cm:work".into(), "str::ei".into()],
        caseless_identifiers: vec!["str:cm:work".into()],
        ..overwrite()
    };
    let mut tables = Tables::default();
    for (anonymous, fields) in [
        ("a1", r#"{"str:cm:work":"Lana@Example.org"}"#),
        ("a2", r#"{"str:cm:work":"lana@example.org"}"#),
        ("a3", "{\"str:cm:work\":\"\u{212a}ate@x.org\"}"),
        ("a4", r#"{"str:cm:work":"kate@x.org"}"#),
        ("a5", r#"{"str::ei":"AbC"}"#),
        ("a6", r#"{"str::ei":"abc"}"#),
    ] {
        tables.one(&own, identify(0, ("-", anonymous), fields));
    }
    tables.one(&own, identify(1, ("U1", "-"), ""));
    let visitor = |id| tables.visitor(id);
    assert_eq!(visitor("a1"), visitor("a2"));
    assert_ne!(visitor("a3"), visitor("a4"));
    assert_ne!(visitor("a5"), visitor("a6"));
    assert_eq!(tables.user("u1"), None);
}

#[test]
fn an_identify_that_did_nothing_but_merge_is_recognised_when_it_comes_again() {
    let mut tables = Tables::default();
    let merges = || identify(9, ("u1", "a1"), "");
    tables.all([
        track(0, ("-", "a1"), r#"{"str::first":"Lana"}"#),
        identify(1, ("u1", "-"), ""),
    ]);
    assert_eq!(
        tables.all([merges(), merges()]),
        [Status::Stored, Status::Repeated]
    );
    assert_eq!(tables.units, 3);
}

/// Semantics 3.1a.
#[test]
fn a_person_with_a_user_id_is_kept_apart_from_another_whoever_comes_first() {
    let apart = Settings {
        keep_user_ids_apart: true,
        ..overwrite()
    };
    let email = r#"{"str::email":"e@x.org"}"#;
    for merge_strategy in [
        MergeStrategy::Overwrite,
        MergeStrategy::Append,
        MergeStrategy::Ignore,
    ] {
        let apart = Settings {
            merge_strategy,
            ..apart.clone()
        };
        for (first, second) in [("u1", "u2"), ("u2", "u1")] {
            let mut tables = Tables::default();
            tables.one(&apart, identify(0, (first, "-"), email));
            let judged = tables.one(&apart, identify(1, (second, "-"), email));
            assert_ne!(tables.user(first), tables.user(second));
            let taken = (
                "str::email".to_owned(),
                Reason::IdentifierTaken,
                "\"e@x.org\"".to_owned(),
            );
            assert_eq!(
                (judged.status, judged.ignored),
                (Status::Stored, vec![taken])
            );
            assert_eq!(tables.of("str::email", "e@x.org"), tables.user(first));
            // By default the address decides.
            let mut tables = Tables::default();
            tables.all([
                identify(0, (first, "-"), email),
                identify(1, (second, "-"), email),
            ]);
            assert_eq!(tables.user(first), tables.user(second));
        }
    }
}

/// Semantics 3.1a.
#[test]
fn an_event_without_a_user_id_and_a_contact_without_one_match_by_address_as_ever() {
    let apart = Settings {
        keep_user_ids_apart: true,
        ..overwrite()
    };
    let email = r#"{"str::email":"e@x.org"}"#;
    let mut tables = Tables::default();
    for event in [
        identify(0, ("-", "a1"), email),
        identify(1, ("u1", "-"), email),
        identify(2, ("-", "a2"), email),
    ] {
        tables.one(&apart, event);
    }
    assert_eq!(tables.visitor("a1"), tables.user("u1"));
    assert_eq!(tables.visitor("a2"), tables.user("u1"));
}
