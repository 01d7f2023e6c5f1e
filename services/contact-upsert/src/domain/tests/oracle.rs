//! Semantics 3.1a and 3.2-3.7 once more, as they are written and in no other way: people are
//! looked through one by one, and nothing is kept besides them. The fold has to come to the
//! same, event by event.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::domain::key::normalise;
use crate::domain::{KeyRule, Transition};

/// Time, message, value; none = cleared.
type Word = (i64, String, Option<String>);

#[derive(Debug, Clone, Default)]
struct Person {
    users: BTreeSet<String>,
    visitors: BTreeSet<String>,
    words: BTreeMap<String, Word>,
    /// Went into that one.
    into: Option<usize>,
}

impl Person {
    fn value(&self, field: &str) -> Option<&str> {
        self.words.get(field)?.2.as_deref()
    }

    /// What it is found by.
    fn key(&self, field: &str) -> Option<String> {
        self.value(field).map(|value| key(field, value))
    }

    /// Takes over what the other one knows: the newer word, or what is empty here.
    fn absorb(&mut self, other: &Self, newer_wins: bool) {
        for (field, theirs) in &other.words {
            let Some(ours) = self.words.get(field).cloned() else {
                self.words.insert(field.clone(), theirs.clone());
                continue;
            };
            let takes = if newer_wins {
                *theirs > ours
            } else {
                let is_newer = (theirs.0, &theirs.1) > (ours.0, &ours.1);
                ours.2.is_none() && (theirs.2.is_some() || is_newer)
            };
            if takes {
                let (micros, message) = (theirs.0, theirs.1.clone()).max((ours.0, ours.1));
                let word = (micros, message, theirs.2.clone());
                self.words.insert(field.clone(), word);
            }
        }
        self.users.extend(other.users.iter().cloned());
        self.visitors.extend(other.visitors.iter().cloned());
    }
}

fn key(field: &str, value: &str) -> String {
    normalise(value.into(), field == "str::email").into_owned()
}

/// By age.
#[derive(Debug, Default)]
struct People(Vec<Person>);

impl People {
    fn find(&self, is_it: impl Fn(&Person) -> bool) -> Option<usize> {
        let mut found =
            (0..self.0.len()).filter(|at| self.0[*at].into.is_none() && is_it(&self.0[*at]));
        let first = found.next();
        assert_eq!(found.next(), None, "an identifier has one live contact");
        first
    }

    fn holder(&self, field: &str, value: &str) -> Option<usize> {
        let key = key(field, value);
        self.find(|person| person.key(field).as_ref() == Some(&key))
    }

    fn take(&mut self, settings: &Settings, event: &Event) {
        let words = words(event);
        let (target, others) = self.matches(settings, event, &words);
        let is_new = target.is_none();
        if is_new && event.makes_no_contact() {
            return;
        }
        let overwrites = settings.merge_strategy == MergeStrategy::Overwrite;
        if event.only_clears() && !overwrites {
            return;
        }
        let mut own = target.unwrap_or_else(|| {
            self.0.push(Person::default());
            self.0.len() - 1
        });
        for other in others {
            let mut whole = self.0[own].clone();
            whole.absorb(&self.0[other], overwrites);
            // The oldest survives.
            let (stays, goes) = (own.min(other), own.max(other));
            self.0[stays] = whole;
            self.0[stays].into = None;
            self.0[goes].into = Some(stays);
            own = stays;
        }
        for (field, word) in words {
            self.write(settings, own, is_new, &field, word);
        }
        let (user, visitor) = (event.user_id.to_string(), event.anonymous_id.to_string());
        if !user.is_empty() && self.find(|one| one.users.contains(&user)).is_none() {
            self.0[own].users.insert(user);
        }
        if !visitor.is_empty() && self.find(|one| one.visitors.contains(&visitor)).is_none() {
            self.0[own].visitors.insert(visitor);
        }
    }

    fn write(&mut self, settings: &Settings, own: usize, is_new: bool, field: &str, word: Word) {
        let is_unique = settings.unique_identifiers.iter().any(|one| one == field);
        if let Some(value) = word.2.as_deref().filter(|_| is_unique)
            && self
                .holder(field, value)
                .is_some_and(|holder| holder != own)
        {
            return;
        }
        let ours = self.0[own].words.get(field);
        let is_empty = ours.is_none_or(|ours| ours.2.is_none());
        let writes = match settings.merge_strategy {
            MergeStrategy::Overwrite => ours.is_none_or(|ours| *ours < word),
            MergeStrategy::Append => is_empty && word.2.is_some(),
            MergeStrategy::Ignore => is_new && word.2.is_some(),
        };
        if writes {
            let ours = ours.map(|ours| (ours.0, ours.1.clone()));
            let stamp = ours.max(Some((word.0, word.1)));
            let (micros, message) = stamp.expect("the event has one");
            self.0[own]
                .words
                .insert(field.to_owned(), (micros, message, word.2));
        }
    }

