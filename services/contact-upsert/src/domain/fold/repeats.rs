//! Which events were stored before (semantics 1.4).
//!
//! An identify under `overwrite` leaves its time and message id on what it wrote or linked;
//! that is its trace. Everything that may leave none has a receipt; so has what was outdone
//! in part by the same message with other content, which left the same trace.

use weir_ids::ContactId;
use weir_reasons::Reason;

use super::{Effect, EventFacts, IgnoredField, Known, Plan, State, Whose};

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    /// The contact on which the event was stored before (semantics 1.4), if it was; within,
    /// none where it was a remove that was kept for somebody unknown.
    pub(super) fn repeated(&mut self, facts: &EventFacts<'a>) -> Option<Option<Whose>> {
        if let Some(known) = self.receipts.get(&facts.event.key) {
            // What said nothing new is judged anew, as of its first time.
            return known.is_stored.then_some(known.whose);
        }
        if facts.needs_receipt(self.settings) {
            return None;
        }
        if self.unlinked(facts) {
            return None;
        }
        let slot = facts
            .keys()
            .filter_map(|key| self.linked(key))
            .map(|to| to.contact)
            .find(|slot| self.has_trace(*slot, facts))?;
        let mut unsure = false;
        for ((field, _), plan) in facts.fields.iter().zip(self.plans(Some(slot), facts)) {
            match plan.effect {
                Effect::Nothing | Effect::Ignored(_) => unsure |= plan.outdone,
                // A unique identifier may have been another's when the event was stored; that left
                // a receipt. Anything else is the same message with other content.
                Effect::Changes | Effect::Moves if self.is_unique(field) => unsure = true,
                Effect::Changes | Effect::Moves => return None,
            }
        }
        if unsure {
            self.needs_all_receipts |= !self.all_receipts;
            return None;
        }
        Some(Some(Whose::Slot(slot)))
    }

    /// Whether the contact holds a word or an identifier that came by this very event.
    pub(super) fn has_trace(&self, slot: usize, facts: &EventFacts<'a>) -> bool {
        let ids = facts.user.into_iter().chain(facts.anonymous);
        let by_id = ids
            .filter_map(|key| self.linked(key))
            .any(|to| to.contact == slot && to.stamp == facts.stamp);
        by_id || {
            let mut registers = self.contacts[slot].registers.iter();
            registers.any(|register| {
                // Hardly ever so: what it is a word on is looked at last.
                register.stamp == facts.stamp && facts.names(register.field)
            })
        }
    }

    /// Whether some of a stored event was left out, so that its repeat would not be recognised
    /// by what is there. What a newer word overtook is not: it stays overtaken.
    pub(super) fn is_partial(ignored: &[IgnoredField<'a>], left_out: bool) -> bool {
        left_out || ignored.iter().any(|field| field.reason != Reason::Stale)
    }

    /// Keeps in mind that the event was stored, or, where it came without a timestamp, that
    /// it was judged: its first time stays its time (semantics 5.4).
    pub(super) fn leave_receipt(
        &mut self,
        facts: &EventFacts<'a>,
        whose: Option<Whose>,
        is_stored: bool,
    ) {
        let known = Known {
            whose,
            is_stored,
            first_micros: facts.event.undated.then_some(facts.stamp.micros),
        };
        let before = self.receipts.insert(facts.event.key, known);
        // The same again needs no writing.
        if is_stored || before.is_none() {
            self.new_receipts.push(facts.event.key);
            self.receipts_again |= before.is_some();
        }
    }

    /// Whether all that is new about an event is a unique identifier or a merge. Either may have
    /// been left out when the event was stored, and be possible now; that left a receipt.
    pub(super) fn may_have_been_partial(&self, facts: &EventFacts<'a>, plans: &[Plan]) -> bool {
        let fresh = |((field, _), plan): (&(&str, _), &Plan)| {
            matches!(plan.effect, Effect::Changes | Effect::Moves) && !self.is_unique(field)
        };
        !facts.needs_receipt(self.settings)
            && !self.unlinked(facts)
            && !facts.fields.iter().zip(plans).any(fresh)
    }
}
