//! What a fold changed, as it is to be written.

use weir_ids::ContactId;

use super::{State, Whose};
use crate::domain::changes::{Changes, ContactRow, LinkGone, LinkRow};
use crate::domain::key::is_merge_key;

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    pub(super) fn into_changes(self) -> Changes<'a> {
        let mut changes = Changes {
            units: self.units,
            ..Changes::default()
        };
        for contact in &self.contacts {
            let row = || ContactRow {
                id: contact.id,
                has_user_id: contact.has_user_id,
                fields: contact.fields_json(),
                registers: contact.registers_json(),
                redirect_to: contact.joined_into.map(|slot| self.contacts[slot].id),
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
        changes.receipts = self
            .new_receipts
            .iter()
            .map(|(key, slot)| (*key, self.live_id(Whose::Slot(*slot))))
            .collect();
        // Keys come again in several batches at once; one order keeps them from deadlock.
        changes.receipts.sort_unstable();
        let Self {
            keys,
            more_keys,
            contacts,
            links,
            joins,
            ..
        } = self;
        let joins = joins.into_iter();
        changes.joins = joins.map(|join| join.of(&contacts)).collect();
        // By key but for the few that no event named.
        let keys = keys.iter().chain(&more_keys);
        for (key, link) in keys.zip(links) {
            let Some(link) = link else { continue };
            let to = link.now.map(|to| (contacts[to.contact].id, to.stamp));
            match (link.stored, to) {
                (None, Some((contact, stamp))) => changes.links_new.push(LinkRow {
                    key: key.clone(),
                    contact,
                    from: None,
                    version: 1,
                    stamp,
                    linked_micros: None,
                }),
                (Some(stored), Some((contact, stamp))) if stored.contact != contact => {
                    changes.links_moved.push(LinkRow {
                        // The value of a merge key that another contact had before is linked
                        // anew; an id that moves with a join stays linked all the time.
                        linked_micros: (!is_merge_key(key.kind)).then_some(stored.linked_micros),
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
        changes
            .links_moved
            .sort_unstable_by(|a, b| a.key.cmp(&b.key));
        changes
            .links_gone
            .sort_unstable_by(|a, b| a.key.cmp(&b.key));
        changes
    }
}
