//! Who is who and who did what, once more: semantics 3.1-3.10 and 4.7-4.9 as they are written,
//! one event after another, over people who are looked through one by one. Nothing of it is
//! taken from the services, whose answers and contacts have to be the same.

use std::collections::{BTreeMap, BTreeSet};

mod deeds;
mod deleting;
mod finding;
mod merging;
mod seen;

pub use deeds::DAY;
use deeds::{Deed, Waiting};
pub use merging::{Merge, NotMerged, NotSplit};
pub use seen::{Seen, Sight};

/// Unique identifiers of the account, in order (semantics 3.2).
pub const KEYS: [&str; 2] = ["str::email", "phn::phone"];
/// Further ahead than that a time is not taken (semantics 3.7); histories begin two hours ago.
pub const TOO_FAR: i64 = 27 * 3_600;

/// Semantics 3.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    Overwrite,
    Append,
    Ignore,
}

/// How an account is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub strategy: Strategy,
    /// The second key counts only against people who lack the first (semantics 3.3).
    pub next_if_empty: bool,
    /// Semantics 3.1a.
    pub keep_user_ids_apart: bool,
}

/// What somebody is known by beside the values of unique identifiers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    User(String),
    Visitor(String),
}

/// What an event says of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Value(String),
    Null,
    /// It does not convert.
    Nonsense,
}

/// An event as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Of a track whether its activity is mapped; none = an identify.
    pub track: Option<bool>,
    pub user: Option<String>,
    pub visitor: Option<String>,
    /// When it happened, in seconds from the beginning of its history.
    pub second: i64,
    pub message: String,
    /// By field id.
    pub traits: BTreeMap<&'static str, Said>,
}

impl Event {
    /// The identifier that decides where a plain track goes (semantics 4.7).
    pub fn decider(&self) -> Option<Id> {
        let user = self.user.clone().map(Id::User);
        user.or_else(|| self.visitor.clone().map(Id::Visitor))
    }

    fn value(&self, field: &str) -> Option<&str> {
        match self.traits.get(field)? {
            Said::Value(value) => Some(value),
            Said::Null | Said::Nonsense => None,
        }
    }

    fn says(&self, wanted: impl Fn(&Said) -> bool) -> bool {
        self.traits.values().any(wanted)
    }

    fn has_value(&self) -> bool {
        self.says(|said| matches!(said, Said::Value(_)))
    }

    fn word(&self, said: &Said) -> Option<Word> {
        let value = match said {
            Said::Value(value) => Some(value.clone()),
            Said::Null => None,
            Said::Nonsense => return None,
        };
        Some(Word {
            second: self.second,
            message: self.message.clone(),
            value,
        })
    }

    fn words(&self) -> BTreeMap<&'static str, Word> {
        let said = self.traits.iter();
        said.filter_map(|(field, said)| Some((*field, self.word(said)?)))
            .collect()
    }
}

/// The last word on a field, in the order in which words win (semantics 3.7).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word {
    pub second: i64,
    pub message: String,
    /// None = cleared.
    pub value: Option<String>,
}

/// Somebody, once known; people stand in the order of their age.
#[derive(Debug, Clone, Default)]
struct Person {
    ids: BTreeSet<Id>,
    words: BTreeMap<&'static str, Word>,
    /// Went into that one.
    into: Option<usize>,
    deleted: bool,
    /// Attached from the backlog, by day (semantics 4.9).
    attached: BTreeMap<i64, usize>,
}

impl Person {
    fn value(&self, field: &str) -> Option<&str> {
        self.words.get(field)?.value.as_deref()
    }

    fn key(&self, field: &str) -> Option<String> {
        Some(key(field, self.value(field)?))
    }

    fn has_user_id(&self) -> bool {
        self.ids.iter().any(|id| matches!(id, Id::User(_)))
    }
}

/// As values of unique identifiers are compared (semantics 3.2).
fn key(field: &str, value: &str) -> String {
    match field {
        "str::email" => value.to_ascii_lowercase(),
        _ => value.to_owned(),
    }
}

/// An account's people.
#[derive(Debug, Clone)]
pub struct Model {
    rules: Rules,
    people: Vec<Person>,
    deeds: Vec<Deed>,
    waiting: Vec<Waiting>,
    merges: Vec<Merge>,
    /// Pairs that were split apart.
    apart: BTreeSet<(usize, usize)>,
    deleted: BTreeMap<Id, i64>,
    /// Linked since the batch began: what waits for them is still to be attached.
    linked: BTreeSet<Id>,
    /// Charged so far: profile and activity units.
    pub units: (i64, i64),
}

/// What becomes of a track once all of its batch have been to the contacts.
enum Goes {
    Nowhere,
    /// To this person, or whoever that is by then.
    To(usize),
    Plain,
}

