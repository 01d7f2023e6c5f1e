//! Who makes a contact, and removes for people who are not known (semantics 2.6, 4.7).

use super::*;

#[test]
fn a_remove_for_somebody_unknown_makes_no_contact_and_costs_nothing() {
    let existing_only = Settings {
        existing_only: true,
        ..overwrite()
    };
    for event in [
        removing(identify(1, ("u9", "a9"), "")),
        removing(identify(1, ("u9", "-"), r#"{"str::first":null}"#)),
        removing(undated(1, ("u9", "-"), "")),
        removing(track(1, ("u9", "a9"), "{}")),
        find(1, ("u9", "a9")),
        find(1, ("-", "a9")),
    ] {
        let mut tables = Tables::default();
        let event = unfunded(event);
        let judged = tables.one(&existing_only, event.clone());
        assert_eq!((judged.status, judged.contact), (Status::Kept, None));
        let again = tables.one(&existing_only, event.clone());
        assert_eq!((again.status, again.contact), (Status::Repeated, None));
        assert!(tables.contacts.is_empty());
        assert_eq!((tables.kept.len(), tables.units), (1, 0));

        // Also when the person is known by then.
        let ids = (&*event.user_id, &*event.anonymous_id);
        let known = identify(2, (if ids.0.is_empty() { "-" } else { ids.0 }, ids.1), "");
        tables.all([known]);
        let funded = Event {
            funded: true,
            ..event
        };
        let again = tables.one(&overwrite(), funded);
        assert_eq!((again.status, again.contact), (Status::Repeated, None));
        assert_eq!(tables.units, 1);
    }
}

#[test]
fn a_remove_is_handed_over_with_its_own_time_when_its_identifier_gets_linked() {
    let told = |tables: &Tables| -> Vec<(ContactId, i64)> {
        let told = tables.handed_over.iter();
        told.map(|(contact, _, (micros, _))| (*contact, *micros))
            .collect()
    };
    let mut tables = Tables::default();
    tables.all([find(5, ("u9", "a9")), find(3, ("u9", "a9"))]);
    // It stands under the user id alone.
    tables.all([identify(6, ("-", "a9"), "")]);
    assert!(told(&tables).is_empty());
    tables.all([identify(7, ("u9", "-"), "")]);
    let latest = (tables.user("u9").unwrap(), 5 * SECOND);
    assert_eq!(told(&tables), [latest]);
    assert!(tables.kept.is_empty());
    // From now on the person is known.
    assert_eq!(tables.all([find(8, ("u9", "-"))]), [Status::Stored]);

    let mut at_once = Tables::default();
    let batch = [find(5, ("u9", "-")), identify(7, ("u9", "a9"), "")];
    let statuses = at_once.run(&overwrite(), &batch);
    assert_eq!(statuses, [Status::Kept, Status::Stored]);
    let latest = (at_once.user("u9").unwrap(), 5 * SECOND);
    assert_eq!(told(&at_once), [latest]);
    assert_eq!((at_once.kept.len(), at_once.units), (0, 1));
}

#[test]
fn a_remove_of_a_known_visitor_with_an_unknown_user_id_is_that_visitors() {
    let mut tables = Tables::default();
    tables.all([identify(0, ("-", "a1"), "")]);
    let judged = tables.one(&overwrite(), find(1, ("u9", "a1")));
    assert_eq!(
        (judged.status, judged.contact),
        (Status::Stored, tables.visitor("a1"))
    );
    assert_eq!((tables.user("u9"), tables.units), (None, 2));
    // A shared browser is no reason to remove its owner.
    tables.all([identify(2, ("u1", "a1"), "")]);
    let judged = tables.one(&overwrite(), find(3, ("u9", "a1")));
    assert_eq!((judged.status, judged.contact), (Status::Kept, None));
}

#[test]
fn a_null_makes_no_contact_of_a_track_and_prevents_none_of_an_identify() {
    let null = r#"{"str::first":null}"#;
    for strategy in [MergeStrategy::Overwrite, MergeStrategy::Append] {
        let mut tables = Tables::default();
        let settings = settings(strategy);
        let judged = tables.one(&settings, track(0, ("u1", "-"), null));
        assert_eq!(
            (judged.status, tables.contacts.len()),
            (Status::NotFound, 0)
        );
        let judged = tables.one(&settings, identify(1, ("u1", "-"), null));
        assert_eq!((judged.status, tables.units), (Status::Stored, 1));
        // Where there is a contact it counts, if it does anything.
        let judged = tables.one(&settings, track(2, ("u1", "-"), null));
        let expected = match strategy {
            MergeStrategy::Overwrite => Status::Stored,
            _ => Status::NotFound,
        };
        assert_eq!(judged.status, expected);
    }
}

fn ignored(event: Event) -> Event {
    keyed(Event {
        never_creates: true,
        ..event
    })
}

#[test]
fn an_identify_whose_traits_were_all_ignored_makes_no_contact() {
    let existing_only = Settings {
        existing_only: true,
        ..overwrite()
    };
    let null = r#"{"str::first":null}"#;
    for settings in [overwrite(), existing_only] {
        for event in [
            identify(1, ("u1", "a1"), null),
            identify(1, ("-", "a1"), ""),
            undated(1, ("u1", "-"), null),
        ] {
            let mut tables = Tables::default();
            let judged = tables.one(&settings, ignored(event.clone()));
            assert_eq!((judged.status, judged.contact), (Status::NotFound, None));
            assert_eq!(tables, Tables::default());
            // It left no trace: the same without the flag is no repeat.
            let status = tables.one(&overwrite(), event).status;
            assert_eq!(status, Status::Stored);
        }
    }
}

#[test]
fn an_identify_whose_traits_were_all_ignored_is_as_any_other_of_somebody_known() {
    let mut tables = Tables::default();
    tables.all([identify(0, ("u1", "-"), r#"{"str::first":"Lana"}"#)]);
    let linking = ignored(identify(1, ("u1", "a1"), r#"{"str::first":null}"#));
    assert_eq!(tables.all([linking.clone()]), [Status::Stored]);
    assert_eq!(tables.visitor("a1"), tables.user("u1"));
    assert_eq!(tables.value(tables.user("u1"), "str::first"), None);
    let again = ignored(identify(2, ("u1", "a1"), ""));
    assert_eq!(
        tables.all([linking, again]),
        [Status::Repeated, Status::NothingNew]
    );
    assert_eq!(tables.units, 2);
    // Within a batch as well, and only behind the event that makes the person known.
    let batch = [
        ignored(identify(3, ("u2", "a2"), "")),
        identify(4, ("u2", "-"), ""),
        ignored(identify(5, ("u2", "a2"), "")),
    ];
    let statuses = tables.run(&overwrite(), &batch);
    assert_eq!(statuses, [Status::NotFound, Status::Stored, Status::Stored]);
}

#[test]
fn a_membership_update_of_an_identify_whose_traits_were_all_ignored_counts() {
    let mut tables = Tables::default();
    let removing = ignored(removing(identify(1, ("u1", "-"), "")));
    assert_eq!(tables.all([removing]), [Status::Kept]);
    assert!(tables.contacts.is_empty());
    let adding = Event {
        update: Some(MembershipUpdate {
            mode: MembershipMode::Add,
            audience: AUDIENCE,
        }),
        ..identify(2, ("u1", "-"), "")
    };
    assert_eq!(tables.all([ignored(adding)]), [Status::Stored]);
    assert!(tables.user("u1").is_some());
}

#[test]
fn an_add_makes_a_contact_without_traits() {
    let mut tables = Tables::default();
    let add = MembershipUpdate {
        mode: MembershipMode::Add,
        audience: AUDIENCE,
    };
    let event = Event {
        update: Some(add),
        ..track(0, ("u1", "-"), "")
    };
    assert_eq!(
        tables.one(&overwrite(), keyed(event)).status,
        Status::Stored
    );
}
