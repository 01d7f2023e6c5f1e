//! A batch of tracks as this service sees it.

use bytestring::ByteString;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use weir_ids::{AccountId, ActivityId, BatchId, ContactId, TimedKey};

/// The edge takes no larger batch.
pub const MAX_EVENTS: usize = 1_000;

/// What an identifier is. The order is that in which rows are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Weak: of a device or a visit.
    AnonymousId,
    /// Strong: of a person.
    UserId,
}

/// Something that stands for somebody, normalised by the edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// First in the order.
    pub kind: Kind,
    /// As sent, trimmed.
    pub value: ByteString,
}

/// One batch of one account.
#[derive(Debug)]
pub struct Batch {
    /// Whose.
    pub account_id: AccountId,
    /// The key of its usage row.
    pub batch_id: BatchId,
    /// The window in which it was admitted.
    pub window: NaiveDate,
    /// The epoch under which it was admitted.
    pub epoch: i64,
    /// When the edge received it.
    pub receive_time: DateTime<Utc>,
    /// In the order in which they were received.
    pub events: Vec<Event>,
    /// Those that `events` refer to, sorted, each once.
    pub identities: Vec<Identifier>,
    /// Look, and store nothing.
    pub probe_only: bool,
}

/// One track. Its texts are slices of the request.
#[derive(Debug)]
pub struct Event {
    /// Of the definition.
    pub activity_id: ActivityId,
    /// As mapped.
    pub event_name: ByteString,
    /// A JSON object of canonical values.
    pub attributes: ByteString,
    /// At microseconds.
    pub event_time: DateTime<Utc>,
    /// The sender's.
    pub message_id: ByteString,
    /// What a repeat has again.
    pub key: TimedKey,
    /// The last day on which it is shown.
    pub expire_day: NaiveDate,
    /// Where a copy may be that was stored under an earlier retention.
    pub earlier_days: Vec<NaiveDate>,
    /// The contact that contact-upsert named.
    pub contact_id: Option<ContactId>,
    /// Index into the batch's identities: by whom it is routed when no contact is named.
    pub identity: Option<usize>,
    /// An activity unit was granted.
    pub funded: bool,
}

/// (activity, time, message id) identify an activity (semantics 4.5).
pub fn key_of(activity_id: ActivityId, event_time: DateTime<Utc>, message_id: &str) -> TimedKey {
    TimedKey::new(
        event_time.timestamp_micros(),
        &[activity_id.0.as_bytes(), message_id.as_bytes()],
    )
}

/// The last day on which an activity is shown; none outside of the calendar.
pub fn last_day(event_time: DateTime<Utc>, retention_days: u32) -> Option<NaiveDate> {
    event_time
        .date_naive()
        .checked_add_days(Days::new(retention_days.into()))
}

/// The days of expiry for which there are partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: NaiveDate,
    months: u32,
}

impl Range {
    /// The longest retention is 730 days, and an event may lie a day ahead: less than 25
    /// months. One more, so that a service whose housekeeping fails for weeks goes on.
    const MONTHS_AHEAD: u32 = 26;
    /// Clocks differ, and a batch may be admitted just before midnight.
    const GRACE: Days = Days::new(2);

    /// Those that are needed on `today`.
    pub fn of(today: NaiveDate) -> Self {
        let first = today
            .checked_sub_days(Self::GRACE)
            .and_then(|day| day.with_day(1))
            .unwrap_or(today);
        Self {
            first,
            months: Self::MONTHS_AHEAD + 2,
        }
    }

    /// The first days of the months, in order.
    pub fn months(self) -> impl Iterator<Item = NaiveDate> {
        (0..self.months).filter_map(move |n| self.first.checked_add_months(Months::new(n)))
    }

    /// Whether an activity that expires on `day` can be stored.
    pub fn holds(self, day: NaiveDate) -> bool {
        day >= self.first
            && self
                .first
                .checked_add_months(Months::new(self.months))
                .is_some_and(|end| day < end)
    }

    /// Whether everything that expires in the month that begins on `month` is past.
    pub fn is_past(self, month: NaiveDate) -> bool {
        month < self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_retention_has_a_partition_on_every_day_of_the_year() {
        for offset in 0..366 {
            let today = day("2027-01-01") + Days::new(offset);
            let range = Range::of(today);
            assert!(range.holds(today + Days::new(731)), "{today}");
            assert!(range.holds(today - Days::new(1)), "{today}");
            assert_eq!(range.months().count(), 28);
        }
    }

    #[test]
    fn a_month_is_past_two_days_after_its_end() {
        let november = day("2026-11-01");
        assert!(!Range::of(day("2026-11-30")).is_past(november));
        assert!(!Range::of(day("2026-12-02")).is_past(november));
        assert!(Range::of(day("2026-12-03")).is_past(november));
    }

    #[test]
    fn an_activity_is_shown_to_the_end_of_its_retention() {
        let time: DateTime<Utc> = "2026-11-24T23:59:59Z".parse().unwrap();
        assert_eq!(last_day(time, 30), Some(day("2026-12-24")));
        assert_eq!(last_day(DateTime::<Utc>::MAX_UTC, 30), None);
    }

    #[test]
    fn the_key_is_made_of_activity_time_and_message() {
        let (activity, other) = (ActivityId::new(), ActivityId::new());
        let time: DateTime<Utc> = "2026-11-24T12:00:00.000001Z".parse().unwrap();
        let later = time + chrono::TimeDelta::microseconds(1);
        assert_eq!(key_of(activity, time, "m"), key_of(activity, time, "m"));
        assert_ne!(key_of(activity, time, "m"), key_of(other, time, "m"));
        assert_ne!(key_of(activity, time, "m"), key_of(activity, later, "m"));
        assert_ne!(key_of(activity, time, "m"), key_of(activity, time, "n"));
    }
}
