//! New unique identifiers for contacts that are there (semantics 3.2).

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::oracle::{any_events, any_rule};
use super::*;
use crate::domain::{Care, Facts, KeyRule, Preview, Snapshot, Transition, keys_to_link, reindex};

/// What a run has done so far.
#[derive(Debug, Default, PartialEq)]
struct Done {
    merged: i64,
    lost: BTreeSet<ContactId>,
    after: Option<ContactId>,
}

impl Tables {
    /// Looks at the next contacts, as the store does; false where none is left.
    fn piece(&mut self, settings: &Settings, done: &mut Done, size: usize) -> bool {
        let fresh = self.contacts.keys().filter(|id| Some(**id) > done.after);
        let mut piece: Vec<ContactId> = fresh.take(size).copied().collect();
        if piece.is_empty() {
            let again = std::mem::take(&mut self.again).into_iter();
            piece = again.collect();
        } else {
            done.after = piece.last().copied();
        }
        if piece.is_empty() {
            return false;
        }
        let before = self.clone();
        let rows = piece.iter().map(|id| &before.contacts[id]);
        let rows: Vec<_> = rows.filter(|row| row.redirect_to.is_none()).collect();
        let keys = rows.iter().flat_map(|row| {
            let registers = read_registers(&row.fields, &row.registers).unwrap();
            keys_to_link(settings, &registers).collect::<Vec<_>>()
        });
        let facts = Facts::of_keys(settings, keys.collect());
        let mut snapshot = Snapshot::new(&facts, Care::AtOnce);
        let own: Vec<_> = rows.iter().map(|row| row.as_stored()).collect();
        snapshot.add(Vec::new(), &own).unwrap();
        before.load(&mut snapshot, &facts, &facts.all_keys());
        let skips = |key: &crate::domain::Key<'_>| key.value == "y";
        let reindexed = reindex(settings, &facts, snapshot, &piece, skips);
        done.merged += reindexed.changes.merges.len() as i64;
        done.lost.extend(&reindexed.lost);
        let changes = reindexed.changes;
        let held = before.held(&changes);
        self.write(&changes.with_held_links(held)).unwrap();
        self.check(settings);
        true
    }

    /// A person merges two contacts, and splits them.
    fn keep_apart(&mut self, settings: &Settings, one: ContactId, other: ContactId) {
        self.merge(settings, one, other);
        self.split(settings, self.merges.len() - 1);
    }

    /// The new ones stand: what was found by others goes.
    fn stand(&mut self, new: &KeyRule) -> Settings {
        let is_kept = |kind: &str| [USER_ID, ANONYMOUS_ID].contains(&kind) || new.has(kind);
        self.links.retain(|(kind, _), _| is_kept(kind));
        Settings {
            unique_identifiers: new.fields.clone(),
            key_strategy: new.strategy,
            ..overwrite()
        }
    }
}

fn settings_of(rule: &KeyRule) -> Settings {
    Settings {
        unique_identifiers: rule.fields.clone(),
        key_strategy: rule.strategy,
        ..overwrite()
    }
}

fn both(old: &KeyRule, new: &KeyRule) -> Settings {
    let transition = Transition {
        old: old.clone(),
        new: new.clone(),
    };
    Settings {
        unique_identifiers: transition.fields(),
        transition: Some(transition),
        ..settings_of(old)
    }
}

fn rule(fields: &[&str]) -> KeyRule {
    let fields = fields.iter().map(|field| (*field).to_owned());
    KeyRule::new(fields.collect(), KeyStrategy::Any)
}

