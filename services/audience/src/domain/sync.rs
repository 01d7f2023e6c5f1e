//! Days of syncs (semantics 5.3).

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use uuid::Uuid;

/// When the daily sync is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncDays(TimeDelta);

/// A sync that was asked for, or was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: Uuid,
    pub requested: bool,
    pub request_time: DateTime<Utc>,
    pub begin_time: Option<DateTime<Utc>>,
    pub end_time: Option<DateTime<Utc>>,
    /// Memberships so far.
    pub applied: i64,
}

impl SyncDays {
    /// They begin at this time of UTC days.
    pub fn from(time: NaiveTime) -> Self {
        Self(time - NaiveTime::MIN)
    }

    /// The day whose sync is the last one that was due.
    pub fn day(self, now: DateTime<Utc>) -> NaiveDate {
        (now - self.0).date_naive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_syncs_begins_when_it_is_told_to() {
        let days = SyncDays::from(NaiveTime::from_hms_opt(4, 30, 0).unwrap());
        for (now, day) in [
            ("2026-11-24T04:29:59.999Z", "2026-11-23"),
            ("2026-11-24T04:30:00Z", "2026-11-24"),
            ("2026-11-25T00:00:00Z", "2026-11-24"),
        ] {
            assert_eq!(days.day(now.parse().unwrap()).to_string(), day, "{now}");
        }
        let midnight = SyncDays::from(NaiveTime::MIN);
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        assert_eq!(midnight.day(now).to_string(), "2026-11-24");
    }
}
