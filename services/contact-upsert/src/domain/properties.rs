//! Properties of the fold, over any events (I3, I5, I6 and semantics 3).

use bytestring::ByteString;
use proptest::prelude::*;
use uuid::Uuid;
use weir_ids::{AudienceId, ContactId, TimedKey};

use super::model::Tables;
use super::{
    Event, KeyStrategy, MembershipMode, MembershipUpdate, MergeStrategy, Mode, Settings, Status,
};

pub(super) fn settings() -> impl Strategy<Value = Settings> {
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
        caseless_identifiers: Vec::new(),
        key_strategy: KeyStrategy::Any,
        merge_strategy,
        existing_only: false,
        keep_user_ids_apart: false,
        transition: None,
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

pub(super) fn fields() -> impl Strategy<Value = String> {
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

fn update() -> impl Strategy<Value = Option<MembershipUpdate>> {
    let update = |mode, audience| MembershipUpdate {
        mode,
        audience: AudienceId(Uuid::from_u128(audience)),
    };
    prop_oneof![
        7 => Just(None),
        1 => (1..3_u128).prop_map(move |of| Some(update(MembershipMode::Add, of))),
        2 => (1..3_u128).prop_map(move |of| Some(update(MembershipMode::Remove, of))),
    ]
}

/// Few people, few moments, few messages: everything collides.
pub(super) fn event() -> impl Strategy<Value = Event> {
    let mode = prop_oneof![
        6 => Just(Mode::Identify),
        2 => Just(Mode::Track),
        1 => Just(Mode::Find),
    ];
    let ids = prop_oneof![(1..=3_u8, 0..=4_u8), (Just(0_u8), 1..=4_u8),];
    let flags = (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.85),
        prop::bool::weighted(0.5),
    );
    (mode, ids, fields(), 0..8_i64, 0..6_u8, update(), flags).prop_map(
        |(mode, (user, anonymous), fields, second, message, update, flags)| {
            let (undated, funded, all_ignored) = flags;
            let id = |letter, n| {
                if n == 0 {
                    String::new()
                } else {
                    format!("{letter}{n}")
                }
            };
            let fields: ByteString = match mode {
                Mode::Find => ByteString::new(),
                Mode::Identify | Mode::Track => fields.into(),
            };
            let no_values = !fields.contains(":\"");
            keyed(Event {
                mode,
                user_id: id('u', user).into(),
                anonymous_id: id('a', anonymous).into(),
                no_values,
                never_creates: all_ignored && no_values && mode == Mode::Identify,
                fields_json: fields,
                event_micros: second * 1_000_000,
                message_id: format!("m{message}").into(),
                update,
                undated,
                funded,
                key: Uuid::nil(),
                correction: false,
            })
        },
    )
}

/// With the key of its content, and of its time where that is its own.
fn keyed(mut event: Event) -> Event {
    let micros = if event.undated { 0 } else { event.event_micros };
    let content = Event {
        funded: true,
        event_micros: micros,
        key: Uuid::nil(),
        ..event.clone()
    };
    event.key = TimedKey::new(micros, &[format!("{content:?}").as_bytes()]).0;
    event
}

pub(super) fn funded(event: Event) -> Event {
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
        let (first, second) = events.split_at(cut.min(events.len()));
        for batch in [first, second] {
            // What an event does not need is the next one's, within a batch.
            let mut units = 0;
            for event in batch {
                units += i64::from(event.funded);
                let event = Event { funded: units > 0, ..event.clone() };
                let before = alone.units;
                singly.extend(alone.run(&settings, std::slice::from_ref(&event)));
                units -= alone.units - before;
                prop_assert!(units >= 0);
            }
        }
        let mut together = Tables::default();
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
        later in prop::sample::select(vec![0, 1, 60_000_000]),
    ) {
        let mut tables = Tables::default();
        let mut stored = Vec::new();
        for event in &events {
            let status = tables.run(&settings, std::slice::from_ref(event));
            if matches!(status[..], [Status::Stored | Status::Kept]) {
                stored.push(event.clone());
            }
        }
        let before = tables.visible();
        let again: Vec<Event> = stored
            .iter()
            .map(|event| Event {
                // What has no time of its own comes later.
                event_micros: event.event_micros + i64::from(event.undated) * later,
                ..event.clone()
            })
            .collect();
        let statuses = tables.run(&settings, &again);
        for (status, event) in statuses.iter().zip(&stored) {
            // Only an identify that was overtaken in every word leaves no trace.
            let newer = |other: &&Event| {
                other.key != event.key
                    && (other.event_micros, &other.message_id)
                        >= (event.event_micros, &event.message_id)
            };
            let overtaken = *status == Status::NothingNew
                && event.mode == Mode::Identify
                && event.update.is_none()
                && !event.undated
                && events.iter().any(|other| newer(&other));
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
    fn two_people_with_user_ids_are_never_merged(
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
            .map(|event| {
                keyed(Event {
                    user_id: "u1".into(),
                    anonymous_id: ByteString::new(),
                    undated: false,
                    ..event
                })
            })
            // What makes no contact says nothing where there is none yet.
            .filter(|event| !event.makes_no_contact() && !event.is_bare_remove())
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
        // But for what values replaced, which is by arrival.
        prop_assert_eq!(other.registers(), plain.registers());
    }

    #[test]
    fn a_split_gives_back_exactly_what_was_there_before_the_merge(
        settings in settings(),
        events in prop::collection::vec(event().prop_map(funded), 1..25),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..5),
    ) {
        let mut tables = Tables::default();
        for event in &events {
            tables.run(&settings, std::slice::from_ref(event));
        }
        let mut stack = Vec::new();
        for (one, other) in picks {
            let live = tables.live_contacts();
            prop_assume!(!live.is_empty());
            let pair = (*one.get(&live), *other.get(&live));
            if pair.0 == pair.1 {
                continue;
            }
            stack.push((tables.registers(), tables.holders()));
            tables.merge(&settings, pair.0, pair.1);
        }
        while let Some(before) = stack.pop() {
            let last = tables.merges.iter().rposition(|row| !row.is_split).unwrap();
            prop_assert!(tables.can_split(last));
            let left_out = tables.split(&settings, last);
            prop_assert!(left_out.is_empty(), "{left_out:?}");
            prop_assert_eq!((tables.registers(), tables.holders()), before);
        }
    }

    #[test]
    fn a_merge_that_an_event_made_is_undone_as_well_and_does_not_come_again(
        settings in settings(),
        events in prop::collection::vec(event().prop_map(funded), 1..40),
    ) {
        let mut tables = Tables::default();
        for event in &events {
            let before = tables.clone();
            tables.run(&settings, std::slice::from_ref(event));
            let made = tables.merges.len() - before.merges.len();
            if made != 1 || !tables.can_split(tables.merges.len() - 1) {
                continue;
            }
            let mut apart = tables.clone();
            let row = tables.merges.last().unwrap();
            let pair = [row.merged, row.survivor];
            apart.split(&settings, tables.merges.len() - 1);
            // The one that comes back had not changed but by the merge.
            let (was, is) = (before.registers(), apart.registers());
            let unique = |field: &str| settings.unique_identifiers.iter().any(|one| one == field);
            let others = |registers: &[(String, i64, String, Option<String>)]| {
                let registers = registers.iter().filter(|register| !unique(&register.0));
                registers.cloned().collect::<Vec<_>>()
            };
            prop_assert_eq!(others(&was[&pair[0]].2), others(&is[&pair[0]].2));
            // Whoever says the same again joins nobody.
            let merges = apart.merges.len();
            apart.run(&settings, std::slice::from_ref(event));
            let again = apart.merges[merges..].iter();
            for row in again {
                prop_assert!([row.merged, row.survivor] != pair, "{row:?}");
            }
        }
    }

    #[test]
    fn what_is_written_between_merge_and_split_stays_with_the_survivor(
        events in prop::collection::vec(event().prop_map(funded), 1..20),
        later in prop::collection::vec(("[AB]", 1..3_usize), 1..5),
        pick in any::<prop::sample::Index>(),
    ) {
        let settings = overwrite(MergeStrategy::Overwrite);
        let mut tables = Tables::default();
        let identify = |(at, (value, fields)): (usize, &(String, usize))| {
            let names = ["str::first", "str::last"];
            let fields = names[..*fields].iter().map(|name| format!("\"{name}\":\"{value}\""));
            keyed(Event {
                mode: Mode::Identify,
                user_id: "u1".into(),
                anonymous_id: format!("late{at}").into(),
                fields_json: format!("{{{}}}", fields.collect::<Vec<_>>().join(",")).into(),
                event_micros: (100 + at as i64) * 1_000_000,
                message_id: format!("late{at}").into(),
                update: None,
                undated: false,
                no_values: false,
                never_creates: false,
                funded: true,
                key: Uuid::nil(),
                correction: false,
            })
        };
        let later: Vec<Event> = later.iter().enumerate().map(identify).collect();
        // Whoever is known first is the oldest, and stays.
        let first = keyed(Event {
            fields_json: "{}".into(),
            event_micros: 0,
            ..later[0].clone()
        });
        for event in std::iter::once(&first).chain(&events) {
            tables.run(&settings, std::slice::from_ref(event));
        }
        let user = ("u".to_owned(), "u1".to_owned());
        let survivor = tables.links[&user].contact;
        let others: Vec<ContactId> =
            tables.live_contacts().into_iter().filter(|id| *id != survivor).collect();
        prop_assume!(!others.is_empty());
        let other = *pick.get(&others);
        let mut without = tables.clone();
        without.run(&settings, &later);
        tables.merge(&settings, survivor, other);
        tables.run(&settings, &later);
        let last = tables.merges.len() - 1;
        prop_assume!(tables.can_split(last));
        tables.split(&settings, last);
        prop_assert_eq!(tables.registers(), without.registers());
        prop_assert_eq!(tables.holders(), without.holders());
    }
}
