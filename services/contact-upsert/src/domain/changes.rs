//! What a fold leaves to be written.

use uuid::Uuid;
use weir_ids::{AudienceId, ContactId};

use super::contact::{Contact, Source, Stamp};
use super::key::{Key, is_unique_key};
use super::search::SearchTexts;
use super::stored::{Receipt, StoredLink};

/// The difference between what was loaded and what is true now. What did not change is not
/// in it; rows are in the order in which they are to be locked.
#[derive(Debug, Clone, Default)]
pub struct Changes<'a> {
    pub contacts_new: Vec<ContactRow>,
    pub contacts_changed: Vec<ContactRow>,
    /// Only their registers moved.
    pub contacts_moved: Vec<(ContactId, String)>,
    pub links_new: Vec<LinkRow<'a>>,
    /// They had another contact before; their version grows by one.
    pub links_moved: Vec<LinkRow<'a>>,
    /// Values of unique identifiers that are no longer current.
    pub links_gone: Vec<LinkGone<'a>>,
    /// Ids whose stamp is now that of a merge.
    pub links_signed: Vec<LinkRow<'a>>,
    pub merges: Vec<Merge<'a>>,
    pub receipts: Vec<Receipt>,
    /// Some of them stand already: their events said nothing new before.
    pub receipts_again: bool,
    /// By identifier and audience; with a row for each of the identifiers, which leads to
    /// nobody.
    pub kept: Vec<KeptRow<'a>>,
    /// Those of the new links under which removes are kept: they are to be handed over.
    pub kept_found: Vec<Key<'a>>,
    /// Removes that came before their person in this very batch.
    pub removes: Vec<Remove<'a>>,
    /// Fields whose values do not all have their rows yet, as contacts are being reindexed: a row
    /// that is another's, or is not there, is as it should be.
    pub unsettled: Vec<&'a str>,
    /// Contacts that took over others meanwhile: they are to be looked at once more.
    pub again: Vec<ContactId>,
    /// Profile units that are charged, where the batch is: so many events were stored.
    pub units: i32,
}

/// A contact as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactRow {
    pub id: ContactId,
    pub has_user_id: bool,
    pub fields: String,
    pub registers: String,
    pub redirect_to: Option<ContactId>,
    /// What it is searched for by; nothing of one that was merged into another.
    pub search: SearchTexts,
}

/// An identifier as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow<'a> {
    pub key: Key<'a>,
    pub contact: ContactId,
    /// Whose it was, as far as this batch knows; none = nobody's. A row that turns out to be
    /// another's is not moved.
    pub from: Option<ContactId>,
    pub version: i64,
    /// Of the event that made the link.
    pub stamp: Stamp<'a>,
    /// When it was linked first, by our clock; none = by this batch.
    pub linked_micros: Option<i64>,
}

/// An identifier that is nobody's any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkGone<'a> {
    pub key: Key<'a>,
    /// Whose it was.
    pub from: ContactId,
}

/// A remove for somebody who is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRow<'a> {
    pub key: Key<'a>,
    pub audience: AudienceId,
    pub stamp: Stamp<'a>,
}

/// A remove that was kept, and whose it turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remove<'a> {
    pub contact: ContactId,
    pub audience: AudienceId,
    pub stamp: Stamp<'a>,
}

/// One contact went into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge<'a> {
    pub merged: ContactId,
    pub survivor: ContactId,
    /// What the merged one was found by.
    pub identifiers: Vec<Key<'a>>,
    /// What led to both: the identifiers of the event, those that decide first in front.
    pub found_by: Vec<Key<'a>>,
    pub before: Before,
    /// How often the merged one was merged or split, this time included: what is told of it is
    /// ordered by that.
    pub version: i64,
    /// As well, of the survivor.
    pub turn: i64,
    /// The event that made it; none = a person.
    pub cause: Option<Cause<'a>>,
    /// The id that the person gave it.
    pub request: Option<Uuid>,
}

