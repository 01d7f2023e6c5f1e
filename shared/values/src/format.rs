//! How dates and times are written, and strict reading by it (semantics 2.5): in the chosen
//! format only.
//!
//! The shape is checked digit by digit before the calendar is asked: chrono alone takes
//! `28-07-80` for the year 80, and days without their zero.

mod date;
mod pattern;
mod time;

use std::fmt;

use crate::{Form, ValueType};
pub use date::DateFormat;
pub use time::{TimeFormat, read_time};

/// The format of a mapped row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Of a date, or a time and date.
    Date(DateFormat),
    /// Of a time.
    Time(TimeFormat),
}

/// A text that is no format, or none for the type: what is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFormat(String);

/// Why a text is no date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is not written in the format, or is on no calendar.
    Mismatch,
    /// It lies outside of the years 1 to 9999.
    OutOfRange,
}

impl Format {
    /// The format of a row of that type; an empty text is none. Dates need one, times may
    /// have one, and nothing else has.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(value_type: ValueType, text: &str) -> Result<Option<Self>, InvalidFormat> {
        match (value_type.form(), text) {
            (Form::Date | Form::Instant, "") => Err(InvalidFormat(
                "a date needs a format, such as ISO 8601 or DD-MM-YYYY".to_owned(),
            )),
            (Form::Date | Form::Instant, text) => {
                text.parse().map(|format| Some(Self::Date(format)))
            }
            (_, "") => Ok(None),
            (Form::Time, text) => text.parse().map(|format| Some(Self::Time(format))),
            _ => Err(InvalidFormat(format!(
                "only dates and times have a format; this is {}",
                value_type.name()
            ))),
        }
    }

    /// Whether rows of that type may have this format.
    pub fn fits(&self, value_type: ValueType) -> bool {
        match self {
            Self::Date(_) => value_type.needs_format(),
            Self::Time(_) => value_type.form() == Form::Time,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(format) => format.fmt(f),
            Self::Time(format) => format.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
