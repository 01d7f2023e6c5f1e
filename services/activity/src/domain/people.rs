//! Splits and deletions, as contact-upsert tells of them (semantics 3.9, 3.10).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use weir_ids::{AccountId, ContactId};

use super::batch::Identifier;
use super::link::Link;

/// A contact went into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Merge {
    /// The one that went.
    pub contact_id: ContactId,
    /// Grows with every merge and split of the one that went.
    pub version: i64,
    /// The one that stayed.
    pub survivor_id: ContactId,
}

/// It is one of its own again.
#[derive(Debug, Clone)]
pub struct Split {
    /// The one that is there again.
    pub contact_id: ContactId,
    /// The one that it had been merged into.
    pub survivor_id: ContactId,
    /// As in [`Merge`].
    pub version: i64,
    /// What was received later stays with the survivor.
    pub merge_time: DateTime<Utc>,
    /// The identifiers that it has again.
    pub links: Vec<Link>,
}

/// A person who is to be deleted.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// Whose.
    pub account_id: AccountId,
    /// As contact-upsert names it.
    pub deletion_id: Uuid,
    /// All that were merged.
    pub contacts: Vec<ContactId>,
    /// What they were found by.
    pub identifiers: Vec<Identifier>,
    /// What happened up to then is not stored any more.
    pub delete_time: DateTime<Utc>,
}

/// So many of something were deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted(pub String, pub i64);
