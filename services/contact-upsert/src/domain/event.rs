//! Events as they come from mapping, and what can be read off one alone.

use bytestring::ByteString;
use chrono::NaiveDate;
use uuid::Uuid;
use weir_changes::Author;
use weir_ids::{AccountId, AudienceId, BatchId, SourceId};

use super::contact::Stamp;
use super::key::{Key, is_email};
use super::members::{InvalidFields, Members};

mod found;
mod transition;

use found::{Found, KeyOf};
pub use transition::{KeyRule, Transition};

/// One batch of one account.
#[derive(Debug, Clone)]
pub struct Batch {
    pub account: AccountId,
    pub id: BatchId,
    /// The UTC day in which it was admitted.
    pub window: NaiveDate,
    /// Of the reservation.
    pub epoch: i64,
    /// Where the events come from, as far as it is told.
    pub source: Option<SourceId>,
    /// Of the unique identifiers and key strategy in the settings (semantics 3.2).
    pub identifiers_version: i64,
    pub settings: Settings,
    /// Removes that the account may have kept for people who are not known (semantics 4.7).
    pub kept_removes_limit: i64,
    /// Whether what is stored costs units; an import most often costs none.
    pub is_charged: bool,
    /// Of rows of an import: which one, and whose.
    pub import: Option<ImportOf>,
    /// At most a thousand; the boundary sees to it.
    pub events: Vec<Event>,
}

/// What the record of changes says of rows that are imported.
#[derive(Debug, Clone)]
pub struct ImportOf {
    pub id: Uuid,
    pub author: Author,
}

/// How contacts of the account are told apart, and how the source may change them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Unique identifiers in order (semantics 3.2).
    pub unique_identifiers: Vec<String>,
    /// Those of type e-mail, as far as we are told.
    pub caseless_identifiers: Vec<String>,
    pub key_strategy: KeyStrategy,
    pub merge_strategy: MergeStrategy,
    /// Never create (semantics 3.4).
    pub existing_only: bool,
    /// Semantics 3.1a.
    pub keep_user_ids_apart: bool,
    /// While contacts are reindexed: then `unique_identifiers` are those of both rules.
    pub transition: Option<Transition>,
}

impl Batch {
    /// Of no events: what a person does to contacts is written as a batch is.
    pub fn by_hand(account: AccountId) -> Self {
        Self {
            account,
            id: BatchId(Uuid::nil()),
            window: NaiveDate::MIN,
            epoch: i64::MAX,
            source: None,
            identifiers_version: 0,
            settings: Settings::by_hand(Vec::new(), Vec::new()),
            kept_removes_limit: 0,
            is_charged: false,
            import: None,
            events: Vec::new(),
        }
    }
}

impl Settings {
    /// By which a person merges and splits contacts: the newer word counts.
    pub fn by_hand(unique_identifiers: Vec<String>, caseless_identifiers: Vec<String>) -> Self {
        Self {
            unique_identifiers,
            caseless_identifiers,
            key_strategy: KeyStrategy::Any,
            merge_strategy: MergeStrategy::Overwrite,
            existing_only: false,
            keep_user_ids_apart: false,
            transition: None,
        }
    }

    /// Whether a unique identifier's values are compared without regard to ASCII case.
    pub fn is_caseless(&self, field: &str) -> bool {
        is_email(field) || self.caseless_identifiers.iter().any(|name| name == field)
    }

    /// Those of which nobody knows it who is not told.
    pub fn told_caseless(&self) -> impl Iterator<Item = &str> {
        let unique = self.unique_identifiers.iter().map(String::as_str);
        unique.filter(|field| !is_email(field) && self.is_caseless(field))
    }

    /// What the value of a unique identifier is found by.
    pub fn key<'a>(&self, field: &'a str, json: &'a str) -> Option<Key<'a>> {
        Key::unique(field, json, self.is_caseless(field))
    }
}

/// Semantics 3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStrategy {
    Any,
    NextIfEmpty,
}

/// Unique identifiers and key strategy under a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueIdentifiers {
    /// Field ids, in order.
    pub fields: Vec<String>,
    pub strategy: KeyStrategy,
    /// Those that are to count, while contacts are reindexed.
    pub next: Option<KeyRule>,
    pub version: i64,
}

/// Semantics 3.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeStrategy {
    Overwrite,
    Append,
    Ignore,
}

/// What is wanted of the contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing new is an outcome of its own.
    Identify,
    /// Nothing new is no fault.
    Track,
    /// Never create, never link.
    Find,
}

/// What an event wants of an audience (semantics 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MembershipUpdate {
    pub mode: MembershipMode,
    pub audience: AudienceId,
}

/// See [`MembershipUpdate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipMode {
    Add,
    Remove,
}

