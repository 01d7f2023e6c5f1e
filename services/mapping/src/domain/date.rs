//! Date formats, and strict reading by them (semantics 2.5).
//!
//! The shape is checked digit by digit before the calendar is asked: chrono alone takes
//! `28-07-80` for the year 80, and days without their zero.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::number;

/// Presets and patterns longer than this are nobody's date.
const MAX_PATTERN: usize = 64;

/// How a date or time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateFormat {
    /// `2025-07-10`, `2025-07-10T06:09:00Z`, `2025-07-10T06:09:00.123+10:00`.
    Iso8601,
    UnixSeconds,
    UnixMilliseconds,
    /// Tokens `YYYY MM DD HH mm ss` and what stands between them.
    Pattern(Pattern),
}

/// A pattern that was checked: year, month and day are in it, each token at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Literal(char),
}

impl Part {
    const TOKENS: [(&'static str, Self); 6] = [
        ("YYYY", Self::Year),
        ("MM", Self::Month),
        ("DD", Self::Day),
        ("HH", Self::Hour),
        ("mm", Self::Minute),
        ("ss", Self::Second),
    ];
}

/// A text that is no date format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected `ISO 8601`, `Unix seconds`, `Unix milliseconds`, or a pattern of YYYY, MM, DD, HH, mm, ss such as `DD-MM-YYYY HH:mm`"
)]
pub struct InvalidDateFormat;

impl FromStr for DateFormat {
    type Err = InvalidDateFormat;

    fn from_str(text: &str) -> Result<Self, InvalidDateFormat> {
        match text {
            "ISO 8601" => Ok(Self::Iso8601),
            "Unix seconds" => Ok(Self::UnixSeconds),
            "Unix milliseconds" => Ok(Self::UnixMilliseconds),
            pattern => pattern.parse().map(Self::Pattern),
        }
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iso8601 => "ISO 8601",
            Self::UnixSeconds => "Unix seconds",
            Self::UnixMilliseconds => "Unix milliseconds",
            Self::Pattern(pattern) => &pattern.text,
        })
    }
}

impl FromStr for Pattern {
    type Err = InvalidDateFormat;

    fn from_str(text: &str) -> Result<Self, InvalidDateFormat> {
        if text.len() > MAX_PATTERN {
            return Err(InvalidDateFormat);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let token = Part::TOKENS
                .into_iter()
                .find(|(token, _)| rest.starts_with(token));
            let (part, length) = match token {
                Some((token, part)) => (part, token.len()),
                // Any other letter or digit would be a token misspelt (`YY`, `D`, `hh`).
                None if next.is_alphanumeric() && !matches!(next, 'T' | 'Z') => {
                    return Err(InvalidDateFormat);
                }
                None => (Part::Literal(next), next.len_utf8()),
            };
            parts.push(part);
            rest = &rest[length..];
        }
        let count = |part| parts.iter().filter(|other| **other == part).count();
        let date = [Part::Year, Part::Month, Part::Day].map(count) == [1, 1, 1];
        let time = [Part::Hour, Part::Minute, Part::Second].map(count);
        // Minutes need hours, seconds need minutes.
        if !date || !matches!(time, [0, 0, 0] | [1, 0, 0] | [1, 1, 0] | [1, 1, 1]) {
            return Err(InvalidDateFormat);
        }
        Ok(Self {
            text: text.into(),
            parts,
        })
    }
}

impl DateFormat {
    /// Reads a text in this format only. A zoneless time is UTC; a date alone is midnight.
    pub fn read(&self, text: &str) -> Option<DateTime<Utc>> {
        match self {
            Self::Iso8601 => read_iso(text),
            Self::UnixSeconds => of_micros(number::scaled(text, 6)?),
            Self::UnixMilliseconds => of_micros(number::scaled(text, 3)?),
            Self::Pattern(pattern) => pattern.read(text),
        }
    }

    /// Whether numbers, and not only texts, are read.
    pub fn takes_numbers(&self) -> bool {
        matches!(self, Self::UnixSeconds | Self::UnixMilliseconds)
    }
}

