//! Events that were stored are taken anew, as another mapping reads them (semantics 7.5a).

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::{
    Care, Facts, Snapshot, Source, Stamp, StoredContact, StoredLink, fold, properties,
};

mod transition;

/// The event as it is read now: the same event, and no unit comes along.
fn corrected(event: &Event, fields: &str) -> Event {
    Event {
        fields_json: fields.into(),
        no_values: !fields.contains(":\""),
        correction: true,
        funded: false,
        ..event.clone()
    }
}

pub(super) fn correct(
    tables: &mut Tables,
    settings: &Settings,
    event: &Event,
    fields: &str,
) -> Status {
    let units = tables.units;
    let status = tables.one(settings, corrected(event, fields)).status;
    assert_eq!(tables.units, units);
    let once = tables.clone();
    assert_eq!(
        tables.one(settings, corrected(event, fields)).status,
        status
    );
    assert_eq!(*tables, once, "twice is once");
    status
}

const BIRTHDAY: &str = r#"{"dtz::b":"1980-07-28"}"#;

#[test]
fn a_field_that_was_left_unset_is_set_and_one_that_was_set_is_replaced() {
    let mut tables = Tables::default();
    let settings = overwrite();
    let event = identify(3, ("u1", "-"), r#"{"str::first":"Z"}"#);
    tables.one(&settings, event.clone());
    let fields = r#"{"str::first":"A","dtz::b":"1980-07-28"}"#;
    assert_eq!(
        correct(&mut tables, &settings, &event, fields),
        Status::Repeated
    );
    let lana = tables.user("u1");
    assert_eq!(tables.value(lana, "str::first").as_deref(), Some("A"));
    assert_eq!(tables.value(lana, "dtz::b").as_deref(), Some("1980-07-28"));
    // What the present mapping does not give stays.
    correct(&mut tables, &settings, &event, BIRTHDAY);
    assert_eq!(tables.value(lana, "str::first").as_deref(), Some("A"));
    // The event itself is a repeat still.
    let retried = Event {
        fields_json: fields.into(),
        ..event
    };
    assert_eq!(tables.one(&settings, retried).status, Status::Repeated);
}

#[test]
fn what_a_newer_event_set_or_cleared_stands() {
    for newer in [r#"{"dtz::b":"1990-01-01"}"#, r#"{"dtz::b":null}"#] {
        let mut tables = Tables::default();
        let settings = overwrite();
        let event = identify(3, ("u1", "-"), r#"{"str::first":"A"}"#);
        tables.all([event.clone(), identify(4, ("u1", "-"), newer)]);
        let before = tables.clone();
        correct(&mut tables, &settings, &event, BIRTHDAY);
        assert_eq!(tables, before);
        // An older word gives way, be it a clearing.
        let mut tables = Tables::default();
        tables.all([identify(2, ("u1", "-"), newer), event.clone()]);
        correct(&mut tables, &settings, &event, BIRTHDAY);
        let birthday = tables.value(tables.user("u1"), "dtz::b");
        assert_eq!(birthday.as_deref(), Some("1980-07-28"));
    }
}

#[test]
fn it_goes_to_the_contact_that_the_event_went_to_and_follows_redirects() {
    let mut tables = Tables::default();
    let settings = overwrite();
    // Found by the address, which belongs to somebody else since.
    let fields = r#"{"str::email":"a@x.org","str::first":"A"}"#;
    let event = identify(3, ("-", "a1"), fields);
    tables.all([
        identify(1, ("u1", "-"), r#"{"str::email":"a@x.org"}"#),
        identify(2, ("u2", "a1"), "{}"),
        event.clone(),
        identify(4, ("u1", "-"), r#"{"str::email":"b@x.org"}"#),
        identify(5, ("u2", "-"), r#"{"str::email":"a@x.org"}"#),
    ]);
    let (lana, other) = (tables.user("u1"), tables.user("u2"));
    assert_ne!(lana, other);
    correct(&mut tables, &settings, &event, BIRTHDAY);
    assert_eq!(tables.value(lana, "dtz::b").as_deref(), Some("1980-07-28"));
    assert_eq!(tables.value(other, "dtz::b"), None);
    // A track of somebody who went into another since.
    let event = track(6, ("-", "a9"), r#"{"str::first":"A"}"#);
    tables.one(&settings, event.clone());
    let visitor = tables.visitor("a9").unwrap();
    tables.one(&settings, identify(7, ("u1", "a9"), "{}"));
    assert_eq!(tables.live(visitor), lana.unwrap());
    correct(&mut tables, &settings, &event, r#"{"str::last":"X"}"#);
    assert_eq!(tables.value(lana, "str::last").as_deref(), Some("X"));
}

#[test]
fn nobody_is_made_and_nothing_comes_back_of_who_is_gone() {
    let mut tables = Tables::default();
    let settings = overwrite();
    let event = identify(3, ("u1", "-"), "{}");
    let status = correct(&mut tables, &settings, &event, BIRTHDAY);
    assert_eq!(status, Status::NotFound);
    assert_eq!(tables, Tables::default());
    // The remove of somebody unknown is a repeat of itself.
    let remove = find(3, ("u1", "-"));
    assert_eq!(tables.one(&settings, remove.clone()).status, Status::Kept);
    let status = correct(&mut tables, &settings, &remove, "");
    assert_eq!(status, Status::Repeated);
    let with_values = Event {
        mode: Mode::Track,
        ..remove
    };
    let status = correct(&mut tables, &settings, &with_values, BIRTHDAY);
    assert_eq!(status, Status::NotFound);
    assert!(tables.contacts.is_empty());
}

#[test]
fn an_address_that_is_mended_tells_who_it_is_as_any_events_does() {
    let settings = overwrite();
    let address = r#"{"str::email":"a@x.org"}"#;
    let start = |holder: (&str, &str)| {
        let mut tables = Tables::default();
        let event = identify(3, ("u1", "-"), r#"{"str::first":"A"}"#);
        tables.all([identify(1, holder, address), event.clone()]);
        (tables, event)
    };
    // A visitor becomes the person.
    let (mut tables, event) = start(("-", "a1"));
    correct(&mut tables, &settings, &event, address);
    assert_eq!(tables.user("u1"), tables.visitor("a1"));
    let email = tables.value(tables.user("u1"), "str::email");
    assert_eq!(email.as_deref(), Some("a@x.org"));
    // Another person stays another, and is told of.
    let (mut tables, event) = start(("u2", "-"));
    let judged = tables.one(&settings, corrected(&event, address));
    assert_eq!(judged.ignored[0].1, weir_reasons::Reason::IdentifierTaken);
    assert_ne!(tables.user("u1"), tables.user("u2"));
    correct(&mut tables, &settings, &event, address);
    assert_eq!(tables.value(tables.user("u1"), "str::email"), None);
    // One that nobody has is found from then on.
    let other = r#"{"str::email":"n@x.org"}"#;
    correct(&mut tables, &settings, &event, other);
    assert_eq!(tables.of("str::email", "n@x.org"), tables.user("u1"));
}

#[test]
fn a_source_that_does_not_overwrite_is_corrected_where_it_would_have_written() {
    let settings = settings(MergeStrategy::Append);
    let mut tables = Tables::default();
    let event = identify(3, ("u1", "-"), r#"{"str::first":"Z"}"#);
    let fields = r#"{"dtz::b":"1980-07-28","str::first":"A","str::last":"L"}"#;
    let last = identify(2, ("u1", "-"), r#"{"str::last":"X"}"#);
    for event in [last, event.clone()] {
        tables.one(&settings, event);
    }
    correct(&mut tables, &settings, &event, fields);
    let values = |tables: &Tables, user: &str| {
        ["str::first", "dtz::b", "str::last"].map(|field| tables.value(tables.user(user), field))
    };
    let [first, birthday, last] = values(&tables, "u1");
    assert_eq!(first.as_deref(), Some("A"));
    assert_eq!(birthday.as_deref(), Some("1980-07-28"));
    assert_eq!(last.as_deref(), Some("X"), "another event's");

    let settings = super::settings(MergeStrategy::Ignore);
    let mut tables = Tables::default();
    tables.one(&settings, event.clone());
    correct(&mut tables, &settings, &event, fields);
    assert!(
        values(&tables, "u1").iter().all(Option::is_some),
        "it made it"
    );
    let later = identify(4, ("u1", "-"), "{}");
    let later = removing(later);
    tables.one(&settings, later.clone());
    let before = tables.clone();
    correct(
        &mut tables,
        &settings,
        &later,
        r#"{"str::first":"N","geo::city":"Perth"}"#,
    );
    assert_eq!(tables, before);
}

#[test]
fn an_event_without_a_timestamp_is_as_old_as_it_was() {
    let mut tables = Tables::default();
    let settings = overwrite();
    let event = undated(3, ("u1", "-"), r#"{"str::first":"A"}"#);
    tables.all([
        event.clone(),
        identify(4, ("u1", "-"), r#"{"dtz::b":"1990-01-01"}"#),
    ]);
    let late = Event {
        event_micros: 60 * SECOND,
        ..event
    };
    let fields = r#"{"dtz::b":"1980-07-28","str::first":"B"}"#;
    correct(&mut tables, &settings, &late, fields);
    let lana = tables.user("u1");
    assert_eq!(tables.value(lana, "dtz::b").as_deref(), Some("1990-01-01"));
    assert_eq!(tables.value(lana, "str::first").as_deref(), Some("B"));
}

#[test]
fn a_word_of_the_same_message_by_another_source_is_not_its_own() {
    let settings = overwrite();
    let event = identify(3, ("u1", "-"), "{}");
    let events = [corrected(&event, r#"{"str::first":"A"}"#)];
    let facts = Facts::of(&events, &settings).unwrap();
    let changes = |ours, theirs: u16| {
        let registers = format!(r#"[[3000000,"m",null,{theirs}]]"#);
        let contact = StoredContact {
            id: ContactId(Uuid::from_u128(1)),
            has_user_id: true,
            fields: r#"{"str::first":"Z"}"#,
            registers: &registers,
            redirected: false,
        };
        let link = StoredLink {
            contact: contact.id,
            version: 1,
            stamp: Stamp::new(3 * SECOND, "m"),
            linked_micros: 0,
        };
        let mut snapshot = Snapshot::new(&facts, Care::AtOnce);
        snapshot.set_source(Source(ours));
        let keys = snapshot.first_keys();
        snapshot.add(vec![(keys[0], link)], &[contact]).unwrap();
        let folded = fold(&settings, &facts, snapshot, ContactId::new);
        folded.changes.contacts_changed.len()
    };
    assert_eq!([changes(1, 1), changes(0, 1)], [1, 1]);
    assert_eq!(changes(1, 2), 0, "the greater value stands");
}

/// What a mapping makes of an event: the right one, or one that leaves out some of it or takes it
/// for something else.
#[derive(Debug, Clone)]
struct Reading {
    right: String,
    wrong: String,
}

fn reading() -> impl Strategy<Value = Reading> {
    let names = ["dtz::b", "str::first", "str::last"];
    let value = || {
        prop_oneof![
            Just("null".to_owned()),
            "[ABC]".prop_map(|v| format!("\"{v}\""))
        ]
    };
    let field = (
        value(),
        prop_oneof![Just(None), value().prop_map(Some)],
        any::<bool>(),
    );
    prop::collection::vec(field, names.len()).prop_map(move |fields| {
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for (name, (is, was, is_there)) in names.iter().zip(fields) {
            if is_there {
                right.push(format!("\"{name}\":{is}"));
                wrong.extend(was.map(|was| format!("\"{name}\":{was}")));
            }
        }
        let object = |fields: Vec<String>| format!("{{{}}}", fields.join(","));
        Reading {
            right: object(right),
            wrong: object(wrong),
        }
    })
}

/// With whether each is a track, and undated; in which order they come, and are corrected.
type InOrders = (Vec<(Reading, bool, bool)>, Vec<usize>, Vec<usize>);

fn readings_in_orders() -> impl Strategy<Value = InOrders> {
    let readings = prop::collection::vec((reading(), any::<bool>(), any::<bool>()), 1..7);
    readings.prop_flat_map(|readings| {
        let order: Vec<usize> = (0..readings.len()).collect();
        let orders = (
            Just(order.clone()).prop_shuffle(),
            Just(order).prop_shuffle(),
        );
        (Just(readings), orders).prop_map(|(readings, (one, other))| (readings, one, other))
    })
}

/// An event, or else one of those before, as it is read now.
fn event_or_correction() -> impl Strategy<Value = (Event, Option<prop::sample::Index>, String)> {
    let event = properties::event().prop_map(properties::funded);
    let corrects = prop::option::weighted(0.3, any::<prop::sample::Index>());
    (event, corrects, properties::fields())
}

fn ids(tables: &Tables) -> BTreeSet<(String, String)> {
    let keys = tables.links.keys();
    let ids = keys.filter(|(kind, _)| [USER_ID, ANONYMOUS_ID].contains(&&**kind));
    ids.cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Of events of one person: whatever the mapping made of them first, and in whatever order
    /// they came and were corrected.
    #[test]
    fn corrected_events_leave_what_the_right_mapping_would_have_left(
        (readings, arrival, corrections) in readings_in_orders(),
    ) {
        let settings = overwrite();
        let mut right = Tables::default();
        let mut wrong = Tables::default();
        let event = |at: usize, fields: &str| {
            let (_, is_track, is_undated) = readings[at];
            let event = identify(at as i64, ("u1", "-"), fields);
            Event {
                mode: if is_track { Mode::Track } else { Mode::Identify },
                message_id: format!("m{at}").into(),
                undated: is_undated,
                // The same event, whatever is made of it.
                key: Uuid::from_u128(at as u128),
                ..event
            }
        };
        // The contact is the same in both.
        for tables in [&mut right, &mut wrong] {
            tables.one(&settings, identify(-1, ("u1", "-"), r#"{"geo::city":"Perth"}"#));
        }
        for at in arrival {
            right.one(&settings, event(at, &readings[at].0.right));
            wrong.one(&settings, event(at, &readings[at].0.wrong));
        }
        for at in corrections {
            let event = event(at, &readings[at].0.wrong);
            let status = correct(&mut wrong, &settings, &event, &readings[at].0.right);
            prop_assert_eq!(status, Status::Repeated);
        }
        prop_assert_eq!(wrong.registers(), right.registers());
    }

    /// Whoever is concerned, under any strategy.
    #[test]
    fn a_correction_makes_and_links_nobody_and_costs_nothing_and_twice_is_once(
        settings in properties::settings(),
        events in prop::collection::vec(properties::event().prop_map(properties::funded), 1..25),
        pick in any::<prop::sample::Index>(),
        fields in properties::fields(),
    ) {
        let mut tables = Tables::default();
        let mut stored = Vec::new();
        for event in &events {
            if tables.one(&settings, event.clone()).status == Status::Stored {
                stored.push(event.clone());
            }
        }
        prop_assume!(!stored.is_empty());
        let event = pick.get(&stored);
        let (contacts, linked) = (tables.contacts.len(), ids(&tables));
        let fields = if event.mode == Mode::Find { "" } else { &*fields };
        let status = correct(&mut tables, &settings, event, fields);
        prop_assert_eq!(status, Status::Repeated);
        prop_assert_eq!(tables.contacts.len(), contacts);
        prop_assert_eq!(ids(&tables), linked);
    }

    #[test]
    fn corrections_in_a_batch_come_to_the_same_as_alone(
        settings in properties::settings(),
        events in prop::collection::vec(event_or_correction(), 1..25),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut all: Vec<Event> = Vec::new();
        for (event, corrects, fields) in events {
            let corrects = corrects.filter(|_| !all.is_empty());
            let of = corrects.map(|at| corrected(at.get(&all), &fields));
            all.push(of.unwrap_or(event));
        }
        let mut alone = Tables::default();
        let singly = all.iter().map(|event| alone.one(&settings, event.clone()).status);
        let singly: Vec<Status> = singly.collect();
        let mut together = Tables::default();
        let (first, second) = all.split_at(cut.index(all.len() + 1));
        let mut statuses = together.run(&settings, first);
        statuses.extend(together.run(&settings, second));
        prop_assert_eq!(statuses, singly);
        prop_assert_eq!(together.essence(), alone.essence());
    }

    #[test]
    fn a_later_event_has_the_last_word_before_a_correction_and_behind_it(
        reading in reading(),
        later in "[DEF]",
        is_first in any::<bool>(),
    ) {
        let settings = overwrite();
        let mut tables = Tables::default();
        let event = identify(3, ("u1", "-"), &reading.wrong);
        let later_event = identify(4, ("u1", "-"), &format!(r#"{{"str::first":"{later}"}}"#));
        tables.one(&settings, event.clone());
        if is_first {
            tables.one(&settings, later_event.clone());
        }
        correct(&mut tables, &settings, &event, &reading.right);
        if !is_first {
            tables.one(&settings, later_event);
        }
        prop_assert_eq!(tables.value(tables.user("u1"), "str::first"), Some(later));
    }
}
