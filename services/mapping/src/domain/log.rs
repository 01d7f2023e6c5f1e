//! Lines of a source's log: what was ignored, and why (semantics 7.3).

use chrono::{DateTime, Utc};

use super::event::EventKind;
use super::json::{self, Raw};

/// How many lines a source keeps.
pub const MAX_LINES: usize = 500;
/// Semantics 7.3, in characters.
const MAX_VALUE: usize = 120;
/// Reasons come from our own code, or from a service of ours that may be newer.
const MAX_REASON: usize = 500;

/// One line. The only place where a value of an event is kept in readable form, next to samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub time: DateTime<Utc>,
    pub kind: EventKind,
    pub message_id: String,
    /// Within the event, e.g. `traits.birthday`.
    pub path: String,
    pub reason: String,
    pub value: String,
}

impl LogEntry {
    /// An entry that another service made, cut to what a line may hold.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.message_id = cut(&self.message_id, 255);
        self.path = cut(&self.path, 255);
        self.reason = cut(&self.reason, MAX_REASON);
        self.value = cut(&self.value, MAX_VALUE);
        self
    }
}

/// A raw value as a person reads it: a string without its quotes, cut to 120 characters.
pub fn excerpt(raw: Raw<'_>) -> String {
    // Four bytes are the longest character, six the longest escape.
    let head = &raw[..raw.len().min(MAX_VALUE * 6 + 8)];
    match json::text(raw) {
        Ok(text) => cut(&text, MAX_VALUE),
        Err(_) => cut(&String::from_utf8_lossy(head), MAX_VALUE),
    }
}

fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_cut_by_characters() {
        assert_eq!(excerpt(br#""28-07-1980""#), "28-07-1980");
        assert_eq!(excerpt(b"[1, 2]"), "[1, 2]");
        assert_eq!(excerpt(b"\"\xff\""), "\"\u{fffd}\"");
        let long = format!("\"{}\"", "é".repeat(500));
        assert_eq!(excerpt(long.as_bytes()).chars().count(), 120);
    }
}
