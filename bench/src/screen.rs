//! What the bench says: results on standard output, progress on standard error, so that the
//! one can be piped while the other is watched.
#![allow(
    clippy::print_stdout,
    reason = "the results are this command's product"
)]

use std::fmt::Display;
use std::time::Instant;

/// Prints a part of the result.
pub fn result(text: impl Display) {
    println!("{text}");
}

/// Prints a step that is about to be taken or was taken.
pub fn progress(text: impl Display) {
    eprintln!("{text}");
}

/// Says how far a long step has come, now and then.
pub struct Meter {
    what: String,
    total: u64,
    last: Instant,
    started: Instant,
}

impl Meter {
    /// Lines this far apart show that something moves without scrolling the results away.
    const INTERVAL: std::time::Duration = std::time::Duration::from_secs(5);

    pub fn new(what: impl Into<String>, total: u64) -> Self {
        let now = Instant::now();
        Self {
            what: what.into(),
            total,
            last: now,
            started: now,
        }
    }

    /// `done` of the total are done.
    pub fn at(&mut self, done: u64) {
        if self.last.elapsed() >= Self::INTERVAL {
            self.last = Instant::now();
            let rate = done as f64 / self.started.elapsed().as_secs_f64();
            progress(format!(
                "    {}: {} of {} ({rate:.0}/s)",
                self.what,
                thousands(done),
                thousands(self.total)
            ));
        }
    }
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
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
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
