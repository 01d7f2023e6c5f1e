//! Formats of dates, with and without a time.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use weir_json::Cursor;

use super::pattern::{Piece, no_token, pieces};
use super::{InvalidFormat, Unread};
use crate::number;

const ISO_8601: &str = "ISO 8601";
const UNIX_SECONDS: &str = "Unix seconds";
const UNIX_MILLISECONDS: &str = "Unix milliseconds";
const RFC_2822: &str = "RFC 2822";
const SQL: &str = "YYYY-MM-DD HH:mm:ss";
const PRESETS: &str = "ISO 8601, RFC 2822, Unix seconds, Unix milliseconds";
const TOKENS: &str = "YYYY, MM, M, MMM, DD, D, HH, H, mm, ss, SSS and Z";
/// The longest date of a mail is shorter.
const MAX_RFC_2822: usize = 64;
/// Digits of a second's fraction: nobody's clock is finer than nanoseconds.
const MAX_FRACTION: usize = 9;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// How a date or time and date is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateFormat {
    /// `2025-07-10`, `2025-07-10T06:09:00Z`, `2025-07-10T06:09:00.123+10:00`.
    Iso8601,
    UnixSeconds,
    UnixMilliseconds,
    /// `Thu, 10 Jul 2025 06:09:00 +0000`.
    Rfc2822,
    /// `YYYY-MM-DD HH:mm:ss`, as SQL, Python and Ruby write it: a fraction and a zone may
    /// follow, as in `2025-07-10 06:09:00.123+00:00`.
    Sql,
    /// Tokens and what stands between them.
    Pattern(Pattern),
}

/// A pattern that was checked: year, month and day are in it, each token at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    /// May have one digit only.
    ShortMonth,
    MonthName,
    Day,
    ShortDay,
    Hour,
    ShortHour,
    Minute,
    Second,
    Millisecond,
    Zone,
    Literal(Box<str>),
}

/// What parts say something about; nothing is said twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Zone,
}

impl Part {
    fn of(letters: &str) -> Option<Self> {
        Some(match letters {
            "YYYY" => Self::Year,
            "MM" => Self::Month,
            "M" => Self::ShortMonth,
            "MMM" => Self::MonthName,
            "DD" => Self::Day,
            "D" => Self::ShortDay,
            "HH" => Self::Hour,
            "H" => Self::ShortHour,
            "mm" => Self::Minute,
            "ss" => Self::Second,
            "SSS" => Self::Millisecond,
            "Z" => Self::Zone,
            _ => return None,
        })
    }

    fn unit(&self) -> Option<Unit> {
        Some(match self {
            Self::Year => Unit::Year,
            Self::Month | Self::ShortMonth | Self::MonthName => Unit::Month,
            Self::Day | Self::ShortDay => Unit::Day,
            Self::Hour | Self::ShortHour => Unit::Hour,
            Self::Minute => Unit::Minute,
            Self::Second => Unit::Second,
            Self::Millisecond => Unit::Millisecond,
            Self::Zone => Unit::Zone,
            Self::Literal(_) => return None,
        })
    }

    fn is_short(&self) -> bool {
        matches!(self, Self::ShortMonth | Self::ShortDay | Self::ShortHour)
    }

    /// Whether what it reads may begin with a digit.
    fn begins_with_digit(&self) -> bool {
        match self {
            Self::MonthName | Self::Zone => false,
            Self::Literal(text) => text.starts_with(|c: char| c.is_ascii_digit()),
            _ => true,
        }
    }
}

impl FromStr for DateFormat {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, InvalidFormat> {
        match text {
            ISO_8601 => Ok(Self::Iso8601),
            UNIX_SECONDS => Ok(Self::UnixSeconds),
            UNIX_MILLISECONDS => Ok(Self::UnixMilliseconds),
            RFC_2822 => Ok(Self::Rfc2822),
            SQL => Ok(Self::Sql),
            pattern => pattern.parse().map(Self::Pattern),
        }
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iso8601 => ISO_8601,
            Self::UnixSeconds => UNIX_SECONDS,
            Self::UnixMilliseconds => UNIX_MILLISECONDS,
            Self::Rfc2822 => RFC_2822,
            Self::Sql => SQL,
            Self::Pattern(pattern) => &pattern.text,
        })
    }
}

