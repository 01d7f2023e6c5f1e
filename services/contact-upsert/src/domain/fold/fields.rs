//! What an event does to the fields of its contact (semantics 2.6, 3.4, 3.7).

use weir_ids::ContactId;

use super::{Facts, IgnoredField, MergeStrategy, State};
use crate::domain::contact::Register;
use crate::domain::key::Key;

const TAKEN: &str = "belongs to another contact that can't be joined with this one; send it with \
                     that contact's user_id, or change it there first";
const NO_KEY: &str = "can't serve as a unique identifier: it must be a text of at most 2,000 bytes \
                      without NUL characters";

/// What an event's field would do to its contact.
pub(super) enum Effect {
    Nothing,
    /// A newer word, but the same: the register moves, which is no news.
    Moves,
    Changes,
    Ignored(&'static str),
}

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    pub(super) fn is_unique(&self, field: &str) -> bool {
        self.settings
            .unique_identifiers
            .iter()
            .any(|unique| unique == field)
    }

    pub(super) fn effects(&self, target: Option<usize>, facts: &Facts<'a>) -> Vec<Effect> {
        let fields = facts.fields.iter();
        fields
            .map(|(field, value)| self.effect(target, facts, field, *value))
            .collect()
    }

    pub(super) fn effect(
        &self,
        target: Option<usize>,
        facts: &Facts<'a>,
        field: &str,
        value: Option<&str>,
    ) -> Effect {
        let present = target.and_then(|slot| self.contacts[slot].register(field));
        let current = present.and_then(|register| register.value);
        let covered = match self.settings.merge_strategy {
            MergeStrategy::Overwrite => {
                present.is_some_and(|register| register.covers(&facts.stamp, value))
            }
            MergeStrategy::Append => current.is_some() || value.is_none(),
            MergeStrategy::Ignore => target.is_some() || value.is_none(),
        };
        if covered {
            return Effect::Nothing;
        }
        if current == value {
            return Effect::Moves;
        }
        if value.is_some() && self.is_unique(field) {
            let Some((_, key)) = facts.merge_keys.iter().find(|(_, key)| key.kind == field) else {
                return Effect::Ignored(NO_KEY);
            };
            if self
                .linked(key)
                .is_some_and(|to| Some(to.contact) != target)
            {
                return Effect::Ignored(TAKEN);
            }
        }
        Effect::Changes
    }

    /// Writes the event's fields, as far as `effects` lets it.
    pub(super) fn apply(
        &mut self,
        slot: usize,
        facts: &'a Facts<'a>,
        effects: Vec<Effect>,
    ) -> Vec<IgnoredField<'a>> {
        let mut ignored = Vec::new();
        for ((field, value), effect) in facts.fields.iter().zip(effects) {
            match effect {
                Effect::Nothing => {}
                Effect::Ignored(reason) => ignored.push(IgnoredField { field, reason }),
                Effect::Moves | Effect::Changes => {
                    let present = self.contacts[slot].register(field);
                    let before = present.and_then(|register| register.value);
                    // Under `append`, a value may come in after a newer clearing: the register
                    // never goes back, so that the clearing is still known as done.
                    let stamp = match present {
                        Some(register) if register.stamp > facts.stamp => register.stamp.clone(),
                        _ => facts.stamp.clone(),
                    };
                    let value = *value;
                    self.contacts[slot].set(Register {
                        field,
                        stamp,
                        value,
                    });
                    if self.is_unique(field) && before != value {
                        self.relink(slot, facts, field, before, value);
                    }
                }
            }
        }
        ignored
    }

    /// A merge key stands with its current value only.
    pub(super) fn relink(
        &mut self,
        slot: usize,
        facts: &Facts<'a>,
        field: &'a str,
        before: Option<&'a str>,
        after: Option<&'a str>,
    ) {
        let gone = before.and_then(|json| Key::merge(field, json));
        let come = after.and_then(|json| Key::merge(field, json));
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
