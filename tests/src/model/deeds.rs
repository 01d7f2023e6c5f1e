//! Who did what, and what waits until it is known who that was (semantics 4.7-4.9).

use super::{Event, Id, Model};

/// In seconds. Histories begin in the middle of one.
pub const DAY: i64 = 86_400;
/// Semantics 4.9.
const CAP: usize = 50;

#[derive(Debug, Clone)]
pub(super) struct Deed {
    /// As it was when it came.
    pub person: usize,
    pub message: String,
}

#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub id: Id,
    pub second: i64,
    pub message: String,
}

impl Model {
    pub(super) fn do_deed(&mut self, person: usize, event: &Event) {
        self.units.1 += 1;
        self.deeds.push(Deed {
            person,
            message: event.message.clone(),
        });
    }

    pub(super) fn do_plain_deed(&mut self, event: &Event) {
        let id = event.decider().expect("else it is a 400");
        match self.holder(&id) {
            Some(person) => self.do_deed(person, event),
            None => {
                self.units.1 += 1;
                self.waiting.push(Waiting {
                    id,
                    second: event.second,
                    message: event.message.clone(),
                });
            }
        }
    }

    /// What waited for whoever is known since this batch.
    pub(super) fn attach(&mut self) {
        let linked = std::mem::take(&mut self.linked);
        let (mut found, waiting): (Vec<_>, Vec<_>) = self
            .waiting
            .drain(..)
            .partition(|waiting| linked.contains(&waiting.id));
        self.waiting = waiting;
        found.sort_by(|a, b| (a.second, &a.message).cmp(&(b.second, &b.message)));
        for Waiting {
            id,
            second,
            message,
        } in found
        {
            let person = self.holder(&id).expect("it was linked");
            let day = second.div_euclid(DAY);
            let family = (0..self.people.len()).filter(|one| self.live(*one) == person);
            let attached = family.map(|one| self.people[one].attached.get(&day).unwrap_or(&0));
            if attached.sum::<usize>() < CAP {
                *self.people[person].attached.entry(day).or_default() += 1;
                self.deeds.push(Deed { person, message });
            }
        }
    }
}
