//! Why a value is ignored: as a reason code, and in words.

use weir_json::NotJson;
use weir_reasons::Reason;

use super::Converter;

/// Why a value, or an element of a list, was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It is not of the type.
    Mismatch,
    /// It is of the type, but too long.
    TooLong,
    /// It is in order, but the event's values as a whole are too long with it.
    EventTooLong,
    /// It holds NUL, or what is not Unicode text.
    NotStorable,
    /// It is a date that lies outside of the years 1 to 9999.
    OutOfRange,
    /// Two texts that look alike would be two: it has an invisible character inside.
    Invisible,
    /// It means nobody in particular, and stands where contacts are told apart.
    Blocked,
    /// It is a null, in a list.
    NullElement,
}

impl From<NotJson> for Failure {
    fn from(_: NotJson) -> Self {
        Self::NotStorable
    }
}

impl Converter {
    /// The reason code of a failure (semantics 1.6).
    pub fn code(&self, failure: Failure) -> Reason {
        match failure {
            Failure::NotStorable => Reason::NotStorable,
            Failure::TooLong | Failure::EventTooLong => Reason::TooLong,
            Failure::OutOfRange => Reason::DateOutOfRange,
            Failure::Invisible => Reason::InvisibleCharacters,
            Failure::Blocked => Reason::ValueBlocked,
            Failure::NullElement => Reason::ListInvalid,
            Failure::Mismatch => self.expectation().0,
        }
    }

    /// What a person should do about a failure.
    pub fn reason(&self, failure: Failure) -> String {
        match failure {
            Failure::NotStorable => {
                "holds what cannot be stored: NUL, or text that is not Unicode".to_owned()
            }
            Failure::OutOfRange => "lies outside of the years 1 to 9999".to_owned(),
            Failure::Invisible => {
                "holds an invisible character inside, and would be another than it looks".to_owned()
            }
            Failure::Blocked => "means nobody, and can't tell contacts apart".to_owned(),
            Failure::NullElement => "is null".to_owned(),
            Failure::TooLong => self.limit(),
            Failure::EventTooLong => {
                "the values of the event come to more than 4 MiB with this one".to_owned()
            }
            Failure::Mismatch => {
                let mut reason = format!("expected {}", self.expectation().1);
                for (index, format) in self.options.formats.iter().enumerate() {
                    reason.push_str(if index == 0 {
                        " written as "
                    } else {
                        ", or as "
                    });
                    reason.push_str(&format.to_string());
                }
                if let Some(country) = self.options.phone_country {
                    reason.push_str(&format!(
                        ": of {country}, or with another country's code in front, such as +61 2 9876 5432"
                    ));
                }
                reason
            }
        }
    }
}
