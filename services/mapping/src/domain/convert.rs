//! One raw JSON value to the canonical form of a type (semantics 2.3, 2.4): strict, total,
//! and lossless or not at all.

mod failure;
mod lists;
mod texts;

use std::borrow::Cow;

use weir_values::format::{DateFormat, Format, Unread, read_time};
use weir_values::{Decimal, Value, ValueType, is_blank, means_nobody, number};

use super::path::Listed;
pub use failure::Failure;
pub use lists::LeftOut;
use lists::{write_choice, write_choices, write_values};
pub use texts::is_email;
use texts::{
    MAX_LONG_TEXT, MAX_TEXT, write_email, write_key_text, write_link, write_phone, write_place,
    write_text,
};
use weir_json::{Kind, Raw};

/// Semantics 2.3, in bytes.
const MAX_OBJECT: usize = 15_000;

/// Converts values to one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converter {
    value_type: ValueType,
    format: Option<Format>,
    /// The field is one of the account's unique identifiers (semantics 3.2).
    tells_apart: bool,
}

/// What a value came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Its canonical form was appended.
    Value,
    /// A `null`, or an empty list of choices (semantics 2.2, 2.6).
    Null,
    /// A blank text, or a list of which nothing is left (semantics 2.2, 2.4a): it is as if it
    /// was not there.
    Nothing,
}

impl Converter {
    /// Dates need a format, times may have one, and nothing else has.
    pub fn new(value_type: ValueType, format: Option<Format>) -> Option<Self> {
        let fits = match &format {
            Some(format) => format.fits(value_type),
            None => !value_type.needs_format(),
        };
        fits.then_some(Self {
            value_type,
            format,
            tells_apart: false,
        })
    }

    /// A converter for a type without a format.
    pub const fn plain(value_type: ValueType) -> Self {
        Self {
            value_type,
            format: None,
            tells_apart: false,
        }
    }

    /// Of a field by whose values contacts are told apart, or of any other.
    #[must_use]
    pub fn telling_apart(mut self, tells_apart: bool) -> Self {
        self.tells_apart = tells_apart;
        self
    }

    /// Appends the canonical form of `raw`. Where that is not [`Taken::Value`], `out` may hold
    /// a part of it: the caller cuts it off. What of a list did not convert goes to `left_out`.
    ///
    /// # Errors
    /// Why the value is to be ignored.
    pub fn convert<'a>(
        &self,
        raw: Raw<'a>,
        out: &mut String,
        left_out: &mut LeftOut<'a>,
    ) -> Result<Taken, Failure> {
        match weir_json::kind(raw)? {
            Kind::Null => return Ok(Taken::Null),
            Kind::String if is_blank_text(raw) => return Ok(Taken::Nothing),
            _ => {}
        }
        if self.tells_apart && scalar(raw).is_ok_and(|text| means_nobody(&text)) {
            return Err(Failure::Blocked);
        }
        match self.value_type {
            ValueType::Text if self.tells_apart => write_key_text(raw, MAX_TEXT, out),
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
            ValueType::Date => write(Value::Date(self.dated(raw, DateFormat::read_date)?), out),
            ValueType::TimeAndDate => {
                let instant = self.dated(raw, DateFormat::read_instant)?;
                write(Value::TimeAndDate(instant), out)
            }
            ValueType::Time => self.write_time(raw, out),
            ValueType::MultiSelect if weir_json::kind(raw)? == Kind::Array => {
                let mut choices = Vec::new();
                weir_json::array(raw, |choice| {
                    choices.push(Listed {
                        raw: choice,
                        position: choices.len(),
                    });
                    Ok(())
                })?;
                return write_choices(&choices, out, left_out);
            }
            ValueType::MultiSelect => write_choice(raw, out),
            ValueType::Object => write_object(raw, out),
        }?;
        Ok(Taken::Value)
    }

    /// As [`Self::convert`], for the values that a path with `[]` in it leads to: a multi
    /// select, or a list for the type object (semantics 2.2).
    ///
    /// # Errors
    /// Why the list is to be ignored.
    pub fn convert_all<'a>(
        &self,
        values: &[Listed<'a>],
        out: &mut String,
        left_out: &mut LeftOut<'a>,
    ) -> Result<Taken, Failure> {
        match self.value_type {
            ValueType::MultiSelect => write_choices(values, out, left_out),
            ValueType::Object => write_values(values, out, left_out),
            _ => Err(Failure::Mismatch),
        }
    }

    fn dated<T>(
        &self,
        raw: Raw<'_>,
        read: impl Fn(&DateFormat, &str) -> Result<T, Unread>,
    ) -> Result<T, Failure> {
        let Some(Format::Date(format)) = &self.format else {
            return Err(Failure::Mismatch);
        };
        let text = match weir_json::kind(raw)? {
            Kind::String => string(raw)?,
            Kind::Number if format.takes_numbers() => token(raw)?,
            _ => return Err(Failure::Mismatch),
        };
        read(format, &text).map_err(|unread| match unread {
            Unread::Mismatch => Failure::Mismatch,
            Unread::OutOfRange => Failure::OutOfRange,
        })
    }

    fn write_time(&self, raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
        let text = string(raw)?;
        let time = match &self.format {
            Some(Format::Time(format)) => format.read(&text),
            _ => read_time(&text),
        };
        write(Value::Time(time.ok_or(Failure::Mismatch)?), out)
    }
}