    /// Semantics 3.5 and 3.6: the event's contact, and who goes into it.
    fn matches(
        &self,
        settings: &Settings,
        event: &Event,
        words: &BTreeMap<String, Word>,
    ) -> (Option<usize>, Vec<usize>) {
        let mut target = self.find(|person| person.users.contains(&*event.user_id));
        let mut others: Vec<usize> = Vec::new();
        let overwrites = settings.merge_strategy == MergeStrategy::Overwrite;
        let merged = |target: usize, others: &[usize]| {
            let mut whole = self.0[target].clone();
            for other in others {
                whole.absorb(&self.0[*other], overwrites);
            }
            whole
        };
        for field in &settings.unique_identifiers {
            let Some(word @ (_, _, Some(value))) = words.get(field) else {
                continue;
            };
            let Some(holder) = self.holder(field, value) else {
                continue;
            };
            let person = &self.0[holder];
            let is_there = target == Some(holder) || others.contains(&holder);
            let apart = settings.keep_user_ids_apart && !event.user_id.is_empty();
            if is_there || !counts(settings, field, person) || (apart && !person.users.is_empty()) {
                continue;
            }
            match target {
                None => target = Some(holder),
                Some(own) => {
                    let ours = merged(own, &others);
                    let loses = ours.words.get(field).is_some_and(|ours| ours >= word);
                    if !loses && person.users.is_empty() {
                        others.push(holder);
                    }
                }
            }
        }
        let visitor = self.find(|person| person.visitors.contains(&*event.anonymous_id));
        let Some(found) = visitor else {
            return (target, others);
        };
        if target == Some(found) || others.contains(&found) {
            return (target, others);
        }
        let person = &self.0[found];
        let contradicts = |value: &dyn Fn(&str) -> Option<String>| {
            let mut unique = settings.unique_identifiers.iter();
            unique.any(|field| {
                let both = value(field).zip(person.key(field));
                both.is_some_and(|(one, other)| one != other)
            })
        };
        let of_event = |field: &str| Some(key(field, words.get(field)?.2.as_ref()?));
        let has_user = !event.user_id.is_empty();
        match target {
            None if has_user && !person.users.is_empty() => {}
            None if has_user && contradicts(&of_event) => {}
            None => target = Some(found),
            Some(own) => {
                let ours = merged(own, &others);
                let of_contact = |field: &str| ours.key(field);
                let is_other = contradicts(&of_event) || contradicts(&of_contact);
                if person.users.is_empty() && !is_other {
                    others.push(found);
                }
            }
        }
        (target, others)
    }
}

/// Semantics 3.3, and 3.2 while there are two rules.
fn counts(settings: &Settings, field: &str, holder: &Person) -> bool {
    let own = KeyRule {
        fields: settings.unique_identifiers.clone(),
        strategy: settings.key_strategy,
    };
    let rules = match &settings.transition {
        None => vec![own],
        Some(both) => vec![both.old.clone(), both.new.clone()],
    };
    rules.iter().any(|rule| {
        let mut before = rule.fields.iter().take_while(|earlier| *earlier != field);
        rule.has(field)
            && (rule.strategy == KeyStrategy::Any || before.all(|one| holder.value(one).is_none()))
    })
}

fn words(event: &Event) -> BTreeMap<String, Word> {
    let fields: BTreeMap<String, Option<String>> = match &*event.fields_json {
        "" => BTreeMap::new(),
        json => serde_json::from_str(json).unwrap(),
    };
    let word = |value| (event.event_micros, event.message_id.to_string(), value);
    let fields = fields.into_iter();
    fields.map(|(field, value)| (field, word(value))).collect()
}

fn strategies() -> impl Strategy<Value = KeyStrategy> {
    prop_oneof![Just(KeyStrategy::Any), Just(KeyStrategy::NextIfEmpty)]
}

