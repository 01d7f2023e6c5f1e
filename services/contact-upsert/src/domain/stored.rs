//! What is stored besides contacts, as a fold takes it.

use uuid::Uuid;
use weir_ids::ContactId;

use super::contact::Stamp;

/// The contact of an identifier's row that leads to nobody: under it removes are kept.
pub const NOBODY: ContactId = ContactId(Uuid::nil());

/// An identifier's row.
#[derive(Debug, Clone)]
pub struct StoredLink<'a> {
    pub contact: ContactId,
    pub version: i64,
    pub stamp: Stamp<'a>,
    /// When it was linked, by our clock.
    pub linked_micros: i64,
}

/// What an event that may leave no other trace is recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt {
    /// Of the event.
    pub key: Uuid,
    /// None = a remove that was kept for somebody unknown.
    pub contact: Option<ContactId>,
    /// Else it said nothing new, and only its time is kept.
    pub is_stored: bool,
    /// Of an event without a timestamp: when it came first (semantics 5.4).
    pub first_micros: Option<i64>,
}
