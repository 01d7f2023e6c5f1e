//! What a change of unique identifiers would merge, without doing it (semantics 3.2).
//!
//! Contacts come by age, as a run looks at them. That a merge may bring another value of a
//! contact to the front is not looked at: so with two new identifiers a few may differ.

use std::collections::HashMap;

use weir_ids::ContactId;

use super::contact::{Beside, InvalidContact, StoredContact};
use super::event::{KeyRule, KeyStrategy, MergeStrategy, Settings, Transition};
use super::members::Members;

/// Values that are held in memory, some hundred bytes each.
const MAX_VALUES: usize = 1_000_000;
/// Groups that are shown.
const SHOWN: usize = 20;
/// Contacts of a group that are shown.
const NAMED: usize = 10;

/// The contacts that have been looked at.
pub struct Preview {
    settings: Settings,
    fields: Vec<String>,
    people: Vec<Person>,
    /// Who was the first with a value.
    holders: HashMap<(usize, Box<str>), usize>,
    /// By their first one: those who share a value.
    shared: HashMap<(usize, usize), Group>,
    pub contacts: i64,
    pub merged: i64,
    pub lost: i64,
    pub blocked: i64,
}

/// Contacts that share a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub field: String,
    pub contacts: i64,
    /// Those that would lose the value.
    pub lost: i64,
    /// The first ten.
    pub ids: Vec<ContactId>,
}

struct Person {
    id: ContactId,
    has_user_id: bool,
    /// Whom splits keep it apart from.
    beside: Beside<'static>,
    /// Went with that one.
    into: Option<usize>,
}

impl Preview {
    /// Of a change to `new`, of which these are compared without regard to ASCII case.
    pub fn new(old: KeyRule, new: KeyRule, caseless: Vec<String>) -> Self {
        let transition = Transition { old, new };
        let fields = transition.unsettled().map(str::to_owned).collect();
        let settings = Settings {
            unique_identifiers: transition.fields(),
            caseless_identifiers: caseless,
            key_strategy: KeyStrategy::Any,
            merge_strategy: MergeStrategy::Overwrite,
            existing_only: true,
            keep_user_ids_apart: false,
            transition: Some(transition),
        };
        Self {
            settings,
            fields,
            people: Vec::new(),
            holders: HashMap::new(),
            shared: HashMap::new(),
            contacts: 0,
            merged: 0,
            lost: 0,
            blocked: 0,
        }
    }

    /// Whether no more contacts can be looked at.
    pub fn is_full(&self) -> bool {
        self.holders.len() >= MAX_VALUES
    }

    /// Looks at the next contact: its row as it is stored.
    ///
    /// # Errors
    /// Where it can't be read; it counts as one without values.
    pub fn take(
        &mut self,
        contact: &StoredContact<'_>,
        blocks: impl Fn(&str, &str) -> bool,
    ) -> Result<(), InvalidContact> {
        self.contacts += 1;
        let mut members = Members::default();
        let values = members.of(contact.fields).map_err(|_| InvalidContact)?;
        let values: Vec<(&str, &str)> = values.collect();
        let beside = Beside::only_bars(contact.registers)?;
        let mut own = None;
        for at in 0..self.fields.len() {
            let field = &self.fields[at];
            let value = values.iter().find(|(name, _)| name == field);
            let Some(key) = value.and_then(|(_, json)| self.settings.key(field, json)) else {
                continue;
            };
            if blocks(field, &key.value) {
                self.blocked += 1;
                continue;
            }
            let value: Box<str> = (*key.value).into();
            let own = *own.get_or_insert_with(|| {
                self.people.push(Person {
                    id: contact.id,
                    has_user_id: contact.has_user_id,
                    beside: beside.clone(),
                    into: None,
                });
                self.people.len() - 1
            });
            match self.holders.get(&(at, value.clone())) {
                None => {
                    self.holders.insert((at, value), own);
                }
                Some(first) => self.meet(at, *first, own),
            }
        }
        Ok(())
    }

    /// Somebody shares a value with the first who had it.
    fn meet(&mut self, at: usize, first: usize, own: usize) {
        let (one, other) = (self.root(first), self.root(own));
        let is_lost = one != other && self.stay_two(one, other);
        if is_lost {
            self.lost += 1;
        } else if one != other {
            // The older stays.
            let (stays, goes) = (one.min(other), one.max(other));
            self.people[stays].has_user_id |= self.people[goes].has_user_id;
            let bars = std::mem::take(&mut self.people[goes].beside);
            self.people[stays].beside.join_bars(&bars);
            self.people[goes].into = Some(stays);
            self.merged += 1;
        }
        let (first_id, id) = (self.people[first].id, self.people[own].id);
        let group = self.shared.entry((at, first)).or_insert_with(|| Group {
            field: self.fields[at].clone(),
            contacts: 1,
            lost: 0,
            ids: vec![first_id],
        });
        group.contacts += 1;
        group.lost += i64::from(is_lost);
        if group.ids.len() < NAMED {
            group.ids.push(id);
        }
    }

    /// As a run has it: two people, or two who were split apart (semantics 3.10).
    fn stay_two(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.people[one], &self.people[other]);
        one.has_user_id && other.has_user_id || one.beside.is_barred(&other.beside)
    }

    fn root(&mut self, mut at: usize) -> usize {
        while let Some(into) = self.people[at].into {
            // Each step halves the way of the next one.
            self.people[at].into = self.people[into].into.or(Some(into));
            at = into;
        }
        at
    }

    /// The largest groups, the largest first.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<&Group> = self.shared.values().collect();
        groups.sort_unstable_by(|one, other| {
            let larger = other.contacts.cmp(&one.contacts);
            larger.then_with(|| (one.ids[0], &one.field).cmp(&(other.ids[0], &other.field)))
        });
        groups.into_iter().take(SHOWN).cloned().collect()
    }
}
