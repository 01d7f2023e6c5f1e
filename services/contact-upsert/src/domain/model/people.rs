//! What a person does to the tables: merging and splitting by hand.

use std::collections::BTreeMap;

use uuid::Uuid;
use weir_ids::ContactId;

use super::{Identifier, LinkRow, Tables, identifier_of, key_of, stored_link};
use crate::domain::{
    Before, Changes, ContactRow, Facts, Joined, Key, Merge, NOBODY, Parts, Settings, StoredContact,
    StoredLink, Undo, merge_by_hand, read_registers,
};

/// A row of `merges`.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeRow {
    pub merged: ContactId,
    pub survivor: ContactId,
    pub turn: i64,
    pub version: i64,
    pub identifiers: Vec<Identifier>,
    pub before: Before,
    pub is_split: bool,
}

/// Field, time, message, value.
type Register = (String, i64, String, Option<String>);
/// Whether it has a user id, whom it was merged into, its registers.
type State = (bool, Option<ContactId>, Vec<Register>);

impl Tables {
    pub(super) fn write_merges(&mut self, merges: &[Merge<'_>]) {
        for merge in merges {
            let standing = |row: &MergeRow| row.merged == merge.merged && !row.is_split;
            assert!(!self.merges.iter().any(standing), "a contact goes once");
            self.merges.push(MergeRow {
                merged: merge.merged,
                survivor: merge.survivor,
                turn: merge.turn,
                version: merge.version,
                identifiers: merge.identifiers.iter().map(identifier_of).collect(),
                before: merge.before.clone(),
                is_split: false,
            });
        }
    }

    /// What is known of contacts, but for what is kept beside registers.
    pub fn registers(&self) -> BTreeMap<ContactId, State> {
        let contacts = self.contacts.values().map(|row| {
            let registers = read_registers(&row.fields, &row.registers).unwrap();
            let registers = registers.into_iter().map(|register| {
                let stamp = register.stamp;
                let value = register.value.map(str::to_owned);
                let field = register.field.to_owned();
                (field, stamp.micros, stamp.message_id.into_owned(), value)
            });
            let state = (row.has_user_id, row.redirect_to, registers.collect());
            (row.id, state)
        });
        contacts.collect()
    }

    /// Whose each identifier is.
    pub fn holders(&self) -> BTreeMap<Identifier, ContactId> {
        let links = self.links.iter();
        links
            .map(|(identifier, link)| (identifier.clone(), link.contact))
            .collect()
    }

    pub fn live_contacts(&self) -> Vec<ContactId> {
        let rows = self.contacts.values();
        rows.filter(|row| row.redirect_to.is_none())
            .map(|row| row.id)
            .collect()
    }

    fn identifiers_of(
        &self,
        contact: ContactId,
    ) -> impl Iterator<Item = (Key<'_>, StoredLink<'_>)> {
        let links = self
            .links
            .iter()
            .filter(move |(_, link)| link.contact == contact);
        links.map(|((kind, value), link)| (key_of(kind, value), stored_link(link)))
    }

    /// Merges two live contacts by hand.
    pub fn merge(&mut self, settings: &Settings, one: ContactId, other: ContactId) {
        let before = self.clone();
        let links: BTreeMap<Key<'_>, StoredLink<'_>> = before
            .identifiers_of(one)
            .chain(before.identifiers_of(other))
            .collect();
        let (keys, links): (Vec<Key<'_>>, Vec<StoredLink<'_>>) = links.into_iter().unzip();
        let facts = Facts::of_keys(settings, keys);
        let mut contacts = [one, other].map(|id| stored(&before.contacts[&id]));
        contacts.sort_by_key(|contact| contact.id);
        let joined: Joined<'_> = merge_by_hand(&facts, &contacts, links).unwrap();
        for field in &joined.fields {
            let sides =
                [&field.survivor, &field.merged].map(|side| side.as_ref().and_then(|r| r.value));
            assert!(sides.contains(&field.result), "{field:?}");
        }
        self.write_by_hand(settings, &joined.changes);
    }

    /// Undoes a merge; the fields that could not come back.
    pub fn split(&mut self, settings: &Settings, merge: usize) -> Vec<(ContactId, String)> {
        let before = self.clone();
        let row = &before.merges[merge];
        let undo = Undo {
            survivor: stored(&before.contacts[&row.survivor]),
            merged: stored(&before.contacts[&row.merged]),
            before: &row.before,
            identifiers: row
                .identifiers
                .iter()
                .map(|(kind, value)| key_of(kind, value))
                .collect(),
            bar: Uuid::from_u128(merge as u128 + 1),
        };
        let parts = Parts::read(settings, undo).unwrap();
        let unique = parts.unique_keys();
        let others = before.links.iter().filter(|((kind, value), _)| {
            unique
                .iter()
                .any(|key| (key.kind, &*key.value) == (kind.as_str(), value.as_str()))
        });
        let others = others.map(|((kind, value), link)| (key_of(kind, value), stored_link(link)));
        let apart = parts.split(before.identifiers_of(row.survivor).chain(others).collect());
        assert!(apart.version > row.version);
        self.write_by_hand(settings, &apart.changes);
        self.merges[merge].is_split = true;
        let left_out = apart.left_out.into_iter();
        left_out
            .map(|(contact, field)| (contact, field.to_owned()))
            .collect()
    }

    /// Whether no later merge is in the way of a split.
    pub fn can_split(&self, merge: usize) -> bool {
        let row = &self.merges[merge];
        let in_the_way = |other: &MergeRow| {
            !other.is_split
                && (other.merged == row.survivor
                    || (other.survivor == row.survivor && other.turn > row.turn))
        };
        !row.is_split && !self.merges.iter().any(in_the_way)
    }

    fn write_by_hand(&mut self, settings: &Settings, changes: &Changes<'_>) {
        for row in &changes.contacts_changed {
            self.contacts
                .insert(row.id, row.clone())
                .expect("it was there");
        }
        assert!(changes.contacts_new.is_empty() && changes.contacts_moved.is_empty());
        for row in &changes.links_gone {
            let gone = self.links.remove(&identifier_of(&row.key)).unwrap();
            assert_eq!(gone.contact, row.from);
        }
        for row in &changes.links_moved {
            let link = self.links.get_mut(&identifier_of(&row.key)).unwrap();
            assert_eq!(Some(link.contact), row.from);
            link.contact = row.contact;
            link.version += 1;
        }
        for row in &changes.links_new {
            let link = LinkRow {
                contact: row.contact,
                version: row.version,
                micros: row.stamp.micros,
                message_id: row.stamp.message_id.clone().into_owned(),
            };
            assert!(self.links.insert(identifier_of(&row.key), link).is_none());
        }
        self.write_merges(&changes.merges);
        self.check(settings);
        assert!(self.links.values().all(|link| {
            link.contact == NOBODY || self.contacts[&link.contact].redirect_to.is_none()
        }));
    }
}

fn stored(row: &ContactRow) -> StoredContact<'_> {
    StoredContact {
        id: row.id,
        has_user_id: row.has_user_id,
        fields: &row.fields,
        registers: &row.registers,
        redirected: row.redirect_to.is_some(),
    }
}
