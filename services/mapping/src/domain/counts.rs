//! Exact counts of what happened to a source's events, by hour (semantics 7.3a).

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use weir_ids::{AccountId, SourceId};
use weir_reasons::{About, Reason};

use super::invalid::Invalid;
use super::log::LogEntry;
use super::spending::{Spending, Spent, UnitKey};

/// How long counts live.
pub const LIFE_TIME: TimeDelta = TimeDelta::days(30);
/// A process that told nothing for so long has ended, or would have told it before.
pub const FLUSH_LIFE_TIME: TimeDelta = TimeDelta::days(2);
/// Subjects of a source and hour; what is beyond is one.
pub const MAX_SUBJECTS: usize = 1_000;
/// The code of a plain 200.
pub const OK: &str = "OK";
/// What those beyond are called.
pub const OTHER: &str = "other";
/// In characters; event names, attributes and paths are no longer.
const MAX_SUBJECT: usize = 255;
/// What a summary looks at where nothing is said.
const USUAL_RANGE: TimeDelta = TimeDelta::hours(24);

/// Whose name something is counted under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An event's, or a field's; empty of an event that has none.
    Named(String),
    /// All those beyond the first thousand.
    Other,
}

impl Subject {
    /// Without white space around it, which no name of ours has, and without what PostgreSQL does
    /// not take.
    pub fn named(text: &str) -> Self {
        let text = text.trim().replace('\0', "\u{fffd}");
        Self::Named(text.chars().take(MAX_SUBJECT).collect())
    }
}

/// What is counted together: of one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountKey {
    pub source_id: SourceId,
    /// Its beginning.
    pub hour: DateTime<Utc>,
    pub subject: Subject,
    /// What the events were answered; 0 of values that were ignored.
    pub status: i16,
    /// The code of a `Reason`, [`OK`], or one that a newer service of ours knows.
    pub code: String,
}

/// How many, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub count: i64,
    pub first_time: DateTime<Utc>,
    pub last_time: DateTime<Utc>,
}

impl Counted {
    fn add(&mut self, more: Self) {
        self.count = self.count.saturating_add(more.count);
        self.first_time = self.first_time.min(more.first_time);
        self.last_time = self.last_time.max(more.last_time);
    }
}

/// What one account adds in one flush, each key once.
pub type Counts = HashMap<CountKey, Counted>;

/// A flush of a process: its counts by account.
#[derive(Debug, Clone, Default)]
pub struct Flush {
    pub accounts: HashMap<AccountId, Added>,
}

/// What is added to an account.
#[derive(Debug, Clone, Default)]
pub struct Added {
    pub counts: Counts,
    pub spending: Spending,
}

impl Flush {
    pub fn add(&mut self, account_id: AccountId, key: CountKey, counted: Counted) {
        let added = self.accounts.entry(account_id).or_default();
        let all = added.counts.entry(key).and_modify(|all| all.add(counted));
        all.or_insert(counted);
    }

    pub fn add_spent(&mut self, account_id: AccountId, key: UnitKey, spent: Spent) {
        let added = self.accounts.entry(account_id).or_default();
        added.spending.entry(key).or_default().add(spent);
    }
}

/// A source's hour.
pub type SourceHour = (SourceId, DateTime<Utc>);

/// What is stored already of the hours that a flush is about.
#[derive(Debug, Default)]
pub struct Stored {
    /// Those of the flush's subjects that have a count.
    pub known: HashSet<(SourceHour, String)>,
    /// How many named subjects have one.
    pub subjects: HashMap<SourceHour, usize>,
}