/// One event, normalised and mapped.
#[derive(Debug, Clone)]
pub struct Event {
    pub mode: Mode,
    /// Empty when absent; one of both is there, or else a unique identifier.
    pub user_id: ByteString,
    pub anonymous_id: ByteString,
    /// A JSON object: field id to canonical value, null = clear. Empty when there is nothing.
    pub fields_json: ByteString,
    pub event_micros: i64,
    pub message_id: ByteString,
    pub update: Option<MembershipUpdate>,
    /// It came without a timestamp: its time is that of its arrival, and belongs to its first
    /// one (semantics 5.4).
    pub undated: bool,
    /// None of its mapped traits gives a value; there may be nulls (semantics 2.6).
    pub no_values: bool,
    /// It brings nothing that would make a contact of its own: each of its traits was ignored,
    /// but for nulls (semantics 2.8).
    pub never_creates: bool,
    /// A profile unit was granted; where it is not needed, a later event has it.
    pub funded: bool,
    /// Stands for the event's endpoint, message id, time and content (semantics 1.4).
    pub key: Uuid,
    /// It was stored, and is taken anew (semantics 7.5a).
    pub correction: bool,
}

impl Event {
    /// Whether it is a track that could at most clear something: where that is nothing, it is
    /// a plain track, of which contacts learn nothing (semantics 2.6, 4.7).
    pub fn only_clears(&self) -> bool {
        self.mode == Mode::Track && self.no_values && self.update.is_none()
    }

    /// Whether it says nothing where there is no contact, and asks for none (semantics 2.6, 2.8).
    pub fn makes_no_contact(&self) -> bool {
        let adds = |update: MembershipUpdate| update.mode == MembershipMode::Add;
        self.mode == Mode::Find
            || self.only_clears()
            || (self.never_creates && !self.update.is_some_and(adds))
    }

    /// Whether there is nothing in it but a `remove`, which makes no contact: the identifier
    /// alone does not count (semantics 4.7).
    pub fn is_bare_remove(&self) -> bool {
        let removes = |update: MembershipUpdate| update.mode == MembershipMode::Remove;
        self.update.is_some_and(removes) && (self.no_values || self.mode == Mode::Find)
    }
}

/// A key by its index in [`Facts::keys`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) usize);

/// A batch, read: what the fold works with.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub settings: &'a Settings,
    /// In the order of the batch.
    pub events: Vec<EventFacts<'a>>,
    /// All that the events can be found by, sorted and unique: from here on a key is its
    /// number, and no text is compared twice.
    pub keys: Vec<Key<'a>>,
}

/// One event, read.
#[derive(Debug, Clone)]
pub struct EventFacts<'a> {
    pub event: &'a Event,
    pub stamp: Stamp<'a>,
    pub user: Option<KeyId>,
    pub anonymous: Option<KeyId>,
    /// By field id; none = clear.
    pub fields: Vec<(&'a str, Option<&'a str>)>,
    /// What the event can be found by besides, in the order of the unique identifiers.
    pub unique_keys: Vec<UniqueKey>,
}

/// What an event can be found by: the value of a unique identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UniqueKey {
    /// Among the unique identifiers.
    pub rank: usize,
    /// Among the event's fields.
    pub field: usize,
    pub key: KeyId,
}

impl<'a> Facts<'a> {
    /// Reads a batch's events.
    ///
    /// # Errors
    /// The index of the first event whose fields are not an object; mapping never sends such.
    pub fn of(events: &'a [Event], settings: &'a Settings) -> Result<Self, (usize, InvalidFields)> {
        let unique = settings.unique_identifiers.iter();
        let unique: Vec<_> = unique
            .map(|name| (name, settings.is_caseless(name)))
            .collect();
        let mut keys = Found::with_capacity(settings, events.len());
        let mut read = Vec::with_capacity(events.len());
        let mut members = Members::default();
        for (index, event) in events.iter().enumerate() {
            let fields = event.fields(&mut members).map_err(|error| (index, error))?;
            if let Some(key) = Key::user(&event.user_id) {
                keys.add(key, index, KeyOf::User);
            }
            if let Some(key) = Key::anonymous(&event.anonymous_id) {
                keys.add(key, index, KeyOf::Anonymous);
            }
            for (rank, (unique, caseless)) in unique.iter().enumerate() {
                let found = fields.binary_search_by(|(field, _)| (*field).cmp(unique.as_str()));
                if let Ok(field) = found
                    && let (name, Some(json)) = fields[field]
                    && let Some(key) = Key::unique(name, json, *caseless)
                {
                    let whose = KeyOf::Field { rank, field };
                    keys.add(key, index, whose);
                }
            }
            read.push(EventFacts {
                event,
                stamp: Stamp::new(event.event_micros, &event.message_id),
                user: None,
                anonymous: None,
                fields,
                unique_keys: Vec::new(),
            });
        }
        let mut facts = Self {
            settings,
            events: read,
            keys: Vec::with_capacity(keys.len()),
        };
        keys.in_order(|key, again, index, whose| facts.number(key, again, index, whose));
        Ok(facts)
    }

