//! A split undoes a merge (semantics 3.10): both contacts as they were, and what was written
//! since on the one that had survived.
//!
//! **Invariant:** a unique identifier stays one contact's. Where a value that would come back is
//! somebody else's by now, or the survivor said it again itself, it stays out, and is named.

use std::collections::BTreeMap;

use uuid::Uuid;
use weir_ids::ContactId;

use super::changes::{Before, Changes, ContactRow, LinkGone, LinkRow, Rule};
use super::contact::{Contact, InvalidContact, Precedence, Register, Stamp, StoredContact};
use super::event::Settings;
use super::key::{Key, USER_ID, is_unique_key};
use super::members::Members;
use super::search::SearchTexts;
use super::stored::{NOBODY, StoredLink};

/// What a split starts from; the contacts are locked.
#[derive(Debug, Clone)]
pub struct Undo<'a> {
    /// As they are now.
    pub survivor: StoredContact<'a>,
    pub merged: StoredContact<'a>,
    /// The survivor before the merge.
    pub before: &'a Before,
    /// What the merged one was found by.
    pub identifiers: Vec<Key<'a>>,
    /// Stands for this split on both.
    pub bar: Uuid,
}

/// What a split comes to.
#[derive(Debug, Clone)]
pub struct Apart<'a> {
    pub changes: Changes<'a>,
    /// Grows with every merge and split of the contact that comes back.
    pub version: i64,
    /// Values of unique identifiers that could not come back, and on whom.
    pub left_out: Vec<(ContactId, &'a str)>,
}

/// Both contacts, read.
pub struct Parts<'a> {
    settings: &'a Settings,
    undo: Undo<'a>,
    now: Contact<'a>,
    stays: Contact<'a>,
    back: Contact<'a>,
}

impl<'a> Parts<'a> {
    /// Reads what is stored; what it says of unique identifiers is not looked at yet.
    ///
    /// # Errors
    /// Where a row is broken.
    pub fn read(settings: &'a Settings, undo: Undo<'a>) -> Result<Self, InvalidContact> {
        let mut members = Members::default();
        let now = Contact::read(&undo.survivor, &mut members)?;
        let mut back = Contact::read(&undo.merged, &mut members)?;
        let before = StoredContact {
            id: undo.survivor.id,
            has_user_id: undo.before.has_user_id,
            fields: &undo.before.fields,
            registers: &undo.before.registers,
            redirected: false,
        };
        let before = Contact::read(&before, &mut members)?;
        let mut stays = survivor_of(&now, &before, &back, undo.before.rule);
        for contact in [&mut stays, &mut back] {
            contact.beside.turns += 1;
            contact.beside.bar(undo.bar);
        }
        Ok(Self {
            settings,
            undo,
            now,
            stays,
            back,
        })
    }

    /// The unique identifiers that both would have: whose they are is to be known.
    pub fn unique_keys(&self) -> Vec<Key<'a>> {
        let both = [&self.stays, &self.back].into_iter();
        let mut keys: Vec<_> = both.flat_map(|contact| self.keys_of(contact)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn keys_of(&self, contact: &Contact<'a>) -> Vec<Key<'a>> {
        let fields = self.settings.unique_identifiers.iter();
        let keys = fields.filter_map(|field| self.key(field, contact));
        keys.collect()
    }

    fn key(&self, field: &'a str, contact: &Contact<'a>) -> Option<Key<'a>> {
        self.settings.key(field, contact.value(field)?)
    }

    /// Takes them apart, given all identifiers of the survivor, and those of
    /// [`unique_keys`](Self::unique_keys) that somebody has.
    pub fn split(mut self, links: Vec<(Key<'a>, StoredLink<'a>)>) -> Apart<'a> {
        let links: BTreeMap<Key<'a>, StoredLink<'a>> = links.into_iter().collect();
        let left_out = self.leave_out(&links);
        let survivor = self.stays.id;
        let holds = |key: &Key<'a>| links.get(key).filter(|link| link.contact == survivor);
        let mut changes = Changes::default();
        self.undo.identifiers.sort_unstable();
        self.undo.identifiers.dedup();
        for key in &self.undo.identifiers {
            if let Some(link) = holds(key).filter(|_| !is_unique_key(key.kind)) {
                changes
                    .links_moved
                    .push(moved(key, link, self.back.id, true));
            }
        }
        let stays_known = links.iter().any(|(key, link)| {
            let is_own = link.contact == survivor && key.kind == USER_ID;
            is_own && self.undo.identifiers.binary_search(key).is_err()
        });
        self.stays.has_user_id = self.undo.before.has_user_id || stays_known;

        for (contact, is_back) in [(&self.stays, false), (&self.back, true)] {
            for key in self.keys_of(contact) {
                match holds(&key) {
                    Some(_) if !is_back => {}
                    Some(link) => changes
                        .links_moved
                        .push(moved(&key, link, contact.id, false)),
                    None => changes.links_new.push(LinkRow {
                        stamp: stamp_of(contact, key.kind),
                        key,
                        contact: contact.id,
                        from: None,
                        version: 1,
                        linked_micros: None,
                    }),
                }
            }
        }
        let kept = self.unique_keys();
        let gone = self.keys_of(&self.now).into_iter();
        let gone = gone.filter(|key| holds(key).is_some() && kept.binary_search(key).is_err());
        changes.links_gone = gone
            .map(|key| LinkGone {
                key,
                from: survivor,
            })
            .collect();
        changes
            .links_gone
            .sort_unstable_by(|a, b| a.key.cmp(&b.key));
        changes.links_new.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        changes
            .links_moved
            .sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let row = |contact| row_of(contact, self.settings);
        let mut contacts = [&self.stays, &self.back].map(row);
        contacts.sort_unstable_by_key(|row| row.id);
        changes.contacts_changed = contacts.into();
        Apart {
            changes,
            version: self.back.beside.turns,
            left_out,
        }
    }

