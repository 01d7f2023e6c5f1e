//! What the stages say about one event.

use bytestring::ByteString;
use weir_reasons::Reason;

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
    Rejected(Reason, String),
    Mapped(Mapped),
}

/// What an event says of its contact (semantics 2.6, 2.8, 4.7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Traits {
    /// No mapped trait, and no location that gives a value.
    #[default]
    None,
    /// At least one value.
    Values,
    /// Nulls that clear fields, and no value.
    Clears,
    /// Each of its mapped traits was ignored.
    AllIgnored,
    /// Nulls, and besides them nothing but ignored traits: as clears where there is a contact,
    /// as all ignored where there is none.
    ClearsRestIgnored,
}

/// An event's typed values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// A JSON object; empty when no mapped trait converted.
    pub fields_json: ByteString,
    /// What that comes to.
    pub traits: Traits,
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
    /// Nobody known to be removed from an audience, and nothing else: kept until the person is
    /// known (semantics 4.7).
    Kept,
    /// The person was deleted after the event.
    Deleted,
    /// The database does not take a value of the event.
    Unstorable,
    /// Contacts could not be reached; the contact may or may not be stored.
    Away,
    /// As that, and the event is kept durably until the contact is made up for (semantics 1.7).
    Deferred,
    /// The stage made no sense.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivitySaid {
    Stored,
    Backlogged,
    Repeated,
    NotFunded,
    /// It is corrected, and is not there any more.
    Gone,
    /// The person was deleted after the event.
    Deleted,
    /// The database does not take a value of the event.
    Unstorable,
    /// Activities could not be reached; it may or may not be stored.
    Away,
    /// The stage made no sense.
    Failed,
}

impl ActivitySaid {
    /// Of a correction, or of what is none: a correction brings no unit, and what would need one
    /// to be stored is not there to be corrected.
    pub fn of(self, correction: bool) -> Self {
        match self {
            Self::NotFunded if correction => Self::Gone,
            said => said,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateSaid {
    Applied,
    HeldBack,
    Overtaken,
    UnknownAudience,
    /// The database does not take a value of it.
    Unstorable,
    /// Nobody could be asked.
    Failed,
}

/// A value that a stage ignored while the rest of its event went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredValue {
    pub code: Reason,
    pub field_id: String,
    /// For the person who maps.
    pub reason: String,
    /// For the source's log and nothing else.
    pub value: String,
}

/// Why mapping ignored values, and of what, for the counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredKind {
    /// None for a reason that this version does not know.
    pub code: Option<Reason>,
    /// The field or attribute; the path where there is none.
    pub subject: String,
}

/// So many values of an event, of one of the batch's kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IgnoredValues {
    pub kind: usize,
    pub count: i64,
}

/// One kind of units of a reservation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meter {
    pub granted: i64,
    pub limit: i64,
    /// Free after this grant.
    pub remaining: i64,
    /// Charged for good.
    pub used: i64,
}

impl Meter {
    /// Whether nothing but reservations of batches under way stand between this one and the
    /// `needed` units (semantics 6.4a).
    pub fn is_short_for_now(&self, needed: i64) -> bool {
        self.granted < needed && self.used.saturating_add(self.granted) < self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reached_by_what_is_charged_and_not_by_what_is_reserved() {
        let meter = |used, granted| Meter {
            granted,
            limit: 10,
            remaining: 0,
            used,
        };
        assert!(meter(5, 3).is_short_for_now(4));
        assert!(!meter(5, 3).is_short_for_now(3), "it has what it needs");
        assert!(!meter(7, 3).is_short_for_now(4), "the limit is reached");
        assert!(!meter(10, 0).is_short_for_now(1));
        assert!(
            !Meter::default().is_short_for_now(1),
            "a plan without units"
        );
    }
}
