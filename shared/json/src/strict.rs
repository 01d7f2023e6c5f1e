//! A validating walk over text that nobody checked: spans instead of trees, a bit stack instead
//! of recursion.

use std::ops::Range;

use weir_reasons::Reason;

use crate::text::escaped_at;
use crate::trusted::behind_space;

/// Levels of an event, its own object being the first. Semantics 1.2; also the width of the
/// bit stack.
pub const MAX_DEPTH: u32 = 128;

/// What is wrong with a text, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub at: usize,
    pub what: &'static str,
    pub reason: Reason,
}

/// Walks a text that is one object; `member` gets each key (quotes included) and the span
/// of its value.
///
/// # Errors
/// The first fault. Members before it were handed out already.
pub fn members<'a>(text: &'a str, member: impl FnMut(&'a str, Range<usize>)) -> Result<(), Fault> {
    let mut walk = Walk::new(text);
    walk.space();
    let object = walk.peek() == Some(b'{');
    if object {
        walk.object(member)?;
    } else {
        walk.value(0)?;
    }
    walk.end()?;
    if object {
        Ok(())
    } else {
        Err(Fault {
            at: 0,
            what: "must be a JSON object",
            reason: Reason::NotAnObject,
        })
    }
}

/// As [`members`], of the object that a text begins with; answers where it ends.
pub fn members_in_front<'a>(
    text: &'a str,
    member: impl FnMut(&'a str, Range<usize>),
) -> Option<usize> {
    let mut walk = Walk::new(text);
    (walk.peek() == Some(b'{') && walk.object(member).is_ok()).then_some(walk.at)
}

struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
        }
    }

    /// From an opening brace to the one that closes it; each member to `member`.
    fn object(&mut self, mut member: impl FnMut(&'a str, Range<usize>)) -> Result<(), Fault> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key = self.key()?;
            self.space();
            let start = self.at;
            self.value(1)?;
            member(&self.text[key], start..self.at);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.fault("expected a comma or the end of the object")),
            }
        }
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault {
            at: self.at,
            what,
            reason: Reason::InvalidJson,
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        self.at = behind_space(self.bytes, self.at);
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("something follows the value")),
        }
    }

    /// A key and its colon; answers the key's span, quotes included.
    #[inline]
    fn key(&mut self) -> Result<Range<usize>, Fault> {
        self.space();
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.fault("expected a key in quotes"));
        }
        self.string()?;
        let key = start..self.at;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.fault("expected a colon"));
        }
        self.at += 1;
        Ok(key)
    }

    /// One value with all that is in it. `outer` levels are open around it.
    #[inline]
    fn value(&mut self, outer: u32) -> Result<(), Fault> {
        // Most values are texts.
        match self.peek() {
            Some(b'"') => self.string(),
            _ => self.any_value(outer),
        }
    }

    fn any_value(&mut self, outer: u32) -> Result<(), Fault> {
        // One bit for each open level: an object, or else an array.
        let mut objects: u128 = 0;
        let mut depth = outer;
        'value: loop {
            self.space();
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == MAX_DEPTH {
                        let fault = self.fault("nested more than 128 levels deep");
                        return Err(Fault {
                            reason: Reason::TooDeep,
                            ..fault
                        });
                    }
                    let object = open == b'{';
                    self.at += 1;
                    self.space();
                    if self.peek() == Some(if object { b'}' } else { b']' }) {
                        self.at += 1;
                    } else {
                        depth += 1;
                        objects = objects << 1 | u128::from(object);
                        if object {
                            self.key()?;
                        }
                        continue 'value;
                    }
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                _ => self.word()?,
            }
            loop {
                if depth == outer {
                    return Ok(());
                }
                self.space();
                let object = objects & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if object {
                            self.key()?;
                        }
                        continue 'value;
                    }
                    Some(b'}') if object => {}
                    Some(b']') if !object => {}
                    _ => return Err(self.fault("expected a comma or a closing bracket")),
                }
                self.at += 1;
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    fn word(&mut self) -> Result<(), Fault> {
        let rest = &self.bytes[self.at..];
        for word in ["true", "false", "null"] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(());
            }
        }
        Err(self.fault("expected a value"))
    }

    #[inline]
    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            self.at = escaped_at(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.fault("a control character inside a string")),
                None => return Err(self.fault("a string without an end")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                return Ok(());
            }
            Some(b'u') => {}
            _ => return Err(self.fault("an unknown escape inside a string")),
        }
        let digits = self.bytes.get(self.at + 2..self.at + 6);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(self.fault("a \\u escape without four hex digits"));
        }
        self.at += 6;
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.peek() {
                return Err(self.fault("a number with a leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.fault("expected a digit"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
