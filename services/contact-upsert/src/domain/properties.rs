//! Properties of the fold, over any events (I3, I5, I6 and semantics 3).

use bytestring::ByteString;
use proptest::prelude::*;
use uuid::Uuid;
use weir_ids::TimedKey;

use super::model::Tables;
use super::{Event, KeyStrategy, MergeStrategy, Mode, Settings, Status};

fn settings() -> impl Strategy<Value = Settings> {
    let keys = prop_oneof![Just(KeyStrategy::Any), Just(KeyStrategy::NextIfEmpty)];
    let merge = prop_oneof![
        4 => Just(MergeStrategy::Overwrite),
        1 => Just(MergeStrategy::Append),
        1 => Just(MergeStrategy::Ignore),
    ];
    (keys, merge, prop::bool::weighted(0.1)).prop_map(|(keys, merge, existing_only)| Settings {
        key_strategy: keys,
        existing_only,
        ..overwrite(merge)
    })
}

fn overwrite(merge_strategy: MergeStrategy) -> Settings {
    Settings {
        unique_identifiers: vec!["str::email".into(), "phn::phone".into()],
        key_strategy: KeyStrategy::Any,
        merge_strategy,
        existing_only: false,
    }
}

/// A field that is mostly absent, sometimes cleared, else one of a few values.
fn field(name: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        1 => Just(format!("\"{name}\":null")),
        4 => prop::sample::select(values).prop_map(move |value| format!("\"{name}\":\"{value}\"")),
    ]
}

fn fields() -> impl Strategy<Value = String> {
    (
        field("phn::phone", &["+61400000001", "+61400000002"]),
        field("str::email", &["a@x.org", "B@x.org", "b@x.org", "c@x.org"]),
        field("str::first", &["A", "B", "C"]),
        field("str::last", &["X", "Y"]),
    )
        .prop_map(|(phone, email, first, last)| {
            let present = [phone, email, first, last];
            let present: Vec<_> = present
                .into_iter()
                .filter(|field| !field.is_empty())
                .collect();
            format!("{{{}}}", present.join(","))
        })
}

/// Few people, few moments, few messages: everything collides.
fn event() -> impl Strategy<Value = Event> {
    let mode = prop_oneof![
        6 => Just(Mode::Identify),
        2 => Just(Mode::Track),
        1 => Just(Mode::Find),
    ];
    let ids = prop_oneof![(1..=3_u8, 0..=4_u8), (Just(0_u8), 1..=4_u8),];
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.85));
    (mode, ids, fields(), 0..8_i64, 0..6_u8, flags).prop_map(
        |(mode, (user, anonymous), fields, second, message, (has_wish, funded))| {
            let id = |letter, n| {
                if n == 0 {
                    String::new()
                } else {
                    format!("{letter}{n}")
                }
            };
            let mut event = Event {
                mode,
                user_id: id('u', user).into(),
                anonymous_id: id('a', anonymous).into(),
                fields_json: if mode == Mode::Find {
                    ByteString::new()
                } else {
                    fields.into()
                },
                event_micros: second * 1_000_000,
                message_id: format!("m{message}").into(),
                has_wish,
                funded,
                key: Uuid::nil(),
            };
            let content = format!(
                "{:?}",
                Event {
                    funded: true,
                    ..event.clone()
                }
            );
            event.key = TimedKey::new(event.event_micros, &[content.as_bytes()]).0;
            event
        },
    )
}

fn funded(event: Event) -> Event {
    Event {
        funded: true,
        ..event
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_batch_comes_to_the_same_as_its_events_alone(
        settings in settings(),
        events in prop::collection::vec(event(), 1..30),
        cut in 0..30_usize,
    ) {
        let mut alone = Tables::default();
        let mut singly = Vec::new();
        for event in &events {
            singly.extend(alone.run(&settings, std::slice::from_ref(event)));
        }
        let mut together = Tables::default();
        let (first, second) = events.split_at(cut.min(events.len()));
        let mut statuses = together.run(&settings, first);
        statuses.extend(together.run(&settings, second));
        prop_assert_eq!(&statuses, &singly);
        prop_assert_eq!(together.essence(), alone.essence());
        let stored = statuses.iter().filter(|status| **status == Status::Stored).count();
        prop_assert_eq!(together.units, stored as i64);
    }

    #[test]
    fn what_was_stored_changes_and_costs_nothing_when_it_comes_again(
        settings in settings(),
        events in prop::collection::vec(event().prop_map(funded), 1..30),
    ) {
        let mut tables = Tables::default();
        let mut stored = Vec::new();
        for event in &events {
            if tables.run(&settings, std::slice::from_ref(event)) == [Status::Stored] {
                stored.push(event.clone());
            }
        }
        let before = tables.visible();
        let statuses = tables.run(&settings, &stored);
        for (status, event) in statuses.iter().zip(&stored) {
            // Only an identify that was overtaken in every word leaves no trace.
            let overtaken = *status == Status::NothingNew && event.mode == Mode::Identify;
            prop_assert!(*status == Status::Repeated || overtaken, "{status:?} {event:?}");
        }
        prop_assert_eq!(tables.visible(), before);
    }

    #[test]
    fn what_had_no_unit_is_taken_when_it_comes_again_with_one(
        events in prop::collection::vec(event(), 1..20),
    ) {
        let settings = overwrite(MergeStrategy::Overwrite);
        let mut tables = Tables::default();
        for event in &events {
            let alone = std::slice::from_ref(event);
            if tables.run(&settings, alone) == [Status::NotFunded] {
                let again = tables.run(&settings, &[funded(event.clone())]);
                prop_assert_eq!(again, vec![Status::Stored]);
            }
        }
    }

    #[test]
    fn two_people_with_user_ids_are_never_joined(
        settings in settings(),
        events in prop::collection::vec(event(), 1..40),
    ) {
        let mut tables = Tables::default();
        for event in &events {
            let before = tables.clone();
            tables.run(&settings, std::slice::from_ref(event));
            for (id, row) in &tables.contacts {
                let was = before.contacts.get(id);
                let (Some(to), Some(was)) = (row.redirect_to, was) else { continue };
                if was.redirect_to.is_none() {
                    let survivor = &before.contacts[&tables.live(to)];
                    prop_assert!(!(was.has_user_id && survivor.has_user_id));
                }
            }
        }
    }

    #[test]
    fn a_contact_converges_whatever_the_order_the_split_and_the_repetition(
        events in prop::collection::vec(event().prop_map(funded), 1..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        cut in 0..40_usize,
    ) {
        let settings = overwrite(MergeStrategy::Overwrite);
        let one_person: Vec<Event> = events
            .into_iter()
            .map(|event| Event { user_id: "u1".into(), anonymous_id: ByteString::new(), ..event })
            .filter(|event| event.mode != Mode::Find)
            .collect();
        prop_assume!(!one_person.is_empty());
        let mut plain = Tables::default();
        plain.run(&settings, &one_person);
        let mut shuffled: Vec<Event> =
            order.iter().map(|index| index.get(&one_person).clone()).collect();
        shuffled.extend(one_person.iter().rev().cloned());
        let (first, second) = shuffled.split_at(cut.min(shuffled.len()));
        let mut other = Tables::default();
        other.run(&settings, first);
        other.run(&settings, second);
        prop_assert_eq!(&other.contacts, &plain.contacts);
    }
}
