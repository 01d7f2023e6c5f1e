//! The tables in memory, for the properties: loads and writes as the store does.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use weir_ids::{AudienceId, ContactId};
use weir_reasons::Reason;

use super::{
    ANONYMOUS_ID, Care, Changes, ContactRow, Event, Facts, Key, KeyId, NOBODY, Outcome, Receipt,
    Remove, Settings, Snapshot, Stamp, Status, StoredContact, StoredLink, USER_ID, fold,
    is_unique_key,
};

mod checks;
mod corrected;
mod people;

use people::MergeRow;

/// Kind and value.
type Identifier = (String, String);
/// Time and message.
type Moment = (i64, String);

/// Contacts, identifiers and receipts of one account, and what audience was told of removes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tables {
    pub contacts: BTreeMap<ContactId, ContactRow>,
    pub links: BTreeMap<Identifier, LinkRow>,
    pub receipts: BTreeMap<Uuid, Receipt>,
    pub kept: BTreeMap<(Identifier, AudienceId), Moment>,
    pub handed_over: Vec<(ContactId, AudienceId, Moment)>,
    /// The latest of all removes that were ever answered `Kept`.
    removes: BTreeMap<(Identifier, AudienceId), Moment>,
    pub units: i64,
    /// Contacts that are to be looked at once more, while all are reindexed.
    pub again: BTreeSet<ContactId>,
    pub merges: Vec<MergeRow>,
    next_id: u128,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    pub status: Status,
    pub contact: Option<ContactId>,
    /// Field, reason, canonical JSON.
    pub ignored: Vec<(String, Reason, String)>,
    pub first_micros: Option<i64>,
}

/// A batch met a receipt that it had not looked for.
#[derive(Debug)]
pub(super) struct Met;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct LinkRow {
    pub contact: ContactId,
    pub version: i64,
    micros: i64,
    message_id: String,
}

impl Judged {
    fn of(outcome: &Outcome<'_>) -> Self {
        let ignored = outcome.ignored.iter();
        Self {
            status: outcome.status,
            contact: outcome.contact,
            ignored: ignored
                .map(|field| (field.field.to_owned(), field.reason, field.value.to_owned()))
                .collect(),
            first_micros: outcome.first_micros,
        }
    }
}

impl Tables {
    /// One transaction; however the store loads, it must come to the same.
    pub fn run(&mut self, settings: &Settings, events: &[Event]) -> Vec<Status> {
        let judged = self.judge(settings, events).into_iter();
        judged.map(|judged| judged.status).collect()
    }

    /// As [`Self::run`], with all that is answered.
    pub fn judge(&mut self, settings: &Settings, events: &[Event]) -> Vec<Judged> {
        let facts = Facts::of(events, settings).unwrap();
        let in_steps = self.after(settings, &facts, Care::InSteps);
        assert_eq!(self.after(settings, &facts, Care::AtOnce), in_steps);
        let (judged, after) = in_steps;
        *self = after;
        judged
    }

    fn after(&self, settings: &Settings, facts: &Facts<'_>, care: Care) -> (Vec<Judged>, Self) {
        let attempt = |all| self.attempt(settings, facts, care, all);
        let after = attempt(false).or_else(|Met| attempt(true));
        match after {
            Ok(after) => after,
            Err(Met) => unreachable!("who has looked for all meets none"),
        }
    }

    fn attempt(
        &self,
        settings: &Settings,
        facts: &Facts<'_>,
        care: Care,
        all: bool,
    ) -> Result<(Vec<Judged>, Self), Met> {
        let mut all_receipts = all;
        let (folded, next_id) = loop {
            let mut next_id = self.next_id;
            let new_id = || {
                next_id += 1;
                ContactId(Uuid::from_u128(next_id))
            };
            let snapshot = self.snapshot(facts, care, all_receipts);
            let folded = fold(settings, facts, snapshot, new_id);
            if !folded.needs_all_receipts {
                break (folded, next_id);
            }
            assert!(!all_receipts, "asks for receipts only once");
            all_receipts = true;
        };
        let statuses: Vec<Status> = folded.outcomes.iter().map(|o| o.status).collect();
        let held = self.held(&folded.changes);
        let mut after = self.clone();
        after.next_id = next_id;
        after.write(&folded.changes.with_held_links(held))?;
        after.remember_removes(facts, &statuses);
        for outcome in &folded.outcomes {
            let live = outcome.contact.map(|id| after.contacts[&id].redirect_to);
            assert!(outcome.status == Status::Repeated || live.is_none_or(|to| to.is_none()));
        }
        after.check(settings);
        let judged = folded.outcomes.iter().map(Judged::of).collect();
        Ok((judged, after))
    }

