//! While contacts are reindexed, an event leads to more of them (semantics 3.2, 7.5a).

use proptest::prelude::*;

use super::*;
use crate::domain::{KeyRule, Transition};

/// What tells contacts apart while they are reindexed, of which an event may bring all.
const UNIQUE: [&str; 4] = ["phn::phone", "str:cm:no", "str::ei", "str::email"];

fn in_transition() -> impl Strategy<Value = Settings> {
    let rule = |fields: &[&str], strategy| KeyRule {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        strategy,
    };
    let strategy = || prop_oneof![Just(KeyStrategy::Any), Just(KeyStrategy::NextIfEmpty)];
    let fields = Just(UNIQUE.to_vec()).prop_shuffle();
    (properties::settings(), fields, strategy(), strategy()).prop_map(
        move |(settings, fields, old, new)| {
            let transition = Transition {
                old: rule(&fields[..2], old),
                new: rule(&fields[2..], new),
            };
            Settings {
                unique_identifiers: transition.fields(),
                key_strategy: old,
                transition: Some(transition),
                ..settings
            }
        },
    )
}

/// With values of few people in each of the fields.
fn unique_values() -> impl Strategy<Value = String> {
    let value = prop::option::weighted(0.6, 1..=4_u8);
    prop::collection::vec(value, UNIQUE.len()).prop_map(|values| {
        let given = UNIQUE.iter().zip(values);
        let given = given.filter_map(|(field, n)| Some((field, n?)));
        let members = given.map(|(field, n)| match *field {
            "phn::phone" => format!("\"{field}\":\"+6140000000{n}\""),
            _ => format!("\"{field}\":\"{n}@x.org\""),
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    })
}

/// Of somebody who is mostly a visitor, so that many may become one.
fn unique_event() -> impl Strategy<Value = Event> {
    let ids = prop_oneof![1 => (1..=2_u8, 0..=3_u8), 3 => (Just(0_u8), 1..=6_u8)];
    (ids, unique_values(), 0..6_i64).prop_map(|((user, visitor), fields, second)| {
        let id = |letter, n: u8| match n {
            0 => "-".to_owned(),
            n => format!("{letter}{n}"),
        };
        let event = identify(second, (&id('u', user), &id('a', visitor)), &fields);
        let content = format!("{event:?}");
        Event {
            key: TimedKey::new(event.event_micros, &[content.as_bytes()]).0,
            ..event
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Also where it leads to a contact by each of four unique identifiers.
    #[test]
    fn a_correction_while_contacts_are_reindexed_is_done_when_it_was_done_once(
        settings in in_transition(),
        events in prop::collection::vec(unique_event(), 1..25),
        pick in any::<prop::sample::Index>(),
        fields in unique_values(),
    ) {
        let mut tables = Tables::default();
        let mut stored = Vec::new();
        for event in &events {
            if tables.one(&settings, event.clone()).status == Status::Stored {
                stored.push(event.clone());
            }
        }
        prop_assume!(!stored.is_empty());
        let linked = ids(&tables);
        let status = correct(&mut tables, &settings, pick.get(&stored), &fields);
        prop_assert_eq!(status, Status::Repeated);
        prop_assert_eq!(ids(&tables), linked);
    }
}