#[test]
fn contacts_that_share_a_value_become_one_and_of_two_people_the_first_keeps_it() {
    let (old, new) = (rule(&["str::email"]), rule(&["phn::phone"]));
    let phone = |number: u8| format!(r#"{{"phn::phone":"+6140000000{number}"}}"#);
    let mut tables = Tables::default();
    tables.all([]);
    for event in [
        identify(0, ("u1", "-"), &phone(1)),
        identify(1, ("-", "a1"), &phone(1)),
        identify(2, ("u2", "-"), &phone(1)),
        identify(3, ("-", "a2"), &phone(2)),
        identify(4, ("-", "a3"), &phone(2)),
        identify(5, ("u3", "-"), &phone(3)),
    ] {
        tables.one(&settings_of(&old), event);
    }
    let mut done = Done::default();
    let live = both(&old, &new);
    while tables.piece(&live, &mut done, 2) {}
    let (person, visitor) = (tables.user("u1"), tables.visitor("a1"));
    assert_eq!(person, visitor);
    assert_eq!(tables.visitor("a2"), tables.visitor("a3"));
    let lost = tables.user("u2").unwrap();
    assert_eq!((done.merged, &done.lost), (2, &BTreeSet::from([lost])));
    assert_eq!(tables.value(Some(lost), "phn::phone"), None);
    let stands = tables.stand(&new);
    tables.check(&stands);
    // From now on the phone finds them, and the value that was lost is another's.
    let judged = tables.one(&stands, identify(9, ("u2", "-"), &phone(1)));
    assert_eq!(judged.ignored[0].0, "phn::phone");
    let found = tables.one(&stands, identify(9, ("-", "a9"), &phone(3)));
    assert_eq!(found.contact, tables.user("u3"));
}

/// Semantics 3.10.
#[test]
fn two_who_were_split_apart_stay_two_and_the_one_that_is_found_first_keeps_the_value() {
    let (old, new) = (rule(&["str::email"]), rule(&["phn::phone"]));
    let phone = r#"{"phn::phone":"+61400000001"}"#;
    let mut tables = Tables::default();
    for (second, visitor) in (0..).zip(["a1", "a2", "a3"]) {
        tables.one(&settings_of(&old), identify(second, ("-", visitor), phone));
    }
    let [first, second] = ["a1", "a2"].map(|id| tables.visitor(id).unwrap());
    tables.keep_apart(&settings_of(&old), first, second);
    let mut preview = Preview::new(old.clone(), new.clone(), Vec::new());
    for row in tables.contacts.values() {
        preview.take(&row.as_stored(), |_, _| false).unwrap();
    }
    assert_eq!((preview.merged, preview.lost), (1, 1));
    let mut done = Done::default();
    while tables.piece(&both(&old, &new), &mut done, 2) {}
    assert_eq!((done.merged, &done.lost), (1, &BTreeSet::from([second])));
    assert_eq!(tables.visitor("a3"), Some(first));
    assert_eq!(tables.visitor("a2"), Some(second));
    assert_eq!(tables.value(Some(second), "phn::phone"), None);
    // Until a person merges them.
    let stands = tables.stand(&new);
    tables.merge(&stands, first, second);
    assert_eq!(tables.visitor("a2"), Some(first));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_comes_meanwhile_each_value_of_the_new_ones_is_one_live_contacts_in_the_end(
        (old, new) in (any_rule(), any_rule()),
        before in any_events(),
        meanwhile in any_events(),
        size in 1..5_usize,
        turns in prop::collection::vec(any::<bool>(), 0..60),
    ) {
        let mut tables = Tables::default();
        for event in &before {
            tables.run(&settings_of(&old), std::slice::from_ref(event));
        }
        let live = both(&old, &new);
        let mut done = Done::default();
        let mut meanwhile = meanwhile.iter();
        for turn in turns {
            if turn {
                tables.piece(&live, &mut done, size);
            } else if let Some(event) = meanwhile.next() {
                tables.run(&live, std::slice::from_ref(event));
            }
        }
        while tables.piece(&live, &mut done, size) {}
        let stands = tables.stand(&new);
        // `y` is blocked: it finds nobody it did not find before.
        for contact in tables.contacts.values_mut() {
            contact.fields = contact.fields.replace("\"y\"", "null");
        }
        tables.links.retain(|(_, value), _| value != "y");
        tables.check(&stands);
    }

    #[test]
    fn a_preview_says_what_is_merged_and_lost(
        before in any_events(),
        apart in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..4),
        (old, new) in (any_rule(), any_rule()),
        size in 1..5_usize,
    ) {
        // With two new ones, a merge may bring another value to the front.
        prop_assume!(new.fields.iter().filter(|field| !old.has(field)).count() <= 1);
        let mut tables = Tables::default();
        for event in &before {
            tables.run(&settings_of(&old), std::slice::from_ref(event));
        }
        for (one, other) in apart {
            let live = tables.live_contacts();
            prop_assume!(!live.is_empty());
            let (one, other) = (*one.get(&live), *other.get(&live));
            if one != other {
                tables.keep_apart(&settings_of(&old), one, other);
            }
        }
        let mut preview = Preview::new(old.clone(), new.clone(), Vec::new());
        let live = tables.contacts.values().filter(|row| row.redirect_to.is_none());
        for row in live {
            preview.take(&row.as_stored(), |_, value| value == "y").unwrap();
        }
        let mut done = Done::default();
        while tables.piece(&both(&old, &new), &mut done, size) {}
        prop_assert_eq!(preview.merged, done.merged);
        prop_assert_eq!(preview.lost, done.lost.len() as i64);
        let groups = preview.groups();
        prop_assert!(groups.iter().all(|group| group.contacts >= 2 && group.ids.len() >= 2));
        let of_groups: i64 = groups.iter().map(|group| group.lost).sum();
        prop_assert_eq!(of_groups, preview.lost);
    }
}
