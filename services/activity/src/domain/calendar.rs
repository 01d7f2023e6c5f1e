//! Days of expiry, and the months by which they are kept (semantics 4.4, 4.11).

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};

/// The years 1 to 9999, beyond which nobody else's calendar goes (semantics 2.5).
const YEARS: std::ops::RangeInclusive<i32> = 1..=9_999;

/// For how many days activities are kept (semantics 4.4). Reads look nowhere else.
pub const RETENTIONS: [u32; 5] = [30, 90, 180, 365, 730];

/// Whether every client can read the time, and PostgreSQL store it.
pub fn is_tellable(time: DateTime<Utc>) -> bool {
    YEARS.contains(&time.year())
}

/// The last day on which an activity is shown; none outside of the calendar, or where there is no
/// such retention.
pub fn last_day(event_time: DateTime<Utc>, retention_days: u32) -> Option<NaiveDate> {
    if !RETENTIONS.contains(&retention_days) {
        return None;
    }
    event_time
        .date_naive()
        .checked_add_days(Days::new(retention_days.into()))
}

/// The first of the month after `day`.
pub fn first_day_after_month(day: NaiveDate) -> NaiveDate {
    first_of_month(day)
        .checked_add_months(Months::new(1))
        .unwrap_or(NaiveDate::MAX)
}

pub(super) fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

/// The days of expiry for which there are partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: NaiveDate,
    end: NaiveDate,
}

impl Range {
    /// The longest retention is 730 days, and an event may lie a day ahead: less than 25
    /// months. One more, so that a service whose housekeeping fails for weeks goes on.
    const MONTHS_AHEAD: u32 = 26;
    /// Clocks differ, and a batch may be admitted just before midnight.
    const GRACE: Days = Days::new(2);

    /// Those that are needed today, where two clocks may not agree which day that is: of both.
    pub fn of(earlier: NaiveDate, later: NaiveDate) -> Self {
        let month = |today: NaiveDate| {
            let day = today.checked_sub_days(Self::GRACE).unwrap_or(today);
            first_of_month(day)
        };
        Self {
            first: month(earlier),
            end: month(later)
                .checked_add_months(Months::new(Self::MONTHS_AHEAD + 2))
                .unwrap_or(NaiveDate::MAX),
        }
    }

    /// The first days of the months, in order.
    pub fn months(self) -> impl Iterator<Item = NaiveDate> {
        (0..)
            .map_while(move |n| self.first.checked_add_months(Months::new(n)))
            .take_while(move |month| *month < self.end)
    }

    /// Whether an activity that expires on `day` can be stored.
    pub fn holds(self, day: NaiveDate) -> bool {
        (self.first..self.end).contains(&day)
    }
}

/// Before which month a pass may drop partitions: what is past by every clock, but no more than
/// a month beyond what passes before have `seen` dropped. Where all clocks are wrong at once,
/// it takes as many passes as months, each of which warns.
pub fn may_drop_before(range: Range, seen: Option<NaiveDate>) -> NaiveDate {
    let one_more = seen.and_then(|seen| seen.checked_add_months(Months::new(1)));
    one_more.map_or(range.first, |month| month.min(range.first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn on(text: &str) -> Range {
        Range::of(day(text), day(text))
    }

    #[test]
    fn the_longest_retention_has_a_partition_on_every_day_of_the_year() {
        for offset in 0..366 {
            let today = day("2027-01-01") + Days::new(offset);
            let range = Range::of(today, today);
            assert!(range.holds(today + Days::new(731)), "{today}");
            assert!(range.holds(today - Days::new(1)), "{today}");
            assert_eq!(range.months().count(), 28);
        }
    }

    #[test]
    fn a_month_is_past_two_days_after_its_end() {
        let past = |today: &str| may_drop_before(on(today), None) > day("2026-11-01");
        assert!(!past("2026-11-30"));
        assert!(!past("2026-12-02"));
        assert!(past("2026-12-03"));
    }

    #[test]
    fn where_clocks_differ_what_is_needed_by_either_is_kept() {
        let range = Range::of(day("2026-11-24"), day("2027-03-04"));
        assert!(range.holds(day("2026-11-01")));
        assert!(range.holds(day("2027-03-04") + Days::new(731)));
        assert_eq!(range.months().count(), 32);
        assert_eq!(may_drop_before(range, None), day("2026-11-01"));
    }

    #[test]
    fn a_pass_drops_a_month_at_most_beyond_what_was_seen() {
        let range = on("2027-03-04");
        assert_eq!(may_drop_before(range, None), day("2027-03-01"));
        let seen = Some(day("2026-11-01"));
        assert_eq!(may_drop_before(range, seen), day("2026-12-01"));
        let seen = Some(day("2027-02-01"));
        assert_eq!(may_drop_before(range, seen), day("2027-03-01"));
        // Seen by clocks that were wrong: it is theirs no longer to say.
        let seen = Some(day("2028-01-01"));
        assert_eq!(may_drop_before(range, seen), day("2027-03-01"));
    }

    #[test]
    fn an_activity_is_shown_to_the_end_of_its_retention() {
        let time: DateTime<Utc> = "2026-11-24T23:59:59Z".parse().unwrap();
        assert_eq!(last_day(time, 30), Some(day("2026-12-24")));
        assert_eq!(last_day(DateTime::<Utc>::MAX_UTC, 30), None);
    }

    #[test]
    fn a_month_ends_before_the_first_of_the_next() {
        assert_eq!(first_day_after_month(day("2026-11-01")), day("2026-12-01"));
        assert_eq!(first_day_after_month(day("2026-12-31")), day("2027-01-01"));
        assert_eq!(first_day_after_month(NaiveDate::MAX), NaiveDate::MAX);
    }
}