impl Pattern {
    fn read(&self, text: &str) -> Option<DateTime<Utc>> {
        let mut cursor = Cursor(text);
        let (mut year, mut month, mut day) = (0, 0, 0);
        let (mut hour, mut minute, mut second) = (0, 0, 0);
        for part in &self.parts {
            match part {
                Part::Year => year = cursor.digits(4)?,
                Part::Month => month = cursor.digits(2)?,
                Part::Day => day = cursor.digits(2)?,
                Part::Hour => hour = cursor.digits(2)?,
                Part::Minute => minute = cursor.digits(2)?,
                Part::Second => second = cursor.digits(2)?,
                Part::Literal(literal) => cursor.literal(*literal)?,
            }
        }
        cursor.end()?;
        let date = NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day)?;
        let time = NaiveTime::from_hms_opt(hour, minute, second)?;
        Some(date.and_time(time).and_utc())
    }
}

/// Reads a time of day: `HH:mm` or `HH:mm:ss`.
pub fn read_time(text: &str) -> Option<NaiveTime> {
    let mut cursor = Cursor(text);
    let hour = cursor.digits(2)?;
    cursor.literal(':')?;
    let minute = cursor.digits(2)?;
    let second = match cursor.literal(':') {
        Some(()) => cursor.digits(2)?,
        None => 0,
    };
    cursor.end()?;
    NaiveTime::from_hms_opt(hour, minute, second)
}

fn read_iso(text: &str) -> Option<DateTime<Utc>> {
    let mut cursor = Cursor(text);
    let year = cursor.digits(4)?;
    cursor.literal('-')?;
    let month = cursor.digits(2)?;
    cursor.literal('-')?;
    let day = cursor.digits(2)?;
    let date = NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day)?;
    if cursor.end().is_some() {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    cursor.literal('T')?;
    let hour = cursor.digits(2)?;
    cursor.literal(':')?;
    let minute = cursor.digits(2)?;
    let (mut second, mut micros) = (0, 0);
    if cursor.literal(':').is_some() {
        second = cursor.digits(2)?;
        if cursor.literal('.').is_some() {
            micros = cursor.micros()?;
        }
    }
    let time = NaiveTime::from_hms_micro_opt(hour, minute, second, micros)?;
    let offset = cursor.offset()?;
    cursor.end()?;
    date.and_time(time)
        .and_local_timezone(offset)
        .single()
        .map(|instant| instant.to_utc())
        .filter(in_range)
}

/// An instant whose year has four digits; others have no canonical form.
fn in_range(instant: &DateTime<Utc>) -> bool {
    use chrono::Datelike;
    (0..=9_999).contains(&instant.year())
}

fn of_micros(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::UNIX_EPOCH
        .checked_add_signed(TimeDelta::microseconds(micros))
        .filter(in_range)
}

struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    /// Exactly `count` ASCII digits.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let mut number = 0;
        for byte in digits.bytes() {
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u32::from(byte - b'0');
        }
        self.0 = rest;
        Some(number)
    }

    fn literal(&mut self, literal: char) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// One to nine digits of a second; what is finer than a microsecond is cut off.
    fn micros(&mut self) -> Option<u32> {
        let length = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=9).contains(&length) {
            return None;
        }
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        let zeros = std::iter::repeat(b'0');
        let micros = digits.bytes().chain(zeros).take(6);
        Some(micros.fold(0, |micros, digit| micros * 10 + u32::from(digit - b'0')))
    }

    /// `Z`, `+10`, `+1000`, `+10:00`, or nothing, which is UTC.
    fn offset(&mut self) -> Option<FixedOffset> {
        let utc = FixedOffset::east_opt(0);
        if self.0.is_empty() || self.literal('Z').is_some() {
            return utc;
        }
        let sign = match (self.literal('+'), self.literal('-')) {
            (Some(()), _) => 1,
            (_, Some(())) => -1,
            _ => return None,
        };
        let hours = self.digits(2)?;
        let colon = self.literal(':').is_some();
        let minutes = if colon || !self.0.is_empty() {
            self.digits(2)?
        } else {
            0
        };
        if hours > 23 || minutes > 59 {
            return None;
        }
        let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
        FixedOffset::east_opt(sign * seconds)
    }
}

#[cfg(test)]
mod tests;