impl FromStr for Pattern {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, InvalidFormat> {
        let tokens = format!("{TOKENS} (or choose one of {PRESETS})");
        let mut parts = Vec::new();
        for piece in pieces(text)? {
            parts.push(match piece {
                Piece::Letters(letters) => {
                    Part::of(letters).ok_or_else(|| no_token(letters, &tokens))?
                }
                Piece::Literal(literal) => Part::Literal(literal.into()),
            });
        }
        check(&parts).map_err(InvalidFormat)?;
        Ok(Self {
            text: text.into(),
            parts,
        })
    }
}

/// What is wrong with the parts as a whole.
fn check(parts: &[Part]) -> Result<(), String> {
    let count = |unit| {
        let of_unit = |part: &&Part| part.unit() == Some(unit);
        parts.iter().filter(of_unit).count()
    };
    let twice = parts
        .iter()
        .filter_map(Part::unit)
        .find(|unit| count(*unit) > 1);
    if let Some(unit) = twice {
        return Err(format!("the {unit:?} is in it twice").to_lowercase());
    }
    if [Unit::Year, Unit::Month, Unit::Day].map(count) != [1, 1, 1] {
        return Err(format!(
            "a format has a year, a month and a day, such as DD-MM-YYYY; or it is one of {PRESETS}"
        ));
    }
    for (finer, coarser) in [
        (Unit::Minute, Unit::Hour),
        (Unit::Second, Unit::Minute),
        (Unit::Millisecond, Unit::Second),
    ] {
        if count(finer) > count(coarser) {
            return Err(format!("a {finer:?} needs a {coarser:?} as well").to_lowercase());
        }
    }
    let runs_on = |pair: &[Part]| pair[0].is_short() && pair[1].begins_with_digit();
    if parts.windows(2).any(runs_on) {
        return Err(
            "D, M and H read one digit or two: what follows must not begin with a digit".to_owned(),
        );
    }
    Ok(())
}

/// A date and time as they are written, and how far east of UTC that is, in seconds.
struct Written {
    date: NaiveDate,
    time: NaiveTime,
    east: i32,
}

impl DateFormat {
    /// The day as it is written, whatever the zone: birthdays have none. Of a Unix time the
    /// day in UTC.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read_date(&self, text: &str) -> Result<NaiveDate, Unread> {
        in_range(self.read(text)?.date.into()).map(|date| date.date())
    }

    /// An instant. A zoneless time is UTC; a date alone is midnight.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read_instant(&self, text: &str) -> Result<DateTime<Utc>, Unread> {
        let written = self.read(text)?;
        let utc = written
            .date
            .and_time(written.time)
            .checked_sub_signed(TimeDelta::seconds(written.east.into()))
            .ok_or(Unread::OutOfRange)?;
        in_range(utc).map(|utc| utc.and_utc())
    }

    /// Whether numbers, and not only texts, are read.
    pub fn takes_numbers(&self) -> bool {
        matches!(self, Self::UnixSeconds | Self::UnixMilliseconds)
    }

    fn read(&self, text: &str) -> Result<Written, Unread> {
        let written = match self {
            Self::Iso8601 => read_iso(text),
            Self::UnixSeconds => return read_unix(text, 6),
            Self::UnixMilliseconds => return read_unix(text, 3),
            Self::Rfc2822 => read_rfc_2822(text),
            Self::Sql => read_sql(text),
            Self::Pattern(pattern) => pattern.read(text),
        };
        written.ok_or(Unread::Mismatch)
    }
}

/// Years are written with four digits, and there is no year 0.
fn in_range(time: NaiveDateTime) -> Result<NaiveDateTime, Unread> {
    if (1..=9_999).contains(&time.year()) {
        Ok(time)
    } else {
        Err(Unread::OutOfRange)
    }
}

