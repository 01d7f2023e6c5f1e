//! Lines of a source's log: what was ignored, and why (semantics 7.3).

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use weir_json::Raw;

use super::event::EventKind;
use super::sample::caseless;

/// How many lines a source keeps.
pub const MAX_LINES: usize = 500;
/// Semantics 7.3, in characters.
pub const MAX_VALUE: usize = 120;
/// Reasons come from our own code, or from a service of ours that may be newer.
const MAX_REASON: usize = 500;
/// Names, ids and paths, in characters.
pub const MAX_NAME: usize = 255;
/// Codes of reasons are shorter, as are UUIDs.
pub const MAX_CODE: usize = 64;

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

/// Which lines a person wants to see; what is empty lets all through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    pub codes: Vec<String>,
    /// As [`caseless`](super::sample::caseless) writes it.
    pub event_name: String,
    pub field: String,
    pub start: Option<DateTime<Utc>>,
    pub end: Option<DateTime<Utc>>,
    pub message_id: String,
}

impl LogFilter {
    pub fn lets_through(&self, entry: &LogEntry) -> bool {
        let is_any =
            |list: &[String], text: &str| list.is_empty() || list.iter().any(|one| one == text);
        is_any(&self.codes, &entry.code)
            && (self.event_name.is_empty()
                || caseless(&entry.event_name).contains(&self.event_name))
            && (self.field.is_empty() || entry.is_at(&self.field))
            && self.start.is_none_or(|start| entry.time >= start)
            && self.end.is_none_or(|end| entry.time < end)
            && (self.message_id.is_empty() || entry.message_id == self.message_id)
    }
}

impl LogEntry {
    /// Whether it is about a value, be it that its event was refused for it.
    pub fn is_of_value(&self) -> bool {
        self.status == 0 || !self.field_id.is_empty()
    }

    /// What a value is counted under: its field; its path, where it has none; the event, where it
    /// is no value that was ignored but an activity that was discarded.
    pub fn field(&self) -> &str {
        let names = [&self.field_id, &self.path, &self.event_name];
        let mut given = names.into_iter().filter(|name| !name.is_empty());
        given.next().map_or("", String::as_str)
    }

    /// Whether it is about this field or path, or something below it.
    fn is_at(&self, field: &str) -> bool {
        let below = self.path.strip_prefix(field);
        self.field_id == field
            || below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
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
pub fn shorten(text: &mut String, limit: usize) {
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

    fn entry() -> LogEntry {
        LogEntry {
            time: DateTime::from_timestamp(1_000, 0).unwrap(),
            batch_id: String::new(),
            index: 0,
            kind: EventKind::Track,
            event_name: "Sign-in button clicked".to_owned(),
            message_id: "m1".to_owned(),
            status: 0,
            code: "EMAIL_INVALID".into(),
            path: "traits.emails[0].work".to_owned(),
            field_id: "str::email".to_owned(),
            reason: String::new(),
            value: String::new(),
            count: 1,
        }
    }

    /// Semantics 7.3.
    #[test]
    fn every_filter_lets_through_what_it_names_and_nothing_else() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let of = |codes: &[&str], event_name: &str, field: &str, message_id: &str| LogFilter {
            codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            event_name: caseless(event_name),
            field: field.to_owned(),
            message_id: message_id.to_owned(),
            ..LogFilter::default()
        };
        let within = |start, end| LogFilter {
            start,
            end,
            ..LogFilter::default()
        };
        for filter in [
            LogFilter::default(),
            of(&["NO_MAPPING", "EMAIL_INVALID"], "", "", ""),
            of(&[], "IN BUTT", "", ""),
            of(&[], "", "str::email", ""),
            of(&[], "", "traits", ""),
            of(&[], "", "traits.emails", ""),
            of(&[], "", "traits.emails[0].work", ""),
            of(&[], "", "", "m1"),
            within(at(1_000), at(1_001)),
        ] {
            assert!(filter.lets_through(&entry()), "{filter:?}");
        }
        for filter in [
            of(&["NO_MAPPING"], "", "", ""),
            of(&[], "logout", "", ""),
            of(&[], "", "traits.email", ""),
            of(&[], "", "str::ema", ""),
            of(&[], "", "", "m"),
            of(&["EMAIL_INVALID"], "", "", "m2"),
            within(at(1_001), None),
            within(None, at(1_000)),
        ] {
            assert!(!filter.lets_through(&entry()), "{filter:?}");
        }
    }

    #[test]
    fn excerpts_are_cut_by_characters() {
        assert_eq!(excerpt(br#""28-07-1980""#), "28-07-1980");
        assert_eq!(excerpt(b"[1, 2]"), "[1, 2]");
        assert_eq!(excerpt(b"\"\xff\""), "\"\u{fffd}\"");
        let long = format!("\"{}\"", "é".repeat(500));
        assert_eq!(excerpt(long.as_bytes()).chars().count(), 120);
    }
}
