//! A text that is read from its front.

/// What is left of it.
pub struct Cursor<'a>(pub &'a str);

impl Cursor<'_> {
    /// Exactly `count` ASCII digits.
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

    pub fn literal(&mut self, literal: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    /// In any ASCII case.
    pub fn word(&mut self, word: &str) -> Option<()> {
        let (head, rest) = self.0.split_at_checked(word.len())?;
        head.eq_ignore_ascii_case(word).then(|| self.0 = rest)
    }

    pub fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// One to nine digits of a second; what is finer than a microsecond is cut off.
    pub fn micros(&mut self) -> Option<u32> {
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

    /// As [`Self::offset`], or `UTC`, or `GMT`.
    pub fn zone(&mut self) -> Option<i32> {
        let named = self.literal("UTC").or_else(|| self.literal("GMT"));
        named.map(|()| 0).or_else(|| self.offset())
    }

    /// `Z`, `+10`, `+1000` or `+10:00`: in seconds east of UTC.
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