/// Whether it is a text in which a person sees nothing.
fn is_blank_text(raw: Raw<'_>) -> bool {
    // So most texts begin.
    if raw
        .get(1)
        .is_some_and(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
    {
        return false;
    }
    weir_json::text(raw).is_ok_and(|text| is_blank(&text))
}

fn write(value: Value, out: &mut String) -> Result<(), Failure> {
    value.write_canonical(out);
    Ok(())
}

/// A string without NUL, and nothing else.
fn string(raw: Raw<'_>) -> Result<Cow<'_, str>, Failure> {
    if weir_json::kind(raw)? != Kind::String {
        return Err(Failure::Mismatch);
    }
    match weir_json::text(raw)? {
        // Bare control characters are no JSON: a NUL can only come of an escape.
        Cow::Owned(text) if text.contains('\0') => Err(Failure::NotStorable),
        text => Ok(text),
    }
}

/// A number or a boolean as it is written.
fn token(raw: Raw<'_>) -> Result<Cow<'_, str>, Failure> {
    let text = std::str::from_utf8(raw).map_err(|_| Failure::NotStorable)?;
    Ok(Cow::Borrowed(text))
}

/// A string, or a number or boolean as it is written.
fn scalar(raw: Raw<'_>) -> Result<Cow<'_, str>, Failure> {
    match weir_json::kind(raw)? {
        Kind::String => string(raw),
        Kind::Number | Kind::Boolean => token(raw),
        _ => Err(Failure::Mismatch),
    }
}

/// A number, or a string that is written as one, in units of `10^-scale`.
fn numeric(raw: Raw<'_>, scale: u32) -> Result<i64, Failure> {
    if let Some(number) = number::scaled_short(raw, scale) {
        return Ok(number);
    }
    let number = match weir_json::kind(raw)? {
        // Only numbers have gone through floats (semantics 2.4).
        Kind::Number => number::scaled_near(&token(raw)?, scale),
        Kind::String => number::scaled(string(raw)?.trim(), scale),
        _ => None,
    };
    number.ok_or(Failure::Mismatch)
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

/// An object or an array, as it was sent but for the white space between its tokens.
fn write_object(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    if !matches!(weir_json::kind(raw)?, Kind::Object | Kind::Array) {
        return Err(Failure::Mismatch);
    }
    let start = out.len();
    weir_json::compact(raw, MAX_OBJECT, out)?;
    if out.len() - start > MAX_OBJECT {
        return Err(Failure::TooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
