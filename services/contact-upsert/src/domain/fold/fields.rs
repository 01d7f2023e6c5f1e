//! What an event does to the fields of its contact (semantics 2.6, 3.4, 3.7).

use weir_ids::ContactId;
use weir_reasons::Reason;

use super::{EventFacts, IgnoredField, MergeStrategy, State};
use crate::domain::contact::{Found, Register};
use crate::domain::event::{KeyId, UniqueKey};
use crate::domain::key::why_no_key;
use crate::domain::same::same_value;

/// What an event's field would do to its contact.
pub(super) enum Effect {
    Nothing,
    /// A newer word, but the same: the register moves, which is no news.
    Moves,
    Changes,
    /// The value of a unique identifier, which is not taken.
    Ignored(Reason),
}

/// What is to be done about an event's field: valid until its contact is written to.
pub(super) struct Plan {
    found: Found,
    pub effect: Effect,
    /// The same message says something else here, which stands: so the event's content is
    /// another (semantics 1.4), unless it was outdone so when it was stored.
    pub outdone: bool,
}

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    pub(super) fn is_unique(&self, field: &str) -> bool {
        self.settings
            .unique_identifiers
            .iter()
            .any(|unique| unique == field)
    }

    pub(super) fn plans(&self, target: Option<usize>, facts: &EventFacts<'a>) -> Vec<Plan> {
        let plan = |(field, value), found: Found, present: Option<&Register<'a>>| {
            let effect = self.effect(target, present, facts, field, value);
            Plan {
                found,
                outdone: matches!(effect, Effect::Nothing | Effect::Ignored(_))
                    && present.is_some_and(|register| {
                        register.stamp == facts.stamp && !same_value(register.value, value)
                    }),
                effect,
            }
        };
        let Some(slot) = target else {
            let fields = facts.fields.iter();
            return fields.map(|field| plan(*field, Err(0), None)).collect();
        };
        let contact = &self.contacts[slot];
        let found = contact.find_all(facts.fields.iter().map(|(field, _)| *field));
        let fields = facts.fields.iter().zip(found);
        fields
            .map(|(field, found)| plan(*field, found, found.ok().map(|at| &contact.registers[at])))
            .collect()
    }

    fn effect(
        &self,
        target: Option<usize>,
        present: Option<&Register<'a>>,
        facts: &EventFacts<'a>,
        field: &str,
        value: Option<&str>,
    ) -> Effect {
        let current = present.and_then(|register| register.value);
        let covered = match self.settings.merge_strategy {
            MergeStrategy::Overwrite => {
                present.is_some_and(|register| self.stands(register, facts, value))
            }
            _ if facts.event.correction => !self.may_correct(target, present, facts, value),
            MergeStrategy::Append => current.is_some() || value.is_none(),
            MergeStrategy::Ignore => target.is_some() || value.is_none(),
        };
        if same_value(current, value) {
            return if covered {
                Effect::Nothing
            } else {
                Effect::Moves
            };
        }
        if let Some(json) = value
            && self.is_unique(field)
            && let Some(reason) = self.refusal(target, present, facts, (field, json))
        {
            return Effect::Ignored(reason);
        }
        if covered {
            Effect::Nothing
        } else {
            Effect::Changes
        }
    }

    /// Why the value of a unique identifier, which its contact does not have, says nothing of
    /// who has it: the log tells of it, as of a conversion that failed (semantics 3.6, 7.3).
    fn refusal(
        &self,
        target: Option<usize>,
        present: Option<&Register<'a>>,
        facts: &EventFacts<'a>,
        (field, json): (&str, &str),
    ) -> Option<Reason> {
        let Some(key) = self.unique_key(facts, field) else {
            return Some(why_no_key(json));
        };
        match self.linked(key) {
            // It is the same but for its case.
            Some(to) if Some(to.contact) == target => None,
            // Its row is still to come, as contacts are being reindexed.
            None if present.is_some_and(|register| self.is_found_by(register, key)) => None,
            _ if present.is_some_and(|register| self.stands(register, facts, Some(json))) => {
                Some(Reason::Stale)
            }
            Some(_) => Some(Reason::IdentifierTaken),
            None => None,
        }
    }

    fn is_found_by(&self, register: &Register<'a>, key: KeyId) -> bool {
        let found_by = register
            .value
            .and_then(|json| self.settings.key(register.field, json));
        found_by.is_some_and(|found_by| found_by == *self.key(key))
    }

    /// What the event's value of a unique identifier is found by.
    fn unique_key(&self, facts: &EventFacts<'a>, field: &str) -> Option<KeyId> {
        let named = |unique: &&UniqueKey| self.settings.unique_identifiers[unique.rank] == field;
        facts
            .unique_keys
            .iter()
            .find(named)
            .map(|unique| unique.key)
    }

    /// Writes the event's fields, as they are planned.
    pub(super) fn apply(
        &mut self,
        slot: usize,
        facts: &EventFacts<'a>,
        plans: Vec<Plan>,
    ) -> Vec<IgnoredField<'a>> {
        let mut ignored = Vec::new();
        let source = self.source;
        // Each moves those behind it.
        let mut come = 0;
        for ((field, value), plan) in facts.fields.iter().zip(plans) {
            match plan.effect {
                Effect::Nothing => {}
                Effect::Ignored(reason) => ignored.push(IgnoredField {
                    field,
                    reason,
                    value: value.unwrap_or_default(),
                }),
                Effect::Moves | Effect::Changes => {
                    let found = plan.found.map(|at| at + come).map_err(|at| at + come);
                    come += usize::from(found.is_err());
                    let contact = &mut self.contacts[slot];
                    if let (Effect::Moves, Ok(at)) = (&plan.effect, found) {
                        contact.confirm(at, &facts.stamp, source);
                        continue;
                    }
                    let before = contact.write(found, field, *value, (&facts.stamp, source));
                    if before != *value && self.is_unique(field) {
                        self.relink(slot, facts, field, before);
                    }
                }
            }
        }
        ignored
    }

    /// A unique identifier stands with its current value only.
    fn relink(
        &mut self,
        slot: usize,
        facts: &EventFacts<'a>,
        field: &'a str,
        before: Option<&'a str>,
    ) {
        let gone = before.and_then(|json| self.settings.key(field, json));
        let gone = gone.map(|key| self.key_id(key));
        let come = self.unique_key(facts, field);
        if gone == come {
            return;
        }
        if let Some(key) = gone {
            self.unlink(slot, key);
        }
        if let Some(key) = come {
            self.point(key, slot, facts.stamp.clone());
        }
    }
}
