//! One raw JSON value to the canonical form of a type (semantics 2.3, 2.4): strict, total,
//! and lossless or not at all.

mod texts;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use weir_reasons::Reason;
use weir_values::{Decimal, Value, ValueType};

use super::date::{self, DateFormat};
use super::json::{self, Kind, NotJson, Raw};
use super::number;
pub use texts::is_email;
use texts::{
    MAX_CHOICES, MAX_EMAIL, MAX_LINK, MAX_LONG_TEXT, MAX_TEXT, write_choices, write_email,
    write_link, write_phone, write_place, write_text,
};

/// Semantics 2.3, in bytes.
const MAX_OBJECT: usize = 15_000;

/// Converts values to one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converter {
    value_type: ValueType,
    /// There for dates, and for nothing else.
    date_format: Option<DateFormat>,
}

/// Why a value was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It is not of the type.
    Mismatch,
    /// It is of the type, but too long.
    TooLong,
    /// It holds NUL, or what is not Unicode text.
    NotStorable,
}

impl From<NotJson> for Failure {
    fn from(_: NotJson) -> Self {
        Self::NotStorable
    }
}

impl Converter {
    /// `date_format` must be there for dates, and for nothing else.
    pub fn new(value_type: ValueType, date_format: Option<DateFormat>) -> Option<Self> {
        (value_type.has_date_format() == date_format.is_some()).then_some(Self {
            value_type,
            date_format,
        })
    }

    /// A converter for a type without a format.
    pub const fn plain(value_type: ValueType) -> Self {
        Self {
            value_type,
            date_format: None,
        }
    }

    /// Appends the canonical form of `raw`, which is not `null`. On failure `out` may hold
    /// a part of it: the caller cuts it off.
    ///
    /// # Errors
    /// Why the value is to be ignored.
    pub fn convert(&self, raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
        match self.value_type {
            ValueType::Text | ValueType::SingleSelect => write_text(raw, MAX_TEXT, out),
            ValueType::LongText => write_text(raw, MAX_LONG_TEXT, out),
            ValueType::Geo => write_place(raw, out),
            ValueType::Email => write_email(raw, out),
            ValueType::Phone => write_phone(raw, out),
            ValueType::Link => write_link(raw, out),
            ValueType::Integer => write(Value::Integer(numeric(raw, 0)?), out),
            ValueType::Decimal | ValueType::Currency => {
                let thousandths = numeric(raw, 3)?;
                write(Value::Decimal(Decimal { thousandths }), out)
            }
            ValueType::Boolean => write(Value::Boolean(boolean(raw)?), out),
            // A date that is written with a time is the UTC day of that instant.
            ValueType::Date => write(Value::Date(self.instant(raw)?.date_naive()), out),
            ValueType::TimeAndDate => write(Value::TimeAndDate(self.instant(raw)?), out),
            ValueType::Time => {
                let text = string(raw)?;
                let time = date::read_time(&text).ok_or(Failure::Mismatch)?;
                write(Value::Time(time), out)
            }
            ValueType::MultiSelect => write_choices(raw, out),
            ValueType::Object => write_object(raw, out),
        }
    }

    /// The reason code of a failure (semantics 1.6).
    pub fn code(&self, failure: Failure) -> Reason {
        match failure {
            Failure::NotStorable => Reason::NotStorable,
            Failure::TooLong => Reason::TooLong,
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
        match (failure, self.value_type) {
            (Failure::NotStorable, _) => {
                "holds what cannot be stored: NUL, text that is not Unicode, or a number out of range".to_owned()
            }
            (Failure::TooLong, ValueType::LongText) => format!("longer than {MAX_LONG_TEXT} characters"),
            (Failure::TooLong, ValueType::Email) => format!("longer than {MAX_EMAIL} characters"),
            (Failure::TooLong, ValueType::Link) => format!("longer than {MAX_LINK} characters"),
            (Failure::TooLong, ValueType::Object) => format!("larger than {MAX_OBJECT} bytes"),
            (Failure::TooLong, ValueType::MultiSelect) => {
                format!("more than {MAX_CHOICES} choices, or one longer than {MAX_TEXT} characters")
            }
            (Failure::TooLong, _) => format!("longer than {MAX_TEXT} characters"),
            (Failure::Mismatch, _) => self.expectation(),
        }
    }

    fn expectation(&self) -> String {
        let written = |what: &str| match &self.date_format {
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
            ValueType::Time => "expected a time written as HH:mm or HH:mm:ss".to_owned(),
            ValueType::MultiSelect => "expected a list of texts".to_owned(),
            ValueType::Object => "expected an object".to_owned(),
        }
    }

    fn instant(&self, raw: Raw<'_>) -> Result<DateTime<Utc>, Failure> {
        let format = self.date_format.as_ref().ok_or(Failure::Mismatch)?;
        let text = match json::kind(raw)? {
            Kind::String => json::text(raw)?,
            Kind::Number if format.takes_numbers() => token(raw)?,
            _ => return Err(Failure::Mismatch),
        };
        format.read(&text).ok_or(Failure::Mismatch)
    }
}

fn write(value: Value, out: &mut String) -> Result<(), Failure> {
    value.write_canonical(out);
    Ok(())
}

/// A string without NUL, and nothing else.
fn string(raw: Raw<'_>) -> Result<Cow<'_, str>, Failure> {
    if let Some(inner) = json::plain(raw).and_then(json::unquoted) {
        return Ok(Cow::Borrowed(inner));
    }
    if json::kind(raw)? != Kind::String {
        return Err(Failure::Mismatch);
    }
    let text = json::text(raw)?;
    if text.contains('\0') {
        return Err(Failure::NotStorable);
    }
    Ok(text)
}

/// A number or a boolean as it is written.
fn token(raw: Raw<'_>) -> Result<Cow<'_, str>, Failure> {
    if json::kind(raw)? == Kind::Number && !json::is_finite(raw) {
        return Err(Failure::NotStorable);
    }
    let text = std::str::from_utf8(raw).map_err(|_| Failure::NotStorable)?;
    Ok(Cow::Borrowed(text))
}

/// A number, or a string that is written as one, in units of `10^-scale`.
fn numeric(raw: Raw<'_>, scale: u32) -> Result<i64, Failure> {
    // So short a number is in the range of a double.
    if let Some(number) = number::scaled_short(raw, scale) {
        return Ok(number);
    }
    let text = match json::kind(raw)? {
        Kind::Number => token(raw)?,
        Kind::String => string(raw)?,
        _ => return Err(Failure::Mismatch),
    };
    number::scaled(text.trim(), scale).ok_or(Failure::Mismatch)
}

fn boolean(raw: Raw<'_>) -> Result<bool, Failure> {
    match raw {
        b"true" => return Ok(true),
        b"false" => return Ok(false),
        _ => {}
    }
    let text = string(raw)?;
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(Failure::Mismatch)
    }
}

fn write_object(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    if json::kind(raw)? != Kind::Object {
        return Err(Failure::Mismatch);
    }
    let start = out.len();
    json::compact(raw, out)?;
    if out.len() - start > MAX_OBJECT {
        return Err(Failure::TooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
