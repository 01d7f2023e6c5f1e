//! What a list of a contact's activities shows, and where its pages begin.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::{ActivityId, ContactId, SourceId, TimedKey};

use super::batch::Identifier;
use super::calendar::is_tellable;

/// 2000-01-01, from which PostgreSQL counts, in Unix microseconds.
const EPOCH: i64 = 946_684_800_000_000;

/// A timestamp that can always be read: microseconds as PostgreSQL has them, infinity included.
/// A list is cut by it, so that a row whose time nobody can read does not end the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RawTime(pub i64);

impl RawTime {
    /// After everything.
    pub const INFINITY: Self = Self(i64::MAX);

    /// As a time, if it lies within the years that can be told to others (1 to 9999).
    pub fn time(self) -> Option<DateTime<Utc>> {
        let epoch = DateTime::from_timestamp_micros(EPOCH)?;
        let time = epoch.checked_add_signed(TimeDelta::microseconds(self.0))?;
        is_tellable(time).then_some(time)
    }
}

/// Where a page of a contact's list begins: behind this activity, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Of the last activity that was shown.
    pub event_time: RawTime,
    /// Tells those of the same time apart.
    pub key: TimedKey,
}

impl Cursor {
    /// Before everything.
    pub const START: Self = Self {
        event_time: RawTime::INFINITY,
        key: TimedKey(Uuid::max()),
    };
}

/// As page tokens have it.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.event_time.0, self.key.0.simple())
    }
}

/// It is no text of a cursor.
#[derive(Debug)]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (time, key) = text.split_once('.').ok_or(NoCursor)?;
        Ok(Self {
            event_time: RawTime(time.parse().map_err(|_| NoCursor)?),
            key: TimedKey(Uuid::try_parse(key).map_err(|_| NoCursor)?),
        })
    }
}

/// An activity as it is shown.
#[derive(Debug)]
pub struct Activity {
    /// Unique in the account.
    pub key: TimedKey,
    /// Of the definition.
    pub activity_id: ActivityId,
    /// As it was mapped.
    pub event_name: String,
    /// At microseconds.
    pub event_time: DateTime<Utc>,
    /// When the edge received it.
    pub receive_time: DateTime<Utc>,
    /// The sender's.
    pub message_id: String,
    /// A JSON object of canonical values.
    pub attributes: String,
    /// The last day on which it is shown.
    pub expire_day: NaiveDate,
}

/// One, and who did it.
#[derive(Debug)]
pub struct Contacted {
    pub contact_id: ContactId,
    pub activity: Activity,
}

/// An activity's definition, as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub activity_id: ActivityId,
    pub event_name: String,
}

/// How many there are of an activity on a day (semantics 4.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityCount {
    pub named: Named,
    /// UTC.
    pub day: NaiveDate,
    pub stored: i64,
    pub discarded: i64,
}

/// When a contact did something for the first and the last time (semantics 4.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    pub named: Named,
    pub first_time: DateTime<Utc>,
    pub last_time: DateTime<Utc>,
}

/// An activity that waits for an identifier (semantics 4.8).
#[derive(Debug)]
pub struct WaitingActivity {
    pub activity: Activity,
    pub source_id: Option<SourceId>,
    pub deferred: bool,
}

/// An identifier for which something waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingIdentifier {
    pub identifier: Identifier,
    pub waiting: i64,
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> RawTime {
        let time: DateTime<Utc> = text.parse().unwrap();
        RawTime(time.timestamp_micros() - EPOCH)
    }

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor = Cursor {
            event_time: RawTime(790_000_000_123_456),
            key: TimedKey::new(1_790_000_000_123_456, &[b"m"]),
        };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for bad in ["", "x", ".", "12", "12.x", "9223372036854775807.0", "1.2.3"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_within_the_calendar_come_back_and_others_are_none() {
        for text in [
            "0001-01-01T00:00:00Z",
            "2026-11-24T12:00:00.000001Z",
            "9999-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(of(text).time(), Some(text.parse().unwrap()));
        }
        for time in ["0000-12-31T23:59:59Z", "+10000-01-01T00:00:00Z"] {
            assert_eq!(of(time).time(), None);
        }
        assert_eq!(RawTime::INFINITY.time(), None);
        assert_eq!(RawTime(i64::MIN).time(), None);
    }
}
