//! An event that was stored is taken anew, as the present mapping reads it (semantics 7.5a).
//!
//! **Invariant:** a correction makes no contact, links no id and costs nothing, and what is done
//! twice comes to the same as once.

use weir_ids::ContactId;

use super::fields::Plan;
use super::{
    Draft, Effect, EventFacts, IgnoredField, Matches, MergeStrategy, State, Status, Whose,
};
use crate::domain::contact::{Register, Source};
use crate::domain::same::same_value;

/// Where an event was stored, as far as anything tells.
enum StoredOn {
    Contact(usize),
    /// It left nothing on a contact: a remove for somebody who was not known.
    NoContact,
    /// The contact was deleted, or none can be told.
    Gone,
}

/// What came of taking an event once.
struct Pass<'a> {
    /// The contact that it comes to.
    survivor: usize,
    changed: bool,
    ignored: Vec<IgnoredField<'a>>,
    /// Some match was.
    left_out: bool,
}

/// An event leads to one contact by each of its keys, and to its own. A pass that merges leaves one
/// of them less; behind a pass that does not its words are written, and the next one merges or
/// changes nothing.
fn most_passes(facts: &EventFacts<'_>) -> usize {
    2 * (facts.keys().count() + 1)
}

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    /// Its contact takes the values that the event gives now. Nothing is linked: its ids were when
    /// it was stored.
    pub(super) fn correct(&mut self, facts: &EventFacts<'a>) -> Draft<'a> {
        let slot = match self.stored_on(facts) {
            StoredOn::Contact(slot) => slot,
            StoredOn::NoContact if facts.event.is_bare_remove() => {
                return Draft::of(Status::Repeated, None);
            }
            StoredOn::NoContact | StoredOn::Gone => return Draft::of(Status::NotFound, None),
        };
        // A value that is mended may lead to others, as it does when it comes again: so it is
        // taken until it changes nothing, and twice is once.
        let mut pass = self.correct_on(slot, facts);
        for _ in 1..most_passes(facts) {
            if !pass.changed {
                break;
            }
            pass = self.correct_on(pass.survivor, facts);
        }
        let whose = Some(Whose::Slot(pass.survivor));
        let known = self.receipts.get(&facts.event.key);
        let is_known = known.is_some_and(|known| known.is_stored);
        if Self::is_partial(&pass.ignored, pass.left_out) && !is_known {
            self.leave_receipt(facts, whose, true);
        }
        Draft {
            ignored: pass.ignored,
            ..Draft::of(Status::Repeated, whose)
        }
    }

    fn correct_on(&mut self, slot: usize, facts: &EventFacts<'a>) -> Pass<'a> {
        let matches = self.matches_of_correction(slot, facts);
        let slot = matches.target.unwrap_or(slot);
        let survivor = self.merge_all(slot, facts, &matches.others);
        let plans = self.plans(Some(survivor), facts);
        let writes = |plan: &Plan| matches!(plan.effect, Effect::Moves | Effect::Changes);
        Pass {
            survivor,
            changed: !matches.others.is_empty() || plans.iter().any(writes),
            ignored: self.apply(survivor, facts, plans),
            left_out: matches.left_out,
        }
    }

    /// By its receipt; where it needed none, by its user id, or else its anonymous id, by which
    /// it was found then as well.
    fn stored_on(&self, facts: &EventFacts<'a>) -> StoredOn {
        let receipt = self.receipts.get(&facts.event.key);
        let receipt = receipt.filter(|known| known.is_stored);
        let slot = match receipt.map(|known| known.whose) {
            Some(None) => return StoredOn::NoContact,
            Some(Some(Whose::Slot(slot))) => Some(slot),
            Some(Some(Whose::Id(_))) => self.corrected.get(&facts.event.key).copied(),
            None => {
                let id = facts.user.or(facts.anonymous);
                id.and_then(|key| self.linked(key)).map(|to| to.contact)
            }
        };
        slot.map_or(StoredOn::Gone, |slot| StoredOn::Contact(self.live(slot)))
    }

    /// What it matches besides its contact, where it brings the value of a unique identifier that
    /// its contact is not found by: as any event does (semantics 3.5, 3.6). It never goes to a
    /// contact that its own does not become one with.
    fn matches_of_correction(&self, slot: usize, facts: &EventFacts<'a>) -> Matches<'a> {
        let leads_here = |key| self.linked(key).is_some_and(|to| to.contact == slot);
        let mut unique = facts.unique_keys.iter();
        if unique.all(|unique| leads_here(unique.key)) {
            return Matches::of(slot);
        }
        let matches = self.matches(facts);
        if matches.has(slot) {
            return matches;
        }
        let mut own = Matches::of(slot);
        own.left_out = true;
        own
    }

    /// Whether a register stands against the event's word: it does where it is at least as new
    /// (semantics 3.7). What the event itself said before gives way to its correction, whichever
    /// is greater.
    pub(super) fn stands(
        &self,
        register: &Register<'a>,
        facts: &EventFacts<'a>,
        value: Option<&str>,
    ) -> bool {
        if self.is_own(register, facts) {
            same_value(register.value, value)
        } else {
            register.covers(&facts.stamp, value)
        }
    }

    /// A contact's value of a unique identifier, for telling whether it contradicts. What the
    /// corrected event said of it itself is mended along, so it contradicts nothing.
    pub(super) fn value_beside(
        &self,
        register: Option<&Register<'a>>,
        facts: &EventFacts<'a>,
    ) -> Option<&'a str> {
        let register = register?;
        if !self.is_own(register, facts) {
            return register.value;
        }
        let is_mended = |now: &Option<&'a str>| match now {
            None => self.settings.merge_strategy == MergeStrategy::Overwrite,
            Some(json) => self.settings.key(register.field, json).is_some(),
        };
        let now = facts.word(register.field).filter(is_mended);
        now.unwrap_or(register.value)
    }

    /// Whether a correction writes the field of a source that does not overwrite (semantics 3.4):
    /// what the event itself set, and what it would have set. `append` writes what is empty, unless
    /// a newer word emptied it; `ignore` writes to contacts that the event made.
    pub(super) fn may_correct(
        &self,
        target: Option<usize>,
        present: Option<&Register<'a>>,
        facts: &EventFacts<'a>,
        value: Option<&str>,
    ) -> bool {
        let is_own = |register: &Register<'a>| self.is_own(register, facts);
        let made = |slot: usize| self.contacts[slot].registers.iter().any(is_own);
        let is_open = match (self.settings.merge_strategy, present) {
            (_, Some(register)) if is_own(register) => true,
            (MergeStrategy::Ignore, Some(_)) => false,
            (MergeStrategy::Ignore, None) => target.is_some_and(made),
            (MergeStrategy::Append | MergeStrategy::Overwrite, _) => {
                present.is_none_or(|register| register.value.is_none())
            }
        };
        let stands = |register: &Register<'a>| self.stands(register, facts, value);
        value.is_some() && is_open && !present.is_some_and(stands)
    }

    /// Whether it is a word of the very event that is corrected, as far as time, message and
    /// source tell.
    fn is_own(&self, register: &Register<'a>, facts: &EventFacts<'a>) -> bool {
        let (theirs, ours) = (register.source, self.source);
        facts.event.correction
            && register.stamp == facts.stamp
            && (theirs == ours || [theirs, ours].contains(&Source::default()))
    }
}