    /// Takes those values of unique identifiers out that can't come back.
    fn leave_out(
        &mut self,
        links: &BTreeMap<Key<'a>, StoredLink<'a>>,
    ) -> Vec<(ContactId, &'a str)> {
        let mut left_out = Vec::new();
        let survivor = self.stays.id;
        for field in self.settings.unique_identifiers.iter().map(String::as_str) {
            let is_others = |key: &Key<'a>| {
                let holder = links.get(key).map(|link| link.contact);
                holder.is_some_and(|holder| holder != survivor && holder != NOBODY)
            };
            if self
                .key(field, &self.stays)
                .is_some_and(|key| is_others(&key))
            {
                left_out.push((survivor, field));
                self.stays
                    .registers
                    .retain(|register| register.field != field);
            }
            let stays = self.key(field, &self.stays);
            let back = self.key(field, &self.back);
            if back.is_some_and(|key| is_others(&key) || stays == Some(key)) {
                left_out.push((self.back.id, field));
                self.back
                    .registers
                    .retain(|register| register.field != field);
            }
        }
        left_out
    }
}

/// The survivor without the merged one: its registers from before, but where something was
/// written since.
fn survivor_of<'a>(
    now: &Contact<'a>,
    before: &Contact<'a>,
    merged: &Contact<'a>,
    rule: Rule,
) -> Contact<'a> {
    let (own, other, precedence) = match rule {
        Rule::Newer => (before, merged, Precedence::Newer),
        Rule::Survivor => (before, merged, Precedence::Own),
        Rule::Merged => (merged, before, Precedence::Own),
    };
    let mut at_merge = own.clone();
    at_merge.absorb(other, precedence);

    let mut stays = now.clone();
    let (mut registers, mut was) = (Vec::with_capacity(now.registers.len()), Vec::new());
    for present in &now.registers {
        let is_since = at_merge.register(present.field) != Some(present);
        let register: Option<&Register<'a>> = if is_since {
            Some(present)
        } else {
            before.register(present.field)
        };
        let Some(register) = register else { continue };
        let beside = if is_since {
            &now.beside
        } else {
            &before.beside
        };
        was.extend(beside.was(present.field).map(|was| (register.field, was)));
        registers.push(register.clone());
    }
    (stays.registers, stays.beside.was) = (registers, was);
    let theirs = |bar: &Uuid| merged.beside.bars.contains(bar) && !before.beside.bars.contains(bar);
    stays.beside.bars.retain(|bar| !theirs(bar));
    stays
}

fn row_of(contact: &Contact<'_>, settings: &Settings) -> ContactRow {
    let unique = &settings.unique_identifiers;
    let is_unique = |field: &str| unique.iter().any(|known| known == field);
    ContactRow {
        id: contact.id,
        has_user_id: contact.has_user_id,
        fields: contact.fields_json(),
        registers: contact.registers_json(),
        redirect_to: None,
        search: SearchTexts::of(|field| contact.value(field), is_unique),
    }
}

fn moved<'a>(
    key: &Key<'a>,
    link: &StoredLink<'a>,
    to: ContactId,
    stays_linked: bool,
) -> LinkRow<'a> {
    LinkRow {
        key: key.clone(),
        contact: to,
        from: Some(link.contact),
        version: link.version + 1,
        stamp: link.stamp.clone(),
        linked_micros: stays_linked.then_some(link.linked_micros),
    }
}

/// Of the event that set the value.
fn stamp_of<'a>(contact: &Contact<'a>, field: &str) -> Stamp<'a> {
    let register = contact.register(field);
    register.map_or(Stamp::new(0, ""), |register| register.stamp.clone())
}
