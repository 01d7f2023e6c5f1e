//! Events as they come from mapping, and what can be read off one alone.

use std::fmt;

use chrono::NaiveDate;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;
use weir_ids::{AccountId, BatchId};

use super::contact::Stamp;
use super::key::Key;

/// One batch of one account.
#[derive(Debug, Clone)]
pub struct Batch {
    pub account: AccountId,
    pub id: BatchId,
    /// The UTC day in which it was admitted.
    pub window: NaiveDate,
    /// Of the reservation.
    pub epoch: i64,
    pub settings: Settings,
    /// At most a thousand; the boundary sees to it.
    pub events: Vec<Event>,
}

/// How contacts of the account are told apart, and how the source may change them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Merge keys in order (semantics 3.2).
    pub unique_identifiers: Vec<String>,
    pub key_strategy: KeyStrategy,
    pub merge_strategy: MergeStrategy,
    /// Never create (semantics 3.4).
    pub existing_only: bool,
}

/// Semantics 3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStrategy {
    Any,
    NextIfEmpty,
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

/// One event, normalised and mapped.
#[derive(Debug, Clone)]
pub struct Event {
    pub mode: Mode,
    /// Empty when absent; one of both is there.
    pub user_id: String,
    pub anonymous_id: String,
    /// A JSON object: field id to canonical value, null = clear. Empty when there is nothing.
    pub fields_json: String,
    pub event_micros: i64,
    pub message_id: String,
    /// Carries an audience wish.
    pub has_wish: bool,
    /// A profile unit was granted.
    pub funded: bool,
    /// Stands for the event's endpoint, message id, time and content (semantics 1.4).
    pub key: Uuid,
}

/// Fields that are not an object of canonical values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object of field ids and canonical values")]
pub struct InvalidFields;

/// One event, read: what the fold works with.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub event: &'a Event,
    pub stamp: Stamp<'a>,
    pub user: Option<Key<'a>>,
    pub anonymous: Option<Key<'a>>,
    /// By field id; none = clear.
    pub fields: Vec<(&'a str, Option<&'a str>)>,
    /// What the event can be found by, in order: position among the unique identifiers, key.
    pub merge_keys: Vec<(usize, Key<'a>)>,
}

impl<'a> Facts<'a> {
    /// Reads an event.
    ///
    /// # Errors
    /// Where its fields are not an object; mapping never sends such.
    pub fn of(event: &'a Event, settings: &Settings) -> Result<Self, InvalidFields> {
        let fields = match event.fields_json.as_str() {
            "" => Vec::new(),
            json => fields_of(json)?
                .into_iter()
                .map(|(field, value)| (field, (value != "null").then_some(value)))
                .collect(),
        };
        let mut merge_keys = Vec::new();
        for (position, unique) in settings.unique_identifiers.iter().enumerate() {
            let found = fields.binary_search_by(|(field, _)| (*field).cmp(unique));
            if let Some((field, Some(json))) = found.ok().map(|index| fields[index])
                && let Some(key) = Key::merge(field, json)
            {
                merge_keys.push((position, key));
            }
        }
        Ok(Self {
            event,
            stamp: Stamp::new(event.event_micros, &event.message_id),
            user: Key::user(&event.user_id),
            anonymous: Key::anonymous(&event.anonymous_id),
            fields,
            merge_keys,
        })
    }

    /// All that the event can be found by.
    pub fn keys(&self) -> impl Iterator<Item = &Key<'a>> {
        let merge = self.merge_keys.iter().map(|(_, key)| key);
        self.user.iter().chain(&self.anonymous).chain(merge)
    }

    /// Whether a repeat of it is recognised by a receipt alone: it may leave no other trace,
    /// or, without a user id that stays, its trace on a contact that it no longer leads to.
    pub fn needs_receipt(&self, settings: &Settings) -> bool {
        self.event.mode != Mode::Identify
            || self.event.has_wish
            || settings.merge_strategy != MergeStrategy::Overwrite
            || (self.user.is_none() && !self.merge_keys.is_empty())
    }
}

/// Reads all events of a batch.
///
/// # Errors
/// The position of the first event whose fields can't be read.
pub fn facts_of(batch: &Batch) -> Result<Vec<Facts<'_>>, (usize, InvalidFields)> {
    batch
        .events
        .iter()
        .enumerate()
        .map(|(index, event)| Facts::of(event, &batch.settings).map_err(|error| (index, error)))
        .collect()
}

/// The members of a JSON object of canonical values, by name; the last of a name counts.
///
/// Borrows from the text: field ids need no escapes, and values stay as they are written.
pub(super) fn fields_of(json: &str) -> Result<Vec<(&str, &str)>, InvalidFields> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(&'de str, &'de str)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of canonical values")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::with_capacity(8);
            while let Some((name, value)) = map.next_entry::<&str, &RawValue>()? {
                members.push((name, value.get()));
            }
            Ok(members)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(json);
    let mut members = reader.deserialize_map(Members).map_err(|_| InvalidFields)?;
    reader.end().map_err(|_| InvalidFields)?;
    if !members.is_sorted_by(|a, b| a.0 < b.0) {
        // Stable, so that of equal names the last stays last, which then is kept.
        members.sort_by_key(|(name, _)| *name);
        members.reverse();
        members.dedup_by_key(|(name, _)| *name);
        members.reverse();
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_and_the_last_of_a_name_counts() {
        assert_eq!(
            fields_of(r#"{"str::b":"x","str::a": 1,"str::b":{"k": [1, 2]}}"#),
            Ok(vec![("str::a", "1"), ("str::b", r#"{"k": [1, 2]}"#)])
        );
        assert_eq!(fields_of("{}"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for json in ["[]", "3", "{", "{}{}", r#"{"a":}"#, r#"{"a\u0000":1}"#] {
            assert_eq!(fields_of(json), Err(InvalidFields), "{json}");
        }
    }
}
