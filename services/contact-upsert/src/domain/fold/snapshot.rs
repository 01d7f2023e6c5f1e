//! What is known of a batch's events before they are folded, loaded in as few steps as it takes.
//!
//! Most events name a user, and bring nothing of theirs that is new: then a unique identifier is
//! its contact's current value, which says all that its row would. So such keys are looked up in
//! a second step, and only those that the contacts of the first one did not answer.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;
use weir_ids::ContactId;

use super::links::{Link, LinkedTo, StoredAs};
use super::{Unreadable, Unusable, is_current};
use crate::domain::contact::{Contact, Source, StoredContact};
use crate::domain::event::{EventFacts, Facts, KeyId, Transition, UniqueKey};
use crate::domain::key::is_unique_key;
use crate::domain::members::Members;
use crate::domain::stored::{NOBODY, Receipt, StoredLink};

/// How careful a load has to be: each attempt at a batch more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// Leave unique identifiers of known users for later.
    InSteps,
    /// Everything at once, so that all contacts are locked in order.
    AtOnce,
    /// And take an identifier that its contact does not bear out, as it has another value or is
    /// not there, for nobody's, rather than for a sign that the contact changed between the two
    /// reads.
    Heal,
}

/// How often a link may move between two deletions of its account: each time its version grows by
/// one. That leaves room for two thousand millions of these.
const MOVES: i64 = 1 << 32;

/// What was loaded for a batch.
pub struct Snapshot<'a> {
    facts: &'a Facts<'a>,
    care: Care,
    pub(super) contacts: Vec<Contact<'a>>,
    /// Of the contacts that are alive.
    slots: HashMap<ContactId, usize>,
    /// By key; none = it has no row, or was not asked for.
    pub(super) links: Vec<Option<Link<'a>>>,
    asked: Vec<bool>,
    /// A contact's value of these may have no row, or another's: it says nothing.
    unsettled: Vec<String>,
    pub(super) receipts: Vec<Receipt>,
    /// Receipts were looked up for every event, not only for those that need one.
    pub(super) all_receipts: bool,
    /// By event.
    corrected: HashMap<Uuid, ContactId>,
    pub(super) source: Source,
    pub(super) deleted: HashMap<KeyId, i64>,
    /// Of links that are made.
    pub(super) first_version: i64,
}

impl<'a> Snapshot<'a> {
    /// Knows nothing yet.
    pub fn new(facts: &'a Facts<'a>, care: Care) -> Self {
        let unlinked = || facts.keys.iter().map(|_| None);
        Self {
            facts,
            care,
            contacts: Vec::new(),
            slots: HashMap::new(),
            links: unlinked().collect(),
            asked: vec![false; facts.keys.len()],
            unsettled: Vec::new(),
            receipts: Vec::new(),
            all_receipts: false,
            corrected: HashMap::new(),
            source: Source::default(),
            deleted: HashMap::new(),
            first_version: 1,
        }
    }

    /// By what contacts match besides, while they are reindexed.
    pub fn set_transition(&mut self, transition: Option<&Transition>) {
        let unsettled = transition.into_iter().flat_map(Transition::unsettled);
        self.unsettled = unsettled.map(str::to_owned).collect();
    }

    /// Where the batch comes from.
    pub fn set_source(&mut self, source: Source) {
        self.source = source;
    }

    /// The generation of the account's links, which grows with each deletion. Links that were
    /// deleted went with their versions, and others may not have heard of it yet: versions of new
    /// ones begin beyond those, so that they outrank whatever was told before.
    pub fn set_generation(&mut self, generation: i64) {
        self.first_version = generation.saturating_mul(MOVES).max(1);
    }

    /// Takes where the events were stored that are taken anew, as their receipts say: contacts
    /// that are alive, and are to be added with the first ones.
    pub fn set_corrected(&mut self, corrected: impl IntoIterator<Item = (Uuid, ContactId)>) {
        self.corrected.extend(corrected);
    }

    pub(super) fn corrected_slots(&self) -> HashMap<Uuid, usize> {
        let corrected = self.corrected.iter();
        let slots = corrected.filter_map(|(event, id)| Some((*event, *self.slots.get(id)?)));
        slots.collect()
    }

    /// Takes what was found of people who were deleted: by what they were known, and when they
    /// were deleted, in microseconds.
    pub fn add_deleted(&mut self, deleted: impl IntoIterator<Item = (KeyId, i64)>) {
        self.deleted.extend(deleted);
    }

    /// The keys to look up first, in order.
    pub fn first_keys(&mut self) -> Vec<KeyId> {
        for event in &self.facts.events {
            let waits = self.care == Care::InSteps && event.user.is_some();
            for key in event.keys() {
                let is_field = is_unique_key(self.facts.keys[key.0].kind);
                self.asked[key.0] |= !(waits && is_field);
            }
        }
        self.keys_where(|asked| asked)
    }