impl Pattern {
    fn read(&self, text: &str) -> Option<Written> {
        let mut cursor = Cursor(text);
        let (mut year, mut month, mut day) = (0, 0, 0);
        let (mut hour, mut minute, mut second, mut milli) = (0, 0, 0, 0);
        let mut east = 0;
        for part in &self.parts {
            match part {
                Part::Year => year = cursor.digits(4)?,
                Part::Month => month = cursor.digits(2)?,
                Part::ShortMonth => month = cursor.one_or_two()?,
                Part::MonthName => month = month_name(&mut cursor)?,
                Part::Day => day = cursor.digits(2)?,
                Part::ShortDay => day = cursor.one_or_two()?,
                Part::Hour => hour = cursor.digits(2)?,
                Part::ShortHour => hour = cursor.one_or_two()?,
                Part::Minute => minute = cursor.digits(2)?,
                Part::Second => second = cursor.digits(2)?,
                Part::Millisecond => milli = cursor.digits(3)?,
                Part::Zone => east = cursor.zone()?,
                Part::Literal(literal) => cursor.literal(literal)?,
            }
        }
        cursor.end()?;
        Some(Written {
            date: NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day)?,
            time: NaiveTime::from_hms_milli_opt(hour, minute, second, milli)?,
            east,
        })
    }
}

fn month_name(cursor: &mut Cursor<'_>) -> Option<u32> {
    (1..)
        .zip(MONTHS)
        .find_map(|(month, name)| cursor.word(name).map(|()| month))
}

fn read_iso(text: &str) -> Option<Written> {
    let mut cursor = Cursor(text);
    let date = cursor.day()?;
    let (mut time, mut east) = (NaiveTime::MIN, 0);
    if cursor.end().is_none() {
        cursor.literal("T")?;
        let (hour, minute) = cursor.minutes()?;
        let (second, micros) = match cursor.literal(":") {
            Some(()) => cursor.seconds(b".,", MAX_FRACTION)?,
            None => (0, 0),
        };
        time = NaiveTime::from_hms_micro_opt(hour, minute, second, micros)?;
        if cursor.end().is_none() {
            east = cursor.offset()?;
        }
    }
    cursor.end()?;
    Some(Written { date, time, east })
}

fn read_sql(text: &str) -> Option<Written> {
    let mut cursor = Cursor(text);
    let date = cursor.day()?;
    cursor.literal(" ")?;
    let (hour, minute) = cursor.minutes()?;
    cursor.literal(":")?;
    let (second, micros) = cursor.seconds(b".", MAX_FRACTION)?;
    let time = NaiveTime::from_hms_micro_opt(hour, minute, second, micros)?;
    let mut east = 0;
    if cursor.end().is_none() {
        // Ruby puts a space in front of the zone.
        let _ = cursor.literal(" ");
        east = cursor.zone()?;
    }
    cursor.end()?;
    Some(Written { date, time, east })
}

fn read_rfc_2822(text: &str) -> Option<Written> {
    if text.len() > MAX_RFC_2822 || !has_year_of_four_digits(text) {
        return None;
    }
    let instant = DateTime::parse_from_rfc2822(text).ok()?;
    let written = instant.naive_local();
    // A leap second has no place in the canonical form.
    (written.nanosecond() < NANOS_PER_SECOND).then(|| Written {
        date: written.date(),
        time: written.time(),
        east: instant.offset().local_minus_utc(),
    })
}

/// Of a date of a mail: chrono guesses the century of shorter ones.
fn has_year_of_four_digits(text: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_digit();
    let date = match text.trim_start().starts_with(is_digit) {
        true => text,
        false => text.split_once(',').map_or("", |(_weekday, date)| date),
    };
    let year = date.split_whitespace().nth(2).unwrap_or("");
    year.len() == 4 && year.chars().all(is_digit)
}

/// A count of units, each of `10^scale` microseconds; what is finer is cut off.
fn read_unix(text: &str, scale: u32) -> Result<Written, Unread> {
    let micros = number::floored(text, scale).map_err(|_| Unread::Mismatch)?;
    let instant = micros
        .and_then(|micros| DateTime::UNIX_EPOCH.checked_add_signed(TimeDelta::microseconds(micros)))
        .ok_or(Unread::OutOfRange)?;
    Ok(Written {
        date: instant.date_naive(),
        time: instant.time(),
        east: 0,
    })
}
