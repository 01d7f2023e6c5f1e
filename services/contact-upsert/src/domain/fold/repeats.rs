//! Which events were stored before (semantics 1.4).
//!
//! An identify under `overwrite` leaves its time and message id on what it wrote or linked;
//! that is its trace. Everything that may leave none has a receipt.

use weir_ids::ContactId;

use super::{Effect, Facts, State, Whose};

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    /// The contact on which the event was stored before (semantics 1.4), if it was.
    pub(super) fn repeated(&mut self, facts: &Facts<'a>) -> Option<Whose> {
        let receipt = self.receipts.get(&facts.event.key).copied();
        if facts.needs_receipt(self.settings) || receipt.is_some() {
            return receipt;
        }
        if self.unlinked(facts) {
            return None;
        }
        let found: Vec<usize> = facts
            .keys()
            .filter_map(|key| self.linked(key))
            .map(|to| to.contact)
            .collect();
        let slot = found
            .into_iter()
            .find(|slot| self.has_trace(*slot, facts))?;
        let mut unsure = false;
        for (field, value) in &facts.fields {
            match self.effect(Some(slot), facts, field, *value) {
                Effect::Nothing | Effect::Ignored(_) => {}
                // A merge key may have been another's when the event was stored; that left a
                // receipt. Anything else is the same message with other content.
                Effect::Changes | Effect::Moves if self.is_unique(field) => unsure = true,
                Effect::Changes | Effect::Moves => return None,
            }
        }
        if unsure {
            self.needs_all_receipts |= !self.all_receipts;
            return None;
        }
        Some(Whose::Slot(slot))
    }

    /// Whether the contact holds a word or an identifier that came by this very event.
    pub(super) fn has_trace(&self, slot: usize, facts: &Facts<'a>) -> bool {
        let contact = &self.contacts[slot];
        let by_field = facts.fields.iter().any(|(field, _)| {
            contact
                .register(field)
                .is_some_and(|register| register.stamp == facts.stamp)
        });
        by_field
            || facts.user.iter().chain(&facts.anonymous).any(|key| {
                self.linked(key)
                    .is_some_and(|to| to.contact == slot && to.stamp == facts.stamp)
            })
    }

    /// Whether all that is new about an event is a merge key or a join. Either may have been
    /// left out when the event was stored, and be possible now; that left a receipt.
    pub(super) fn may_have_been_partial(&self, facts: &Facts<'a>, effects: &[Effect]) -> bool {
        let fresh = |((field, _), effect): (&(&str, _), &Effect)| {
            matches!(effect, Effect::Changes | Effect::Moves) && !self.is_unique(field)
        };
        !facts.needs_receipt(self.settings)
            && !self.unlinked(facts)
            && !facts.fields.iter().zip(effects).any(fresh)
    }
}
