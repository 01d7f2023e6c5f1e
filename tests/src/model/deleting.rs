//! Who was deleted does not come back by what happened before (semantics 3.9).

use super::{Event, Id, KEYS, Model, Said};

impl Model {
    /// Deletes one of those who are there; `second` is later than all that happened so far.
    pub fn delete(&mut self, place: usize, second: i64) {
        let person = self.living().nth(place).expect("somebody is there");
        let family = (0..self.people.len()).filter(|one| self.live(*one) == person);
        let family: Vec<usize> = family.collect();
        let ids = self.people[person].ids.clone();
        for one in &family {
            self.people[*one].deleted = true;
        }
        self.deeds.retain(|deed| !family.contains(&deed.person));
        self.forget_merges(&family);
        for id in ids {
            self.delete_id(id, second);
        }
    }

    /// An id that may be nobody's: what waits for it goes.
    pub fn delete_id(&mut self, id: Id, second: i64) {
        self.waiting.retain(|waiting| waiting.id != id);
        self.deleted.insert(id, second);
    }

    /// Whether the first of its identifiers by which anybody is or was known is that of
    /// somebody who was deleted since it happened.
    pub(super) fn is_late(&self, event: &Event) -> bool {
        let user = event.user.clone().map(Id::User);
        let visitor = event.visitor.clone().map(Id::Visitor);
        let told = |id: Option<Id>| {
            let id = id?;
            match self.deleted.get(&id) {
                Some(time) if event.second <= *time => Some(true),
                _ => self.holder(&id).map(|_| false),
            }
        };
        let by_key = || {
            let mut held = KEYS.iter().filter_map(|field| {
                let value = event.value(field)?;
                self.key_holder(field, value)
            });
            held.next().map(|_| false)
        };
        told(user).or_else(by_key).or_else(|| told(visitor)) == Some(true)
    }

    /// Whether it is refused, since it is late.
    pub fn is_deleted(&self, event: &Event) -> bool {
        let is_plain = event.track.is_some() && !event.says(|said| *said != Said::Nonsense);
        let is_late = match is_plain {
            true => self.is_decider_deleted(event),
            false => self.is_late(event),
        };
        is_late && !self.is_unclear(event)
    }

    pub fn is_held(&self, id: &Id) -> bool {
        self.holder(id).is_some()
    }

    pub(super) fn is_decider_deleted(&self, event: &Event) -> bool {
        let time = event.decider().and_then(|id| self.deleted.get(&id));
        time.is_some_and(|time| event.second <= *time)
    }

    /// Whether it depends on values that somebody had who was deleted, which are known only as
    /// far as they were kept.
    pub fn is_unclear(&self, event: &Event) -> bool {
        let last = self.deleted.values().max();
        let is_old = last.is_some_and(|last| event.second <= *last);
        let decides = |id: &Id| self.deleted.contains_key(id) || self.holder(id).is_some();
        let user = event.user.clone().map(Id::User);
        is_old
            && !user.is_some_and(|user| decides(&user))
            && KEYS.iter().any(|field| event.value(field).is_some())
    }
}
