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
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        digits.parse().ok()
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
        let nanos: u32 = format!("{digits:0<9}").parse().ok()?;
        Some(nanos / 1_000)
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
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    use super::*;

    fn check(format: &str, text: &str, expected: Option<&str>) {
        let format: DateFormat = format.parse().unwrap();
        let read = format
            .read(text)
            .map(|instant| instant.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        assert_eq!(read.as_deref(), expected, "{format}: {text}");
    }

    #[test]
    fn the_birthday_of_the_sample_is_read_in_its_own_format_only() {
        check("DD-MM-YYYY", "28-07-1980", Some("1980-07-28T00:00:00Z"));
        check("YYYY-MM-DD", "28-07-1980", None);
        check("MM-DD-YYYY", "28-07-1980", None);
        check("DD/MM/YYYY", "28-07-1980", None);
    }

    #[test]
    fn every_digit_of_a_pattern_must_be_there() {
        for text in [
            "28-7-1980",
            "28-07-80",
            "28-07-1980 ",
            " 28-07-1980",
            "28-07-19801",
            "31-02-1980",
            "٢٨-07-1980",
            "",
        ] {
            check("DD-MM-YYYY", text, None);
        }
        check(
            "DD.MM.YYYY HH:mm:ss",
            "28.07.1980 23:59:58",
            Some("1980-07-28T23:59:58Z"),
        );
        check("DD.MM.YYYY HH:mm", "28.07.1980 24:00", None);
        check("YYYYMMDD", "19800728", Some("1980-07-28T00:00:00Z"));
        check(
            "YYYY-MM-DDTHH:mm:ssZ",
            "1980-07-28T01:02:03Z",
            Some("1980-07-28T01:02:03Z"),
        );
    }

    #[test]
    fn iso_8601_is_read_with_and_without_time_and_zone() {
        check("ISO 8601", "2025-07-10", Some("2025-07-10T00:00:00Z"));
        check("ISO 8601", "2025-07-10T06:09", Some("2025-07-10T06:09:00Z"));
        check(
            "ISO 8601",
            "2025-07-10T06:09:00+10:00",
            Some("2025-07-09T20:09:00Z"),
        );
        check(
            "ISO 8601",
            "2025-07-10T06:09:00-0130",
            Some("2025-07-10T07:39:00Z"),
        );
        check(
            "ISO 8601",
            "2025-07-10T06:09:00.123456789+10",
            Some("2025-07-09T20:09:00.123456Z"),
        );
        for text in [
            "2025-7-10",
            "20250710",
            "2025-07-10 06:09",
            "2025-07-10T6:09",
            "2025-07-10T06:09:60Z",
            "2025-07-10T06:09:00+24",
            "2025-07-10T06:09:00Zx",
            "2025-07-10T",
            "0000-01-01T00:00:00+10",
        ] {
            check("ISO 8601", text, None);
        }
    }

    #[test]
    fn unix_times_are_exact() {
        check("Unix seconds", "1752127740", Some("2025-07-10T06:09:00Z"));
        check(
            "Unix seconds",
            "1752127740.5",
            Some("2025-07-10T06:09:00.500Z"),
        );
        check(
            "Unix milliseconds",
            "1752127740001",
            Some("2025-07-10T06:09:00.001Z"),
        );
        check("Unix seconds", "1e99", None);
        check("Unix milliseconds", "2025-07-10", None);
    }

    #[test]
    fn patterns_that_say_no_whole_date_are_refused() {
        for text in [
            "",
            "YYYY",
            "YY-MM-DD",
            "D-M-YYYY",
            "YYYY-MM-DD hh:mm",
            "YYYY-MM-DD mm",
            "YYYY-MM-DD HH:ss",
            "YYYY-YYYY-MM-DD",
            "iso 8601",
        ] {
            assert_eq!(text.parse::<DateFormat>(), Err(InvalidDateFormat), "{text}");
        }
        for separator in ['-', '/', '.'] {
            for time in ["", " HH:mm", " HH:mm:ss"] {
                for order in [
                    ["YYYY", "MM", "DD"],
                    ["DD", "MM", "YYYY"],
                    ["MM", "DD", "YYYY"],
                ] {
                    let preset = format!("{}{time}", order.join(&separator.to_string()));
                    assert!(preset.parse::<DateFormat>().is_ok(), "{preset}");
                }
            }
        }
    }

    #[test]
    fn times_of_day_are_strict() {
        assert_eq!(read_time("23:59"), NaiveTime::from_hms_opt(23, 59, 0));
        assert_eq!(read_time("23:59:01"), NaiveTime::from_hms_opt(23, 59, 1));
        for text in ["24:00", "9:00", "23:59:", "23:59:60", "23:59 "] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_a_pattern_writes_it_reads(days in 0_i64..2_900_000) {
            let date = NaiveDate::from_ymd_opt(1, 1, 1).unwrap() + TimeDelta::days(days);
            let format: DateFormat = "DD/MM/YYYY".parse().unwrap();
            let text = date.format("%d/%m/%Y").to_string();
            prop_assert_eq!(format.read(&text).map(|instant| instant.date_naive()), Some(date));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9T:.Z+é ]{0,30}") {
            for format in ["ISO 8601", "Unix seconds", "Unix milliseconds", "DD-MM-YYYY HH:mm:ss"] {
                let format: DateFormat = format.parse().unwrap();
                let _ = format.read(&text);
            }
        }
    }
}
