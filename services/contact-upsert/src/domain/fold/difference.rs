//! What a fold changed, as it is to be written.

use weir_ids::ContactId;

use super::State;
use super::links::Link;
use crate::domain::changes::{Changes, ContactRow, LinkGone, LinkRow};
use crate::domain::key::is_unique_key;
use crate::domain::stored::Receipt;

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    pub(super) fn into_changes(mut self) -> Changes<'a> {
        let (kept, removes) = self.kept_and_found();
        let mut changes = Changes {
            units: self.units,
            receipts: self.receipts_to_write(),
            receipts_again: self.receipts_again,
            kept,
            removes,
            ..Changes::default()
        };
        if let Some(transition) = &self.settings.transition {
            changes.unsettled = transition.unsettled().collect();
            let survivors = self.merges.iter();
            let survivors = survivors.map(|merge| self.contacts[self.live(merge.survivor())].id);
            changes.again = survivors.collect();
            changes.again.sort_unstable();
            changes.again.dedup();
        }
        self.differ_in_contacts(&mut changes);
        self.differ_in_links(&mut changes);
        changes
    }

    fn receipts_to_write(&mut self) -> Vec<Receipt> {
        let mut keys = std::mem::take(&mut self.new_receipts);
        // Keys come again in several batches at once; one order keeps them from deadlock.
        keys.sort_unstable();
        keys.dedup();
        let keys = keys.into_iter();
        let receipts = keys.filter_map(|key| {
            let known = self.receipts.get(&key)?;
            Some(Receipt {
                key,
                contact: known.whose.map(|whose| self.live_id(whose)),
                is_stored: known.is_stored,
                first_micros: known.first_micros,
            })
        });
        receipts.collect()
    }

    fn differ_in_contacts(&self, changes: &mut Changes<'a>) {
        for contact in &self.contacts {
            let row = || ContactRow {
                id: contact.id,
                has_user_id: contact.has_user_id,
                fields: contact.fields_json(),
                registers: contact.registers_json(),
                redirect_to: contact.merged_into.map(|slot| self.contacts[slot].id),
            };
            if !contact.stored {
                changes.contacts_new.push(row());
            } else if contact.changed {
                changes.contacts_changed.push(row());
            } else if contact.moved {
                let registers = contact.registers_json();
                changes.contacts_moved.push((contact.id, registers));
            }
        }
    }

    fn differ_in_links(self, changes: &mut Changes<'a>) {
        let Self {
            keys,
            more_keys,
            contacts,
            links,
            merges,
            first_version,
            ..
        } = self;
        let merges = merges.into_iter();
        changes.merges = merges.map(|merge| merge.of(&contacts)).collect();
        // By key but for the few that no event named.
        let keys = keys.iter().chain(&more_keys);
        for (key, link) in keys.zip(links) {
            let Some(link) = link else { continue };
            let Link {
                stored,
                now,
                marked,
                signed,
            } = link;
            let to = now.map(|to| (contacts[to.contact].id, to.stamp));
            if let (Some((contact, stamp)), true, Some(stored)) = (&to, signed, stored) {
                changes.links_signed.push(LinkRow {
                    key: key.clone(),
                    contact: *contact,
                    from: Some(*contact),
                    version: stored.version + i64::from(stored.contact != *contact),
                    stamp: stamp.clone(),
                    linked_micros: Some(stored.linked_micros),
                });
            }
            match (stored, to) {
                (None, Some((contact, stamp))) => {
                    if marked {
                        changes.kept_found.push(key.clone());
                    }
                    changes.links_new.push(LinkRow {
                        key: key.clone(),
                        contact,
                        from: None,
                        version: first_version,
                        stamp,
                        linked_micros: None,
                    });
                }
                (Some(stored), Some((contact, stamp))) if stored.contact != contact => {
                    changes.links_moved.push(LinkRow {
                        // The value of a unique identifier that another contact had before is
                        // linked anew; an id that moves with a merge stays linked all the time.
                        linked_micros: (!is_unique_key(key.kind)).then_some(stored.linked_micros),
                        version: stored.version + 1,
                        key: key.clone(),
                        contact,
                        from: Some(stored.contact),
                        stamp,
                    });
                }
                (Some(stored), None) => changes.links_gone.push(LinkGone {
                    key: key.clone(),
                    from: stored.contact,
                }),
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        changes.links_new.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        changes.kept_found.sort_unstable();
        changes
            .links_moved
            .sort_unstable_by(|a, b| a.key.cmp(&b.key));
        changes
            .links_gone
            .sort_unstable_by(|a, b| a.key.cmp(&b.key));
    }
}
