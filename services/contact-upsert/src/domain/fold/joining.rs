//! Two contacts become one (semantics 3.6, 3.7).
//!
//! **Invariant:** the survivor has the lower id, so redirects never make a circle.

use weir_ids::ContactId;

use super::{Contact, Key, Link, LinkedTo, Stamp, State, StoredAs};
use crate::domain::changes::Join;

/// A join that happened in this batch.
pub(super) struct JoinState<'a> {
    joined: usize,
    survivor: usize,
    identifiers: Vec<Key<'a>>,
}

impl<'a> JoinState<'a> {
    pub(super) fn of(&self, contacts: &[Contact<'a>]) -> Join<'a> {
        Join {
            joined: contacts[self.joined].id,
            survivor: contacts[self.survivor].id,
            identifiers: self.identifiers.clone(),
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
        let mut identifiers: Vec<Key<'a>> = self
            .links
            .iter()
            .filter(|(_, link)| link.now.as_ref().is_some_and(|to| to.contact == joined))
            .map(|(key, _)| key.clone())
            .collect();
        identifiers.sort_unstable();
        for key in &identifiers {
            if let Some(Link { now: Some(to), .. }) = self.links.get_mut(key) {
                to.contact = survivor;
            }
        }
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
    fn current_keys(&self, slot: usize) -> Vec<Key<'a>> {
        let fields = self.settings.unique_identifiers.iter();
        fields
            .filter_map(|field| {
                let value = self.contacts[slot].value(field)?;
                Key::merge(field, value)
            })
            .collect()
    }

    /// A contact's merge keys need not be among the identifiers of the batch's events; that
    /// they have rows follows from the contact's values.
    fn load_current_keys(&mut self, slot: usize) {
        for key in self.current_keys(slot) {
            let stored = self.stored_as(slot);
            self.links.entry(key).or_insert_with(|| Link {
                stored,
                now: Some(LinkedTo {
                    contact: slot,
                    stamp: Stamp::new(0, ""),
                }),
            });
        }
    }

    /// A merge key that is no longer its contact's current value is nobody's.
    pub(super) fn unlink(&mut self, slot: usize, key: Key<'a>) {
        let stored = self.stored_as(slot);
        let link = self.links.entry(key).or_insert(Link { stored, now: None });
        if link.now.as_ref().is_some_and(|to| to.contact == slot) {
            link.now = None;
        }
    }

    /// How a row of a merge key that was not loaded stands: with its contact, if that has a row.
    fn stored_as(&self, slot: usize) -> Option<StoredAs> {
        let contact = &self.contacts[slot];
        contact.stored.then_some(StoredAs {
            contact: contact.id,
            version: 0,
            linked_micros: 0,
        })
    }
}