    /// Takes rows: of keys that were asked for, and of the contacts that they lead to, as far
    /// as those are not [known](Self::knows).
    ///
    /// # Errors
    /// Where they are not of one moment, or can't be read.
    pub fn add(
        &mut self,
        links: Vec<(KeyId, StoredLink<'a>)>,
        contacts: &[StoredContact<'a>],
    ) -> Result<(), Unusable> {
        self.contacts
            .reserve(contacts.len() + self.facts.events.len());
        self.slots.reserve(contacts.len());
        let mut members = Members::default();
        let mut unreadable = Vec::new();
        for row in contacts.iter().filter(|row| !row.redirected) {
            match Contact::read(row, &mut members) {
                Ok(contact) => {
                    self.slots.insert(row.id, self.contacts.len());
                    self.contacts.push(contact);
                }
                Err(_) => unreadable.push(row.id),
            }
        }
        if !unreadable.is_empty() {
            return Err(self.unreadable(unreadable, &links));
        }
        if !self.corrected.values().all(|id| self.knows(*id)) {
            // It was merged into another before it was locked.
            return Err(Unusable::Stale);
        }
        for (key, link) in links {
            if link.contact == NOBODY {
                self.links[key.0] = Some(Link {
                    marked: true,
                    ..Link::default()
                });
                continue;
            }
            let slot = self.slots.get(&link.contact).copied().filter(|slot| {
                let contact = &self.contacts[*slot];
                is_current(self.facts.settings, contact, &self.facts.keys[key.0])
            });
            if slot.is_none() && self.care != Care::Heal {
                return Err(Unusable::Stale);
            }
            let stored = Some(StoredAs {
                contact: link.contact,
                version: link.version,
                linked_micros: link.linked_micros,
            });
            let now = slot.map(|contact| LinkedTo {
                contact,
                stamp: link.stamp,
            });
            self.links[key.0] = Some(Link {
                stored,
                now,
                ..Link::default()
            });
        }
        Ok(())
    }

    /// Whoever leads to these contacts is told apart only where all links were read, and at
    /// once: one that was kept in mind may lead elsewhere by now.
    fn unreadable(&self, contacts: Vec<ContactId>, links: &[(KeyId, StoredLink<'_>)]) -> Unusable {
        if self.care == Care::InSteps {
            return Unusable::Stale;
        }
        let broken: HashSet<ContactId> = contacts.iter().copied().collect();
        let leading = links.iter().filter(|(_, to)| broken.contains(&to.contact));
        let leading: HashSet<usize> = leading.map(|(key, _)| key.0).collect();
        let events = self.facts.events.iter().enumerate();
        let events = events.filter(|(_, event)| {
            let stored_on = self.corrected.get(&event.event.key);
            event.keys().any(|key| leading.contains(&key.0))
                || stored_on.is_some_and(|contact| broken.contains(contact))
        });
        let events = events.map(|(index, _)| index).collect();
        Unusable::Unreadable(Unreadable { contacts, events })
    }

    /// The keys that are still unknown, in order; with their rows and contacts the snapshot
    /// is whole.
    pub fn other_keys(&mut self) -> Vec<KeyId> {
        for event in &self.facts.events {
            let owner = event
                .user
                .and_then(|key| self.links[key.0].as_ref()?.slot());
            for unique in &event.unique_keys {
                let id = unique.key.0;
                if let (Some(slot), false) = (owner, self.asked[id])
                    && !self.is_unsettled(id)
                    && self.is_current(slot, event, unique)
                {
                    self.links[id] = Some(Link::of_current_key(&self.contacts[slot], slot));
                    self.asked[id] = true;
                }
            }
        }
        let others = self.keys_where(|asked| !asked);
        self.asked.fill(true);
        others
    }

    fn is_unsettled(&self, key: usize) -> bool {
        let kind = self.facts.keys[key].kind;
        self.unsettled.iter().any(|field| field == kind)
    }

    /// As the function of that name; where contact and event write the value alike, its key
    /// is the same as well.
    fn is_current(&self, slot: usize, event: &EventFacts<'_>, unique: &UniqueKey) -> bool {
        let contact = &self.contacts[slot];
        let (field, value) = event.fields[unique.field];
        let register = contact.register_near(field, unique.field);
        register.is_some_and(|register| register.value == value)
            || is_current(self.facts.settings, contact, &self.facts.keys[unique.key.0])
    }

    fn keys_where(&self, wanted: impl Fn(bool) -> bool) -> Vec<KeyId> {
        let keys = self.asked.iter().enumerate();
        keys.filter(|(_, asked)| wanted(**asked))
            .map(|(id, _)| KeyId(id))
            .collect()
    }

    /// Takes the receipts that were found; `all` where they were looked up for every event.
    pub fn add_receipts(&mut self, receipts: Vec<Receipt>, all: bool) {
        self.receipts = receipts;
        self.all_receipts = all;
    }

    /// Whether the contact was loaded.
    pub fn knows(&self, contact: ContactId) -> bool {
        self.slots.contains_key(&contact)
    }

    /// Whether contacts that are found now may be waited for. Where some are locked already,
    /// two batches could wait for each other.
    pub fn may_wait(&self) -> bool {
        self.contacts.is_empty()
    }
}
