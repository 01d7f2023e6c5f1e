//! The tables in memory, for the properties: loads and writes as the store does.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use weir_ids::ContactId;

use super::{
    Care, Changes, ContactRow, Event, Facts, Key, KeyId, Settings, Snapshot, Stamp, Status,
    StoredContact, StoredLink, fold, is_merge_key,
};

/// Contacts, identifiers and receipts of one account.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tables {
    pub contacts: BTreeMap<ContactId, ContactRow>,
    pub links: BTreeMap<(String, String), LinkRow>,
    pub receipts: BTreeMap<Uuid, ContactId>,
    pub units: i64,
    next_id: u128,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct LinkRow {
    pub contact: ContactId,
    pub version: i64,
    micros: i64,
    message_id: String,
}

impl Tables {
    /// One transaction; however the store loads, it must come to the same.
    pub fn run(&mut self, settings: &Settings, events: &[Event]) -> Vec<Status> {
        let facts = Facts::of(events, settings).unwrap();
        let in_steps = self.after(settings, &facts, Care::InSteps);
        assert_eq!(self.after(settings, &facts, Care::AtOnce), in_steps);
        let (statuses, after) = in_steps;
        *self = after;
        statuses
    }

    fn after(&self, settings: &Settings, facts: &Facts<'_>, care: Care) -> (Vec<Status>, Self) {
        let mut all_receipts = false;
        let (folded, next_id) = loop {
            let mut next_id = self.next_id;
            let new_id = || {
                next_id += 1;
                ContactId(Uuid::from_u128(next_id))
            };
            let snapshot = self.snapshot(settings, facts, care, all_receipts);
            let folded = fold(settings, facts, snapshot, new_id);
            if !folded.needs_all_receipts {
                break (folded, next_id);
            }
            assert!(!all_receipts, "asks for receipts only once");
            all_receipts = true;
        };
        let statuses: Vec<Status> = folded.outcomes.iter().map(|o| o.status).collect();
        let joined = folded.changes.joined_contacts();
        let held = self
            .links
            .iter()
            .filter(|(_, row)| joined.contains(&row.contact))
            .map(|((kind, value), row)| (key_of(kind, value), stored_link(row)))
            .collect();
        let mut after = self.clone();
        after.next_id = next_id;
        after.write(&folded.changes.with_held_links(held));
        for outcome in &folded.outcomes {
            let live = outcome.contact.map(|id| after.contacts[&id].redirect_to);
            assert!(outcome.status == Status::Repeated || live.is_none_or(|to| to.is_none()));
        }
        after.check(settings);
        (statuses, after)
    }

