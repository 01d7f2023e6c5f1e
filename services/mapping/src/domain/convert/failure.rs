//! Why a value is ignored: as a reason code, and in words.

use weir_reasons::Reason;
use weir_values::ValueType;

use super::lists::MAX_CHOICES;
use super::texts::{MAX_EMAIL, MAX_LINK, MAX_LONG_TEXT, MAX_TEXT};
use super::{Converter, MAX_OBJECT};
use weir_json::NotJson;

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
            Failure::Mismatch => match self.value_type {
                ValueType::Text | ValueType::LongText | ValueType::SingleSelect => {
                    Reason::TextInvalid
                }
                ValueType::Geo => Reason::PlaceInvalid,
                ValueType::Email => Reason::EmailInvalid,
                ValueType::Phone => Reason::PhoneInvalid,
                ValueType::Link => Reason::LinkInvalid,
                ValueType::Integer => Reason::IntegerInvalid,
                ValueType::Decimal | ValueType::Currency => Reason::DecimalInvalid,
                ValueType::Boolean => Reason::BooleanInvalid,
                ValueType::Date | ValueType::TimeAndDate => Reason::DateFormatMismatch,
                ValueType::Time => Reason::TimeFormatMismatch,
                ValueType::MultiSelect => Reason::ListInvalid,
                ValueType::Object => Reason::ObjectInvalid,
            },
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
            Failure::Mismatch => self.expectation(),
        }
    }

    fn limit(&self) -> String {
        match self.value_type {
            ValueType::LongText => format!("longer than {MAX_LONG_TEXT} characters"),
            ValueType::Email => format!("longer than {MAX_EMAIL} characters"),
            ValueType::Link => format!("longer than {MAX_LINK} characters"),
            ValueType::Object => format!("larger than {MAX_OBJECT} bytes"),
            ValueType::MultiSelect => {
                format!("more than {MAX_CHOICES} choices, or one longer than {MAX_TEXT} characters")
            }
            _ => format!("longer than {MAX_TEXT} characters"),
        }
    }

    fn expectation(&self) -> String {
        let written = |what: &str| match &self.format {
            Some(format) => format!("expected {what} written as {format}"),
            None => format!("expected {what}"),
        };
        match self.value_type {
            ValueType::Text | ValueType::LongText | ValueType::SingleSelect => {
                "expected a text".to_owned()
            }
            ValueType::Geo => "expected the name of a place".to_owned(),
            ValueType::Email => "expected an e-mail address".to_owned(),
            ValueType::Phone => {
                "expected a phone number with its country code, such as +61 2 9876 5432".to_owned()
            }
            ValueType::Link => "expected an absolute http or https URL".to_owned(),
            ValueType::Integer => "expected a whole number of at most 64 bits".to_owned(),
            ValueType::Decimal | ValueType::Currency => {
                "expected a number with at most three decimals".to_owned()
            }
            ValueType::Boolean => "expected true or false".to_owned(),
            ValueType::Date => written("a date"),
            ValueType::TimeAndDate => written("a time and date"),
            ValueType::Time if self.format.is_some() => written("a time"),
            ValueType::Time => "expected a time written as HH:mm or HH:mm:ss".to_owned(),
            ValueType::MultiSelect => "expected a text, or a list of texts".to_owned(),
            ValueType::Object => "expected an object or an array".to_owned(),
        }
    }
}
