//! Contacts.

use crate::domain::Time;

#[derive(Debug, Clone, Default)]
pub struct Contact {
    pub id: String,
    pub user_ids: Vec<String>,
    pub anonymous_ids: Vec<String>,
    pub user_id_count: i64,
    pub anonymous_id_count: i64,
    pub fields: Vec<ContactValue>,
    pub left_out_fields: i64,
    pub created: Option<Time>,
    pub updated: Option<Time>,
    pub merged: Vec<String>,
    pub merged_count: i64,
}

impl Contact {
    /// A field's value; empty where it has none.
    pub fn value(&self, field: &str) -> &str {
        let mut found = self.fields.iter().filter(|one| one.field == field);
        found.next().map_or("", |one| &one.value)
    }

    /// What a person would call it.
    pub fn title(&self) -> String {
        let full = format!("{} {}", self.value("str::first"), self.value("str::last"));
        let named = [
            full.trim(),
            self.value("str::name"),
            self.value("str::email"),
        ];
        let ids = self.user_ids.iter().chain(&self.anonymous_ids);
        let ids = ids.map(String::as_str);
        let mut all = named.into_iter().chain(ids);
        let title = all.find(|text| !text.is_empty());
        crate::domain::words::cut(title.unwrap_or("Without a name"), 200)
    }
}

#[derive(Debug, Clone)]
pub struct ContactValue {
    pub field: String,
    pub value: String,
    pub time: Option<Time>,
    pub from: Option<Provenance>,
}

/// Where a value came from (semantics 3.7).
#[derive(Debug, Clone)]
pub struct Provenance {
    pub message_id: String,
    pub source_id: String,
    /// What it replaced; none: nothing.
    pub replaced: Option<String>,
    pub replaced_clearing: bool,
}

/// One that a search found, and by what.
#[derive(Debug, Clone)]
pub struct Found {
    pub contact: Contact,
    pub key: &'static str,
    pub value: String,
}

/// An activity of a contact.
#[derive(Debug, Clone)]
pub struct Activity {
    pub event_name: String,
    pub time: Option<Time>,
    pub received: Option<Time>,
    pub message_id: String,
    /// Name and value.
    pub attributes: Vec<(String, String)>,
    pub expires: String,
}

#[derive(Debug, Clone)]
pub struct Membership {
    pub audience_id: String,
    pub member: bool,
    pub since: Option<Time>,
    pub left: Option<Time>,
    pub updated: Option<Time>,
    /// Asked to be in within a minute after it left (semantics 5.3).
    pub held_back: bool,
}

/// Something that happened to a membership (semantics 5.6).
#[derive(Debug, Clone)]
pub struct MembershipTurn {
    pub time: Option<Time>,
    pub what: &'static str,
    /// Of one that is held back.
    pub until: Option<Time>,
    /// Where it was no event.
    pub cause: &'static str,
    pub message_id: String,
    /// The event's.
    pub event_time: Option<Time>,
}

/// Two contacts became one (semantics 3.8).
#[derive(Debug, Clone)]
pub struct Merge {
    pub id: String,
    pub merged: String,
    pub survivor: String,
    pub time: Option<Time>,
    /// The message and its source; none: by hand.
    pub cause: Option<(String, String)>,
    pub split: Option<Time>,
    /// What each is (a field's id, or in words), and its value.
    pub identifiers: Vec<(String, String)>,
    pub merged_fields: Vec<ContactValue>,
    pub survivor_fields: Vec<ContactValue>,
    pub can_split: bool,
}

#[derive(Debug, Clone, Default)]
pub struct MergePreview {
    pub survivor: String,
    pub merged: String,
    pub fields: Vec<PreviewedField>,
    pub both_have_user_ids: bool,
    pub are_kept_apart: bool,
    pub moved_identifiers: i64,
}

#[derive(Debug, Clone)]
pub struct PreviewedField {
    pub field: String,
    pub survivor: String,
    pub merged: String,
    pub result: String,
    pub loses: bool,
}

/// The receipt of a deletion (semantics 3.9).
#[derive(Debug, Clone)]
pub struct Deletion {
    pub id: String,
    pub requested: Option<Time>,
    pub done: Option<Time>,
    pub rows: Vec<Gone>,
}

#[derive(Debug, Clone)]
pub struct Gone {
    pub service: String,
    pub what: String,
    pub count: i64,
}

/// Contacts that have something, of those that were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub contacts: i64,
    pub seen: i64,
    /// Those were all.
    pub complete: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_called_by_what_is_known() {
        let mut contact = Contact::default();
        assert_eq!(contact.title(), "Without a name");
        contact.anonymous_ids.push("a1".to_owned());
        assert_eq!(contact.title(), "a1");
        for (field, value) in [("str::email", "l@example.org"), ("str::last", "Romeijn")] {
            contact.fields.push(ContactValue {
                field: field.to_owned(),
                value: value.to_owned(),
                time: None,
                from: None,
            });
        }
        assert_eq!(contact.title(), "Romeijn");
    }
}
