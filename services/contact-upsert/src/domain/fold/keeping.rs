//! Removes for people who are not known yet (semantics 4.7): they are kept under the
//! identifier, and take part in the order of updates once it is linked.

use std::collections::BTreeMap;

use weir_ids::{AudienceId, ContactId};

use super::{EventFacts, State};
use crate::domain::changes::{KeptRow, Remove};
use crate::domain::contact::Stamp;
use crate::domain::event::KeyId;

/// The latest remove of each identifier and audience.
pub(super) type Kept<'a> = BTreeMap<(KeyId, AudienceId), Stamp<'a>>;

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    /// Keeps the event's remove under its user id, or under its anonymous id where it has none.
    pub(super) fn keep(&mut self, facts: &EventFacts<'a>) {
        if let (Some(key), Some(update)) = (facts.user.or(facts.anonymous), facts.event.update) {
            let kept = self.kept.entry((key, update.audience));
            let latest = kept.or_insert_with(|| facts.stamp.clone());
            if *latest < facts.stamp {
                *latest = facts.stamp.clone();
            }
        }
        self.leave_receipt(facts, None, true);
    }

    /// What is still to be kept, and what a later event of the batch found the person of.
    pub(super) fn kept_and_found(&mut self) -> (Vec<KeptRow<'a>>, Vec<Remove<'a>>) {
        let (mut kept, mut found) = (Vec::new(), Vec::new());
        for ((key, audience), stamp) in std::mem::take(&mut self.kept) {
            match self.linked(key).map(|to| to.contact) {
                Some(slot) => found.push(Remove {
                    contact: self.contacts[self.live(slot)].id,
                    audience,
                    stamp,
                }),
                None => kept.push(KeptRow {
                    key: self.key(key).clone(),
                    audience,
                    stamp,
                }),
            }
        }
        (kept, found)
    }
}
