//! Which contact an event is about (semantics 3.2-3.6).

use weir_ids::ContactId;

use super::{EventFacts, KeyStrategy, Mode, State};

/// The contacts that an event matches.
pub(super) struct Matches {
    /// The first match: the event's contact.
    pub target: Option<usize>,
    /// Other matches that are to be joined with it.
    pub joined: Vec<usize>,
    /// Some other match stays what it is.
    pub left_out: bool,
}

#[derive(Clone, Copy)]
enum FoundBy {
    MergeKey,
    AnonymousId,
}

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    /// Looks the event's identifiers up: user id, merge keys in order, anonymous id.
    pub(super) fn matches(&self, facts: &EventFacts<'a>) -> Matches {
        let mut matches = Matches {
            target: None,
            joined: Vec::new(),
            left_out: false,
        };
        if let Some(key) = facts.user {
            matches.target = self.linked(key).map(|to| to.contact);
        }
        for merge in &facts.merge_keys {
            if let Some(to) = self.linked(merge.key)
                && self.key_counts(merge.position, to.contact)
                && !matches
                    .target
                    .is_some_and(|target| self.overtaken(target, facts, merge.field))
            {
                self.found(&mut matches, to.contact, FoundBy::MergeKey);
            }
        }
        if let Some(key) = facts.anonymous
            && let Some(to) = self.linked(key)
            // A shared browser never makes one person of two.
            && (facts.user.is_none() || !self.contacts[to.contact].has_user_id)
        {
            self.found(&mut matches, to.contact, FoundBy::AnonymousId);
        }
        if facts.event.mode == Mode::Find {
            matches.joined.clear();
        }
        matches
    }

    /// Under `next_if_empty` the second key counts only against contacts without the first.
    fn key_counts(&self, position: usize, slot: usize) -> bool {
        match self.settings.key_strategy {
            KeyStrategy::Any => true,
            KeyStrategy::NextIfEmpty => self.settings.unique_identifiers[..position]
                .iter()
                .all(|earlier| self.contacts[slot].value(earlier).is_none()),
        }
    }

    /// Whether the contact has a newer word on the event's field at this place than the event, which therefore says
    /// nothing of who has the event's value now. Where repeats are recognised by receipts an
    /// old word counts all the same: it is heard once.
    fn overtaken(&self, slot: usize, facts: &EventFacts<'a>, place: usize) -> bool {
        let (field, value) = facts.fields[place];
        !facts.needs_receipt(self.settings)
            && self.contacts[slot]
                .register_near(field, place)
                .is_some_and(|register| register.covers(&facts.stamp, value))
    }

    fn found(&self, matches: &mut Matches, slot: usize, by: FoundBy) {
        let Some(target) = matches.target else {
            matches.target = Some(slot);
            return;
        };
        let contact = &self.contacts[slot];
        let may_join = match by {
            FoundBy::MergeKey => !contact.has_user_id,
            FoundBy::AnonymousId => contact.is_anonymous_only(),
        };
        if slot == target || matches.joined.contains(&slot) {
            return;
        }
        if may_join {
            matches.joined.push(slot);
        } else {
            matches.left_out = true;
        }
    }
}
