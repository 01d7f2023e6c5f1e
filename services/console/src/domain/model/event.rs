//! What became of events.

use crate::domain::Time;

/// A line of a source's log (semantics 7.3).
#[derive(Debug, Clone, Default)]
pub struct LogEntry {
    pub time: Option<Time>,
    pub kind: &'static str,
    pub message_id: String,
    pub event_name: String,
    pub path: String,
    pub field: String,
    pub reason: String,
    pub value: String,
    pub code: String,
    pub status: u32,
    pub batch_id: String,
    pub index: u32,
    pub count: i64,
}

#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    pub codes: Vec<String>,
    pub event_name: String,
    pub field: String,
    pub message_id: String,
}

/// How often what happened (semantics 7.3a).
#[derive(Debug, Clone)]
pub struct Summary {
    pub status: u32,
    pub code: String,
    pub subject: String,
    pub count: i64,
    pub first: Option<Time>,
    pub last: Option<Time>,
    pub hours: Vec<(Time, i64)>,
    pub example: Option<LogEntry>,
}

/// All of a range.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub answered: i64,
    pub taken: i64,
    pub summaries: Vec<Summary>,
}

impl Outcome {
    /// Events that were answered in each hour: first those that were taken, then the others.
    pub fn series(&self, now: Time, hours: usize) -> (Vec<i64>, Vec<i64>) {
        let of = |is_taken: bool| {
            let counted = self
                .summaries
                .iter()
                .filter(|one| one.status != 0 && matches!(one.status, 200 | 206) == is_taken);
            let counts: Vec<_> = counted.flat_map(|one| one.hours.iter().copied()).collect();
            crate::domain::chart::by_hour(&counts, now, hours)
        };
        (of(true), of(false))
    }
}

/// What one stage said of an event.
#[derive(Debug, Clone)]
pub struct Stage {
    pub name: &'static str,
    pub said: String,
    pub code: String,
}

/// An event that was answered lately (semantics 7.8).
#[derive(Debug, Clone)]
pub struct Recent {
    pub answered: Option<Time>,
    pub received: Option<Time>,
    pub event_time: Option<Time>,
    pub batch_id: String,
    pub index: u32,
    pub kind: &'static str,
    pub message_id: String,
    pub event_name: String,
    pub status: u32,
    pub code: String,
    pub stages: Vec<Stage>,
    pub contact_id: String,
    pub fields: u32,
    pub attributes: u32,
    pub ignored: u32,
    pub replayed: bool,
}

impl Recent {
    /// Tells it from all others of a list: an event that is answered again is another one.
    pub fn key(&self) -> String {
        let answered = self.answered.map_or(0, |time| time.timestamp_millis());
        format!("{}-{}-{answered}", self.batch_id, self.index)
    }
}

/// All that is known of the events of one message id.
#[derive(Debug, Clone, Default)]
pub struct Story {
    pub recent: Vec<Recent>,
    pub kept: Vec<Kept>,
    pub log: Vec<LogEntry>,
    pub contact_id: String,
    pub partial: bool,
}

/// An event that is kept (semantics 7.5).
#[derive(Debug, Clone)]
pub struct Kept {
    pub id: String,
    pub kind: &'static str,
    pub event_name: String,
    pub message_id: String,
    pub event_time: Option<Time>,
    pub received: Option<Time>,
    pub status: u32,
    pub code: String,
    pub message: String,
    pub stored: bool,
    pub deferred: bool,
    pub done: Option<Time>,
    pub raw: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptFilter {
    pub codes: Vec<String>,
    pub event_names: Vec<String>,
    pub ids: Vec<String>,
    pub include_done: bool,
}

impl KeptFilter {
    /// Whether it lets everything through.
    pub fn is_all(&self) -> bool {
        self.codes.is_empty() && self.event_names.is_empty() && self.ids.is_empty()
    }
}

/// So many ended so.
#[derive(Debug, Clone)]
pub struct Tried {
    pub status: u32,
    /// Of one that was stored: why a value of it was ignored.
    pub code: String,
    pub count: i64,
}

impl Tried {
    /// Whether it is stored but for a value.
    pub fn is_in_part(&self) -> bool {
        self.status == 200 && !self.code.is_empty()
    }
}

/// How many events of a reason and name are kept.
#[derive(Debug, Clone)]
pub struct KeptCount {
    pub code: String,
    pub event_name: String,
    pub count: i64,
    /// Of these, those that were stored since.
    pub done: i64,
}

/// A kept event, and what it would be answered.
#[derive(Debug, Clone)]
pub struct Previewed {
    pub event: Kept,
    pub tried: Tried,
    pub says: String,
    /// The field whose value would be ignored first, or else its path.
    pub ignored: String,
}

impl Previewed {
    /// Whether it was kept for what would be ignored.
    pub fn is_again(&self) -> bool {
        self.event.code == self.tried.code
    }
}

/// What a replay would come to.
#[derive(Debug, Clone, Default)]
pub struct ReplayPreview {
    pub counts: Vec<Tried>,
    /// The first of them.
    pub events: Vec<Previewed>,
    pub mapping_version: i64,
}

impl ReplayPreview {
    pub fn total(&self) -> i64 {
        self.counts.iter().map(|count| count.count).sum()
    }
}

#[derive(Debug, Clone)]
pub struct Replay {
    pub id: String,
    pub source_id: String,
    /// `running`, `stopped`, `ended`.
    pub state: &'static str,
    pub created: Option<Time>,
    pub ended: Option<Time>,
    pub events: i64,
    pub waiting: i64,
    pub counts: Vec<Tried>,
}
