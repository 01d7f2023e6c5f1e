//! A walk over plain JSON: what it passes is JSON, but it does not pass all that is.

use weir_values::escaped_at;

/// A place in a text.
#[derive(Debug)]
pub(in crate::domain) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes this very byte.
    pub fn pass(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Passes a text in which nothing is escaped; answers what is between its quotes.
    pub fn plain_text(&mut self) -> Option<&'a str> {
        self.pass(b'"')?;
        let start = self.at;
        self.at = escaped_at(self.text.as_bytes(), start);
        let text = self.text.get(start..self.at)?;
        self.pass(b'"')?;
        Some(text)
    }

    /// Passes this very text, in which nothing is escaped.
    pub fn pass_text(&mut self, text: &str) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let (quote, rest) = rest.split_first()?;
        let (found, rest) = rest.split_at_checked(text.len())?;
        let is_it = *quote == b'"' && same(found, text.as_bytes()) && rest.first() == Some(&b'"');
        is_it.then(|| self.at += text.len() + 2)
    }

    /// Passes an integer, which nothing that would make it another number follows.
    pub fn integer(&mut self) -> Option<&'a str> {
        let start = self.at;
        let _ = self.pass(b'-');
        let digits = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let is_one = match self.text.as_bytes().get(digits) {
            // Minus zero is a float to some.
            Some(b'0') => self.at == start + 1,
            _ => self.at > digits,
        };
        let goes_on = matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        (is_one && !goes_on).then(|| &self.text[start..self.at])
    }

    /// Passes a text, integer, boolean, null, or list of texts; answers how it is written.
    pub fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        match self.peek()? {
            b'"' => self.text()?,
            b'[' => self.texts()?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => return self.integer(),
        }
        self.text.get(start..self.at)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        rest.starts_with(word.as_bytes())
            .then(|| self.at += word.len())
    }

    fn text(&mut self) -> Option<()> {
        self.pass(b'"')?;
        loop {
            self.at = escaped_at(self.text.as_bytes(), self.at);
            match self.peek()? {
                b'"' => return self.pass(b'"'),
                b'\\' => {
                    self.at += 1;
                    // Of code units it takes more to say whether they are well formed.
                    let is_short = matches!(
                        self.peek()?,
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't'
                    );
                    is_short.then(|| self.at += 1)?;
                }
                _ => return None,
            }
        }
    }

    fn texts(&mut self) -> Option<()> {
        self.pass(b'[')?;
        if self.pass(b']').is_some() {
            return Some(());
        }
        loop {
            self.text()?;
            if self.pass(b',').is_none() {
                return self.pass(b']');
            }
        }
    }
}

/// Whether two short texts are the same. Field ids are compared more often than anything
/// else, and are too short for a call to be worth it.
#[inline]
pub(in crate::domain) fn same(one: &[u8], other: &[u8]) -> bool {
    let length = one.len();
    if length != other.len() {
        return false;
    }
    // Both ends of a text, which overlap, are all of it.
    if let (Some(one), Some(other)) = (eights(one), eights(other))
        && length <= 16
    {
        return one == other;
    }
    if let (Some(one), Some(other)) = (sixteens(one), sixteens(other))
        && length <= 32
    {
        return one == other;
    }
    one == other
}

fn eights(text: &[u8]) -> Option<[u64; 2]> {
    let ends = [*text.first_chunk()?, *text.last_chunk()?];
    Some(ends.map(u64::from_ne_bytes))
}

fn sixteens(text: &[u8]) -> Option<[u128; 2]> {
    let ends = [*text.first_chunk()?, *text.last_chunk()?];
    Some(ends.map(u128::from_ne_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_in_all_their_bytes() {
        let text = b"str:cm:a-name-of-more-than-32-bytes";
        for length in 0..=text.len() {
            let text = &text[..length];
            for at in 0..length {
                let mut other = text.to_owned();
                assert!(same(text, &other));
                other[at] = b'~';
                assert!(!same(text, &other), "{other:?}");
            }
        }
        assert!(!same(b"str::a", b"str::aa"));
    }
}
