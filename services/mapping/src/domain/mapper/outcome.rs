//! What becomes of an event, and what it says of its contact.

use bytestring::ByteString;
use weir_reasons::Reason;

use crate::domain::event::EventKind;
use crate::domain::mapping::Activity;

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<'s> {
    NoMapping,
    /// The message says what the activity's retention is.
    PastRetention(String),
    Mapped {
        /// A JSON object of canonical values, `null` to clear; empty when there is nothing.
        fields_json: ByteString,
        traits: Traits,
        activity: Option<MappedActivity<'s>>,
    },
}

impl Outcome<'_> {
    /// What the event is answered as far as mapping can say: where its contact can be written,
    /// units are left, and its audience may be changed.
    pub fn answered(&self, kind: EventKind, has_audience: bool) -> (u16, Option<Reason>) {
        match self {
            Self::NoMapping => (422, Some(Reason::NoMapping)),
            Self::PastRetention(_) => (422, Some(Reason::PastRetention)),
            Self::Mapped { traits, .. } => traits.answered(kind == EventKind::Track, has_audience),
        }
    }
}

impl Traits {
    /// As [`Outcome::answered`] (semantics 1, 2.8, 4.7). What wants a membership changed has
    /// something to say, whatever was ignored.
    pub fn answered(self, is_track: bool, has_audience: bool) -> (u16, Option<Reason>) {
        match self {
            Self::AllIgnored if has_audience => (200, None),
            Self::AllIgnored if is_track => (206, Some(Reason::ContactNothingValid)),
            Self::AllIgnored => (422, Some(Reason::NothingValid)),
            _ => (200, None),
        }
    }
}

/// What an event says of its contact (semantics 2.6, 2.8, 4.7). A track's location describes
/// the activity, and says nothing here (semantics 2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traits {
    /// No mapped trait, and no location that gives a value.
    None,
    /// At least one mapped trait, or the location, gives a value.
    Values,
    /// Nulls that clear fields, and no value; nothing was ignored.
    Clears,
    /// Nulls that clear fields, and besides them nothing but ignored ones: as `Clears` where
    /// there is a contact, as `AllIgnored` where there is none (a null is nothing then).
    ClearsRestIgnored,
    /// There were mapped traits, and each of them was ignored.
    AllIgnored,
}

/// What became of the values that a mapping asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub values: usize,
    pub clears: usize,
    pub ignored: usize,
}

impl Tally {
    pub fn traits(self) -> Traits {
        match self {
            Self { values: 1.., .. } => Traits::Values,
            Self {
                clears: 1..,
                ignored: 1..,
                ..
            } => Traits::ClearsRestIgnored,
            Self { clears: 1.., .. } => Traits::Clears,
            Self { ignored: 1.., .. } => Traits::AllIgnored,
            _ => Traits::None,
        }
    }
}

/// A track's activity and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedActivity<'s> {
    pub activity: &'s Activity,
    /// A JSON object of canonical values.
    pub attributes_json: ByteString,
}
