//! Formats of times of day.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveTime;
use weir_json::Cursor;

use super::InvalidFormat;
use super::pattern::{Piece, no_token, pieces};

const TOKENS: &str = "HH, H, hh, h, mm, ss and A";

/// A pattern that was checked: there is an hour in it, and AM or PM where that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeFormat {
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Hour,
    /// May have one digit only.
    ShortHour,
    /// From 1 to 12.
    HalfHour,
    ShortHalfHour,
    Minute,
    Second,
    /// AM or PM, in any case.
    Half,
    Literal(Box<str>),
}

impl Part {
    fn of(letters: &str) -> Option<Self> {
        Some(match letters {
            "HH" => Self::Hour,
            "H" => Self::ShortHour,
            "hh" => Self::HalfHour,
            "h" => Self::ShortHalfHour,
            "mm" => Self::Minute,
            "ss" => Self::Second,
            "A" => Self::Half,
            _ => return None,
        })
    }

    fn is_short(&self) -> bool {
        matches!(self, Self::ShortHour | Self::ShortHalfHour)
    }

    /// Whether what it reads may begin with a digit.
    fn begins_with_digit(&self) -> bool {
        match self {
            Self::Half => false,
            Self::Literal(text) => text.starts_with(|c: char| c.is_ascii_digit()),
            _ => true,
        }
    }
}

impl FromStr for TimeFormat {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, InvalidFormat> {
        let mut parts = Vec::new();
        for piece in pieces(text)? {
            parts.push(match piece {
                Piece::Letters(letters) => {
                    Part::of(letters).ok_or_else(|| no_token(letters, TOKENS))?
                }
                Piece::Literal(literal) => Part::Literal(literal.into()),
            });
        }
        check(&parts).map_err(|what| InvalidFormat(what.to_owned()))?;
        Ok(Self {
            text: text.into(),
            parts,
        })
    }
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is wrong with the parts as a whole.
fn check(parts: &[Part]) -> Result<(), &'static str> {
    let count = |wanted: &[Part]| parts.iter().filter(|part| wanted.contains(part)).count();
    let hours = count(&[Part::Hour, Part::ShortHour]);
    let half_hours = count(&[Part::HalfHour, Part::ShortHalfHour]);
    let (minutes, seconds) = (count(&[Part::Minute]), count(&[Part::Second]));
    let halves = count(&[Part::Half]);
    if hours + half_hours != 1 {
        return Err("a time has one hour, such as HH:mm or h:mm A");
    }
    if halves != half_hours {
        return Err("hh and h go with A, and HH and H without: HH:mm, h:mm A");
    }
    if minutes > 1 || seconds > minutes {
        return Err("minutes and seconds are there once, and seconds along with minutes");
    }
    let runs_on = |pair: &[Part]| pair[0].is_short() && pair[1].begins_with_digit();
    if parts.windows(2).any(runs_on) {
        return Err("H and h read one digit or two: what follows must not begin with a digit");
    }
    Ok(())
}

impl TimeFormat {
    /// Reads a time of day in this format only.
    pub fn read(&self, text: &str) -> Option<NaiveTime> {
        let mut cursor = Cursor(text);
        let (mut hour, mut minute, mut second) = (0, 0, 0);
        let mut afternoon = None;
        for part in &self.parts {
            match part {
                Part::Hour | Part::HalfHour => hour = cursor.digits(2)?,
                Part::ShortHour | Part::ShortHalfHour => hour = cursor.one_or_two()?,
                Part::Minute => minute = cursor.digits(2)?,
                Part::Second => second = cursor.digits(2)?,
                Part::Half => afternoon = Some(is_afternoon(&mut cursor)?),
                Part::Literal(literal) => cursor.literal(literal)?,
            }
        }
        cursor.end()?;
        if let Some(afternoon) = afternoon {
            if !(1..=12).contains(&hour) {
                return None;
            }
            // Twelve comes before one.
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        NaiveTime::from_hms_opt(hour, minute, second)
    }
}

fn is_afternoon(cursor: &mut Cursor<'_>) -> Option<bool> {
    match cursor.word("AM") {
        Some(()) => Some(false),
        None => cursor.word("PM").map(|()| true),
    }
}

/// Reads a time of day where no format was chosen: `HH:mm` or `HH:mm:ss`.
pub fn read_time(text: &str) -> Option<NaiveTime> {
    let mut cursor = Cursor(text);
    let (hour, minute) = cursor.minutes()?;
    let second = match cursor.literal(":") {
        Some(()) => cursor.digits(2)?,
        None => 0,
    };
    cursor.end()?;
    NaiveTime::from_hms_opt(hour, minute, second)
}
