//! What a transaction does to the counts by activity and day (semantics 4.12).

use std::collections::{BTreeMap, HashSet};

use bytestring::ByteString;
use chrono::NaiveDate;
use uuid::Uuid;
use weir_ids::{ActivityId, TimedKey};

use super::attach::Moves;
use super::batch::Event;
use super::record::Outcome;

/// Rows that a day's count is spread over while it grows: more than batches of one account are
/// under way at once, so that one rarely waits for another.
const SLOTS: u128 = 8;

/// Which of them whoever has this id writes to; slot 0 is housekeeping's.
pub fn slot_of(id: Uuid) -> i16 {
    i16::try_from(1 + id.as_u128() % SLOTS).unwrap_or(1)
}

/// Of one activity and UTC day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    pub event_name: ByteString,
    /// Below 0 where some were deleted.
    pub stored: i64,
    /// Over the cap of a contact's day.
    pub discarded: i64,
}

/// What is added, in the order in which rows are locked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    rows: BTreeMap<(ActivityId, NaiveDate), Added>,
}

impl Tally {
    /// Of a batch: what was stored on contacts.
    pub fn of(events: &[Event], outcomes: &[Outcome]) -> Self {
        let mut tally = Self::default();
        for (event, outcome) in events.iter().zip(outcomes) {
            if *outcome == Outcome::Stored {
                let day = event.event_time.date_naive();
                tally.add(event.activity_id, day, &event.event_name, 1, 0);
            }
        }
        tally
    }

    /// Adds what a page of the backlog came to: `attached` are the keys that were not there.
    pub fn add_page(&mut self, moves: &Moves<'_>, attached: &HashSet<TimedKey>) {
        for waiting in &moves.attach {
            if attached.contains(&waiting.key) {
                let day = waiting.event_time.date_naive();
                self.add(waiting.activity_id, day, &waiting.event_name, 1, 0);
            }
        }
        for waiting in &moves.discard {
            let day = waiting.event_time.date_naive();
            self.add(waiting.activity_id, day, &waiting.event_name, 0, 1);
        }
    }

    /// Adds to one activity's day.
    pub fn add(
        &mut self,
        activity: ActivityId,
        day: NaiveDate,
        event_name: &ByteString,
        stored: i64,
        discarded: i64,
    ) {
        let added = self.rows.entry((activity, day));
        let added = added.or_insert_with(|| Added {
            event_name: event_name.clone(),
            stored: 0,
            discarded: 0,
        });
        added.stored += stored;
        added.discarded += discarded;
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// By activity and day.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (ActivityId, NaiveDate, &Added)> {
        let rows = self.rows.iter();
        rows.map(|((activity, day), added)| (*activity, *day, added))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use proptest::prelude::*;

    use super::*;

    fn activity(n: u128) -> ActivityId {
        ActivityId(Uuid::from_u128(n))
    }

    fn noon(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_521_600 + day * 86_400, 0).unwrap()
    }

    #[test]
    fn nobody_writes_to_the_slot_of_housekeeping() {
        for id in [0, 1, 7, 8, u128::MAX] {
            let slot = slot_of(Uuid::from_u128(id));
            assert!((1..=8).contains(&slot), "{slot}");
        }
    }

    proptest! {
        /// Semantics 4.12.
        #[test]
        fn rows_are_in_order_each_once_and_add_up(
            taken in prop::collection::vec((0..4_u128, 0..4_i64), 0..60),
        ) {
            let mut tally = Tally::default();
            for (id, day) in &taken {
                tally.add(activity(*id), noon(*day).date_naive(), &"name".into(), -1, 0);
            }
            let keys: Vec<_> = tally.rows().map(|(id, day, _)| (id, day)).collect();
            prop_assert!(keys.is_sorted_by(|one, next| one < next));
            let sum: i64 = tally.rows().map(|(.., added)| added.stored).sum();
            prop_assert_eq!(sum, -i64::try_from(taken.len()).unwrap());
        }
    }
}