/// Which event did something, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause<'a> {
    pub stamp: Stamp<'a>,
    pub source: Source,
}

/// A survivor as it was before a merge: what a split needs beside the merged contact's own row,
/// which is at rest (semantics 3.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    pub has_user_id: bool,
    /// As in its row.
    pub fields: String,
    pub registers: String,
    pub rule: Rule,
}

/// Whose word counted in a merge (semantics 3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The newer one.
    Newer,
    /// The survivor's: only what was empty there was filled.
    Survivor,
    /// The merged one's, as well.
    Merged,
}

impl Before {
    pub(super) fn of(contact: &Contact<'_>, rule: Rule) -> Self {
        Self {
            has_user_id: contact.has_user_id,
            fields: contact.fields_json(),
            registers: contact.registers_json(),
            rule,
        }
    }
}

impl<'a> Changes<'a> {
    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.contacts_new.is_empty()
            && self.contacts_changed.is_empty()
            && self.contacts_moved.is_empty()
            && self.receipts.is_empty()
            && self.kept.is_empty()
            && self.units == 0
    }

    /// Whether the row of an identifier may be another's, or not be there.
    pub fn is_unsettled(&self, key: &Key<'_>) -> bool {
        self.unsettled.contains(&key.kind)
    }

    /// Whether an identifier's row leads to nobody, before or after.
    pub fn has_marks(&self) -> bool {
        !self.kept.is_empty() || !self.kept_found.is_empty()
    }

    /// The contacts with rows that were merged into others: whatever else points to them has
    /// to be loaded and given to [`Changes::with_held_links`].
    pub fn merged_contacts(&self) -> Vec<ContactId> {
        let created = |id| self.contacts_new.iter().any(|row| row.id == id);
        let merged = self.merges.iter().map(|merge| merge.merged);
        merged.filter(|id| !created(*id)).collect()
    }

    /// Repoints the identifiers that merged contacts held besides those of the batch's events.
    #[must_use]
    pub fn with_held_links(mut self, held: Vec<(Key<'a>, StoredLink<'a>)>) -> Self {
        for (key, link) in held {
            let known =
                |rows: &[LinkRow<'_>]| rows.binary_search_by(|row| row.key.cmp(&key)).is_ok();
            let gone = self.links_gone.binary_search_by(|row| row.key.cmp(&key));
            if known(&self.links_moved) || gone.is_ok() {
                continue;
            }
            // Merges stand in the order in which they happened, so one pass follows a chain.
            let mut contact = link.contact;
            for merge in &mut self.merges {
                if merge.merged == contact {
                    merge.identifiers.push(key.clone());
                    contact = merge.survivor;
                }
            }
            let row = LinkRow {
                key,
                contact,
                from: Some(link.contact),
                version: link.version + 1,
                stamp: link.stamp,
                linked_micros: Some(link.linked_micros),
            };
            let index = self
                .links_moved
                .partition_point(|other| other.key < row.key);
            self.links_moved.insert(index, row);
        }
        self
    }

    /// The contact of a new link.
    pub fn contact_of(&self, key: &Key<'_>) -> Option<ContactId> {
        let found = self.links_new.binary_search_by(|row| row.key.cmp(key));
        found.ok().map(|index| self.links_new[index].contact)
    }

    /// What activity has to be told: user ids and anonymous ids that have another contact now.
    pub fn announced_links(&self) -> impl Iterator<Item = &LinkRow<'a>> {
        let rows = self.links_new.iter().chain(&self.links_moved);
        rows.filter(|row| !is_unique_key(row.key.kind))
    }
}

#[cfg(test)]
impl ContactRow {
    /// As it would be read.
    pub fn as_stored(&self) -> super::StoredContact<'_> {
        super::StoredContact {
            id: self.id,
            has_user_id: self.has_user_id,
            fields: &self.fields,
            registers: &self.registers,
            redirected: self.redirect_to.is_some(),
        }
    }
}
