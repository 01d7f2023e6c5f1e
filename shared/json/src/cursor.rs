//! A text that is read from its front: digits, words, days, times of day, zones.

use chrono::NaiveDate;

/// What is left of it.
pub struct Cursor<'a>(pub &'a str);

impl Cursor<'_> {
    /// Exactly `count` ASCII digits.
    #[inline]
    pub fn digits(&mut self, count: usize) -> Option<u32> {
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

    /// One digit, or two.
    pub fn one_or_two(&mut self) -> Option<u32> {
        self.digits(2).or_else(|| self.digits(1))
    }

    #[inline]
    pub fn literal(&mut self, literal: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    /// One of these ASCII characters.
    #[inline]
    pub fn one_of(&mut self, characters: &[u8]) -> Option<()> {
        let first = self.0.bytes().next()?;
        characters.contains(&first).then(|| self.0 = &self.0[1..])
    }

    /// In any ASCII case.
    pub fn word(&mut self, word: &str) -> Option<()> {
        let (head, rest) = self.0.split_at_checked(word.len())?;
        head.eq_ignore_ascii_case(word).then(|| self.0 = rest)
    }

    #[inline]
    pub fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// `2025-07-10`, if it is on the calendar.
    #[inline]
    pub fn day(&mut self) -> Option<NaiveDate> {
        let year = self.digits(4)?;
        self.literal("-")?;
        let month = self.digits(2)?;
        self.literal("-")?;
        let day = self.digits(2)?;
        NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day)
    }

    /// `06:09`: an hour and a minute, whether they are on a clock or not.
    #[inline]
    pub fn minutes(&mut self) -> Option<(u32, u32)> {
        let hour = self.digits(2)?;
        self.literal(":")?;
        Some((hour, self.digits(2)?))
    }

    /// `00`, `00.123`: a second and its microseconds. After one of `points` stand one to `most`
    /// digits, of which what is finer than a microsecond is cut off.
    #[inline]
    pub fn seconds(&mut self, points: &[u8], most: usize) -> Option<(u32, u32)> {
        let second = self.digits(2)?;
        if self.one_of(points).is_none() {
            return Some((second, 0));
        }
        let length = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 || length > most {
            return None;
        }
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        let digits = digits.bytes().chain(std::iter::repeat(b'0')).take(6);
        let micros = digits.fold(0, |micros, digit| micros * 10 + u32::from(digit - b'0'));
        Some((second, micros))
    }

    /// As [`Self::offset`], or `UTC`, or `GMT`.
    pub fn zone(&mut self) -> Option<i32> {
        let named = self.literal("UTC").or_else(|| self.literal("GMT"));
        named.map(|()| 0).or_else(|| self.offset())
    }

    /// `Z`, `+10`, `+1000` or `+10:00`: in seconds east of UTC.
    #[inline]
    pub fn offset(&mut self) -> Option<i32> {
        if self.literal("Z").is_some() {
            return Some(0);
        }
        let sign = match self.literal("+") {
            Some(()) => 1,
            None => self.literal("-").map(|()| -1)?,
        };
        let hours = self.digits(2)?;
        let minutes = match self.literal(":") {
            Some(()) => self.digits(2)?,
            None => self.digits(2).unwrap_or(0),
        };
        if hours > 23 || minutes > 59 {
            return None;
        }
        Some(sign * i32::try_from(hours * 3_600 + minutes * 60).ok()?)
    }
}
