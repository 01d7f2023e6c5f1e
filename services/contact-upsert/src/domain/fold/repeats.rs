//! Which events were stored before (semantics 1.4).
//!
//! An identify under `overwrite` leaves its time and message id on what it wrote or linked;
//! that is its trace. Everything that may leave none has a receipt.

use weir_ids::ContactId;

use super::{Effect, EventFacts, State, Whose};

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    /// The contact on which the event was stored before (semantics 1.4), if it was.
    pub(super) fn repeated(&mut self, facts: &EventFacts<'a>) -> Option<Whose> {
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
        for ((field, _), effect) in facts.fields.iter().zip(self.effects(Some(slot), facts)) {
            match effect {
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
    pub(super) fn has_trace(&self, slot: usize, facts: &EventFacts<'a>) -> bool {
        let ids = facts.user.into_iter().chain(facts.anonymous);
        let by_id = ids
            .filter_map(|key| self.linked(key))
            .any(|to| to.contact == slot && to.stamp == facts.stamp);
        by_id || {
            let fields = facts.fields.iter().map(|(field, _)| *field);
            let registers = self.contacts[slot].registers_of(fields).flatten();
            registers.into_iter().any(|r| r.stamp == facts.stamp)
        }
    }

    /// Whether all that is new about an event is a merge key or a join. Either may have been
    /// left out when the event was stored, and be possible now; that left a receipt.
    pub(super) fn may_have_been_partial(&self, facts: &EventFacts<'a>, effects: &[Effect]) -> bool {
        let fresh = |((field, _), effect): (&(&str, _), &Effect)| {
            matches!(effect, Effect::Changes | Effect::Moves) && !self.is_unique(field)
        };
        !facts.needs_receipt(self.settings)
            && !self.unlinked(facts)
            && !facts.fields.iter().zip(effects).any(fresh)
    }
}
