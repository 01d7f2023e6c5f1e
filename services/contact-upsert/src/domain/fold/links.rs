//! Identifiers while a batch is folded: what their rows say, and what is true now.

use weir_ids::ContactId;

use super::State;
use crate::domain::contact::{Contact, Stamp};
use crate::domain::event::{EventFacts, KeyId};
use crate::domain::key::Key;

/// An identifier.
#[derive(Default)]
pub(super) struct Link<'a> {
    /// Its row; none = it has no row that leads to a contact.
    pub stored: Option<StoredAs>,
    pub now: Option<LinkedTo<'a>>,
    /// Removes are kept under it: its row leads to nobody (semantics 4.7).
    pub marked: bool,
    /// A merge made its stamp the event's (see [`State::sign`]).
    pub signed: bool,
}

/// Version and first linking.
#[derive(Clone, Copy)]
pub(super) struct StoredAs {
    pub contact: ContactId,
    pub version: i64,
    pub linked_micros: i64,
}

#[derive(Clone)]
pub(super) struct LinkedTo<'a> {
    pub contact: usize,
    pub stamp: Stamp<'a>,
}

impl Link<'_> {
    /// The contact that it leads to now.
    pub fn slot(&self) -> Option<usize> {
        self.now.as_ref().map(|to| to.contact)
    }

    /// That of a unique identifier which is a contact's current value and was not loaded: that it
    /// has a row follows from the contact's having one.
    pub fn of_current_key(contact: &Contact<'_>, slot: usize) -> Self {
        Self {
            stored: StoredAs::by(contact),
            now: Some(LinkedTo {
                contact: slot,
                stamp: Stamp::new(0, ""),
            }),
            ..Self::default()
        }
    }
}

impl StoredAs {
    /// How the row of a contact's unique identifier that was not loaded stands.
    pub fn by(contact: &Contact<'_>) -> Option<Self> {
        contact.stored.then_some(Self {
            contact: contact.id,
            version: 0,
            linked_micros: 0,
        })
    }
}

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    /// Links those of the event's ids that are nobody's.
    pub(super) fn link(&mut self, slot: usize, facts: &EventFacts<'a>) {
        if let Some(key) = facts.user
            && self.linked(key).is_none()
        {
            self.point(key, slot, facts.stamp.clone());
            if !self.contacts[slot].has_user_id {
                self.contacts[slot].has_user_id = true;
                self.contacts[slot].changed = true;
            }
        }
        if let Some(key) = facts.anonymous
            && self.linked(key).is_none()
        {
            self.point(key, slot, facts.stamp.clone());
        }
    }

    pub(super) fn point(&mut self, key: KeyId, contact: usize, stamp: Stamp<'a>) {
        let link = self.links[key.0].get_or_insert_default();
        link.now = Some(LinkedTo { contact, stamp });
    }

    /// An event that did nothing but lead one contact to another leaves its stamp on the
    /// anonymous id that it did it by, so that its repeat is recognised.
    pub(super) fn sign(&mut self, slot: usize, facts: &EventFacts<'a>) {
        if facts.needs_receipt(self.settings) || self.has_trace(slot, facts) {
            return;
        }
        if let Some(key) = facts.anonymous
            && let Some(link) = &mut self.links[key.0]
            && let Some(to) = &mut link.now
            && to.contact == slot
            && to.stamp < facts.stamp
        {
            to.stamp = facts.stamp.clone();
            link.signed = true;
        }
    }

    pub(super) fn linked(&self, key: KeyId) -> Option<&LinkedTo<'a>> {
        self.links[key.0]
            .as_ref()
            .and_then(|link| link.now.as_ref())
    }

    pub(super) fn key(&self, id: KeyId) -> &Key<'a> {
        match id.0.checked_sub(self.keys.len()) {
            None => &self.keys[id.0],
            Some(more) => &self.more_keys[more],
        }
    }

    /// The number of a key that stands in a contact rather than in an event.
    pub(super) fn key_id(&mut self, key: Key<'a>) -> KeyId {
        if let Ok(id) = self.keys.binary_search(&key) {
            return KeyId(id);
        }
        let known = self.more_keys.iter().position(|more| *more == key);
        let more = known.unwrap_or_else(|| {
            self.more_keys.push(key);
            self.links.push(None);
            self.more_keys.len() - 1
        });
        KeyId(self.keys.len() + more)
    }

    /// Whether one of the event's ids is nobody's.
    pub(super) fn unlinked(&self, facts: &EventFacts<'a>) -> bool {
        let mut ids = facts.user.into_iter().chain(facts.anonymous);
        ids.any(|key| self.linked(key).is_none())
    }

    /// A unique identifier that is no longer its contact's current value is nobody's.
    pub(super) fn unlink(&mut self, slot: usize, key: KeyId) {
        let stored = StoredAs::by(&self.contacts[slot]);
        let link = self.links[key.0].get_or_insert_with(|| Link {
            stored,
            ..Link::default()
        });
        if link.slot() == Some(slot) {
            link.now = None;
        }
    }
}
