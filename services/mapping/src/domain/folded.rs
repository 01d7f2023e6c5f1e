//! Lines of the log that stand for many events (semantics 7.3).
//!
//! What is missing in the mapping, or over a limit, is so for every event of its kind: one line
//! for each reason, event name and hour, with their count and the latest example, kept apart, so
//! that ordinary ones never push out what somebody has to mend.

use std::collections::HashMap;

use weir_reasons::Reason;

use super::log::{LogEntry, MAX_LINES};

/// As many as there are lines of their own: the newest of them.
pub const MAX_FOLDED: usize = 500;
const TOO_MANY: u32 = 429;
const HOUR: i64 = 3_600;
/// More than a line of ours ever stands for before it is written.
const MAX_COUNT: i64 = 1_000_000;

/// Entries sorted by where they are kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Oldest first; at most 500.
    pub own: Vec<LogEntry>,
    /// By what they are folded into; at most 500.
    pub folded: HashMap<String, LogEntry>,
}

impl Lines {
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.folded.is_empty()
    }

    /// Takes in what came later.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = LogEntry>) {
        for entry in entries {
            match folds_into(&entry) {
                None => self.own.push(entry),
                Some(key) => self.fold(key, entry),
            }
        }
        if self.own.len() > MAX_LINES {
            self.own.drain(..self.own.len() - MAX_LINES);
        }
        if self.folded.len() > MAX_FOLDED {
            let mut newest: Vec<_> = self.folded.drain().collect();
            newest.sort_unstable_by_key(|(_, entry)| std::cmp::Reverse(entry.time));
            newest.truncate(MAX_FOLDED);
            self.folded = newest.into_iter().collect();
        }
    }

    fn fold(&mut self, key: String, mut entry: LogEntry) {
        entry.count = entry.count.clamp(1, MAX_COUNT);
        if let Some(before) = self.folded.get(&key) {
            entry.count = (before.count + entry.count).min(MAX_COUNT);
            if before.time > entry.time {
                entry = LogEntry {
                    count: entry.count,
                    ..before.clone()
                };
            }
        }
        self.folded.insert(key, entry);
    }
}

/// None for an entry that has a line of its own.
fn folds_into(entry: &LogEntry) -> Option<String> {
    // Two of them say that there are lines of values which say why, and the others have no value
    // at all, and come by the thousand in an outage: they must not push those out.
    let folded = [
        Reason::NoMapping,
        Reason::NothingValid,
        Reason::ContactNothingValid,
        Reason::BacklogDayCap,
        Reason::ContactDeferred,
        Reason::UnitsInFlight,
        Reason::ContactsAway,
        Reason::ActivitiesAway,
        Reason::AudiencesAway,
    ];
    let folds = entry.status == TOO_MANY || folded.iter().any(|reason| reason.code() == entry.code);
    let hour = entry.time.timestamp().div_euclid(HOUR);
    folds.then(|| format!("{hour} {} {}", entry.code, entry.event_name))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::event::EventKind;

    fn entry(seconds: i64, status: u32, reason: Reason, event_name: &str) -> LogEntry {
        LogEntry {
            time: DateTime::from_timestamp(seconds, 0).unwrap(),
            batch_id: String::new(),
            index: 0,
            kind: EventKind::Track,
            event_name: event_name.to_owned(),
            message_id: seconds.to_string(),
            status,
            code: reason.code().into(),
            path: String::new(),
            field_id: String::new(),
            reason: String::new(),
            value: String::new(),
            count: 1,
        }
    }

    #[test]
    fn what_is_unmapped_or_over_a_limit_is_one_line_a_reason_name_and_hour() {
        use Reason::{ActivityLimit, NoMapping, PastRetention, ProfileLimit};
        let mut lines = Lines::default();
        lines.extend([
            entry(20, 422, NoMapping, "Login"),
            entry(10, 422, NoMapping, "Login"),
            entry(30, 422, NoMapping, "Logout"),
            entry(3_600, 422, NoMapping, "Login"),
            entry(40, 429, ActivityLimit, "Login"),
            entry(50, 429, ProfileLimit, ""),
            entry(55, 500, Reason::ContactsAway, "Login"),
            entry(56, 500, Reason::ContactsAway, "Login"),
            entry(60, 422, PastRetention, "Login"),
            entry(70, 422, PastRetention, "Login"),
        ]);
        assert_eq!(lines.own.len(), 2);
        let line = |key: &str| {
            let line = &lines.folded[key];
            (line.count, line.message_id.as_str())
        };
        assert_eq!(lines.folded.len(), 6);
        assert_eq!(line("0 CONTACTS_AWAY Login"), (2, "56"));
        assert_eq!(line("0 NO_MAPPING Login"), (2, "20"));
        assert_eq!(line("0 NO_MAPPING Logout"), (1, "30"));
        assert_eq!(line("1 NO_MAPPING Login"), (1, "3600"));
        assert_eq!(line("0 ACTIVITY_LIMIT Login"), (1, "40"));
        assert_eq!(line("0 PROFILE_LIMIT "), (1, "50"));
    }

    #[test]
    fn the_newest_lines_of_both_kinds_are_kept() {
        let mut lines = Lines::default();
        for second in 0..800 {
            let name = second.to_string();
            lines.extend([
                entry(second, 422, Reason::NoMapping, &name),
                entry(second, 400, Reason::NotAnObject, &name),
            ]);
        }
        assert_eq!((lines.own.len(), lines.folded.len()), (500, 500));
        assert_eq!(lines.own[0].message_id, "300");
        assert!(lines.folded.contains_key("0 NO_MAPPING 300"));
        assert!(!lines.folded.contains_key("0 NO_MAPPING 299"));
    }

    #[test]
    fn counts_add_up_and_are_bounded() {
        let mut lines = Lines::default();
        for count in [0, 7, i64::MAX, i64::MIN] {
            lines.extend([LogEntry {
                count,
                ..entry(1, 422, Reason::NoMapping, "a")
            }]);
        }
        assert_eq!(lines.folded["0 NO_MAPPING a"].count, MAX_COUNT);
    }
}
