//! What can be seen of an account from outside.

use std::collections::{BTreeMap, BTreeSet};

use super::{Id, Model};

/// An account's contacts by age, and how much waits in its backlog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    pub contacts: Vec<Seen>,
    pub waiting: i64,
}

/// A contact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub ids: BTreeSet<Id>,
    /// By field id: the value, and the second of its event.
    pub fields: BTreeMap<String, (String, i64)>,
    /// How many were merged into it.
    pub merged: usize,
    /// Message ids of what they did, in order.
    pub deeds: Vec<String>,
}

impl Model {
    pub fn sight(&self) -> Sight {
        Sight {
            contacts: self.living().map(|person| self.seen(person)).collect(),
            waiting: i64::try_from(self.waiting.len()).unwrap(),
        }
    }

    fn seen(&self, person: usize) -> Seen {
        let words = self.people[person].words.iter();
        let fields = words.filter_map(|(field, word)| {
            let value = word.value.clone()?;
            Some(((*field).to_owned(), (value, word.second)))
        });
        let is_own = |one: usize| self.live(one) == person;
        let deeds = self.deeds.iter().filter(|deed| is_own(deed.person));
        let mut deeds: Vec<String> = deeds.map(|deed| deed.message.clone()).collect();
        deeds.sort();
        Seen {
            ids: self.people[person].ids.clone(),
            fields: fields.collect(),
            merged: (0..self.people.len()).filter(|one| is_own(*one)).count() - 1,
            deeds,
        }
    }
}
