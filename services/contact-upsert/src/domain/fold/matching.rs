//! Which contact an event is about (semantics 3.2-3.6).

use weir_ids::ContactId;

use super::{EventFacts, KeyStrategy, Mode, State};
use crate::domain::contact::{Contact, Register};
use crate::domain::event::UniqueKey;
use crate::domain::key::Key;

/// The contacts that an event matches.
#[derive(Default)]
pub(super) struct Matches<'a> {
    /// The first match: the event's contact.
    pub target: Option<usize>,
    /// Other matches that are to be merged into it, in this order.
    pub others: Vec<usize>,
    /// Some other match stays what it is.
    pub left_out: bool,
    /// What the target's unique identifiers are once those others are merged; empty as long
    /// as there are none.
    merged: Vec<Option<Register<'a>>>,
}

impl Matches<'_> {
    /// One contact, and nobody besides.
    pub(super) fn of(slot: usize) -> Self {
        Self {
            target: Some(slot),
            ..Self::default()
        }
    }

    pub(super) fn has(&self, slot: usize) -> bool {
        self.target == Some(slot) || self.others.contains(&slot)
    }
}

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    /// Looks the event's identifiers up: user id, unique identifiers in order, anonymous id.
    pub(super) fn matches(&self, facts: &EventFacts<'a>) -> Matches<'a> {
        let mut matches = Matches::default();
        if let Some(key) = facts.user {
            matches.target = self.linked(key).map(|to| to.contact);
        }
        for unique in &facts.unique_keys {
            if let Some(to) = self.linked(unique.key)
                && !matches.has(to.contact)
                && self.key_counts(unique.rank, to.contact)
                && !self.is_kept_apart(facts, to.contact)
                && !self.loses(&matches, facts, unique)
            {
                let may_merge = !self.contacts[to.contact].has_user_id;
                self.found(&mut matches, to.contact, may_merge);
            }
        }
        if let Some(key) = facts.anonymous
            && let Some(to) = self.linked(key)
            && !matches.has(to.contact)
        {
            self.found_by_anonymous(&mut matches, facts, to.contact);
        }
        if facts.event.mode == Mode::Find {
            matches.others.clear();
        }
        matches
    }

    /// Under `next_if_empty` the second key counts only against contacts without the first.
    /// While contacts are reindexed it counts where it does by the old rule or by the new.
    fn key_counts(&self, rank: usize, slot: usize) -> bool {
        let settings = self.settings;
        let fields = &settings.unique_identifiers;
        let counts = |earlier: &[String], strategy| match strategy {
            KeyStrategy::Any => true,
            KeyStrategy::NextIfEmpty => {
                let mut earlier = earlier.iter();
                earlier.all(|earlier| self.contacts[slot].value(earlier).is_none())
            }
        };
        let Some(transition) = &settings.transition else {
            return counts(&fields[..rank], settings.key_strategy);
        };
        [&transition.old, &transition.new].iter().any(|rule| {
            let rank = rule.fields.iter().position(|field| *field == fields[rank]);
            rank.is_some_and(|rank| counts(&rule.fields[..rank], rule.strategy))
        })
    }

    /// Whether the contact is another person's than the event, by their user ids, and the
    /// account wants those kept apart (semantics 3.1a). The event's own person is found before.
    fn is_kept_apart(&self, facts: &EventFacts<'a>, slot: usize) -> bool {
        self.settings.keep_user_ids_apart && facts.user.is_some() && self.contacts[slot].has_user_id
    }

    /// Whether the contact that was found already has a newer word on the field, which is
    /// another than the event's: then the event says nothing of who has its value now.
    fn loses(&self, matches: &Matches<'a>, facts: &EventFacts<'a>, unique: &UniqueKey) -> bool {
        let (field, value) = facts.fields[unique.field];
        let register = matches.target.and_then(|target| {
            if matches.merged.is_empty() {
                self.contacts[target].register_near(field, unique.field)
            } else {
                matches.merged[unique.rank].as_ref()
            }
        });
        register.is_some_and(|register| self.stands(register, facts, value))
    }

    /// A shared browser never makes one person of two; a visitor becomes the person who signs
    /// in, whatever is known of him, unless a unique identifier says that he is another.
    fn found_by_anonymous(&self, matches: &mut Matches<'a>, facts: &EventFacts<'a>, slot: usize) {
        let contact = &self.contacts[slot];
        let contradicts = || self.contradicts_event(contact, facts);
        match (facts.user, contact.has_user_id) {
            (Some(_), true) => {}
            (Some(_), false) if contradicts() => matches.left_out = true,
            (None, _) if matches.target.is_none() => self.found(matches, slot, false),
            (_, has_user_id) => {
                let may_merge = !has_user_id
                    && !contradicts()
                    && !self.contradicts_target(contact, facts, matches);
                self.found(matches, slot, may_merge);
            }
        }
    }

    /// Whether the event brings another value of a unique identifier than the contact has.
    fn contradicts_event(&self, contact: &Contact<'a>, facts: &EventFacts<'a>) -> bool {
        facts.unique_keys.iter().any(|unique| {
            let field = &self.settings.unique_identifiers[unique.rank];
            let theirs = self.key_of(field, self.value_beside(contact.register(field), facts));
            theirs.is_some_and(|theirs| theirs != *self.key(unique.key))
        })
    }

    /// Whether two contacts have different values of a unique identifier, one of them as it is
    /// after the merges so far.
    fn contradicts_target(
        &self,
        contact: &Contact<'a>,
        facts: &EventFacts<'a>,
        matches: &Matches<'a>,
    ) -> bool {
        let Some(target) = matches.target else {
            return false;
        };
        let unique = self.settings.unique_identifiers.iter().enumerate();
        unique.into_iter().any(|(rank, field)| {
            let theirs = self.key_of(field, self.value_beside(contact.register(field), facts));
            theirs.is_some_and(|theirs| {
                let ours = match matches.merged.get(rank) {
                    None => self.contacts[target].register(field),
                    Some(merged) => merged.as_ref(),
                };
                self.key_of(field, self.value_beside(ours, facts))
                    .is_some_and(|ours| ours != theirs)
            })
        })
    }

    fn key_of(&self, field: &'a str, value: Option<&'a str>) -> Option<Key<'a>> {
        value.and_then(|json| self.settings.key(field, json))
    }

    /// One more match, which may be merged or not if it is not the first.
    fn found(&self, matches: &mut Matches<'a>, slot: usize, may_merge: bool) {
        let Some(target) = matches.target else {
            matches.target = Some(slot);
            return;
        };
        if !may_merge || self.is_barred(matches, slot) {
            matches.left_out = true;
            return;
        }
        let (target, other) = (&self.contacts[target], &self.contacts[slot]);
        let merged = std::mem::take(&mut matches.merged);
        let mut merged = merged.into_iter();
        let unique = self.settings.unique_identifiers.iter();
        matches.merged = unique
            .map(|field| {
                let so_far = merged.next();
                let ours = so_far.unwrap_or_else(|| target.register(field).cloned());
                let theirs = other.register(field);
                theirs
                    .and_then(|theirs| theirs.onto(ours.as_ref(), self.precedence()))
                    .or(ours)
            })
            .collect();
        matches.others.push(slot);
    }

    /// Whether a split keeps the contact apart from one of those that were found (semantics 3.10).
    fn is_barred(&self, matches: &Matches<'a>, slot: usize) -> bool {
        let beside = &self.contacts[slot].beside;
        let mut found = matches.target.iter().chain(&matches.others);
        !beside.bars.is_empty() && found.any(|other| self.contacts[*other].beside.is_barred(beside))
    }
}