impl Model {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            people: Vec::new(),
            deeds: Vec::new(),
            waiting: Vec::new(),
            merges: Vec::new(),
            apart: BTreeSet::new(),
            deleted: BTreeMap::new(),
            linked: BTreeSet::new(),
            units: (0, 0),
        }
    }

    /// One batch; what each event is answered.
    pub fn take(&mut self, events: &[Event]) -> Vec<u16> {
        let judged: Vec<(u16, Goes)> = events.iter().map(|event| self.judge(event)).collect();
        let done = events.iter().zip(judged);
        let answers = done.map(|(event, (status, goes))| match goes {
            Goes::Nowhere => status,
            Goes::To(person) => {
                self.do_deed(self.live(person), event);
                status
            }
            Goes::Plain if self.is_decider_deleted(event) => 422,
            Goes::Plain => {
                self.do_plain_deed(event);
                status
            }
        });
        let answers = answers.collect();
        self.attach();
        answers
    }

    fn judge(&mut self, event: &Event) -> (u16, Goes) {
        if event.decider().is_none() || event.second > TOO_FAR {
            return (400, Goes::Nowhere);
        }
        match event.track {
            None => (self.identify(event), Goes::Nowhere),
            Some(false) => (422, Goes::Nowhere),
            Some(true) => self.track(event),
        }
    }

    /// Semantics 2.6, 2.8.
    fn identify(&mut self, event: &Event) -> u16 {
        let nonsense = event.says(|said| *said == Said::Nonsense);
        let nothing_else = !event.says(|said| *said != Said::Nonsense);
        if nonsense && nothing_else || self.is_late(event) {
            return 422;
        }
        let found = self.find(event);
        // A null beside nonsense makes nobody.
        if found.own.is_none() && nonsense && !event.has_value() {
            return 422;
        }
        if found
            .own
            .is_some_and(|own| !self.is_news(own, &found.others, event))
        {
            self.write(found.own.expect("somebody was found"), false, event);
            return 422;
        }
        self.store(found, event);
        self.units.0 += 1;
        200
    }

    /// Semantics 4.7.
    fn track(&mut self, event: &Event) -> (u16, Goes) {
        let nonsense = event.says(|said| *said == Said::Nonsense);
        let clears = event.says(|said| *said == Said::Null);
        let plain = if nonsense { 206 } else { 200 };
        if !event.has_value() && !clears {
            return (plain, Goes::Plain);
        }
        if self.is_late(event) {
            return (422, Goes::Nowhere);
        }
        let found = self.find(event);
        let overwrites = self.rules.strategy == Strategy::Overwrite;
        if !event.has_value() && (found.own.is_none() || !overwrites) {
            return (plain, Goes::Plain);
        }
        let own = self.store(found, event);
        self.units.0 += 1;
        (200, Goes::To(own))
    }

    /// Whether an identify says anything new (semantics 2.8) of the person that it is about.
    fn is_news(&self, own: usize, others: &[usize], event: &Event) -> bool {
        let ids = [
            event.user.clone().map(Id::User),
            event.visitor.clone().map(Id::Visitor),
        ];
        let changes = |(field, word): (&&'static str, &Word)| {
            self.takes(own, false, field, word)
                && self.people[own].value(field) != word.value.as_deref()
        };
        !others.is_empty()
            || ids
                .into_iter()
                .flatten()
                .any(|id| self.holder(&id).is_none())
            || event.words().iter().any(changes)
    }

    /// Whether a person's register takes a word (semantics 3.4, 3.6, 3.7).
    fn takes(&self, own: usize, is_new: bool, field: &str, word: &Word) -> bool {
        let value = word.value.as_deref();
        if KEYS.contains(&field)
            && let Some(value) = value
            && self
                .key_holder(field, value)
                .is_some_and(|holder| holder != own)
        {
            return false;
        }
        let person = &self.people[own];
        match self.rules.strategy {
            Strategy::Overwrite => person.words.get(field).is_none_or(|ours| ours < word),
            Strategy::Append => value.is_some() && person.value(field).is_none(),
            Strategy::Ignore => value.is_some() && is_new,
        }
    }

    fn write(&mut self, own: usize, is_new: bool, event: &Event) {
        for (field, word) in event.words() {
            if self.takes(own, is_new, field, &word) {
                self.people[own].words.insert(field, word);
                self.written_since(own, field);
            }
        }
    }

    /// Merges whom the event joins, writes and links; answers the event's person.
    fn store(&mut self, found: finding::Found, event: &Event) -> usize {
        let is_new = found.own.is_none();
        let mut own = found.own.unwrap_or_else(|| {
            self.people.push(Person::default());
            self.people.len() - 1
        });
        for other in found.others {
            own = self.merge(own, other, self.rules.strategy == Strategy::Overwrite);
        }
        self.write(own, is_new, event);
        let user = event.user.clone().map(Id::User);
        let visitor = event.visitor.clone().map(Id::Visitor);
        for id in [user, visitor].into_iter().flatten() {
            if self.holder(&id).is_none() {
                self.linked.insert(id.clone());
                self.people[own].ids.insert(id);
            }
        }
        own
    }

    /// The one that a person is today.
    fn live(&self, mut person: usize) -> usize {
        while let Some(into) = self.people[person].into {
            person = into;
        }
        person
    }

    /// Everybody who is there, by age.
    fn living(&self) -> impl Iterator<Item = usize> {
        let people = self.people.iter().enumerate();
        let alive = people.filter(|(_, person)| person.into.is_none() && !person.deleted);
        alive.map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests;