/// The named subjects of a flush, each once, in order.
pub fn subjects_of(counts: &Counts) -> Vec<(SourceHour, &str)> {
    let named = counts.keys().filter_map(|key| match &key.subject {
        Subject::Named(name) => Some(((key.source_id, key.hour), name.as_str())),
        Subject::Other => None,
    });
    let mut all: Vec<_> = named.collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Takes in new subjects as long as their hour has room for them; what else there is becomes
/// `other`. In the order of the keys, which is that of the table.
pub fn admit(counts: Counts, stored: &Stored) -> Vec<(CountKey, Counted)> {
    let mut room: HashMap<SourceHour, usize> = HashMap::new();
    let mut beyond: HashSet<(SourceHour, String)> = HashSet::new();
    for (hour, subject) in subjects_of(&counts) {
        let subject = (hour, subject.to_owned());
        if stored.known.contains(&subject) {
            continue;
        }
        let taken = stored.subjects.get(&hour).copied().unwrap_or_default();
        let left = room
            .entry(hour)
            .or_insert_with(|| MAX_SUBJECTS.saturating_sub(taken));
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => drop(beyond.insert(subject)),
        }
    }
    let mut admitted = Counts::with_capacity(counts.len());
    for (mut key, counted) in counts {
        if let Subject::Named(name) = &key.subject
            && !beyond.is_empty()
            && beyond.contains(&((key.source_id, key.hour), name.clone()))
        {
            key.subject = Subject::Other;
        }
        let all = admitted.entry(key).and_modify(|all| all.add(counted));
        all.or_insert(counted);
    }
    let mut admitted: Vec<_> = admitted.into_iter().collect();
    admitted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    admitted
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryFilter {
    /// Whole hours.
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    /// None: all.
    pub codes: Vec<String>,
    pub subject: Option<Subject>,
    pub by_subject: bool,
}

/// Counts of one answer or kind of ignored values, over the hours that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub key: SummaryKey,
    pub counted: Counted,
    /// Oldest first; those without any are left out.
    pub hours: Vec<(DateTime<Utc>, i64)>,
}

/// In the order in which summaries are listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SummaryKey {
    pub status: i16,
    pub code: String,
    /// None where it is of all subjects.
    pub subject: Option<Subject>,
}

impl SummaryKey {
    /// Whether a line of the log is of what was counted here.
    pub fn is_of(&self, entry: &LogEntry) -> bool {
        let is_value = self.status == 0;
        if entry.code != self.code
            || (!is_value && entry.status != u32::from(self.status.unsigned_abs()))
        {
            return false;
        }
        match &self.subject {
            None => !is_value || entry.is_of_value(),
            Some(Subject::Other) => false,
            Some(Subject::Named(name)) if is_value => entry.is_of_value() && entry.field() == name,
            Some(Subject::Named(name)) => entry.event_name == *name,
        }
    }
}

/// Answers of a range: how many in all, and how many were taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    pub answered: i64,
    pub taken: i64,
}

/// The whole hours of a range; all that is wrong with it at once.
///
/// # Errors
/// Each of its ends that is no use.
pub fn read_range(
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(DateTime<Utc>, DateTime<Utc>), Invalid> {
    let end = end.unwrap_or(now);
    let start = start.unwrap_or(end - USUAL_RANGE);
    if start >= end {
        return Err(Invalid::new("end_time", "must be after start_time"));
    }
    // Nothing older is left; nothing is counted that is not yet received.
    let oldest = now - LIFE_TIME;
    let (start, end) = (start.max(oldest), end.min(now + TimeDelta::hours(1)));
    let hour = TimeDelta::hours(1);
    let whole = |time: DateTime<Utc>| time.duration_trunc(hour).unwrap_or(time);
    let last = whole(end - TimeDelta::microseconds(1));
    Ok((whole(start), last + hour))
}

/// Codes that a filter may name: those of events and values, and that of a plain 200.
///
/// # Errors
/// Each that is none, by its index.
pub fn read_codes(codes: &[String], with_ok: bool) -> Vec<Invalid> {
    let is_known = |code: &str| {
        let reason = Reason::of_code(code);
        let known =
            reason.is_some_and(|reason| !matches!(reason.about(), About::Row | About::Call));
        known || (with_ok && code == OK)
    };
    let unknown = codes.iter().enumerate().filter(|(_, code)| !is_known(code));
    let invalid = |(index, _): (usize, &String)| {
        Invalid::new(
            format!("codes[{index}]"),
            "must be a reason code of events or values (docs/reasons.md)",
        )
    };
    unknown.map(invalid).collect()
}

#[cfg(test)]
mod tests;