    /// Of no events: what some contacts are to be found by.
    pub fn of_keys(settings: &'a Settings, mut keys: Vec<Key<'a>>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        Self {
            settings,
            events: Vec::new(),
            keys,
        }
    }

    /// All the keys.
    pub fn all_keys(&self) -> Vec<KeyId> {
        (0..self.keys.len()).map(KeyId).collect()
    }

    /// The keys of events that may have happened before `micros`, which a deletion then concerns.
    pub fn keys_before(&self, micros: i64) -> Vec<KeyId> {
        let older = |event: &&EventFacts<'_>| event.event.undated || event.stamp.micros <= micros;
        let events = self.events.iter().filter(older);
        let mut keys: Vec<KeyId> = events.flat_map(EventFacts::keys).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// One of [`Self::keys`].
    pub fn key(&self, id: KeyId) -> &Key<'a> {
        &self.keys[id.0]
    }

    /// When the events happened, in microseconds; sorted.
    pub fn moments(&self) -> Vec<i64> {
        let events = self.events.iter();
        let mut moments: Vec<i64> = events.map(|facts| facts.stamp.micros).collect();
        moments.sort_unstable();
        moments
    }

    /// The events whose repeats receipts tell; `all` where all are asked for.
    pub fn with_receipts(&self, all: bool) -> Vec<Uuid> {
        self.keys_of_events(|facts| {
            all || facts.event.correction || facts.needs_receipt(self.settings)
        })
    }

    /// The events that were stored and are taken anew (semantics 7.5a).
    pub fn corrections(&self) -> Vec<Uuid> {
        self.keys_of_events(|facts| facts.event.correction)
    }

    fn keys_of_events(&self, wanted: impl Fn(&EventFacts<'_>) -> bool) -> Vec<Uuid> {
        let events = self.events.iter().filter(|facts| wanted(facts));
        let mut keys: Vec<Uuid> = events.map(|facts| facts.event.key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Takes the next of the sorted keys, which may be there `again`.
    fn number(&mut self, key: Key<'a>, again: bool, index: usize, whose: KeyOf) {
        if !again || self.keys.last() != Some(&key) {
            self.keys.push(key);
        }
        let id = KeyId(self.keys.len() - 1);
        let event = &mut self.events[index];
        match whose {
            KeyOf::User => event.user = Some(id),
            KeyOf::Anonymous => event.anonymous = Some(id),
            KeyOf::Field { rank, field } => {
                let key = id;
                event.unique_keys.push(UniqueKey { rank, field, key });
                event.unique_keys.sort_unstable();
            }
        }
    }
}

impl<'a> EventFacts<'a> {
    /// The same event, as of another moment.
    pub fn at(&self, micros: i64) -> Self {
        let mut moved = self.clone();
        moved.stamp.micros = micros;
        moved
    }

    /// All that the event can be found by.
    pub fn keys(&self) -> impl Iterator<Item = KeyId> {
        let unique = self.unique_keys.iter().map(|unique| unique.key);
        self.user.into_iter().chain(self.anonymous).chain(unique)
    }

    /// Whether it has a word on the field.
    pub fn names(&self, field: &str) -> bool {
        self.word(field).is_some()
    }

    /// What it says of the field; within, none = it clears it.
    pub fn word(&self, field: &str) -> Option<Option<&'a str>> {
        let found = self.fields.binary_search_by(|(name, _)| (*name).cmp(field));
        found.ok().map(|at| self.fields[at].1)
    }

    /// Whether a repeat of it is recognised by a receipt alone: it may leave no other trace,
    /// or, without a user id that stays, its trace on a contact that it no longer leads to.
    pub fn needs_receipt(&self, settings: &Settings) -> bool {
        self.event.mode != Mode::Identify
            || self.event.update.is_some()
            || self.event.undated
            || settings.merge_strategy != MergeStrategy::Overwrite
            || (self.user.is_none() && !self.unique_keys.is_empty())
    }
}

impl Event {
    /// By field id; none = clear.
    fn fields<'a>(
        &'a self,
        members: &mut Members<'a>,
    ) -> Result<Vec<(&'a str, Option<&'a str>)>, InvalidFields> {
        if self.fields_json.is_empty() {
            return Ok(Vec::new());
        }
        let members = members.of(&self.fields_json)?;
        Ok(members
            .map(|(field, value)| (field, (value != "null").then_some(value)))
            .collect())
    }
}
