//! Lines of a source's log: what was ignored, and why (semantics 7.3).

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use weir_json::Raw;

use super::event::EventKind;

/// How many lines a source keeps.
pub const MAX_LINES: usize = 500;
/// Semantics 7.3, in characters.
pub const MAX_VALUE: usize = 120;
/// Reasons come from our own code, or from a service of ours that may be newer.
const MAX_REASON: usize = 500;
/// Names, ids and paths, in characters.
const MAX_NAME: usize = 255;
/// Codes of reasons are shorter, as are UUIDs.
const MAX_CODE: usize = 64;

/// One line. The only place where a value of an event is kept in readable form, next to samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub time: DateTime<Utc>,
    /// The request the event came with, and its index there.
    pub batch_id: String,
    pub index: u32,
    pub kind: EventKind,
    /// Of a track.
    pub event_name: String,
    pub message_id: String,
    /// What the event was answered; 0 where this is about a value that was ignored while the
    /// rest of the event went on.
    pub status: u32,
    /// The code of a `Reason`, or one that a newer service of ours knows.
    pub code: Cow<'static, str>,
    /// Within the event, e.g. `traits.birthday`; empty for the event as a whole.
    pub path: String,
    /// The field or attribute whose value was ignored; empty otherwise.
    pub field_id: String,
    /// For the person who maps: what is wrong, and what to do.
    pub reason: String,
    pub value: String,
    /// How many this line stands for.
    pub count: i64,
}

impl LogEntry {
    /// An entry that another service made, cut to what a line may hold.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for (text, limit) in [
            (&mut self.batch_id, MAX_CODE),
            (&mut self.event_name, MAX_NAME),
            (&mut self.message_id, MAX_NAME),
            (&mut self.path, MAX_NAME),
            (&mut self.field_id, MAX_NAME),
            (&mut self.reason, MAX_REASON),
            (&mut self.value, MAX_VALUE),
        ] {
            shorten(text, limit);
        }
        if let Cow::Owned(code) = &mut self.code {
            shorten(code, MAX_CODE);
        }
        self.count = self.count.max(1);
        self
    }
}

/// A raw value as a person reads it: a string without its quotes, cut to 120 characters.
pub fn excerpt(raw: Raw<'_>) -> String {
    // Four bytes are the longest character, six the longest escape.
    let head = &raw[..raw.len().min(MAX_VALUE * 6 + 8)];
    match weir_json::text(raw) {
        Ok(text) => cut(&text, MAX_VALUE),
        Err(_) => cut(&String::from_utf8_lossy(head), MAX_VALUE),
    }
}

/// Bytes are never fewer than characters: most texts need no counting.
fn shorten(text: &mut String, limit: usize) {
    if text.len() > limit
        && let Some((end, _)) = text.char_indices().nth(limit)
    {
        text.truncate(end);
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