pub(super) fn any_rule() -> impl Strategy<Value = KeyRule> {
    let rule = (
        prop::sample::subsequence(vec!["str::email", "phn::phone", "str::ei"], 0..=2),
        strategies(),
    );
    (rule, any::<bool>()).prop_map(|((mut fields, strategy), turned)| {
        if turned {
            fields.reverse();
        }
        let fields = fields.into_iter().map(str::to_owned).collect();
        KeyRule { fields, strategy }
    })
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let merge = prop_oneof![
        3 => Just(MergeStrategy::Overwrite),
        1 => Just(MergeStrategy::Append),
        1 => Just(MergeStrategy::Ignore),
    ];
    let next = prop::option::weighted(0.3, any_rule());
    (any_rule(), next, merge, any::<bool>()).prop_map(|(old, new, merge_strategy, apart)| {
        let transition = new.map(|new| Transition {
            old: old.clone(),
            new,
        });
        let both = transition.as_ref().map(Transition::fields);
        Settings {
            unique_identifiers: both.unwrap_or(old.fields),
            key_strategy: old.strategy,
            merge_strategy,
            keep_user_ids_apart: apart,
            transition,
            ..overwrite()
        }
    })
}

fn any_fields() -> impl Strategy<Value = String> {
    let field = |name: &'static str, values: &'static [&'static str]| {
        prop_oneof![
            4 => Just(None),
            1 => Just(Some(format!("\"{name}\":null"))),
            5 => prop::sample::select(values).prop_map(move |value| Some(format!("\"{name}\":\"{value}\""))),
        ]
    };
    (
        field("phn::phone", &["+61400000001", "+61400000002"]),
        field("str::ei", &["x", "y", "X"]),
        field("str::email", &["a@x.org", "B@x.org", "b@x.org"]),
        field("str::first", &["A", "B"]),
    )
        .prop_map(|(phone, external, email, first)| {
            let present: Vec<String> = [phone, external, email, first]
                .into_iter()
                .flatten()
                .collect();
            format!("{{{}}}", present.join(","))
        })
}

/// Kind, user id, anonymous id, fields, second.
pub(super) fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let ids = prop_oneof![(1..=3_u8, 0..=3_u8), (Just(0_u8), 1..=3_u8)];
    let event = (any::<bool>(), ids, any_fields(), 0..6_i64);
    prop::collection::vec(event, 1..40).prop_map(|events| {
        let events = events.into_iter().enumerate();
        let event = |(at, (is_track, (user, visitor), fields, second)): (
            usize,
            (bool, (u8, u8), String, i64),
        )| {
            let id = |letter, n| {
                if n == 0 {
                    "-".to_owned()
                } else {
                    format!("{letter}{n}")
                }
            };
            let (user, visitor) = (id('u', user), id('a', visitor));
            let kind = if is_track { track } else { identify };
            // No two are of one message: none is a repeat.
            let message_id = format!("m{:02}", (at * 17) % 40).into();
            let event = kind(second, (&user, &visitor), &fields);
            Event {
                message_id,
                key: Uuid::from_u128(at as u128),
                ..event
            }
        };
        events.map(event).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_fold_finds_and_merges_whom_the_rules_say(
        settings in any_settings(),
        events in any_events(),
    ) {
        let (mut people, mut tables) = (People::default(), Tables::default());
        for event in &events {
            people.take(&settings, event);
            tables.run(&settings, std::slice::from_ref(event));
            prop_assert_eq!(people.0.len(), tables.contacts.len(), "{:?}", event);
            for (at, person) in people.0.iter().enumerate() {
                let id = |at: usize| ContactId(Uuid::from_u128(at as u128 + 1));
                let row = &tables.contacts[&id(at)];
                prop_assert_eq!(row.redirect_to, person.into.map(id), "{:?}", event);
                if person.into.is_some() {
                    continue;
                }
                let registers = read_registers(&row.fields, &row.registers).unwrap();
                let registers: BTreeMap<String, Word> = registers
                    .iter()
                    .map(|one| {
                        let value = one.value.map(|value| value.trim_matches('"').to_owned());
                        let message = one.stamp.message_id.clone().into_owned();
                        (one.field.to_owned(), (one.stamp.micros, message, value))
                    })
                    .collect();
                prop_assert_eq!(&registers, &person.words, "{:?}", event);
                for (ids, of) in [
                    (&person.users, USER_ID),
                    (&person.visitors, ANONYMOUS_ID),
                ] {
                    for value in ids {
                        prop_assert_eq!(tables.of(of, value), Some(id(at)), "{:?}", event);
                    }
                }
            }
        }
    }
}
