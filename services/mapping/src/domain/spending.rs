//! What spends an account's units: by source and event name, and by window (semantics 6.8).

use std::collections::{HashMap, HashSet};

use chrono::{NaiveDate, TimeDelta};
use weir_ids::SourceId;

use super::counts::{MAX_SUBJECTS, Subject};
use super::invalid::Invalid;

/// How long counts of units live: 90 windows, and room for clocks.
pub const LIFE_TIME: TimeDelta = TimeDelta::days(92);

/// What is counted together: of one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitKey {
    pub source_id: SourceId,
    pub window: NaiveDate,
    pub subject: Subject,
}

/// How many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub profile: i64,
    pub activity: i64,
    pub rejected: i64,
}

impl Spent {
    pub fn add(&mut self, more: Self) {
        self.profile = self.profile.saturating_add(more.profile);
        self.activity = self.activity.saturating_add(more.activity);
        self.rejected = self.rejected.saturating_add(more.rejected);
    }
}

/// What one account adds in one flush, each key once.
pub type Spending = HashMap<UnitKey, Spent>;

/// A source's window.
pub type SourceDay = (SourceId, NaiveDate);

/// What is stored already of the windows that a flush is about.
#[derive(Debug, Default)]
pub struct Known {
    pub subjects: HashSet<(SourceDay, String)>,
    /// How many named subjects each has.
    pub sizes: HashMap<SourceDay, usize>,
}

/// The named subjects of a flush, each once, in order.
pub fn subjects_of(spending: &Spending) -> Vec<(SourceDay, &str)> {
    let named = spending.keys().filter_map(|key| match &key.subject {
        Subject::Named(name) => Some(((key.source_id, key.window), name.as_str())),
        Subject::Other => None,
    });
    let mut all: Vec<_> = named.collect();
    all.sort_unstable();
    all
}

/// Takes in new subjects as long as their window has room for them; what else there is becomes
/// `other`. In the order of the keys, which is that of the table.
pub fn admit(spending: Spending, known: &Known) -> Vec<(UnitKey, Spent)> {
    let mut room: HashMap<SourceDay, usize> = HashMap::new();
    let mut beyond: HashSet<(SourceDay, String)> = HashSet::new();
    for (day, subject) in subjects_of(&spending) {
        let subject = (day, subject.to_owned());
        if known.subjects.contains(&subject) {
            continue;
        }
        let taken = known.sizes.get(&day).copied().unwrap_or_default();
        let left = room
            .entry(day)
            .or_insert_with(|| MAX_SUBJECTS.saturating_sub(taken));
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => drop(beyond.insert(subject)),
        }
    }
    let mut admitted = Spending::with_capacity(spending.len());
    for (mut key, spent) in spending {
        if let Subject::Named(name) = &key.subject
            && beyond.contains(&((key.source_id, key.window), name.clone()))
        {
            key.subject = Subject::Other;
        }
        admitted.entry(key).or_default().add(spent);
    }
    let mut admitted: Vec<_> = admitted.into_iter().collect();
    admitted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    admitted
}

/// What a person asks for; both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub first: NaiveDate,
    pub last: NaiveDate,
}

impl Range {
    /// Today, where nothing is said.
    ///
    /// # Errors
    /// The first is after the last.
    pub fn of(
        first: Option<NaiveDate>,
        last: Option<NaiveDate>,
        today: NaiveDate,
    ) -> Result<Self, Invalid> {
        let last = last.unwrap_or(today);
        let first = first.unwrap_or(last);
        if first > last {
            return Err(Invalid::new(
                "first_window",
                "must not be after last_window",
            ));
        }
        Ok(Self { first, last })
    }
}

/// Of a source and name, over all windows of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spender {
    pub source_id: SourceId,
    pub subject: Subject,
    pub spent: Spent,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn day(number: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, number).unwrap()
    }

    fn key(window: u32, name: &str) -> UnitKey {
        UnitKey {
            source_id: SourceId(Uuid::nil()),
            window: day(window),
            subject: Subject::named(name),
        }
    }

    fn one() -> Spent {
        Spent {
            profile: 1,
            activity: 2,
            rejected: 3,
        }
    }

    /// Semantics 6.8.
    #[test]
    fn a_window_takes_in_a_thousand_names_and_adds_up_the_rest() {
        let names: Vec<String> = (0..1_005).map(|n| format!("name {n:04}")).collect();
        let mut known = Known::default();
        let source = SourceId(Uuid::nil());
        known.sizes.insert((source, day(1)), 10);
        for name in ["name 0001", "name 1004"] {
            known.subjects.insert(((source, day(1)), name.to_owned()));
        }
        let spending = names.iter().map(|name| (key(1, name), one())).collect();
        let admitted = admit(spending, &known);
        // Two are there; 990 more have room, and 13 have not.
        assert_eq!(admitted.len(), 2 + 990 + 1);
        let (last, others) = admitted.last().unwrap();
        assert_eq!(last.subject, Subject::Other);
        assert_eq!(others.rejected, 13 * 3);
        assert!(admitted.iter().any(|(one, _)| *one == key(1, "name 1004")));
    }

    #[test]
    fn a_range_is_today_where_nothing_is_said() {
        let range =
            |first, last| Range::of(first, last, day(24)).map(|range| (range.first, range.last));
        assert_eq!(range(None, None).unwrap(), (day(24), day(24)));
        assert_eq!(range(Some(day(3)), None).unwrap(), (day(3), day(24)));
        assert_eq!(range(None, Some(day(3))).unwrap(), (day(3), day(3)));
        assert_eq!(
            range(Some(day(4)), Some(day(3))).unwrap_err().field,
            "first_window"
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_by_what_has_no_room(
            spent in prop::collection::vec((1..4_u32, 0..1_500_usize, 0..9_i64), 0..2_000),
        ) {
            let mut spending = Spending::new();
            for (window, name, units) in &spent {
                let units = Spent { profile: *units, ..Spent::default() };
                spending.entry(key(*window, &format!("n{name}"))).or_default().add(units);
            }
            let admitted = admit(spending, &Known::default());
            let sum: i64 = admitted.iter().map(|(_, spent)| spent.profile).sum();
            prop_assert_eq!(sum, spent.iter().map(|(_, _, units)| units).sum::<i64>());
            for window in 1..4 {
                let named = admitted.iter().filter(|(key, _)| {
                    key.window == day(window) && key.subject != Subject::Other
                });
                prop_assert!(named.count() <= MAX_SUBJECTS);
            }
        }
    }
}
