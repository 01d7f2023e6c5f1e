//! What the stages say about one event.

use bytestring::ByteString;

/// Whether an audience can be touched from Segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudienceSaid {
    Usable,
    Unknown,
    /// Made by hand or by another integration.
    OtherOrigin,
    /// Nobody could be asked.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingSaid {
    /// The event ends here (422), and why.
    Rejected(String),
    Mapped(Mapped),
}

/// An event's typed values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// A JSON object; empty when no mapped trait converted.
    pub fields_json: ByteString,
    /// Of tracks.
    pub activity: Option<MappedActivity>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedActivity {
    pub activity_id: ByteString,
    pub attributes_json: ByteString,
    pub retention_days: u32,
    pub earlier_retention_days: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactSaid {
    Stored,
    Repeated,
    NothingNew,
    NotFunded,
    /// The source never makes contacts, and there is none.
    Refused,
    /// Looked for, not found, and nothing was to be made.
    NotFound,
    /// The person was deleted after the event.
    Deleted,
    /// The stage failed; the contact may or may not be stored.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivitySaid {
    Stored,
    Backlogged,
    Repeated,
    NotFunded,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WishSaid {
    Applied,
    HeldBack,
    Overtaken,
    UnknownAudience,
    Failed,
}

/// One kind of units of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter {
    pub granted: i64,
    pub limit: i64,
    /// Free after this grant.
    pub remaining: i64,
}
