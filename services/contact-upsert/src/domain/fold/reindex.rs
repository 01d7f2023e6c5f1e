//! Contacts that are there, found by new unique identifiers (semantics 3.2).
//!
//! **Invariant:** afterwards the contacts' values of the new ones have their rows, each its own
//! one or, where somebody else's had it before, none and no such value: as if the events that
//! brought them had come under the new ones (3.6). Contacts that took over others meanwhile are
//! told, and are to be looked at again.

use std::collections::HashMap;

use weir_ids::ContactId;

use super::{Facts, Key, KeyId, Snapshot, State};
use crate::domain::changes::Changes;
use crate::domain::contact::Register;
use crate::domain::event::Settings;

/// What became of some contacts.
#[derive(Debug, Clone)]
pub struct Reindexed<'a> {
    pub changes: Changes<'a>,
    /// How many of them are alive.
    pub seen: i64,
    /// For each value that was lost its contact: another one has it, and the two stay two.
    pub lost: Vec<ContactId>,
}

/// Finds `contacts`, which were loaded with whoever holds their values, by the new unique
/// identifiers. What `skips` names is found by nobody.
pub fn reindex<'a>(
    settings: &'a Settings,
    facts: &'a Facts<'a>,
    snapshot: Snapshot<'a>,
    contacts: &[ContactId],
    skips: impl Fn(&Key<'_>) -> bool,
) -> Reindexed<'a> {
    let no_new = || unreachable!("no contact is made where there is no event");
    let mut state = State::of(settings, facts, snapshot, no_new);
    let slots = state.contacts.iter().enumerate();
    let slots: HashMap<ContactId, usize> = slots.map(|(slot, one)| (one.id, slot)).collect();
    let (mut seen, mut lost) = (0, Vec::new());
    for contact in contacts {
        if let Some(slot) = slots.get(contact) {
            seen += 1;
            let values = state.find_anew(*slot, &skips);
            lost.extend(std::iter::repeat_n(*contact, values));
        }
    }
    Reindexed {
        changes: state.into_changes(),
        seen,
        lost,
    }
}

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    /// How many values the contact lost.
    fn find_anew(&mut self, slot: usize, skips: &impl Fn(&Key<'_>) -> bool) -> usize {
        let Some(transition) = &self.settings.transition else {
            return 0;
        };
        let mut lost = 0;
        for field in transition.unsettled() {
            // One that went into another is looked at as that one, again.
            if self.contacts[slot].merged_into.is_some() {
                break;
            }
            let Some(register) = self.contacts[slot].register(field).cloned() else {
                continue;
            };
            let key = register
                .value
                .and_then(|json| self.settings.key(field, json));
            let Some(key) = key.filter(|key| !skips(key)) else {
                continue;
            };
            let id = self.key_id(key);
            match self.linked(id).map(|to| to.contact) {
                None => self.point(id, slot, register.stamp),
                Some(holder) if holder == slot => {}
                Some(holder) => {
                    lost += usize::from(self.meet(slot, holder, id, register));
                }
            }
        }
        lost
    }

    /// Two contacts share a value: they become one, or, being two people or split apart
    /// (semantics 3.10), the one that holds it keeps it. The register keeps its stamp, so that
    /// only newer words come in.
    fn meet(&mut self, slot: usize, holder: usize, key: KeyId, register: Register<'a>) -> bool {
        let (one, other) = (&self.contacts[slot], &self.contacts[holder]);
        let stay_two = one.has_user_id && other.has_user_id || one.beside.is_barred(&other.beside);
        if stay_two {
            let empty = Register {
                value: None,
                ..register
            };
            self.contacts[slot].set(empty);
        } else {
            self.merge(slot, holder, None, &[key]);
        }
        stay_two
    }
}