    fn snapshot<'a>(
        &'a self,
        settings: &Settings,
        facts: &'a Facts<'a>,
        care: Care,
        all_receipts: bool,
    ) -> Snapshot<'a> {
        let mut snapshot = Snapshot::new(facts, care);
        let keys = snapshot.first_keys();
        self.load(&mut snapshot, facts, &keys);
        let keys = snapshot.other_keys();
        self.load(&mut snapshot, facts, &keys);
        let receipts = facts.with_receipts(settings, all_receipts).into_iter();
        let receipts = receipts.filter_map(|key| Some((key, *self.receipts.get(&key)?)));
        snapshot.add_receipts(receipts.collect(), all_receipts);
        snapshot
    }

    fn load<'a>(&'a self, snapshot: &mut Snapshot<'a>, facts: &Facts<'_>, keys: &[KeyId]) {
        let links: Vec<(KeyId, StoredLink<'_>)> = keys
            .iter()
            .filter_map(|id| {
                let key = facts.key(*id);
                let place = (key.kind.to_owned(), key.value.clone().into_owned());
                Some((*id, stored_link(self.links.get(&place)?)))
            })
            .collect();
        let contacts = links.iter().map(|(_, link)| link.contact);
        let contacts: BTreeSet<ContactId> = contacts.filter(|id| !snapshot.knows(*id)).collect();
        let contacts: Vec<StoredContact<'_>> = contacts
            .iter()
            .map(|id| {
                let row = &self.contacts[id];
                StoredContact {
                    id: row.id,
                    has_user_id: row.has_user_id,
                    fields: &row.fields,
                    registers: &row.registers,
                    redirected: row.redirect_to.is_some(),
                }
            })
            .collect();
        snapshot.add(links, &contacts).unwrap();
    }

    fn write(&mut self, changes: &Changes<'_>) {
        for row in &changes.contacts_new {
            assert!(self.contacts.insert(row.id, row.clone()).is_none());
        }
        for row in &changes.contacts_changed {
            let before = self.contacts.insert(row.id, row.clone()).unwrap();
            assert_eq!(before.redirect_to, None, "a joined contact is at rest");
        }
        for (id, registers) in &changes.contacts_moved {
            self.contacts
                .get_mut(id)
                .unwrap()
                .registers
                .clone_from(registers);
        }
        for row in &changes.links_gone {
            let place = (row.key.kind.to_owned(), row.key.value.clone().into_owned());
            assert_eq!(self.links.remove(&place).unwrap().contact, row.from);
        }
        for row in &changes.links_moved {
            let place = (row.key.kind.to_owned(), row.key.value.clone().into_owned());
            let link = self.links.get_mut(&place).unwrap();
            if !is_merge_key(row.key.kind) {
                assert_eq!(link.version + 1, row.version);
            }
            assert_eq!(Some(link.contact), row.from);
            link.contact = row.contact;
            link.version += 1;
        }
        for row in &changes.links_new {
            let place = (row.key.kind.to_owned(), row.key.value.clone().into_owned());
            let link = LinkRow {
                contact: row.contact,
                version: row.version,
                micros: row.stamp.micros,
                message_id: row.stamp.message_id.clone().into_owned(),
            };
            assert!(self.links.insert(place, link).is_none());
        }
        for (key, id) in &changes.receipts {
            assert!(self.receipts.insert(*key, *id).is_none());
        }
        self.units += i64::from(changes.units);
    }

    /// What holds whatever happened (I6).
    fn check(&self, settings: &Settings) {
        for ((kind, value), link) in &self.links {
            let contact = &self.contacts[&link.contact];
            assert_eq!(
                contact.redirect_to, None,
                "identifiers point to live contacts"
            );
            if is_merge_key(kind) {
                assert_eq!(current_key(contact, kind).as_ref(), Some(value));
            }
            assert!(kind != super::USER_ID || contact.has_user_id);
        }
        for contact in self.contacts.values() {
            assert!(
                contact.redirect_to.is_none_or(|to| to < contact.id),
                "no circles"
            );
            for field in &settings.unique_identifiers {
                if contact.redirect_to.is_none()
                    && let Some(value) = current_key(contact, field)
                {
                    let owner = &self.links[&(field.clone(), value)];
                    assert_eq!(owner.contact, contact.id, "one contact a merge key");
                }
            }
        }
    }

    /// All but how often identifiers moved, which depends on the grouping.
    pub fn essence(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let links: Vec<_> = self
            .links
            .iter()
            .map(|(k, l)| (k.clone(), l.contact))
            .collect();
        let receipts: Vec<_> = self.receipts.keys().copied().collect();
        (self.contacts.clone(), links, receipts, self.units)
    }

    /// All but the registers: the word of an event that was stored in part may still move one
    /// that says the same.
    pub fn visible(&self) -> Self {
        let mut visible = self.clone();
        for contact in visible.contacts.values_mut() {
            contact.registers.clear();
        }
        visible
    }

    pub fn live(&self, mut id: ContactId) -> ContactId {
        while let Some(to) = self.contacts[&id].redirect_to {
            id = to;
        }
        id
    }
}

fn current_key(contact: &ContactRow, field: &str) -> Option<String> {
    let registers = super::read_registers(&contact.fields, &contact.registers).unwrap();
    let register = registers.into_iter().find(|r| r.field == field)?;
    let key = Key::merge(field, register.value?)?;
    Some(key.value.into_owned())
}

fn key_of<'a>(kind: &'a str, value: &'a str) -> Key<'a> {
    Key {
        kind,
        value: value.into(),
    }
}

fn stored_link(row: &LinkRow) -> StoredLink<'_> {
    StoredLink {
        contact: row.contact,
        version: row.version,
        stamp: Stamp::new(row.micros, &row.message_id),
        linked_micros: 0,
    }
}
