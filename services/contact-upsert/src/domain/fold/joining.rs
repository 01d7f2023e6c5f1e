//! Two contacts become one (semantics 3.6, 3.7).
//!
//! **Invariant:** the survivor has the lower id, so redirects never make a circle.

use weir_ids::ContactId;

use super::{Contact, Key, KeyId, Link, State, StoredAs};
use crate::domain::changes::Join;

/// A join that happened in this batch.
pub(super) struct JoinState<'a> {
    joined: usize,
    survivor: usize,
    identifiers: Vec<Key<'a>>,
}

impl<'a> JoinState<'a> {
    pub(super) fn of(self, contacts: &[Contact<'a>]) -> Join<'a> {
        Join {
            joined: contacts[self.joined].id,
            survivor: contacts[self.survivor].id,
            identifiers: self.identifiers,
        }
    }
}

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    /// Joins two contacts and answers the one that stays: the older.
    pub(super) fn join(&mut self, one: usize, other: usize) -> usize {
        let (survivor, joined) = if self.contacts[one].id < self.contacts[other].id {
            (one, other)
        } else {
            (other, one)
        };
        self.load_current_keys(survivor);
        self.load_current_keys(joined);
        let mut identifiers = Vec::new();
        for id in (0..self.links.len()).map(KeyId) {
            if self.linked(id).is_some_and(|to| to.contact == joined) {
                identifiers.push(self.key(id).clone());
                if let Some(Link { now: Some(to), .. }) = &mut self.links[id.0] {
                    to.contact = survivor;
                }
            }
        }
        identifiers.sort_unstable();
        let before = self.current_keys(survivor).into_iter();
        let before: Vec<_> = before.chain(self.current_keys(joined)).collect();

        // The joined contact's own registers stay as they are, for a split.
        let theirs = self.contacts[joined].clone();
        self.contacts[survivor].absorb(&theirs);
        self.contacts[joined].joined_into = Some(survivor);
        self.contacts[joined].changed = true;

        let after = self.current_keys(survivor);
        for key in before {
            if !after.contains(&key) {
                self.unlink(survivor, key);
            }
        }
        self.joins.push(JoinState {
            joined,
            survivor,
            identifiers,
        });
        survivor
    }

    /// The merge keys of a contact's current values.
    fn current_keys(&mut self, slot: usize) -> Vec<KeyId> {
        let mut keys = Vec::new();
        for field in &self.settings.unique_identifiers {
            let value = self.contacts[slot].value(field);
            if let Some(key) = value.and_then(|json| Key::merge(field, json)) {
                keys.push(self.key_id(key));
            }
        }
        keys
    }

    /// A contact's merge keys need not be among the identifiers of the batch's events.
    fn load_current_keys(&mut self, slot: usize) {
        for key in self.current_keys(slot) {
            let contact = &self.contacts[slot];
            self.links[key.0].get_or_insert_with(|| Link::of_current_key(contact, slot));
        }
    }

    /// A merge key that is no longer its contact's current value is nobody's.
    pub(super) fn unlink(&mut self, slot: usize, key: KeyId) {
        let stored = StoredAs::by(&self.contacts[slot]);
        let link = self.links[key.0].get_or_insert(Link { stored, now: None });
        if link.slot() == Some(slot) {
            link.now = None;
        }
    }
}