    /// What merged contacts held.
    pub fn held(&self, changes: &Changes<'_>) -> Vec<(Key<'_>, StoredLink<'_>)> {
        let merged = changes.merged_contacts();
        let links = self.links.iter();
        let held = links.filter(|(_, row)| merged.contains(&row.contact));
        held.map(|((kind, value), row)| (key_of(kind, value), stored_link(row)))
            .collect()
    }

    /// Whether a batch is judged by receipts that it would not have looked for.
    pub fn looks_up_receipts(&self, settings: &Settings, events: &[Event]) -> bool {
        let facts = Facts::of(events, settings).unwrap();
        let snapshot = self.snapshot(&facts, Care::InSteps, false);
        fold(settings, &facts, snapshot, ContactId::new).needs_all_receipts
    }

    fn snapshot<'a>(
        &'a self,
        facts: &'a Facts<'a>,
        care: Care,
        all_receipts: bool,
    ) -> Snapshot<'a> {
        let mut snapshot = Snapshot::new(facts, care);
        snapshot.set_transition(facts.settings.transition.as_ref());
        snapshot.set_corrected(self.corrected(facts));
        let keys = snapshot.first_keys();
        self.load(&mut snapshot, facts, &keys);
        let keys = snapshot.other_keys();
        self.load(&mut snapshot, facts, &keys);
        let receipts = facts.with_receipts(all_receipts).into_iter();
        let receipts = receipts.filter_map(|key| self.receipts.get(&key).copied());
        snapshot.add_receipts(receipts.collect(), all_receipts);
        snapshot
    }

    pub fn load<'a>(&'a self, snapshot: &mut Snapshot<'a>, facts: &Facts<'_>, keys: &[KeyId]) {
        let links: Vec<(KeyId, StoredLink<'_>)> = keys
            .iter()
            .filter_map(|id| {
                let key = facts.key(*id);
                let identifier = identifier_of(key);
                Some((*id, stored_link(self.links.get(&identifier)?)))
            })
            .collect();
        let corrected = self
            .corrected(facts)
            .into_iter()
            .map(|(_, contact)| contact);
        let contacts = links.iter().map(|(_, link)| link.contact).chain(corrected);
        let contacts = contacts.filter(|id| *id != NOBODY && !snapshot.knows(*id));
        let contacts: BTreeSet<ContactId> = contacts.collect();
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

    pub fn write(&mut self, changes: &Changes<'_>) -> Result<(), Met> {
        for row in &changes.contacts_new {
            assert!(self.contacts.insert(row.id, row.clone()).is_none());
        }
        for row in &changes.contacts_changed {
            let before = self.contacts.insert(row.id, row.clone()).unwrap();
            assert_eq!(before.redirect_to, None, "a merged contact is at rest");
        }
        for (id, registers) in &changes.contacts_moved {
            self.contacts
                .get_mut(id)
                .unwrap()
                .registers
                .clone_from(registers);
        }
        self.again.extend(&changes.again);
        for row in &changes.links_gone {
            let identifier = identifier_of(&row.key);
            if changes.is_unsettled(&row.key) {
                self.links
                    .extract_if(.., |key, link| {
                        *key == identifier && link.contact == row.from
                    })
                    .for_each(drop);
                continue;
            }
            assert_eq!(self.links.remove(&identifier).unwrap().contact, row.from);
        }
        self.write_moved(changes);
        for row in &changes.links_new {
            let identifier = identifier_of(&row.key);
            let link = LinkRow {
                contact: row.contact,
                version: row.version,
                micros: row.stamp.micros,
                message_id: row.stamp.message_id.clone().into_owned(),
            };
            let marked = changes.kept_found.contains(&row.key);
            let before = self.links.insert(identifier, link);
            assert_eq!(before.map(|link| link.contact), marked.then_some(NOBODY));
        }
        for row in &changes.links_signed {
            let link = self.links.get_mut(&identifier_of(&row.key)).unwrap();
            assert_eq!((link.contact, link.version), (row.contact, row.version));
            (link.micros, link.message_id) = moment_of(&row.stamp);
        }
        for receipt in &changes.receipts {
            let before = self.receipts.insert(receipt.key, *receipt);
            match before {
                Some(before) if before.is_stored || !changes.receipts_again => return Err(Met),
                Some(before) => assert_eq!(before.first_micros, receipt.first_micros),
                None => {}
            }
        }
        self.write_removes(changes);
        self.write_merges(&changes.merges);
        self.units += i64::from(changes.units);
        Ok(())
    }

    fn write_moved(&mut self, changes: &Changes<'_>) {
        for row in &changes.links_moved {
            let identifier = identifier_of(&row.key);
            if changes.is_unsettled(&row.key)
                && self.links.get(&identifier).map(|link| Some(link.contact)) != Some(row.from)
            {
                // It is another's, or is not there yet: then it is made.
                let link = LinkRow {
                    contact: row.contact,
                    version: row.version,
                    micros: row.stamp.micros,
                    message_id: row.stamp.message_id.clone().into_owned(),
                };
                self.links.entry(identifier).or_insert(link);
                continue;
            }
            let link = self.links.get_mut(&identifier).unwrap();
            if !is_unique_key(row.key.kind) {
                assert_eq!(link.version + 1, row.version);
            }
            assert_eq!(Some(link.contact), row.from);
            link.contact = row.contact;
            link.version += 1;
        }
    }

    fn write_removes(&mut self, changes: &Changes<'_>) {
        for row in &changes.kept {
            let mark = LinkRow {
                contact: NOBODY,
                version: 0,
                micros: 0,
                message_id: String::new(),
            };
            let link = self.links.entry(identifier_of(&row.key)).or_insert(mark);
            assert_eq!(link.contact, NOBODY);
            let kept = self.kept.entry((identifier_of(&row.key), row.audience));
            let latest = kept.or_insert_with(|| moment_of(&row.stamp));
            *latest = moment_of(&row.stamp).max(latest.clone());
        }
        for key in &changes.kept_found {
            let (identifier, contact) = (identifier_of(key), changes.contact_of(key).unwrap());
            let taken = self.kept.extract_if(.., |(of, _), _| *of == identifier);
            let taken = taken.map(|((_, audience), moment)| (contact, audience, moment));
            self.handed_over.extend(taken.collect::<Vec<_>>());
        }
        for Remove {
            contact,
            audience,
            stamp,
        } in &changes.removes
        {
            let told = (*contact, *audience, moment_of(stamp));
            self.handed_over.push(told);
        }
    }

    fn remember_removes(&mut self, facts: &Facts<'_>, statuses: &[Status]) {
        for (event, status) in facts.events.iter().map(|facts| facts.event).zip(statuses) {
            let (Status::Kept, Some(update)) = (status, event.update) else {
                continue;
            };
            let identifier = if event.user_id.is_empty() {
                (ANONYMOUS_ID.to_owned(), event.anonymous_id.to_string())
            } else {
                (USER_ID.to_owned(), event.user_id.to_string())
            };
            let moment = (event.event_micros, event.message_id.to_string());
            let latest = self
                .removes
                .entry((identifier, update.audience))
                .or_default();
            *latest = moment.max(latest.clone());
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
        // Who is told when may be another contact of those that became one, and more than
        // the latest.
        let mut told = BTreeMap::new();
        for (contact, audience, moment) in &self.handed_over {
            let latest: &mut Moment = told.entry((self.live(*contact), *audience)).or_default();
            *latest = moment.max(latest).clone();
        }
        let kept = self.kept.clone();
        (
            self.contacts.clone(),
            links,
            receipts,
            kept,
            told,
            self.units,
        )
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

fn identifier_of(key: &Key<'_>) -> Identifier {
    (key.kind.to_owned(), key.value.clone().into_owned())
}

fn moment_of(stamp: &Stamp<'_>) -> Moment {
    (stamp.micros, stamp.message_id.clone().into_owned())
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
