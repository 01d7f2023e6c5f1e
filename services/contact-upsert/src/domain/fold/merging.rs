//! Two contacts become one (semantics 3.6, 3.7).
//!
//! **Invariant:** the survivor has the lower id, so redirects never make a circle.

use weir_ids::ContactId;

use super::links::Link;
use super::{Contact, Key, KeyId, MergeStrategy, State};
use crate::domain::changes::{Before, Cause, Merge, Rule};
use crate::domain::contact::{Beside, Precedence};

/// A merge that happened in this batch.
pub(super) struct MergeState<'a> {
    merged: usize,
    survivor: usize,
    identifiers: Vec<Key<'a>>,
    found_by: Vec<Key<'a>>,
    before: Before,
    /// Of the one that went, and of the one that stayed.
    turns: (i64, i64),
    cause: Option<Cause<'a>>,
}

impl<'a> MergeState<'a> {
    /// The slot of the one that stayed, then.
    pub(super) fn survivor(&self) -> usize {
        self.survivor
    }

    pub(super) fn of(self, contacts: &[Contact<'a>]) -> Merge<'a> {
        Merge {
            merged: contacts[self.merged].id,
            survivor: contacts[self.survivor].id,
            identifiers: self.identifiers,
            found_by: self.found_by,
            before: self.before,
            version: self.turns.0,
            turn: self.turns.1,
            cause: self.cause,
            request: None,
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

    /// Merges another contact with the event's and answers the one that stays: the older.
    /// `found_by` led to both.
    pub(super) fn merge(
        &mut self,
        own: usize,
        other: usize,
        cause: Option<Cause<'a>>,
        found_by: &[KeyId],
    ) -> usize {
        let (survivor, merged) = if self.contacts[own].id < self.contacts[other].id {
            (own, other)
        } else {
            (other, own)
        };
        self.load_current_keys(survivor);
        self.load_current_keys(merged);
        let mut identifiers = Vec::new();
        for id in (0..self.links.len()).map(KeyId) {
            if self.linked(id).is_some_and(|to| to.contact == merged) {
                identifiers.push(self.key(id).clone());
                if let Some(Link { now: Some(to), .. }) = &mut self.links[id.0] {
                    to.contact = survivor;
                }
            }
        }
        identifiers.sort_unstable();
        let keys = self.current_keys(survivor).into_iter();
        let keys: Vec<_> = keys.chain(self.current_keys(merged)).collect();

        let precedence = self.precedence();
        let rule = match precedence {
            Precedence::Newer => Rule::Newer,
            Precedence::Own if own == survivor => Rule::Survivor,
            Precedence::Own => Rule::Merged,
        };
        let before = Before::of(&self.contacts[survivor], rule);
        // The merged contact's own registers stay as they are, for a split.
        let mut whole = self.contacts[own].clone();
        whole.absorb(&self.contacts[other], precedence);
        let stays = &mut self.contacts[survivor];
        stays.registers = whole.registers;
        stays.has_user_id = whole.has_user_id;
        stays.beside = Beside {
            turns: stays.beside.turns + 1,
            ..whole.beside
        };
        stays.changed = true;
        let turn = stays.beside.turns;
        let goes = &mut self.contacts[merged];
        goes.merged_into = Some(survivor);
        goes.beside.turns += 1;
        goes.changed = true;
        let turns = (goes.beside.turns, turn);

        let after = self.current_keys(survivor);
        for key in keys {
            if !after.contains(&key) {
                self.unlink(survivor, key);
            }
        }
        self.merges.push(MergeState {
            merged,
            survivor,
            identifiers,
            found_by: found_by.iter().map(|id| self.key(*id).clone()).collect(),
            before,
            turns,
            cause,
        });
        survivor
    }

    /// The unique identifiers of a contact's current values.
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

    /// A contact's unique identifiers need not be among the identifiers of the batch's events.
    fn load_current_keys(&mut self, slot: usize) {
        for key in self.current_keys(slot) {
            let contact = &self.contacts[slot];
            self.links[key.0].get_or_insert_with(|| Link::of_current_key(contact, slot));
        }
    }
}
