//! What an audience is, and who may touch it (semantics 5.1).

use std::fmt;

use chrono::{DateTime, Utc};
use weir_ids::AudienceId;

/// The longest name, in characters.
pub const MAX_NAME: usize = 150;

/// A name: trimmed, not blank, at most 150 characters; case counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("must not be blank")]
    Blank,
    #[error("must have at most 150 characters")]
    TooLong,
    #[error("must not hold control characters")]
    Control,
}

impl Name {
    /// Trims, and looks whether what is left is a name.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let name = text.trim();
        if name.is_empty() {
            return Err(InvalidName::Blank);
        }
        if name.chars().count() > MAX_NAME {
            return Err(InvalidName::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(InvalidName::Control);
        }
        Ok(Self(name.to_owned()))
    }

    /// One that was stored, and so was parsed before.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    SegmentActions,
    /// By hand, or another integration.
    Other,
}

/// An audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    pub id: AudienceId,
    pub name: Name,
    pub origin: Origin,
    pub create_time: DateTime<Utc>,
}

/// Whether Segment may touch an audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usable {
    Yes,
    Unknown,
    OtherOrigin,
}

impl Usable {
    /// Only what Segment (Actions) made, Segment (Actions) touches.
    pub fn of(found: Option<Origin>) -> Self {
        match found {
            Some(Origin::SegmentActions) => Self::Yes,
            Some(Origin::Other) => Self::OtherOrigin,
            None => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded_and_keep_their_case() {
        assert_eq!(
            Name::parse("  News Letter\u{a0} ").unwrap().as_str(),
            "News Letter"
        );
        assert_ne!(Name::parse("vip"), Name::parse("VIP"));
        assert_eq!(Name::parse(" \t\u{2003}"), Err(InvalidName::Blank));
        assert_eq!(Name::parse("a\0b"), Err(InvalidName::Control));
        assert!(Name::parse(&"ä".repeat(150)).is_ok());
        assert_eq!(Name::parse(&"ä".repeat(151)), Err(InvalidName::TooLong));
    }
}
