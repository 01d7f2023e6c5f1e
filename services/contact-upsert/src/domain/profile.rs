//! Contacts, read back.

use chrono::{DateTime, Utc};
use weir_ids::ContactId;

/// What a contact is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactKey {
    Id(ContactId),
    /// Kind as in [`Key`](super::Key), and the normalised value.
    Identifier(String, String),
}

/// A live contact as it is stored, with what points to it.
#[derive(Debug, Clone)]
pub struct StoredProfile {
    pub id: ContactId,
    pub fields: String,
    pub registers: String,
    pub create_time: DateTime<Utc>,
    pub update_time: DateTime<Utc>,
    /// The newest, newest first.
    pub user_ids: Vec<String>,
    pub user_id_count: i64,
    /// As well.
    pub anonymous_ids: Vec<String>,
    pub anonymous_id_count: i64,
    /// As well, by when they were made.
    pub merged: Vec<ContactId>,
    pub merged_count: i64,
}
