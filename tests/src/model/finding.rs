//! Who an event is about, and who is one with them (semantics 3.3, 3.5, 3.6).

use super::{Event, Id, KEYS, Model, Person, Strategy, key};

/// The event's person, and those who go into them, in order.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub own: Option<usize>,
    pub others: Vec<usize>,
}

impl Found {
    fn has(&self, person: usize) -> bool {
        self.own == Some(person) || self.others.contains(&person)
    }
}

impl Model {
    pub(super) fn holder(&self, id: &Id) -> Option<usize> {
        self.only(|person| person.ids.contains(id))
    }

    pub(super) fn key_holder(&self, field: &str, value: &str) -> Option<usize> {
        let sought = Some(key(field, value));
        self.only(|person| person.key(field) == sought)
    }

    /// Semantics 3.8.
    fn only(&self, is_it: impl Fn(&Person) -> bool) -> Option<usize> {
        let mut found = self.living().filter(|at| is_it(&self.people[*at]));
        let first = found.next();
        assert_eq!(found.next(), None, "an identifier is one person's");
        first
    }

    pub(super) fn find(&self, event: &Event) -> Found {
        let mut found = Found::default();
        let user = event.user.clone().map(Id::User);
        found.own = user.and_then(|user| self.holder(&user));
        for rank in 0..KEYS.len() {
            self.find_by_key(&mut found, rank, event);
        }
        self.find_by_visitor(&mut found, event);
        found
    }

    fn find_by_key(&self, found: &mut Found, rank: usize, event: &Event) {
        let field = KEYS[rank];
        let Some(value) = event.value(field) else {
            return;
        };
        let Some(holder) = self.key_holder(field, value) else {
            return;
        };
        let person = &self.people[holder];
        let has_earlier = KEYS[..rank].iter().any(|key| person.value(key).is_some());
        let other_user = event.user.is_some() && person.has_user_id();
        if found.has(holder)
            || (self.rules.next_if_empty && has_earlier)
            || (self.rules.keep_user_ids_apart && other_user)
        {
            return;
        }
        let Some(own) = found.own else {
            found.own = Some(holder);
            return;
        };
        let whole = self.whole(own, &found.others);
        let word = event.word(&event.traits[field]);
        let loses = whole.words.get(field) >= word.as_ref();
        if !loses && !person.has_user_id() && !self.is_apart(found, holder) {
            found.others.push(holder);
        }
    }

    fn find_by_visitor(&self, found: &mut Found, event: &Event) {
        let visitor = event.visitor.clone().map(Id::Visitor);
        let Some(holder) = visitor.and_then(|visitor| self.holder(&visitor)) else {
            return;
        };
        let person = &self.people[holder];
        if found.has(holder) || (event.user.is_some() && person.has_user_id()) {
            return;
        }
        let contradicts = |theirs: &dyn Fn(&str) -> Option<String>| {
            KEYS.iter().any(|field| {
                let (one, other) = (person.key(field), theirs(field));
                one.is_some() && other.is_some() && one != other
            })
        };
        let of_event = |field: &str| Some(key(field, event.value(field)?));
        let contradicts_event = contradicts(&of_event);
        let Some(own) = found.own else {
            if event.user.is_none() || !contradicts_event {
                found.own = Some(holder);
            }
            return;
        };
        let whole = self.whole(own, &found.others);
        if !person.has_user_id()
            && !contradicts_event
            && !contradicts(&|field| whole.key(field))
            && !self.is_apart(found, holder)
        {
            found.others.push(holder);
        }
    }

    /// The person as merged so far.
    fn whole(&self, own: usize, others: &[usize]) -> Person {
        let mut whole = self.people[own].clone();
        for other in others {
            whole.absorb(
                &self.people[*other],
                self.rules.strategy == Strategy::Overwrite,
            );
        }
        whole
    }

    /// Whether a split keeps them from one of those who were found (semantics 3.10).
    fn is_apart(&self, found: &Found, person: usize) -> bool {
        let mut found = found.own.iter().chain(&found.others);
        found.any(|one| self.are_apart(*one, person))
    }

    pub(super) fn are_apart(&self, one: usize, other: usize) -> bool {
        self.apart.iter().any(|(a, b)| {
            let (a, b) = (self.live(*a), self.live(*b));
            (a, b) == (one, other) || (b, a) == (one, other)
        })
    }
}
