//! How far something has come, on standard error: a line that changes where somebody looks at a
//! terminal, and one now and then where not.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(10);

/// Says it when it is time.
pub struct Meter {
    began: Instant,
    said: Instant,
    from: u64,
    is_terminal: bool,
    is_line_open: bool,
}

impl Meter {
    /// Of what is at `from` already.
    pub fn new(from: u64) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            said: now,
            from,
            is_terminal: std::io::stderr().is_terminal(),
            is_line_open: false,
        }
    }

    /// So many, since it began, a second.
    pub fn rate(&self, done: u64) -> f64 {
        (done - self.from) as f64 / self.began.elapsed().as_secs_f64().max(0.001)
    }

    /// `words` gets the rate.
    pub fn at(&mut self, done: u64, words: impl FnOnce(f64) -> String) {
        let every = if self.is_terminal {
            ON_TERMINAL
        } else {
            ELSEWHERE
        };
        if self.said.elapsed() < every {
            return;
        }
        self.said = Instant::now();
        let words = words(self.rate(done));
        let mut output = std::io::stderr().lock();
        // Whoever does not read it does not stop the work.
        let _ = if self.is_terminal {
            self.is_line_open = true;
            write!(output, "\r\x1b[K{words}").and_then(|()| output.flush())
        } else {
            writeln!(output, "{words}")
        };
    }

    /// Ends the line that changes, so that others can follow.
    pub fn close(&mut self) {
        if std::mem::take(&mut self.is_line_open) {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// A number as people write it: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
