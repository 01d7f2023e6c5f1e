//! Two contacts become one (semantics 3.6, 3.7).
//!
//! **Invariant:** the survivor has the lower id, so redirects never make a circle.

use weir_ids::ContactId;

use super::links::Link;
use super::{Contact, Key, KeyId, MergeStrategy, State};
use crate::domain::changes::Join;
use crate::domain::contact::Precedence;

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
    /// Whose word counts where contacts are merged.
    pub(super) fn precedence(&self) -> Precedence {
        match self.settings.merge_strategy {
            MergeStrategy::Overwrite => Precedence::Newer,
            MergeStrategy::Append | MergeStrategy::Ignore => Precedence::Own,
        }
    }

    /// Joins another contact with the event's and answers the one that stays: the older.
    pub(super) fn join(&mut self, own: usize, other: usize) -> usize {
        let (survivor, joined) = if self.contacts[own].id < self.contacts[other].id {
            (own, other)
        } else {
            (other, own)
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
        let mut merged = self.contacts[own].clone();
        merged.absorb(&self.contacts[other], self.precedence());
        let stays = &mut self.contacts[survivor];
        stays.registers = merged.registers;
        stays.has_user_id = merged.has_user_id;
        stays.changed = true;
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
            if let Some(key) = value.and_then(|json| self.settings.key(field, json)) {
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
}
