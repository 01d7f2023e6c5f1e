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
    #[error("must not hold control characters such as line breaks or tabs")]
    Control,
}

impl Name {
    /// Trims, and looks whether what is left is a name.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let name = text.trim();
        if name.chars().all(is_unseen) {
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

/// What leaves a name blank to whoever reads it: white space, and the characters that only join
/// or direct others.
fn is_unseen(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}')
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
    /// Another integration.
    Other,
    /// By hand.
    Manual,
}

/// An audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    pub id: AudienceId,
    pub name: Name,
    pub origin: Origin,
    pub create_time: DateTime<Utc>,
}

/// An audience as it is shown: with how many belong to it, and how many updates of them came on
/// this day and the six before.
#[derive(Debug, Clone)]
pub struct Shown {
    pub audience: Audience,
    pub members: i64,
    pub updates: i64,
}

/// An audience that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    pub audience: Audience,
    pub request_time: DateTime<Utc>,
    pub done_time: Option<DateTime<Utc>>,
    pub restore_time: Option<DateTime<Utc>>,
    /// That were deleted so far.
    pub memberships: i64,
}

/// An audience that was asked for by name.
#[derive(Debug, Clone)]
pub struct Created {
    pub audience: Audience,
    /// `false`: it was there.
    pub created: bool,
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
            Some(Origin::Other | Origin::Manual) => Self::OtherOrigin,
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
        for blank in ["", "\u{feff}", " \u{200b}\u{200d} ", "\n"] {
            assert_eq!(Name::parse(blank), Err(InvalidName::Blank), "{blank:?}");
        }
        for control in ["a\0b", "a\nb", "a\tb", "a\u{85}b", "a\u{7f}b"] {
            assert_eq!(
                Name::parse(control),
                Err(InvalidName::Control),
                "{control:?}"
            );
        }
        // A control character at an end is white space, or none.
        assert_eq!(Name::parse("a\r\n").unwrap().as_str(), "a");
        assert_eq!(Name::parse("a\u{7}"), Err(InvalidName::Control));
        // What people write with joiners is a name.
        assert!(Name::parse("\u{1f468}\u{200d}\u{1f469}").is_ok());
        assert!(Name::parse(&"ä".repeat(150)).is_ok());
        assert_eq!(Name::parse(&"ä".repeat(151)), Err(InvalidName::TooLong));
    }
}
