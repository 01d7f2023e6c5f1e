//! One raw JSON value to the canonical form of a type (semantics 2.3, 2.4): strict, total,
//! and lossless or not at all.

mod failure;
mod lists;
mod texts;
mod types;

use std::borrow::Cow;

use weir_json::{Kind, Raw};
use weir_values::options::Options;
use weir_values::{ValueType, is_blank, means_nobody};

use super::path::Element;
pub use failure::Failure;
pub use lists::LeftOut;
use lists::{write_choices, write_values};
pub use texts::{MAX_TEXT, is_email};

/// Semantics 2.3, in bytes.
const MAX_OBJECT: usize = 15_000;

/// Converts values to one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converter {
    value_type: ValueType,
    options: Options,
    /// The field is one of the account's unique identifiers (semantics 3.2).
    tells_apart: bool,
}

/// What a value came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Its canonical form was appended.
    Value,
    /// A `null`, an empty list of choices, or a blank text that is to clear (semantics 2.2, 2.4a,
    /// 2.6).
    Null,
    /// A blank text, or a list of which nothing is left (semantics 2.2, 2.4a): it is as if it
    /// was not there.
    Nothing,
}

impl Converter {
    /// None where the options do not go with the type: dates need a format, times may have some.
    pub fn new(value_type: ValueType, options: Options) -> Option<Self> {
        options.fit(value_type).then_some(Self {
            value_type,
            options,
            tells_apart: false,
        })
    }

    /// A converter for a type without options.
    pub fn plain(value_type: ValueType) -> Self {
        Self {
            value_type,
            options: Options::default(),
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
            Kind::String if is_blank_text(raw) => return Ok(self.blank()),
            _ => {}
        }
        if self.tells_apart && scalar(raw).is_ok_and(|text| is_blocked(&text)) {
            return Err(Failure::Blocked);
        }
        self.write(raw, out, left_out)
    }

    /// What a blank text comes to (semantics 2.4a).
    fn blank(&self) -> Taken {
        match self.options.blank_clears {
            true => Taken::Null,
            false => Taken::Nothing,
        }
    }

    /// As [`Self::convert`], for the values that a path with `[]` in it leads to: a multi
    /// select, or a list for the type object (semantics 2.2).
    ///
    /// # Errors
    /// Why the list is to be ignored.
    pub fn convert_all<'a>(
        &self,
        values: &[Element<'a>],
        out: &mut String,
        left_out: &mut LeftOut<'a>,
    ) -> Result<Taken, Failure> {
        match self.value_type {
            ValueType::MultiSelect => write_choices(values, out, left_out),
            ValueType::Object => write_values(values, out, left_out),
            _ => Err(Failure::Mismatch),
        }
    }
}

/// Whether a value that tells contacts apart counts as blocked (semantics 3.1): the one place
/// that says so.
fn is_blocked(text: &str) -> bool {
    means_nobody(text)
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

#[cfg(test)]
mod tests;
