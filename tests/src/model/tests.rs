//! The model by examples of the rules.

use super::*;

const RULES: Rules = Rules {
    strategy: Strategy::Overwrite,
    next_if_empty: false,
    keep_user_ids_apart: false,
};

/// Ids are absent where they are empty.
fn identify(second: i64, (user, visitor): (&str, &str), traits: &[(&'static str, &str)]) -> Event {
    let id = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    let said = |value: &&str| match *value {
        "" => Said::Null,
        value => Said::Value(value.to_owned()),
    };
    Event {
        track: None,
        user: id(user),
        visitor: id(visitor),
        second,
        message: format!("m{second}"),
        traits: traits
            .iter()
            .map(|(field, value)| (*field, said(value)))
            .collect(),
    }
}

fn track(second: i64, ids: (&str, &str)) -> Event {
    Event {
        track: Some(true),
        ..identify(second, ids, &[])
    }
}

fn fields(contact: &Seen) -> Vec<(&str, &str)> {
    let fields = contact.fields.iter();
    fields
        .map(|(field, (value, _))| (&**field, &**value))
        .collect()
}

/// Semantics 3.5, 3.6.
#[test]
fn a_visitor_becomes_the_person_who_signs_in_unless_a_key_says_otherwise() {
    let mut model = Model::new(RULES);
    let first = [("str::first", "A")];
    let events = [
        identify(1, ("", "a1"), &first),
        identify(2, ("u1", ""), &[("str::email", "x@x.org")]),
        identify(3, ("u1", "a1"), &[]),
        identify(4, ("", "a2"), &[("str::email", "y@x.org")]),
        identify(5, ("u1", "a2"), &[]),
        identify(6, ("u1", "a2"), &[]),
    ];
    // What contradicts stays what it is, and says nothing new.
    assert_eq!(model.take(&events), [200, 200, 200, 200, 422, 422]);
    let sight = model.sight();
    assert_eq!(sight.contacts.len(), 2);
    let merged = [("str::email", "x@x.org"), ("str::first", "A")];
    assert_eq!(fields(&sight.contacts[0]), merged);
    assert_eq!((sight.contacts[0].merged, model.units), (1, (4, 0)));
}

/// Semantics 4.9.
#[test]
fn of_what_waited_for_two_who_are_one_fifty_of_a_day_are_attached() {
    let mut model = Model::new(RULES);
    for ids in [("u1", ""), ("", "a1")] {
        let waiting: Vec<Event> = (0..30).map(|at| track(at, ids)).collect();
        model.take(&waiting);
    }
    assert_eq!(model.sight().waiting, 60);
    let named = [("str::first", "A")];
    model.take(&[identify(90, ("u1", ""), &named)]);
    model.take(&[identify(91, ("u1", "a1"), &named)]);
    let sight = model.sight();
    assert_eq!((sight.contacts[0].deeds.len(), sight.waiting), (50, 0));
}

/// Semantics 3.10.
#[test]
fn a_split_gives_back_what_was_and_keeps_the_two_apart() {
    let mut model = Model::new(RULES);
    let phone = [("phn::phone", "+61412345678")];
    model.take(&[
        identify(1, ("u1", ""), &[("str::first", "A"), ("str::last", "X")]),
        identify(2, ("", "a1"), &[("str::first", "B"), phone[0]]),
    ]);
    let before = model.sight();
    assert_eq!(model.merge_by_hand((0, 1), false), Ok(()));
    assert_eq!(model.split(0), Ok(vec![]));
    assert_eq!(model.sight(), before);
    assert_eq!(model.take(&[identify(3, ("u1", "a1"), &phone)]), [422]);
    model.merge_by_hand((0, 1), false).unwrap();
    // The survivor says it itself, so that it is its own from now on.
    assert_eq!(model.take(&[identify(4, ("u1", ""), &phone)]), [422]);
    assert_eq!(
        model.take(&[identify(5, ("u1", ""), &[("str::last", "")])]),
        [200]
    );
    assert_eq!(model.split(0), Ok(vec![(false, "phn::phone")]));
    let sight = model.sight();
    assert_eq!(fields(&sight.contacts[0]), [phone[0], ("str::first", "A")]);
    assert_eq!(fields(&sight.contacts[1]), [("str::first", "B")]);
}

/// Semantics 3.9.
#[test]
fn who_was_deleted_comes_back_by_later_events_alone() {
    let mut model = Model::new(RULES);
    let named = [("str::first", "A")];
    model.take(&[identify(1, ("u1", "a1"), &named), track(2, ("u1", ""))]);
    model.delete(0, 10);
    let late = [
        identify(10, ("u1", ""), &named),
        identify(9, ("", "a1"), &named),
    ];
    assert_eq!(model.take(&late), [422; 2]);
    assert_eq!(model.take(&[track(2, ("u1", ""))]), [422]);
    assert_eq!(model.sight(), Sight::default());
    let later = [
        identify(11, ("u1", ""), &named),
        identify(9, ("u1", ""), &named),
    ];
    assert_eq!(model.take(&later), [200, 422]);
    assert_eq!(model.sight().contacts.len(), 1);
}
