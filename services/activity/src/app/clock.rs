//! What day it is, where our clock and the database's may not agree (semantics 4.11).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use weir_service::Clock;

use crate::domain::Range;
use crate::metrics;

/// Clocks that differ by more are worth a word.
const WORTH_A_WORD: TimeDelta = TimeDelta::seconds(30);

/// Our clock, and the database's as it was read last and has gone on since: when ours is set
/// to another day, theirs is not.
#[derive(Clone)]
pub(super) struct Clocks {
    ours: Clock,
    read: Arc<Mutex<Option<Reading>>>,
}

/// What a clock said, and when.
type Reading = (DateTime<Utc>, Instant);

impl Clocks {
    pub fn new(ours: Clock) -> Self {
        Self {
            ours,
            read: Arc::default(),
        }
    }

    /// The database's clock says `theirs`.
    pub fn learn(&self, theirs: DateTime<Utc>) {
        let ahead = theirs - self.ours.now();
        if ahead.abs() > WORTH_A_WORD {
            let seconds = ahead.num_seconds();
            tracing::warn!(seconds, "the database's clock is ahead of ours by so much");
        }
        metrics::clock_ahead(ahead);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        *read = Some((theirs, Instant::now()));
    }

    /// Ours.
    pub fn now(&self) -> DateTime<Utc> {
        self.ours.now()
    }

    /// By the database's clock, which is the same for all replicas.
    pub fn today(&self) -> NaiveDate {
        self.theirs().date_naive()
    }

    /// By the clock that is behind: what is dropped or forgotten must be past by both.
    pub fn earlier_today(&self) -> NaiveDate {
        self.ours.now().min(self.theirs()).date_naive()
    }

    /// The days of expiry that can be stored, by either clock.
    pub fn range(&self) -> Range {
        let ours = self.ours.now();
        let theirs = self.theirs();
        Range::of(ours.min(theirs).date_naive(), ours.max(theirs).date_naive())
    }

    fn theirs(&self) -> DateTime<Utc> {
        let read = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let now = read.and_then(|(theirs, at)| {
            let since = TimeDelta::from_std(at.elapsed()).ok()?;
            theirs.checked_add_signed(since)
        });
        now.unwrap_or_else(|| self.ours.now())
    }
}

#[cfg(test)]
mod tests {
    use chrono::Days;

    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_is_past_is_past_by_both_clocks() {
        let clock = Clocks::new(Clock::of(noon));
        let today = noon().date_naive();
        assert_eq!((clock.today(), clock.earlier_today()), (today, today));
        for days in [Days::new(100), Days::new(0)] {
            clock.learn(noon() - days);
            let theirs = (noon() - days).date_naive();
            assert_eq!((clock.today(), clock.earlier_today()), (theirs, theirs));
            assert_eq!(clock.range(), Range::of(theirs, today));
        }
        clock.learn(noon() + Days::new(100));
        let theirs = (noon() + Days::new(100)).date_naive();
        assert_eq!((clock.today(), clock.earlier_today()), (theirs, today));
        assert_eq!(clock.range(), Range::of(today, theirs));
    }
}
